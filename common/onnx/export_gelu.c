#include "onnx/export_impl.h"
#include "onnx/gelu.h"

#include <string.h>

/* Where a link's second operand comes from: x, a new constant, nowhere. */
static int second_operand(struct maker *m, const struct op *op,
                          const struct gelu_link *link, char *x, char **second)
{
    *second = link->takes_x ? x : NULL;
    if (link->takes_x || link->constant == 0) {
        return 0;
    }
    return export_add_float(m, op->name, link->suffix,
                            m->graph->values[op->in[0]].dtype, link->constant,
                            second);
}

int export_gelu(struct maker *m, const struct op *op)
{
    bool is_tanh = strcmp(op_string(op, "approximate", "none"), "tanh") == 0;
    char *x = m->graph->values[op->in[0]].name;
    char *previous = x;
    int n;
    const struct gelu_link *links = gelu_links(is_tanh, &n);

    for (int i = 0; i < n; i++) {
        Onnx__NodeProto *node;
        char *second;
        int rc = second_operand(m, op, &links[i], x, &second);

        if (rc < 0) {
            return rc;
        }
        node = export_add_node(m, op_info(links[i].kind)->name,
                               i + 1 < n ? NULL : op->name,
                               second != NULL ? 2 : 1, 1);
        if (node == NULL) {
            return EDGE_ENOMEM;
        }
        node->input[0] = previous;
        if (second != NULL) {
            node->input[1] = second;
        }
        node->output[0] = i + 1 < n ? export_name(m, op->name, links[i].suffix)
                                    : m->graph->values[op->out[0]].name;
        if (node->output[0] == NULL) {
            return EDGE_ENOMEM;
        }
        previous = node->output[0];
    }
    return 0;
}

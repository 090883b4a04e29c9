/* Ops out, as nodes of opset 17. */
#include "onnx/export_impl.h"

#include "base/mem.h"

#include <string.h>

Onnx__NodeProto *export_add_node(struct maker *m, const char *type,
                                 const char *name, size_t n_in, size_t n_out)
{
    Onnx__GraphProto *g = &m->body;
    Onnx__NodeProto *node = export_alloc(m, 1, sizeof(*node));

    if (node == NULL ||
        mem_grow(&g->node, &m->nodes_room, g->n_node, sizeof(*g->node)) < 0) {
        return NULL;
    }
    onnx__node_proto__init(node);
    node->op_type = (char *)type;
    node->name = (char *)name;
    node->n_input = n_in;
    node->n_output = n_out;
    node->input = export_alloc(m, n_in, sizeof(*node->input));
    node->output = export_alloc(m, n_out, sizeof(*node->output));
    if (node->input == NULL || node->output == NULL) {
        return NULL;
    }
    g->node[g->n_node++] = node;
    return node;
}

/* ---- attributes --------------------------------------------------------- */

/* Another attribute of the node, named and otherwise empty. */
static Onnx__AttributeProto *add_attr(struct maker *m, Onnx__NodeProto *node,
                                      const char *name)
{
    Onnx__AttributeProto *attr = export_alloc(m, 1, sizeof(*attr));
    Onnx__AttributeProto **all =
        export_alloc(m, node->n_attribute + 1, sizeof(*all));

    if (attr == NULL || all == NULL) {
        return NULL;
    }
    if (node->n_attribute > 0) {
        memcpy(all, node->attribute, node->n_attribute * sizeof(*all));
    }
    onnx__attribute_proto__init(attr);
    attr->name = (char *)name;
    attr->has_type = 1;
    all[node->n_attribute++] = attr;
    node->attribute = all;
    return attr;
}

static int fill_attr(struct maker *m, Onnx__AttributeProto *to,
                     const struct attr *from)
{
    switch (from->kind) {
    case ATTR_INT:
        to->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
        to->has_i = 1;
        to->i = from->i;
        return 0;
    case ATTR_FLOAT:
        to->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
        to->has_f = 1;
        to->f = from->f;
        return 0;
    case ATTR_STRING:
        to->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING;
        to->has_s = 1;
        to->s.data = (uint8_t *)from->s;
        to->s.len = strlen(from->s);
        return 0;
    case ATTR_INTS:
        to->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
        to->n_ints = from->n;
        to->ints = from->ints;
        return 0;
    case ATTR_FLOATS:
        to->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS;
        to->n_floats = from->n;
        to->floats = from->floats;
        return 0;
    case ATTR_TENSOR:
    default:
        to->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR;
        return export_tensor(m, NULL, &from->tensor, &to->t);
    }
}

static int set_ints(struct maker *m, Onnx__NodeProto *node, const char *name,
                    int64_t *list, size_t n)
{
    Onnx__AttributeProto *attr = add_attr(m, node, name);

    if (attr == NULL) {
        return EDGE_ENOMEM;
    }
    attr->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
    attr->n_ints = n;
    attr->ints = list;
    return 0;
}

int export_set_tensor(struct maker *m, Onnx__NodeProto *node, const char *name,
                      const struct tensor *t)
{
    Onnx__AttributeProto *attr = add_attr(m, node, name);

    if (attr == NULL) {
        return EDGE_ENOMEM;
    }
    attr->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR;
    return export_tensor(m, NULL, t, &attr->t);
}

static bool is_word_of(const char *word, const char *words)
{
    size_t n = strlen(word);
    const char *at = strstr(words, word);

    return at != NULL && (at == words || at[-1] == ' ') &&
           (at[n] == ' ' || at[n] == '\0');
}

/* All attributes but those named in `without`. */
static int copy_attrs(struct maker *m, Onnx__NodeProto *node,
                      const struct op *op, const char *without)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < op->n_attrs; i++) {
        Onnx__AttributeProto *attr;

        if (is_word_of(op->attrs[i].name, without)) {
            continue;
        }
        attr = add_attr(m, node, op->attrs[i].name);
        rc = attr != NULL ? fill_attr(m, attr, &op->attrs[i]) : EDGE_ENOMEM;
    }
    return rc;
}

/* ---- ops ---------------------------------------------------------------- */

static char *value_name(const struct maker *m, int value)
{
    return value >= 0 ? m->graph->values[value].name : (char *)"";
}

static Onnx__NodeProto *add_op(struct maker *m, const struct op *op,
                               const char *type, int n_in)
{
    int n_out = op->n_out;
    Onnx__NodeProto *node;

    while (n_in > 0 && op->in[n_in - 1] < 0) {
        n_in--;
    }
    while (n_out > 1 && op->out[n_out - 1] < 0) {
        n_out--;
    }
    node = export_add_node(m, type, op->name, (size_t)n_in, (size_t)n_out);
    for (int i = 0; node != NULL && i < n_in; i++) {
        node->input[i] = value_name(m, op->in[i]);
    }
    for (int i = 0; node != NULL && i < n_out; i++) {
        node->output[i] = value_name(m, op->out[i]);
    }
    return node;
}

/* Until opset 18 these three had their axes as an attribute, and no
 * noop_with_empty_axes; ReduceSum had both since opset 13. */
static bool has_axes_attr(const struct op *op)
{
    return op->kind == OP_REDUCE_MEAN || op->kind == OP_REDUCE_MAX ||
           op->kind == OP_REDUCE_MIN;
}

static const struct tensor *const_input(const struct maker *m,
                                        const struct op *op, int i)
{
    return i < op->n_in && graph_is_const(m->graph, op->in[i])
               ? &m->graph->values[op->in[i]].data
               : NULL;
}

/* The axes, wherever a graph has them, as a list on loan; *n is 0 if it has
 * none. EDGE_ENOMEM. */
static int read_axes(struct maker *m, const struct op *op, int64_t **axes,
                     size_t *n)
{
    const struct tensor *input = const_input(m, op, 1);
    const struct attr *attr = op_attr(op, "axes");

    *n = 0;
    if (input == NULL) {
        *axes = attr != NULL ? attr->ints : NULL;
        *n = attr != NULL ? attr->n : 0;
        return 0;
    }
    *axes = export_alloc(m, (size_t)tensor_count(input), sizeof(**axes));
    if (*axes == NULL) {
        return EDGE_ENOMEM;
    }
    for (; (int64_t)*n < tensor_count(input); (*n)++) {
        (*axes)[*n] = tensor_get_int(input, (int64_t)*n);
    }
    return 0;
}

static int export_reduce(struct maker *m, const struct op *op)
{
    int64_t *axes;
    size_t n;
    int rc = read_axes(m, op, &axes, &n);
    bool is_noop = n == 0 && op_int(op, "noop_with_empty_axes", 0) != 0;
    Onnx__NodeProto *node =
        rc == 0
            ? add_op(m, op, is_noop ? "Identity" : op_info(op->kind)->name, 1)
            : NULL;

    if (node == NULL) {
        return EDGE_ENOMEM;
    }
    if (is_noop) {
        return 0;
    }
    rc = copy_attrs(m, node, op, "axes noop_with_empty_axes");
    return rc == 0 && n > 0 ? set_ints(m, node, "axes", axes, n) : rc;
}

/* Axes that are an attribute become an input. */
static int export_reduce_sum(struct maker *m, const struct op *op)
{
    Onnx__NodeProto *node = add_op(m, op, op_info(op->kind)->name, op->n_in);
    const struct attr *axes = op_attr(op, "axes");
    char **input;
    int rc = node != NULL ? copy_attrs(m, node, op, "axes") : EDGE_ENOMEM;

    if (rc < 0 || axes == NULL || node->n_input > 1) {
        return rc;
    }
    input = export_alloc(m, 2, sizeof(*input));
    if (input == NULL) {
        return EDGE_ENOMEM;
    }
    input[0] = node->input[0];
    node->input = input;
    node->n_input = 2;
    return export_add_ints(m, op->name, "axes", axes->ints, axes->n, &input[1]);
}

static int export_pool(struct maker *m, const struct op *op)
{
    struct window w;
    bool is_plain = export_needs_plain_pool(m, op, &w);
    Onnx__NodeProto *node = add_op(m, op, op_info(op->kind)->name, op->n_in);
    int64_t *pads;
    int rc = node != NULL ? 0 : EDGE_ENOMEM;

    if (rc == 0) {
        rc = copy_attrs(m, node, op, is_plain ? "auto_pad ceil_mode pads" : "");
    }
    if (rc < 0 || !is_plain) {
        return rc;
    }
    rc = export_plain_pads(m, op, &w, &pads);
    return rc == 0 ? set_ints(m, node, "pads", pads, (size_t)w.n * 2) : rc;
}

int export_mark_op(struct maker *m, const struct op *op, struct err *err)
{
    int n_in = op->n_in;

    if (op_is_own(op->kind)) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "%s \"%.200s\" is part of a training graph: the model "
                       "it was made from can be written",
                       op_info(op->kind)->name, op->name);
    }
    if (has_axes_attr(op) && n_in > 1 && op->in[1] >= 0) {
        if (const_input(m, op, 1) == NULL) {
            return err_set(err, EDGE_EUNSUPPORTED,
                           "%s \"%.200s\": axes that are computed cannot be "
                           "written in opset 17",
                           op_info(op->kind)->name, op->name);
        }
        n_in = 1; /* the axes become an attribute */
    }
    for (int i = 0; i < n_in; i++) {
        if (op->in[i] >= 0) {
            m->is_needed[op->in[i]] = true;
        }
    }
    return 0;
}

int export_op(struct maker *m, const struct op *op)
{
    Onnx__NodeProto *node;

    if (op->kind == OP_GELU) {
        return export_gelu(m, op);
    }
    if (has_axes_attr(op)) {
        return export_reduce(m, op);
    }
    if (op->kind == OP_MAX_POOL || op->kind == OP_AVERAGE_POOL) {
        return export_pool(m, op);
    }
    if (op->kind == OP_REDUCE_SUM) {
        return export_reduce_sum(m, op);
    }
    node = add_op(m, op, op_info(op->kind)->name, op->n_in);
    return node != NULL ? copy_attrs(m, node, op, "") : EDGE_ENOMEM;
}

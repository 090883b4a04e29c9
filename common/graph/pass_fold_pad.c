/* A Pad of zeros before Conv: the convolution pads as well itself. */
#include "graph/pass.h"

#include "graph/infer_op.h"

#include <string.h>

/* The pads of `op` if it pads a batch of images with zeros and takes nothing
 * away; false if it does anything else. */
static bool read_pads(const struct graph *graph, const struct op *op,
                      int64_t pads[2 * LIMIT_RANK])
{
    const struct value *x = infer_in(graph, op, 0);
    const struct value *fill = infer_in(graph, op, 2);
    size_t rank = (size_t)x->shape.rank;
    size_t n;

    if (!x->has_shape || rank < 3 ||
        strcmp(op_string(op, "mode", "constant"), "constant") != 0 ||
        infer_ints(graph, op, 1, pads, 2 * LIMIT_RANK, &n, NULL) != 1 ||
        n != 2 * rank) {
        return false;
    }
    if (fill != NULL &&
        (fill->data.blob == NULL || tensor_count(&fill->data) != 1 ||
         tensor_get(&fill->data, 0) != 0)) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (pads[i] < 0 || pads[i] > INT16_MAX ||
            (i % rank < 2 && pads[i] != 0)) {
            return false;
        }
    }
    return true;
}

static int add_pads(struct op *conv, const int64_t *pads, size_t dims)
{
    const char *mode = op_string(conv, "auto_pad", "NOTSET");
    int64_t sum[2 * LIMIT_RANK] = {0};

    if (strcmp(mode, "NOTSET") == 0) {
        (void)op_ints(conv, "pads", sum, 2 * dims);
    }
    for (size_t i = 0; i < dims; i++) {
        sum[i] += pads[2 + i];
        sum[dims + i] += pads[2 + dims + 2 + i];
    }
    if (op_attr(conv, "auto_pad") != NULL) {
        int rc = op_set_string(conv, "auto_pad", "NOTSET");

        if (rc < 0) {
            return rc;
        }
    }
    return op_set_ints(conv, "pads", sum, 2 * dims);
}

static int fold(struct graph *graph, struct op *conv)
{
    const char *mode = op_string(conv, "auto_pad", "NOTSET");
    int producer = graph->values[conv->in[0]].producer;
    const struct op *pad = producer >= 0 ? &graph->ops[producer] : NULL;
    int64_t pads[2 * LIMIT_RANK];
    int rc;

    /* SAME pads depend on the size that the Pad made. */
    if (pad == NULL || pad->kind != OP_PAD || strncmp(mode, "SAME", 4) == 0 ||
        !read_pads(graph, pad, pads)) {
        return 0;
    }
    rc = add_pads(conv, pads, (size_t)graph->values[pad->in[0]].shape.rank - 2);
    if (rc == 0) {
        conv->in[0] = pad->in[0];
    }
    return rc;
}

int pass_fold_pad(struct graph *graph, struct err *err)
{
    for (size_t i = 0; i < graph->n_ops; i++) {
        struct op *op = &graph->ops[i];
        int rc = op->kind == OP_CONV ? fold(graph, op) : 0;

        if (rc < 0) {
            return err_set(err, rc, "%s \"%.200s\": %s",
                           op_info(op->kind)->name, op->name, err_text(rc));
        }
    }
    return pass_drop_dead(graph, err);
}

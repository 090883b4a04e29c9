/* Operators whose meaning or attributes changed. */
#include "onnx/upgrade.h"

#include <string.h>

static int refuse(const char *attr, int64_t value, struct err *err)
{
    return err_set(err, EDGE_EUNSUPPORTED, "%s = %lld is not supported", attr,
                   (long long)value);
}

/* Drops an attribute that opset 17 does not have, if it says what is so
 * without it. */
static int drop_default(struct import *im, int op, const char *name,
                        int64_t value, struct err *err)
{
    struct op *o = &im->graph->ops[op];
    int64_t given = op_int(o, name, value);

    if (given != value) {
        return refuse(name, given, err);
    }
    upgrade_drop_attr(o, name);
    return 0;
}

/* Inference only: one mean and variance per channel, and no outputs but the
 * first (the others were dropped if nothing reads them). */
int upgrade_batch_norm(struct import *im, int op, struct err *err)
{
    struct op *o = &im->graph->ops[op];
    int rc = drop_default(im, op, "spatial", 1, err);

    if (rc == 0 && op_int(o, "training_mode", 0) != 0) {
        rc = err_set(err, EDGE_EUNSUPPORTED,
                     "it is in training mode; export the model for inference");
    }
    return rc;
}

int upgrade_cast(struct import *im, int op, struct err *err)
{
    struct op *o = &im->graph->ops[op];
    int64_t to = op_int(o, "to", 0);
    int32_t type = to >= 0 && to <= INT32_MAX ? (int32_t)to : -1;

    if (import_dtype(type) == DTYPE_NONE) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "a cast to element type %s is not supported",
                       import_dtype_name(type));
    }
    upgrade_drop_attr(o, "saturate"); /* it is for float8 alone */
    return 0;
}

int upgrade_gelu(struct import *im, int op, struct err *err)
{
    struct op *o = &im->graph->ops[op];
    const char *how = op_string(o, "approximate", "none");

    if (strcmp(how, "tanh") == 0) {
        return 0;
    }
    if (strcmp(how, "none") != 0) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "approximate = \"%.64s\" is not supported", how);
    }
    upgrade_drop_attr(o, "approximate");
    return 0;
}

int upgrade_average_pool(struct import *im, int op, struct err *err)
{
    struct op *o = &im->graph->ops[op];
    const struct attr *dilations = op_attr(o, "dilations");

    for (size_t i = 0; dilations != NULL && i < dilations->n; i++) {
        if (dilations->ints[i] != 1) {
            return err_set(err, EDGE_EUNSUPPORTED,
                           "dilations other than 1 are not supported");
        }
    }
    upgrade_drop_attr(o, "dilations");
    return 0;
}

/* Opset 21's output_dtype says what a zero point's type says before; a zero
 * point of zeros, one for each scale, is put there. */
static int add_zero_point(struct import *im, int op, enum dtype dtype,
                          struct err *err)
{
    const struct shape *shape = upgrade_shape(im, upgrade_in(im, op, 1));
    struct tensor zeros;
    int rc;

    if (shape == NULL || !shape_is_static(shape)) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "output_dtype without a zero point is supported where "
                       "the scale's shape is known");
    }
    rc = tensor_init(&zeros, dtype, shape);
    if (rc < 0) {
        return rc;
    }
    memset(zeros.data, 0, tensor_bytes(&zeros));
    rc = graph_add_const(im->graph, NULL, &zeros);
    if (rc < 0) {
        tensor_deinit(&zeros);
        return rc;
    }
    return upgrade_set_input(im, op, 2, rc);
}

int upgrade_quantize(struct import *im, int op, struct err *err)
{
    struct op *o = &im->graph->ops[op];
    int64_t to = op_int(o, "output_dtype", 0);
    int zero = upgrade_in(im, op, 2);
    int rc = drop_default(im, op, "block_size", 0, err);

    upgrade_drop_attr(o, "saturate"); /* it is for float8 alone */
    upgrade_drop_attr(o, "output_dtype");
    if (rc < 0 || to == 0) {
        return rc;
    }
    if (to != ONNX__TENSOR_PROTO__DATA_TYPE__INT8 &&
        to != ONNX__TENSOR_PROTO__DATA_TYPE__UINT8) {
        return refuse("output_dtype", to, err);
    }
    if (zero < 0) {
        return add_zero_point(im, op, import_dtype((int32_t)to), err);
    }
    return im->graph->values[zero].dtype == import_dtype((int32_t)to)
               ? 0
               : err_set(err, EDGE_EINVAL,
                         "output_dtype and the type of the zero point differ");
}

/* Before opset 13 Softmax saw its input as a matrix: dimensions before
 * `axis` made the rows, the others the columns. That is today's Softmax if
 * at most one dimension from `axis` on is not 1; *found is that one. */
static bool is_one_axis(const struct shape *shape, int64_t axis, int *found)
{
    int from;

    if (shape == NULL) {
        return false;
    }
    from = shape_axis(axis, shape->rank);
    if (from < 0) {
        return false;
    }
    *found = shape->rank - 1;
    for (int i = from, n = 0; i < shape->rank; i++) {
        if (shape->dims[i] != 1) {
            *found = i;
            if (++n > 1) {
                return false;
            }
        }
    }
    return true;
}

/* The op becomes Flatten(x); then Softmax over columns and Reshape to the
 * shape of x follow. In this order, so that shapes are inferred in turn. */
static int soften_matrix(struct import *im, int op, int64_t axis)
{
    struct graph *g = im->graph;
    enum op_kind kind = g->ops[op].kind;
    int x = g->ops[op].in[0];
    int y = g->ops[op].out[0];
    int flat = graph_add_value(g, NULL);
    int soft = graph_add_value(g, NULL);
    int shape = graph_add_value(g, NULL);
    int made;
    int rc;

    if (flat < 0 || soft < 0 || shape < 0) {
        return flat < 0 ? flat : soft < 0 ? soft : shape;
    }
    g->ops[op].kind = OP_FLATTEN;
    g->ops[op].out[0] = flat;
    g->values[flat].producer = op;
    g->values[y].producer = -1;
    rc = op_set_int(&g->ops[op], "axis", axis);
    if (rc < 0) {
        return rc;
    }
    rc = upgrade_add_op(im, kind, g->ops[op].name, "softmax", &flat, 1, soft);
    made = rc;
    if (rc >= 0) {
        rc = op_set_int(&g->ops[made], "axis", -1);
    }
    if (rc >= 0) {
        rc = upgrade_add_op(im, OP_SHAPE, g->ops[op].name, "shape", &x, 1,
                            shape);
    }
    if (rc >= 0) {
        rc = upgrade_add_op(im, OP_RESHAPE, g->ops[op].name, "reshape",
                            (int[]){soft, shape}, 2, y);
    }
    return rc < 0 ? rc : 0;
}

int upgrade_softmax(struct import *im, int op, struct err *err)
{
    struct op *o = &im->graph->ops[op];
    int64_t axis = op_int(o, "axis", 1);
    int found;

    if (o->n_in != 1 || o->in[0] < 0 || o->n_out != 1 || o->out[0] < 0) {
        return err_set(err, EDGE_EINVAL, "it takes one input and output");
    }
    if (is_one_axis(upgrade_shape(im, o->in[0]), axis, &found)) {
        return op_set_int(o, "axis", found);
    }
    return soften_matrix(im, op, axis);
}

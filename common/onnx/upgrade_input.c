/* Attributes that became inputs. */
#include "onnx/upgrade.h"

#include <string.h>

static int float_to_input(struct import *im, int op, const char *name, int i)
{
    struct op *o = &im->graph->ops[op];
    const struct attr *attr = op_attr(o, name);
    int value;
    int rc;

    if (attr == NULL) {
        return 0;
    }
    rc = upgrade_scalar(im, attr->f, o->in[0], &value);
    if (rc == 0) {
        rc = upgrade_set_input(im, op, i, value);
    }
    upgrade_drop_attr(o, name);
    return rc;
}

/* Each upgrade starts with the inputs its operator had then, so that an
 * attribute never replaces an input. */
static int expect_inputs(const struct import *im, int op, int n,
                         struct err *err)
{
    const struct op *o = &im->graph->ops[op];

    return o->n_in == n && o->in[0] >= 0
               ? 0
               : err_set(err, EDGE_EINVAL,
                         "it takes %d inputs in opset %d, has %d", n, im->opset,
                         o->n_in);
}

int upgrade_clip(struct import *im, int op, struct err *err)
{
    int rc = expect_inputs(im, op, 1, err);

    if (rc == 0) {
        rc = float_to_input(im, op, "min", 1);
    }
    return rc == 0 ? float_to_input(im, op, "max", 2) : rc;
}

int upgrade_dropout(struct import *im, int op, struct err *err)
{
    int rc = expect_inputs(im, op, 1, err);
    const struct attr *ratio = op_attr(&im->graph->ops[op], "ratio");
    int value;

    if (rc < 0 || ratio == NULL) {
        return rc;
    }
    rc = upgrade_scalar(im, ratio->f, -1, &value);
    if (rc == 0) {
        rc = upgrade_set_input(im, op, 1, value);
    }
    upgrade_drop_attr(&im->graph->ops[op], "ratio");
    return rc;
}

int upgrade_slice(struct import *im, int op, struct err *err)
{
    int rc = expect_inputs(im, op, 1, err);

    if (rc == 0) {
        rc = upgrade_ints_to_input(im, op, "starts", 1);
    }
    if (rc == 0) {
        rc = upgrade_ints_to_input(im, op, "ends", 2);
    }
    return rc == 0 ? upgrade_ints_to_input(im, op, "axes", 3) : rc;
}

int upgrade_axes(struct import *im, int op, struct err *err)
{
    int rc = expect_inputs(im, op, 1, err);

    return rc == 0 ? upgrade_ints_to_input(im, op, "axes", 1) : rc;
}

/* An empty list of axes means all of them, as none does, unless
 * noop_with_empty_axes. */
int upgrade_reduce(struct import *im, int op, struct err *err)
{
    struct op *o = &im->graph->ops[op];
    const struct tensor *axes = upgrade_data(im, upgrade_in(im, op, 1));

    (void)err;
    if (axes != NULL && tensor_count(axes) == 0 &&
        op_int(o, "noop_with_empty_axes", 0) == 0) {
        o->in[1] = -1;
    }
    return 0;
}

int upgrade_split_attr(struct import *im, int op, struct err *err)
{
    int rc = expect_inputs(im, op, 1, err);

    return rc == 0 ? upgrade_ints_to_input(im, op, "split", 1) : rc;
}

/* Opset 18: num_outputs parts of equal size, of which the last may be
 * smaller. Opset 17 cannot say the latter without the sizes. */
int upgrade_split_count(struct import *im, int op, struct err *err)
{
    struct op *o = &im->graph->ops[op];
    const struct shape *shape = upgrade_shape(im, o->in[0]);
    const struct attr *count = op_attr(o, "num_outputs");
    int64_t sizes[LIMIT_OP_INPUTS];
    int64_t dim = -1;
    int64_t part;
    int value;
    int rc;

    if (count == NULL) {
        return 0;
    }
    if (count->i != o->n_out || upgrade_in(im, op, 1) >= 0) {
        return err_set(err, EDGE_EINVAL,
                       "num_outputs is %lld beside %d outputs%s",
                       (long long)count->i, o->n_out,
                       o->n_in > 1 ? " and the input \"split\"" : "");
    }
    upgrade_drop_attr(o, "num_outputs");
    if (shape != NULL) {
        int axis = shape_axis(op_int(o, "axis", 0), shape->rank);

        dim = axis >= 0 ? shape->dims[axis] : -1;
    }
    if (dim < 0 || dim % o->n_out == 0) {
        return 0;
    }
    part = (dim + o->n_out - 1) / o->n_out;
    for (int i = 0; i < o->n_out; i++) {
        sizes[i] = dim < part ? dim : part;
        dim -= sizes[i];
    }
    rc = upgrade_ints(im, sizes, (size_t)o->n_out, &value);
    return rc == 0 ? upgrade_set_input(im, op, 1, value) : rc;
}

int upgrade_pad_attrs(struct import *im, int op, struct err *err)
{
    int rc = expect_inputs(im, op, 1, err);

    if (rc == 0) {
        rc = upgrade_ints_to_input(im, op, "pads", 1);
    }
    return rc == 0 ? float_to_input(im, op, "value", 2) : rc;
}

/* Pads of some axes made pads of all `rank`: begins, then ends. */
static int spread_pads(const struct tensor *pads, const struct tensor *axes,
                       int rank, int64_t *all, struct err *err)
{
    int64_t n = tensor_count(axes);

    if (tensor_count(pads) != 2 * n) {
        return err_set(err, EDGE_EINVAL,
                       "it has %lld pads for %lld axes, two for each are "
                       "needed",
                       (long long)tensor_count(pads), (long long)n);
    }
    for (int64_t i = 0; i < n; i++) {
        int axis = shape_axis(tensor_get_int(axes, i), rank);

        if (axis < 0) {
            return err_set(err, EDGE_EINVAL, "axis %lld is out of range",
                           (long long)tensor_get_int(axes, i));
        }
        all[axis] = tensor_get_int(pads, i);
        all[axis + rank] = tensor_get_int(pads, i + n);
    }
    return 0;
}

int upgrade_pad_axes(struct import *im, int op, struct err *err)
{
    struct op *o = &im->graph->ops[op];
    const struct shape *shape = upgrade_shape(im, o->in[0]);
    const struct tensor *pads = upgrade_data(im, upgrade_in(im, op, 1));
    const struct tensor *axes = upgrade_data(im, upgrade_in(im, op, 3));
    int64_t all[2 * LIMIT_RANK] = {0};
    int value;
    int rc;

    if (strcmp(op_string(o, "mode", "constant"), "wrap") == 0) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "mode \"wrap\" is not supported");
    }
    if (upgrade_in(im, op, 3) < 0) {
        return 0;
    }
    if (shape == NULL || pads == NULL || axes == NULL) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "pads of chosen axes are supported where pads and axes "
                       "are constant and the input's rank is known");
    }
    rc = spread_pads(pads, axes, shape->rank, all, err);
    if (rc == 0) {
        rc = upgrade_ints(im, all, (size_t)(2 * shape->rank), &value);
    }
    if (rc == 0) {
        o->in[1] = value;
        o->in[3] = -1;
    }
    return rc;
}

int upgrade_top_k(struct import *im, int op, struct err *err)
{
    struct op *o = &im->graph->ops[op];
    int rc = expect_inputs(im, op, 1, err);
    int value;

    if (rc == 0) {
        rc = upgrade_int(im, op_int(o, "k", 0), &value);
    }
    if (rc == 0) {
        rc = upgrade_set_input(im, op, 1, value);
    }
    upgrade_drop_attr(o, "k");
    return rc;
}

/* Shapes of convolutions, pooling and global pooling. */
#include "graph/infer_op.h"
#include "graph/window.h"

/* N, the channels, and the window's spatial dimensions. */
static struct shape batch_shape(const struct value *x, int64_t channels,
                                const struct window *w)
{
    struct shape shape = {.rank = w->n + 2};

    shape.dims[0] = x->shape.dims[0];
    shape.dims[1] = channels;
    for (int i = 0; i < w->n; i++) {
        shape.dims[2 + i] = w->out[i];
    }
    return shape;
}

static int read_group(const struct op *op, int64_t *group, struct err *err)
{
    *group = op_int(op, "group", 1);
    if (*group < 1 || *group > INT32_MAX) {
        return infer_fail(op, err,
                          "attribute \"group\" is %lld, which is out "
                          "of range",
                          (long long)*group);
    }
    return 0;
}

/* Conv and its integer forms: weight [M, C / group, k...]. */
static int conv_shape(struct graph *graph, const struct op *op, int weight,
                      struct shape *shape, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    const struct value *w = infer_in(graph, op, weight);
    struct window window;
    int64_t group = 1;
    int64_t channels;
    int rc = window_of(graph, op, &window, err);

    if (rc == 0) {
        rc = read_group(op, &group, err);
    }
    if (rc < 0) {
        return rc;
    }
    /* Neither factor is above 2^40, but their product may be. */
    if (w->shape.dims[1] < 0 ||
        __builtin_mul_overflow(w->shape.dims[1], group, &channels)) {
        channels = w->shape.dims[1] < 0 ? -1 : INT64_MAX;
    }
    if (infer_differ(channels, x->shape.dims[1])) {
        return infer_fail(op, err, "weight wants %lld channels, input has %lld",
                          (long long)channels, (long long)x->shape.dims[1]);
    }
    if (w->shape.dims[0] == 0 || channels == 0) {
        return infer_fail(op, err, "its weight has no channels");
    }
    if (w->shape.dims[0] > 0 && w->shape.dims[0] % group != 0) {
        return infer_fail(op, err,
                          "%lld output channels do not divide into "
                          "%lld groups",
                          (long long)w->shape.dims[0], (long long)group);
    }
    *shape = batch_shape(x, w->shape.dims[0], &window);
    return 0;
}

int infer_op_conv(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    struct shape shape;
    int rc = infer_same_type(graph, op, 0, 1, err);

    if (rc == 0) {
        rc = infer_same_type(graph, op, 0, 2, err);
    }
    if (rc == 0) {
        rc = conv_shape(graph, op, 1, &shape, err);
    }
    if (rc == 0) {
        rc = infer_vector(graph, op, 2, shape.dims[1], "its bias", err);
    }
    return rc < 0 ? rc : infer_out(graph, op, 0, x->dtype, &shape, err);
}

int infer_op_conv_integer(struct graph *graph, struct op *op, struct err *err)
{
    struct shape shape;
    int rc = infer_same_type(graph, op, 0, 2, err);

    if (rc == 0) {
        rc = infer_same_type(graph, op, 1, 3, err);
    }
    if (rc == 0) {
        rc = conv_shape(graph, op, 1, &shape, err);
    }
    return rc < 0 ? rc : infer_out(graph, op, 0, DTYPE_I32, &shape, err);
}

int infer_op_qlinear_conv(struct graph *graph, struct op *op, struct err *err)
{
    struct shape shape;
    int rc = infer_same_type(graph, op, 0, 2, err);

    if (rc == 0) {
        rc = infer_same_type(graph, op, 3, 5, err);
    }
    if (rc == 0) {
        rc = infer_type(graph, op, 8, DTYPE_I32, err);
    }
    if (rc == 0) {
        rc = conv_shape(graph, op, 3, &shape, err);
    }
    if (rc == 0) {
        rc = infer_vector(graph, op, 8, shape.dims[1], "its bias", err);
    }
    return rc < 0 ? rc
                  : infer_out(graph, op, 0, infer_in(graph, op, 7)->dtype,
                              &shape, err);
}

int infer_op_conv_transpose(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    const struct value *w = infer_in(graph, op, 1);
    struct window window;
    struct shape shape;
    int64_t group = 1;
    int64_t channels;
    int rc = infer_same_type(graph, op, 0, 1, err);

    if (rc == 0) {
        rc = infer_same_type(graph, op, 0, 2, err);
    }
    if (rc == 0) {
        rc = window_of(graph, op, &window, err);
    }
    if (rc == 0) {
        rc = read_group(op, &group, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (infer_differ(w->shape.dims[0], x->shape.dims[1])) {
        return infer_fail(op, err, "weight wants %lld channels, input has %lld",
                          (long long)w->shape.dims[0],
                          (long long)x->shape.dims[1]);
    }
    if (w->shape.dims[0] == 0 || w->shape.dims[1] == 0) {
        return infer_fail(op, err, "its weight has no channels");
    }
    if (w->shape.dims[0] > 0 && w->shape.dims[0] % group != 0) {
        return infer_fail(op, err,
                          "%lld input channels do not divide into "
                          "%lld groups",
                          (long long)w->shape.dims[0], (long long)group);
    }
    channels = -1;
    if (w->shape.dims[1] >= 0 &&
        __builtin_mul_overflow(w->shape.dims[1], group, &channels)) {
        channels = INT64_MAX; /* refused by infer_out() */
    }
    rc = infer_vector(graph, op, 2, channels, "its bias", err);
    if (rc < 0) {
        return rc;
    }
    shape = batch_shape(x, channels, &window);
    return infer_out(graph, op, 0, x->dtype, &shape, err);
}

int infer_op_pool(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    struct window window;
    struct shape shape;
    int rc = window_of(graph, op, &window, err);

    if (rc < 0) {
        return rc;
    }
    shape = batch_shape(x, x->shape.dims[1], &window);
    rc = infer_out(graph, op, 0, x->dtype, &shape, err);
    return rc < 0 ? rc : infer_out(graph, op, 1, DTYPE_I64, &shape, err);
}

int infer_op_global_pool(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    struct shape shape = x->shape;
    int rc = infer_rank(op, x, 2, LIMIT_RANK, err);

    for (int i = 2; rc == 0 && i < shape.rank; i++) {
        if (shape.dims[i] == 0) {
            return infer_fail(op, err, "dimension %d of its input is empty", i);
        }
        shape.dims[i] = 1;
    }
    return rc < 0 ? rc : infer_out(graph, op, 0, x->dtype, &shape, err);
}

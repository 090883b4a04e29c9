/* Gradients of ops that take elements out of their input or repeat them. */
#include "graph/grad_rule.h"
#include "graph/infer_op.h"
#include "graph/window.h"

#include "base/mem.h"

#include <string.h>

#define PICK_FLOATS_MAX ((int64_t)1 << 22) /* of a Gather's matrix */

/* `value` as (before, its axis in `parts` dimensions, behind). */
static int open_axis(struct grad *g, int value, int axis, int64_t a, int64_t b)
{
    const struct shape *s = grad_shape(g, value);
    const struct shape to = {
        4, {shape_span(s, 0, axis), a, b, shape_span(s, axis + 1, s->rank)}};

    return grad_reshape(g, value, &to);
}

/* ---- slices ---------------------------------------------------------------
 */

static int reversed(struct grad *g, int value, int axis)
{
    const int64_t at = axis;
    const int64_t from = -1;
    const int64_t to = INT64_MIN;

    return GRAD_OP(g, OP_SLICE, value, grad_ints(g, &from, 1),
                   grad_ints(g, &to, 1), grad_ints(g, &at, 1),
                   grad_ints(g, &from, 1));
}

/* `step` - 1 zeros behind each element along `axis`. */
static int spread(struct grad *g, int value, int axis, int64_t step)
{
    struct shape to = *grad_shape(g, value);
    const int64_t pads[8] = {0, 0, 0, 0, 0, 0, step - 1, 0};

    value = open_axis(g, value, axis, to.dims[axis], 1);
    value = GRAD_OP(g, OP_PAD, value, grad_ints(g, pads, 8));
    to.dims[axis] *= step;
    return grad_reshape(g, value, &to);
}

/* Puts `n` elements, `step` apart from `first` on, back into `whole`. */
static int put_back(struct grad *g, int value, int axis, int64_t first,
                    int64_t n, int64_t step, int64_t whole)
{
    int rank = grad_shape(g, value)->rank;
    int64_t pads[2 * LIMIT_RANK] = {0};
    int64_t left;

    if (n == 0) {
        struct shape zeros = *grad_shape(g, value);

        zeros.dims[axis] = whole;
        return grad_zeros(g, &zeros);
    }
    if (step < 0) {
        value = reversed(g, value, axis);
        first += (n - 1) * step;
        step = -step;
    }
    if (step > 1) {
        value = spread(g, value, axis, step);
    }
    left = whole - first - n * step; /* below 0: zeros that are too many */
    if (left < 0) {
        const int64_t at = axis;
        const int64_t from = 0;
        const int64_t to = whole - first;

        value = GRAD_OP(g, OP_SLICE, value, grad_ints(g, &from, 1),
                        grad_ints(g, &to, 1), grad_ints(g, &at, 1));
        left = 0;
    }
    if (first == 0 && left == 0) {
        return value;
    }
    pads[axis] = first;
    pads[rank + axis] = left;
    return GRAD_OP(g, OP_PAD, value, grad_ints(g, pads, 2 * (size_t)rank));
}

static void back_slice(struct grad *g, const struct op *op, int dy)
{
    const struct shape x = *grad_shape(g, op->in[0]);
    int64_t v[4][2 * LIMIT_RANK];
    size_t n[4];

    for (int i = 0; i < 4; i++) { /* starts, ends, axes, steps */
        if (!grad_read_ints(g, op, 1 + i, v[i], &n[i])) {
            return;
        }
    }
    for (size_t i = 0; i < n[0] && g->rc == 0; i++) {
        int axis = shape_axis(n[2] > 0 ? v[2][i] : (int64_t)i, x.rank);
        int64_t step = n[3] > 0 ? v[3][i] : 1;
        int64_t first;
        int64_t count;

        window_slice(x.dims[axis], v[0][i], v[1][i], step, &first, &count);
        dy = put_back(g, dy, axis, first, count, step, x.dims[axis]);
    }
    grad_add(g, op, 0, dy);
}

/* ---- Gather ---------------------------------------------------------------
 */

/* (dim, n): 1 where index `column` is `row`. Its product with dy adds up what
 * was taken more than once. */
static int pick_matrix(struct grad *g, const struct op *op, int64_t dim)
{
    const struct tensor *index = &g->graph->values[op->in[1]].data;
    int64_t n = tensor_count(index);
    const struct shape shape = {2, {dim, n}};
    struct tensor t = {0};
    int value;

    if (dim * n > PICK_FLOATS_MAX || dim > PICK_FLOATS_MAX) {
        grad_fail(g, EDGE_EUNSUPPORTED, op,
                  "%lld times %lld elements are too many for its gradient",
                  (long long)dim, (long long)n);
        return -1;
    }
    if (tensor_init(&t, DTYPE_F32, &shape) < 0) {
        grad_fail(g, EDGE_ENOMEM, op, "%s", err_text(EDGE_ENOMEM));
        return -1;
    }
    memset(t.data, 0, tensor_bytes(&t));
    for (int64_t i = 0; i < n; i++) {
        int64_t at = tensor_get_int(index, i);

        at = at < 0 ? at + dim : at;
        if (at >= 0 && at < dim) {
            ((float *)t.data)[at * n + i] = 1;
        }
    }
    value = graph_add_const(g->graph, NULL, &t);
    tensor_deinit(&t);
    if (value < 0) {
        grad_fail(g, value, op, "%s", err_text(value));
    }
    return value;
}

static void back_gather(struct grad *g, const struct op *op, int dy)
{
    struct shape x = *grad_shape(g, op->in[0]);
    int axis = shape_axis(op_int(op, "axis", 0), x.rank);
    struct shape flat = {
        3, {shape_span(&x, 0, axis), 0, shape_span(&x, axis + 1, x.rank)}};

    if (!graph_is_const(g->graph, op->in[1])) {
        grad_fail(g, EDGE_EUNSUPPORTED, op,
                  "its indices must be constant for a gradient");
        return;
    }
    flat.dims[1] = tensor_count(&g->graph->values[op->in[1]].data);
    dy = grad_reshape(g, dy, &flat);
    dy = GRAD_OP(g, OP_MATMUL, pick_matrix(g, op, x.dims[axis]), dy);
    grad_add(g, op, 0, grad_reshape(g, dy, &x));
}

/* ---- repetition -----------------------------------------------------------
 */

static void back_tile(struct grad *g, const struct op *op, int dy)
{
    static const bool second[LIMIT_RANK] = {false, true};
    struct shape to = *grad_shape(g, op->in[0]);
    int64_t repeats[2 * LIMIT_RANK];
    size_t n;

    if (!grad_read_ints(g, op, 1, repeats, &n)) {
        return;
    }
    for (int i = 0; i < to.rank && g->rc == 0; i++) {
        struct shape less = *grad_shape(g, dy);

        if (repeats[i] == 1) {
            continue;
        }
        less.dims[i] = to.dims[i];
        dy = open_axis(g, dy, i, repeats[i], to.dims[i]);
        dy = grad_reshape(g, grad_reduce(g, dy, second), &less);
    }
    grad_add(g, op, 0, dy);
}

/* Whether each element becomes a block of equal ones, if scales are whole:
 * counted from the corner and rounded down, or from centres and rounded. */
static bool repeats_elements(const struct op *op)
{
    const char *place =
        op_string(op, "coordinate_transformation_mode", "half_pixel");
    const char *round = op_string(op, "nearest_mode", "round_prefer_floor");
    bool centres = strcmp(place, "half_pixel") == 0 ||
                   strcmp(place, "half_pixel_symmetric") == 0 ||
                   strcmp(place, "pytorch_half_pixel") == 0;
    bool corner = strcmp(place, "asymmetric") == 0;

    return strcmp(op_string(op, "mode", "nearest"), "nearest") == 0 &&
           ((centres && strncmp(round, "round_prefer", 12) == 0) ||
            (corner && strcmp(round, "floor") == 0));
}

/* The sum of each block: its mean, times its size. */
static void back_resize(struct grad *g, const struct op *op, int dy)
{
    const struct shape *x = grad_shape(g, op->in[0]);
    const struct shape *y = grad_shape(g, op->out[0]);
    int64_t scale[LIMIT_RANK];
    bool whole = repeats_elements(op) && x->rank >= 3 && x->rank <= 5;
    float block = 1;
    struct op *back;
    int rc;

    for (int i = 0; i < x->rank && whole; i++) {
        whole = x->dims[i] > 0 && y->dims[i] % x->dims[i] == 0 &&
                (i >= 2 || x->dims[i] == y->dims[i]);
        scale[i] = whole ? y->dims[i] / x->dims[i] : 1;
        block *= (float)scale[i];
    }
    if (!whole) {
        grad_fail(g, EDGE_EUNSUPPORTED, op,
                  "there is a gradient only for mode \"nearest\" by whole "
                  "scales, floor of asymmetric or round of half_pixel");
        return;
    }
    rc = x->rank - 2;
    back = grad_begin(g, OP_AVERAGE_POOL, 1, &dy, 1);
    if (back != NULL) {
        size_t n = (size_t)rc;

        rc = op_set_ints(back, "kernel_shape", scale + 2, n);
        rc = rc == 0 ? op_set_ints(back, "strides", scale + 2, n) : rc;
        grad_add(g, op, 0, grad_scale(g, grad_done(g, rc), block));
    }
}

/* ---- extremes -------------------------------------------------------------
 */

/* dy goes to the elements that are the largest or smallest, in equal parts. */
static void back_extreme(struct grad *g, const struct op *op, int dy)
{
    struct shape whole = *grad_shape(g, op->in[0]);
    struct shape kept;
    bool mask[LIMIT_RANK];
    double count;
    int same;
    int here;

    if (!grad_kept_shape(g, op, &kept, mask, &count)) {
        return;
    }
    same = GRAD_OP(g, OP_EQUAL, op->in[0],
                   grad_expand(g, grad_reshape(g, op->out[0], &kept), &whole));
    here = GRAD_OP(g, OP_WHERE, same, grad_number(g, 1), grad_number(g, 0));
    dy = GRAD_OP(g, OP_DIV, grad_reshape(g, dy, &kept),
                 grad_reduce(g, here, mask));
    grad_add(g, op, 0, GRAD_OP(g, OP_MUL, here, dy));
}

const struct grad_rule grad_pick_rules[] = {
    {OP_SLICE, back_slice, NULL},
    {OP_GATHER, back_gather, NULL},
    {OP_TILE, back_tile, NULL},
    {OP_RESIZE, back_resize, NULL},
    {OP_REDUCE_MAX, back_extreme, NULL},
    {OP_REDUCE_MIN, back_extreme, NULL},
    {0},
};

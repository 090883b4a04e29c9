#include "graph/window.h"

#include "graph/infer_op.h"

#include <string.h>

enum auto_pad { PAD_GIVEN, PAD_VALID, PAD_SAME_UPPER, PAD_SAME_LOWER };

/* The list attribute `name` of `n` numbers from `least` up, or `fallback` for
 * each where it is left out. */
static int read_list(const struct op *op, const char *name, int n,
                     int64_t least, int64_t fallback, int64_t *out,
                     struct err *err)
{
    const struct attr *attr = op_attr(op, name);

    for (int i = 0; i < n; i++) {
        out[i] = fallback;
    }
    if (attr == NULL) {
        return 0;
    }
    if (op_ints(op, name, out, (size_t)n) != (size_t)n) {
        return infer_fail(op, err, "attribute \"%s\" has %zu numbers, wants %d",
                          name, attr->n, n);
    }
    for (int i = 0; i < n; i++) {
        if (out[i] < least || out[i] > INT32_MAX) {
            return infer_fail(op, err,
                              "attribute \"%s\" has %lld, which is "
                              "out of range",
                              name, (long long)out[i]);
        }
    }
    return 0;
}

static int read_auto_pad(const struct op *op, enum auto_pad *mode,
                         struct err *err)
{
    static const char *const names[] = {"NOTSET", "VALID", "SAME_UPPER",
                                        "SAME_LOWER"};
    const char *text = op_string(op, "auto_pad", "NOTSET");

    for (int i = 0; i < 4; i++) {
        if (strcmp(text, names[i]) == 0) {
            *mode = (enum auto_pad)i;
            return 0;
        }
    }
    return infer_fail(op, err,
                      "attribute \"auto_pad\" is \"%.40s\", wants "
                      "NOTSET, VALID, SAME_UPPER or SAME_LOWER",
                      text);
}

static bool op_is_pool(const struct op *op)
{
    return op->kind == OP_MAX_POOL || op->kind == OP_AVERAGE_POOL;
}

static bool has_no_weight(const struct op *op)
{
    return op_is_pool(op) || op->kind == OP_CONV_WEIGHT_GRAD;
}

/* Kernel sizes: of the weights where the op has some, else the attribute. */
static int read_kernel(const struct graph *graph, const struct op *op,
                       struct window *w, struct err *err)
{
    const struct value *weight =
        has_no_weight(op)
            ? NULL
            : infer_in(graph, op, op->kind == OP_QLINEAR_CONV ? 3 : 1);
    int rc = read_list(op, "kernel_shape", w->n, 1, -1, w->kernel, err);

    if (rc < 0) {
        return rc;
    }
    if (weight == NULL) {
        return op_attr(op, "kernel_shape") != NULL
                   ? 0
                   : infer_fail(op, err,
                                "attribute \"kernel_shape\" is missing");
    }
    rc = infer_rank(op, weight, w->n + 2, w->n + 2, err);
    for (int i = 0; rc == 0 && i < w->n; i++) {
        int64_t size = weight->shape.dims[2 + i];

        if (infer_differ(size, w->kernel[i])) {
            return infer_fail(op, err,
                              "attribute \"kernel_shape\" has %lld, "
                              "the weight %lld",
                              (long long)w->kernel[i], (long long)size);
        }
        if (size == 0 || size > INT32_MAX) {
            return infer_fail(op, err, "a kernel of %lld is out of range",
                              (long long)size);
        }
        w->kernel[i] = size >= 0 ? size : w->kernel[i];
    }
    return rc;
}

static int read_attrs(const struct op *op, struct window *w, struct err *err)
{
    int64_t pads[2 * WINDOW_DIMS];
    int rc = read_list(op, "strides", w->n, 1, 1, w->stride, err);

    if (rc == 0) {
        rc = read_list(op, "dilations", w->n, 1, 1, w->dilation, err);
    }
    if (rc == 0) {
        rc = read_list(op, "pads", 2 * w->n, 0, 0, pads, err);
    }
    for (int i = 0; rc == 0 && i < w->n; i++) {
        w->pad_begin[i] = pads[i];
        w->pad_end[i] = pads[w->n + i];
    }
    return rc;
}

/* How much of the input one position of the kernel covers. */
static int64_t reach(const struct window *w, int i)
{
    return (w->kernel[i] - 1) * w->dilation[i] + 1;
}

static void share_pads(struct window *w, int i, int64_t total, bool more_first)
{
    int64_t half = total / 2;

    w->pad_begin[i] = more_first ? total - half : half;
    w->pad_end[i] = total - w->pad_begin[i];
}

/* ---- Conv and pooling -------------------------------------------------- */

static int64_t positions(const struct window *w, int i, int64_t in, bool ceil)
{
    int64_t room = in + w->pad_begin[i] + w->pad_end[i] - reach(w, i);
    int64_t n = room / w->stride[i] + 1;

    if (ceil && room % w->stride[i] != 0) {
        n++;
        /* A window that would start in the end pad is no window. */
        if ((n - 1) * w->stride[i] >= in + w->pad_begin[i]) {
            n--;
        }
    }
    return n;
}

static int slide(const struct op *op, struct window *w, int i, int64_t in,
                 enum auto_pad mode, struct err *err)
{
    bool ceil = op_int(op, "ceil_mode", 0) != 0;

    if (mode != PAD_GIVEN) {
        w->pad_begin[i] = 0;
        w->pad_end[i] = 0;
    }
    if (in < 0 || w->kernel[i] < 0) {
        w->out[i] = -1;
        return 0;
    }
    if (mode == PAD_SAME_UPPER || mode == PAD_SAME_LOWER) {
        int64_t total;

        w->out[i] = in / w->stride[i] + (in % w->stride[i] != 0);
        total = (w->out[i] - 1) * w->stride[i] + reach(w, i) - in;
        share_pads(w, i, total > 0 && w->out[i] > 0 ? total : 0,
                   mode == PAD_SAME_LOWER);
        return 0;
    }
    if (in + w->pad_begin[i] + w->pad_end[i] < reach(w, i)) {
        return infer_fail(op, err,
                          "the kernel covers %lld of dimension %d, "
                          "the padded input has %lld",
                          (long long)reach(w, i), 2 + i,
                          (long long)(in + w->pad_begin[i] + w->pad_end[i]));
    }
    /* Else a window may lie wholly in the pads, over nothing. */
    if (op_is_pool(op) &&
        (w->pad_begin[i] >= reach(w, i) || w->pad_end[i] >= reach(w, i))) {
        return infer_fail(op, err, "pads must be smaller than the kernel");
    }
    w->out[i] = positions(w, i, in, ceil);
    return 0;
}

/* ---- ConvTranspose ----------------------------------------------------- */

struct transposed {             /* attributes that only ConvTranspose has */
    int64_t extra[WINDOW_DIMS]; /* output_padding */
    int64_t wanted[WINDOW_DIMS];
    bool has_wanted; /* output_shape is given */
};

static int read_transposed(const struct op *op, const struct window *w,
                           struct transposed *t, struct err *err)
{
    int rc = read_list(op, "output_padding", w->n, 0, 0, t->extra, err);

    t->has_wanted = op_attr(op, "output_shape") != NULL;
    if (rc == 0) {
        rc = read_list(op, "output_shape", w->n, 1, -1, t->wanted, err);
    }
    return rc;
}

static int slide_back(const struct op *op, struct window *w, int i, int64_t in,
                      enum auto_pad mode, const struct transposed *t,
                      struct err *err)
{
    bool is_same = mode == PAD_SAME_UPPER || mode == PAD_SAME_LOWER;
    int64_t full;

    w->out[i] = -1;
    if (mode != PAD_GIVEN || t->has_wanted) {
        w->pad_begin[i] = 0;
        w->pad_end[i] = 0;
    }
    if (in < 0 || w->kernel[i] < 0) {
        w->out[i] = t->has_wanted ? t->wanted[i] : -1;
        return 0;
    }
    if (__builtin_mul_overflow(in - 1, w->stride[i], &full) ||
        __builtin_add_overflow(full, reach(w, i) + t->extra[i], &full) ||
        full > INFER_DIM_MAX) {
        return infer_fail(op, err,
                          "dimension %d of its output is larger than "
                          "allowed",
                          2 + i);
    }
    w->out[i] = full - w->pad_begin[i] - w->pad_end[i];
    if (t->has_wanted || is_same) {
        int64_t total;

        w->out[i] = t->has_wanted ? t->wanted[i] : in * w->stride[i];
        total = full - w->out[i];
        if (total >= 0) {
            share_pads(w, i, total, mode != PAD_SAME_UPPER);
        } else {
            w->pad_end[i] = total;
        }
    }
    if (in == 0 || w->out[i] <= 0) {
        return infer_fail(op, err, "dimension %d of its output would be %lld",
                          2 + i, (long long)w->out[i]);
    }
    return 0;
}

int window_of(const struct graph *graph, const struct op *op,
              struct window *window, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    struct window w = {.n = x->shape.rank - 2};
    struct transposed t = {0};
    enum auto_pad mode = PAD_GIVEN;
    int rc = infer_rank(op, x, 3, LIMIT_RANK, err);

    if (rc == 0) {
        rc = read_kernel(graph, op, &w, err);
    }
    if (rc == 0) {
        rc = read_attrs(op, &w, err);
    }
    if (rc == 0) {
        rc = read_auto_pad(op, &mode, err);
    }
    if (rc == 0 && op->kind == OP_CONV_TRANSPOSE) {
        rc = read_transposed(op, &w, &t, err);
    }
    for (int i = 0; rc == 0 && i < w.n; i++) {
        int64_t in = x->shape.dims[2 + i];

        rc = op->kind == OP_CONV_TRANSPOSE
                 ? slide_back(op, &w, i, in, mode, &t, err)
                 : slide(op, &w, i, in, mode, err);
    }
    if (rc == 0) {
        *window = w;
    }
    return rc;
}

/* ---- Slice ------------------------------------------------------------- */

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

void window_slice(int64_t dim, int64_t start, int64_t end, int64_t step,
                  int64_t *first, int64_t *count)
{
    int64_t distance;

    if (dim == 0) { /* there is no index to clamp to */
        *first = 0;
        *count = 0;
        return;
    }
    start = start < 0 ? start + dim : start;
    end = end < 0 ? end + dim : end;
    if (step > 0) {
        start = clamp(start, 0, dim);
        distance = clamp(end, 0, dim) - start;
    } else {
        start = clamp(start, 0, dim - 1);
        distance = start - clamp(end, -1, dim - 1);
        step = step < -INT64_MAX ? INT64_MAX : -step;
    }
    *first = start;
    *count = distance > 0 ? (distance - 1) / step + 1 : 0;
}

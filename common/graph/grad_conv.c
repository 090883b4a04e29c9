/* Gradients of convolutions. */
#include "graph/grad_rule.h"
#include "graph/window.h"

int grad_set_window(struct op *to, const struct window *w)
{
    int64_t pads[2 * WINDOW_DIMS];
    size_t n = (size_t)w->n;
    int rc;

    for (size_t i = 0; i < n; i++) {
        pads[i] = w->pad_begin[i];
        pads[n + i] = w->pad_end[i];
    }
    rc = op_set_ints(to, "kernel_shape", w->kernel, n);
    rc = rc == 0 ? op_set_ints(to, "strides", w->stride, n) : rc;
    rc = rc == 0 ? op_set_ints(to, "dilations", w->dilation, n) : rc;
    return rc == 0 ? op_set_ints(to, "pads", pads, 2 * n) : rc;
}

/* Window and groups of `from` on an op just begun. */
static int copy_window(struct op *to, const struct op *from,
                       const struct window *w)
{
    int rc = grad_set_window(to, w);

    return rc == 0 ? op_set_int(to, "group", op_int(from, "group", 1)) : rc;
}

/* What the last window leaves over of the padded input is in no output. */
static int set_left_over(struct op *to, const struct window *w,
                         const struct shape *x)
{
    int64_t extra[WINDOW_DIMS];

    for (int i = 0; i < w->n; i++) {
        int64_t covered = (w->out[i] - 1) * w->stride[i] +
                          (w->kernel[i] - 1) * w->dilation[i] + 1;

        extra[i] = x->dims[2 + i] + w->pad_begin[i] + w->pad_end[i] - covered;
    }
    return op_set_ints(to, "output_padding", extra, (size_t)w->n);
}

static int input_grad(struct grad *g, const struct op *op,
                      const struct window *w, int dy)
{
    const int in[] = {dy, op->in[1]};
    struct op *back = grad_begin(g, OP_CONV_TRANSPOSE, 2, in, 1);
    int rc;

    if (back == NULL) {
        return -1;
    }
    rc = copy_window(back, op, w);
    rc = rc == 0 ? set_left_over(back, w, grad_shape(g, op->in[0])) : rc;
    return grad_done(g, rc);
}

/* `x` and `dy` as a convolution has them. */
static int weight_grad(struct grad *g, const struct op *op,
                       const struct window *w, int x, int dy)
{
    const int in[] = {x, dy};
    struct op *back = grad_begin(g, OP_CONV_WEIGHT_GRAD, 2, in, 1);

    return back == NULL ? -1 : grad_done(g, copy_window(back, op, w));
}

/* Summed over all but the channels. */
static int bias_grad(struct grad *g, int dy)
{
    const struct shape *s = grad_shape(g, dy);
    struct shape channels = shape_of(1, &s->dims[1]);
    bool mask[LIMIT_RANK] = {false};

    for (int i = 0; i < s->rank; i++) {
        mask[i] = i != 1;
    }
    return grad_reshape(g, grad_reduce(g, dy, mask), &channels);
}

static bool read_window(struct grad *g, const struct op *op, struct window *w)
{
    if (g->rc == 0) {
        g->rc = window_of(g->graph, op, w, g->err);
    }
    return g->rc == 0;
}

static void back_conv(struct grad *g, const struct op *op, int dy)
{
    struct window w;

    if (!read_window(g, op, &w)) {
        return;
    }
    if (grad_wants(g, op, 0)) {
        grad_add(g, op, 0, input_grad(g, op, &w, dy));
    }
    if (grad_wants(g, op, 1)) {
        grad_add(g, op, 1, weight_grad(g, op, &w, op->in[0], dy));
    }
    if (grad_wants(g, op, 2)) {
        grad_add(g, op, 2, bias_grad(g, dy));
    }
}

/* It is the gradient of a convolution from y to x, so its own gradients are
 * that convolution's: the product with dy, and with dy in the input's place.
 * Elements of y that no input reaches (w.pad_end below 0) are left out. */
static int trimmed(struct grad *g, const struct window *w, int dy)
{
    int64_t start[WINDOW_DIMS] = {0};
    int64_t end[WINDOW_DIMS];
    int64_t axes[WINDOW_DIMS];
    bool any = false;

    for (int i = 0; i < w->n; i++) {
        any = any || w->pad_end[i] < 0;
        axes[i] = 2 + i;
        end[i] = w->out[i] + (w->pad_end[i] < 0 ? w->pad_end[i] : 0);
    }
    if (!any) {
        return dy;
    }
    return GRAD_OP(g, OP_SLICE, dy, grad_ints(g, start, (size_t)w->n),
                   grad_ints(g, end, (size_t)w->n),
                   grad_ints(g, axes, (size_t)w->n));
}

static void back_conv_transpose(struct grad *g, const struct op *op, int dy)
{
    struct window w;
    struct op *back;
    int whole = dy;

    if (!read_window(g, op, &w)) {
        return;
    }
    dy = trimmed(g, &w, dy);
    for (int i = 0; i < w.n; i++) {
        w.pad_end[i] = w.pad_end[i] > 0 ? w.pad_end[i] : 0;
    }
    if (grad_wants(g, op, 0)) {
        const int in[] = {dy, op->in[1]};

        back = grad_begin(g, OP_CONV, 2, in, 1);
        if (back != NULL) {
            grad_add(g, op, 0, grad_done(g, copy_window(back, op, &w)));
        }
    }
    if (grad_wants(g, op, 1)) {
        grad_add(g, op, 1, weight_grad(g, op, &w, dy, op->in[0]));
    }
    if (grad_wants(g, op, 2)) {
        grad_add(g, op, 2, bias_grad(g, whole));
    }
}

const struct grad_rule grad_conv_rules[] = {
    {OP_CONV, back_conv, NULL},
    {OP_CONV_TRANSPOSE, back_conv_transpose, NULL},
    {0},
};

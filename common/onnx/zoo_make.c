#include "onnx/zoo_make.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

struct zoo_name zoo_name_of(const char *format, ...)
{
    struct zoo_name name;
    va_list args;

    va_start(args, format);
    (void)vsnprintf(name.text, sizeof(name.text), format, args);
    va_end(args);
    return name;
}

int64_t zoo_width(const struct zoo *z, int64_t channels)
{
    int64_t n = (int64_t)floor((double)channels * z->width + 0.5);

    return n > 0 ? n : 1;
}

/* ---- layers ------------------------------------------------------------- */

struct op *zoo_op(struct zoo *z, enum op_kind kind, const char *name,
                  const int *in, int n_in, struct zoo_map *x)
{
    int out = z->rc == 0 ? graph_add_value(z->graph, name) : -1;
    int op;

    if (z->rc < 0) {
        return NULL;
    }
    op = out < 0 ? out : graph_add_op(z->graph, kind, name, in, n_in, &out, 1);
    if (op < 0) {
        z->rc = op;
        return NULL;
    }
    x->value = out;
    return &z->graph->ops[op];
}

static struct zoo_map add_plain(struct zoo *z, enum op_kind kind,
                                const char *name, struct zoo_map x)
{
    (void)zoo_op(z, kind, name, &x.value, 1, &x);
    return x;
}

struct side { /* of a window: what it needs before and behind, what comes out */
    int64_t out;
    int64_t before;
    int64_t behind;
};

static struct side side_of(int64_t size, int64_t kernel, int64_t stride,
                           int64_t before, int64_t behind)
{
    int64_t room = size + before + behind - kernel;

    return (struct side){room < 0 ? 0 : room / stride + 1, before, behind};
}

static struct side side_ceil(int64_t size, int64_t kernel, int64_t stride)
{
    int64_t pad = ((size + stride - 1) / stride - 1) * stride + kernel - size;

    pad = pad < 0 ? 0 : pad;
    return side_of(size, kernel, stride, pad / 2, pad - pad / 2);
}

static void set_window(struct zoo *z, struct op *op, int64_t kernel,
                       int64_t stride, struct side h, struct side w)
{
    const int64_t kernels[2] = {kernel, kernel};
    const int64_t strides[2] = {stride, stride};
    const int64_t pads[4] = {h.before, w.before, h.behind, w.behind};

    if (op == NULL) {
        return;
    }
    if (h.out < 1 || w.out < 1) {
        z->rc = err_set(z->err, EDGE_EINVAL,
                        "the input is too small: nothing is left for \"%s\"; "
                        "take a larger one",
                        op->name);
        return;
    }
    z->rc = op_set_ints(op, "kernel_shape", kernels, 2);
    if (z->rc == 0) {
        z->rc = op_set_ints(op, "strides", strides, 2);
    }
    if (z->rc == 0) {
        z->rc = op_set_ints(op, "pads", pads, 4);
    }
}

static struct zoo_map add_conv(struct zoo *z, struct zoo_map x,
                               const char *name, struct zoo_conv c,
                               struct side h, struct side w)
{
    int64_t groups = c.groups > 0 ? c.groups : 1;
    const int64_t dims[4] = {c.out, x.c / groups, c.kernel, c.kernel};
    int64_t area = c.kernel * c.kernel;
    struct zoo_fans fans = {(double)(dims[1] * area),
                            (double)(c.out / groups * area)};
    int in[3] = {x.value, -1, -1};
    struct op *op;

    in[1] = zoo_weight(z, name, shape_of(4, dims), fans, c.start);
    in[1] = c.is_binary ? zoo_signs(z, name, in[1]) : in[1];
    if (!c.no_bias) {
        in[2] = zoo_bias(z, name, c.out, fans, c.start);
    }
    op = zoo_op(z, OP_CONV, name, in, c.no_bias ? 2 : 3, &x);
    set_window(z, op, c.kernel, c.stride, h, w);
    if (z->rc == 0 && groups > 1) {
        z->rc = op_set_int(op, "group", groups);
    }
    return (struct zoo_map){x.value, c.out, h.out, w.out};
}

struct zoo_map zoo_conv(struct zoo *z, struct zoo_map x, const char *name,
                        struct zoo_conv c)
{
    return add_conv(z, x, name, c, side_ceil(x.h, c.kernel, c.stride),
                    side_ceil(x.w, c.kernel, c.stride));
}

struct zoo_map zoo_conv_even(struct zoo *z, struct zoo_map x, const char *name,
                             struct zoo_conv c)
{
    int64_t pad = c.kernel / 2;

    return add_conv(z, x, name, c, side_of(x.h, c.kernel, c.stride, pad, pad),
                    side_of(x.w, c.kernel, c.stride, pad, pad));
}

struct zoo_map zoo_conv_bare(struct zoo *z, struct zoo_map x, const char *name,
                             struct zoo_conv c)
{
    return add_conv(z, x, name, c, side_of(x.h, c.kernel, c.stride, 0, 0),
                    side_of(x.w, c.kernel, c.stride, 0, 0));
}

struct zoo_map zoo_batch_norm(struct zoo *z, struct zoo_map x, const char *name,
                              double scale)
{
    int in[5] = {x.value, -1, -1, -1, -1};

    in[1] = zoo_norm_part(z, name, "weight", x.c, 1, scale, 0x1p-5);
    in[2] = zoo_norm_part(z, name, "bias", x.c, 0, 0, 0x1p-3);
    in[3] = zoo_norm_part(z, name, "mean", x.c, 0, 0, 0x1p-3);
    in[4] = zoo_norm_part(z, name, "var", x.c, 1, 1, 0x1p-3);
    (void)zoo_op(z, OP_BATCH_NORM, name, in, 5, &x);
    return x;
}

struct zoo_map zoo_relu(struct zoo *z, struct zoo_map x, const char *name)
{
    return add_plain(z, OP_RELU, name, x);
}

struct zoo_map zoo_relu6(struct zoo *z, struct zoo_map x, const char *name)
{
    int in[3] = {x.value, graph_find_value(z->graph, "relu6.least"),
                 graph_find_value(z->graph, "relu6.most")};

    if (in[1] < 0) {
        in[1] = zoo_number(z, "relu6.least", 0);
        in[2] = zoo_number(z, "relu6.most", 6);
    }
    (void)zoo_op(z, OP_CLIP, name, in, 3, &x);
    return x;
}

struct zoo_map zoo_tanh(struct zoo *z, struct zoo_map x, const char *name)
{
    return add_plain(z, OP_TANH, name, x);
}

static struct zoo_map add_pool(struct zoo *z, enum op_kind kind,
                               struct zoo_map x, const char *name,
                               int64_t kernel, int64_t stride, struct side h,
                               struct side w)
{
    set_window(z, zoo_op(z, kind, name, &x.value, 1, &x), kernel, stride, h, w);
    return (struct zoo_map){x.value, x.c, h.out, w.out};
}

struct zoo_map zoo_max_pool(struct zoo *z, struct zoo_map x, const char *name,
                            int64_t kernel, int64_t stride, int64_t pad)
{
    return add_pool(z, OP_MAX_POOL, x, name, kernel, stride,
                    side_of(x.h, kernel, stride, pad, pad),
                    side_of(x.w, kernel, stride, pad, pad));
}

static struct side side_behind(int64_t size, int64_t kernel, int64_t stride)
{
    int64_t rest = size > kernel ? (size - kernel) % stride : 0;

    return side_of(size, kernel, stride, 0, rest > 0 ? stride - rest : 0);
}

struct zoo_map zoo_max_pool_ceil(struct zoo *z, struct zoo_map x,
                                 const char *name, int64_t kernel,
                                 int64_t stride)
{
    return add_pool(z, OP_MAX_POOL, x, name, kernel, stride,
                    side_behind(x.h, kernel, stride),
                    side_behind(x.w, kernel, stride));
}

struct zoo_map zoo_average_pool_ceil(struct zoo *z, struct zoo_map x,
                                     const char *name, int64_t kernel,
                                     int64_t stride)
{
    return add_pool(z, OP_AVERAGE_POOL, x, name, kernel, stride,
                    side_behind(x.h, kernel, stride),
                    side_behind(x.w, kernel, stride));
}

struct zoo_map zoo_global_pool(struct zoo *z, struct zoo_map x,
                               const char *name)
{
    x = add_plain(z, OP_GLOBAL_AVERAGE_POOL, name, x);
    return (struct zoo_map){x.value, x.c, 1, 1};
}

struct zoo_map zoo_flatten(struct zoo *z, struct zoo_map x, const char *name)
{
    x = add_plain(z, OP_FLATTEN, name, x);
    return (struct zoo_map){x.value, x.c * x.h * x.w, 1, 1};
}

struct zoo_map zoo_dropout(struct zoo *z, struct zoo_map x, const char *name)
{
    int in[2] = {x.value, graph_find_value(z->graph, "dropout.ratio")};

    if (in[1] < 0) {
        in[1] = zoo_number(z, "dropout.ratio", 0.5F);
    }
    (void)zoo_op(z, OP_DROPOUT, name, in, 2, &x);
    return x;
}

struct zoo_map zoo_dense(struct zoo *z, struct zoo_map x, const char *name,
                         int64_t out, struct zoo_start start)
{
    const int64_t dims[2] = {out, x.c};
    struct zoo_fans fans = {(double)x.c,
                            start.law == ZOO_HE ? (double)x.c : (double)out};
    int in[3] = {x.value, -1, -1};
    struct op *op;

    in[1] = zoo_weight(z, name, shape_of(2, dims), fans, start);
    in[2] = zoo_bias(z, name, out, fans, start);
    op = zoo_op(z, OP_GEMM, name, in, 3, &x);
    if (op != NULL) {
        z->rc = op_set_int(op, "transB", 1);
    }
    return (struct zoo_map){x.value, out, 1, 1};
}

struct zoo_map zoo_classifier(struct zoo *z, struct zoo_map x, const char *name)
{
    return zoo_dense(z, x, name, z->classes,
                     (struct zoo_start){ZOO_NORMAL, 0.01, 0});
}

struct zoo_map zoo_add(struct zoo *z, struct zoo_map a, struct zoo_map b,
                       const char *name)
{
    const int in[2] = {a.value, b.value};

    (void)zoo_op(z, OP_ADD, name, in, 2, &a);
    return a;
}

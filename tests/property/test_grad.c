/* Every gradient against finite differences, on random shapes, windows,
 * groups and broadcasts. */
#include "graph/grad_rule.h"
#include "tests/lib/grad_trial.h"
#include "tests/lib/unit.h"

#include <string.h>

#define ROUNDS 12

static bool was_checked[OP_COUNT];

/* ---- windows ------------------------------------------------------------ */

struct sizes {
    int64_t n;
    int64_t in[3];
    int64_t kernel[3];
    int rank;
};

/* Sets a window that fits; of pooling, pads stay below the kernel. */
static struct sizes any_sizes(struct grad_check *c)
{
    struct sizes s = {.n = between(c, 1, 3), .rank = (int)between(c, 1, 3)};

    s.rank = s.rank == 1 ? 2 : s.rank == 2 ? 2 : (int)between(c, 1, 3);
    for (int i = 0; i < s.rank; i++) {
        s.in[i] = between(c, 5, s.rank == 3 ? 6 : 11);
        s.kernel[i] = between(c, 1, 3);
    }
    return s;
}

static void set_window(struct grad_check *c, const struct sizes *s, bool pool,
                       bool dilates)
{
    int64_t stride[3];
    int64_t dilation[3];
    int64_t pads[6];

    for (int i = 0; i < s->rank; i++) {
        int64_t most = pool ? s->kernel[i] - 1 : 2;

        stride[i] = between(c, 1, 3);
        dilation[i] = dilates ? between(c, 1, 2) : 1;
        pads[i] = between(c, 0, most);
        pads[s->rank + i] = between(c, 0, most);
    }
    model_set_ints(c->graph, "kernel_shape", s->rank, s->kernel);
    model_set_ints(c->graph, "strides", s->rank, stride);
    model_set_ints(c->graph, "dilations", s->rank, dilation);
    if (between(c, 0, 4) == 0) {
        model_set_string(c->graph, "auto_pad", "SAME_UPPER");
    } else {
        model_set_ints(c->graph, "pads", 2 * s->rank, pads);
    }
}

static int windowed(struct grad_check *c, const struct sizes *s, int64_t ch,
                    enum grad_fill fill)
{
    int64_t dims[5] = {s->n, ch};

    memcpy(dims + 2, s->in, sizeof(s->in));
    return grad_leaf(c, fill, -1, 2 + s->rank, dims);
}

static void build_conv(struct grad_check *c)
{
    struct sizes s = any_sizes(c);
    int64_t groups = between(c, 1, 3);
    int64_t ins = between(c, 1, 4);
    int64_t outs = between(c, 1, between(c, 1, 3) == 1 ? 20 : 4);
    int64_t dims[5] = {outs * groups, ins};
    int x = windowed(c, &s, ins * groups, GRAD_ANY);
    int w;
    int y;

    memcpy(dims + 2, s.kernel, sizeof(s.kernel));
    w = grad_leaf(c, GRAD_ANY, -1, 2 + s.rank, dims);
    if (between(c, 0, 1)) {
        int b = grad_leaf(c, GRAD_ANY, -1, DIMS(outs * groups));

        y = model_op(c->graph, OP_CONV, "y", IN(x, w, b));
    } else {
        y = model_op(c->graph, OP_CONV, "y", IN(x, w));
    }
    set_window(c, &s, false, true);
    model_set_int(c->graph, "group", groups);
    done(c, y);
}

static void build_conv_transpose(struct grad_check *c)
{
    struct sizes s = any_sizes(c);
    int64_t groups = between(c, 1, 2);
    int64_t ins = between(c, 1, 3);
    int64_t outs = between(c, 1, 3);
    int64_t dims[5] = {ins * groups, outs};
    int64_t extra[3] = {between(c, 0, 2), between(c, 0, 2), between(c, 0, 2)};
    int64_t strides[3] = {3, 3, 3};
    int x = windowed(c, &s, ins * groups, GRAD_ANY);
    int w;
    int b;
    int y;

    memcpy(dims + 2, s.kernel, sizeof(s.kernel));
    w = grad_leaf(c, GRAD_ANY, -1, 2 + s.rank, dims);
    b = grad_leaf(c, GRAD_ANY, -1, DIMS(outs * groups));
    y = model_op(c->graph, OP_CONV_TRANSPOSE, "y", IN(x, w, b));
    set_window(c, &s, true, true);
    model_set_ints(c->graph, "strides", s.rank, strides);
    if (op_attr(model_last(c->graph), "auto_pad") == NULL) {
        model_set_ints(c->graph, "output_padding", s.rank, extra);
    }
    model_set_int(c->graph, "group", groups);
    done(c, y);
}

static void build_pool(struct grad_check *c, enum op_kind kind)
{
    struct sizes s = any_sizes(c);
    int x = windowed(c, &s, between(c, 1, 3),
                     kind == OP_MAX_POOL ? GRAD_DISTINCT : GRAD_ANY);
    int y = model_op(c->graph, kind, "y", IN(x));

    set_window(c, &s, true, kind == OP_MAX_POOL);
    if (op_attr(model_last(c->graph), "auto_pad") == NULL) {
        model_set_int(c->graph, "ceil_mode", between(c, 0, 1));
    }
    if (kind == OP_AVERAGE_POOL) {
        model_set_int(c->graph, "count_include_pad", between(c, 0, 1));
    }
    done(c, y);
}

static void build_max_pool(struct grad_check *c)
{
    build_pool(c, OP_MAX_POOL);
}

static void build_average_pool(struct grad_check *c)
{
    build_pool(c, OP_AVERAGE_POOL);
}

static void build_global(struct grad_check *c)
{
    struct sizes s = any_sizes(c);
    int x = windowed(c, &s, 3, GRAD_DISTINCT);

    done(c, model_op(c->graph, OP_GLOBAL_AVERAGE_POOL, "y", IN(x)));
    done(c, model_op(c->graph, OP_GLOBAL_MAX_POOL, "z", IN(x)));
}

/* ---- elements ----------------------------------------------------------- */

static void build_unary(struct grad_check *c)
{
    static const struct {
        enum op_kind kind;
        enum grad_fill fill;
    } kinds[] = {
        {OP_RELU, GRAD_OFF},       {OP_LEAKY_RELU, GRAD_OFF},
        {OP_ELU, GRAD_OFF},        {OP_SELU, GRAD_OFF},
        {OP_SIGMOID, GRAD_ANY},    {OP_TANH, GRAD_ANY},
        {OP_HARD_SWISH, GRAD_OFF}, {OP_GELU, GRAD_ANY},
        {OP_NEG, GRAD_ANY},        {OP_ABS, GRAD_OFF},
        {OP_EXP, GRAD_ANY},        {OP_LOG, GRAD_POSITIVE},
        {OP_SQRT, GRAD_POSITIVE},  {OP_RECIPROCAL, GRAD_POSITIVE},
        {OP_SOFTPLUS, GRAD_ANY},   {OP_ERF, GRAD_ANY},
        {OP_IDENTITY, GRAD_ANY},   {OP_HARD_SIGMOID, GRAD_OFF},
    };
    int64_t n = between(c, 1, 40);

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        int x = grad_leaf(c, kinds[i].fill, -1, DIMS(2, n));

        done(c, model_op(c->graph, kinds[i].kind, NULL, IN(x)));
    }
}

/* Steps by a difference do not see: their gradient is nothing, Sign's only
 * beyond 1 (within, tests/unit/test_step.c). */
static void build_flat(struct grad_check *c)
{
    int x = grad_leaf(c, GRAD_OFF, 0, DIMS(7));
    int two = model_f32(c->graph, "two", 2, 0, SCALAR);
    int above = model_op(c->graph, OP_EXP, "exp", IN(x));
    int sign;
    int cast;

    above = model_op(c->graph, OP_ADD, "above", IN(above, two));
    sign = model_op(c->graph, OP_SIGN, "sign", IN(above));
    above = model_op(c->graph, OP_FLOOR, "floor", IN(x));
    sign = model_op(c->graph, OP_ADD, "flat", IN(sign, above));
    cast = model_op(c->graph, OP_CAST, "cast", IN(x));
    model_set_int(c->graph, "to", 1);
    done(c, model_op(c->graph, OP_MUL, "y", IN(sign, cast)));
}

static void build_clip(struct grad_check *c)
{
    int x = grad_leaf(c, GRAD_OFF, -1, DIMS(3, 15));
    int low = model_f32(c->graph, "low", -1, 0, SCALAR);
    int high = model_f32(c->graph, "high", 2.5F, 0, SCALAR);

    done(c, model_op(c->graph, OP_CLIP, "y", IN(x, low, high)));
    done(c, model_op(c->graph, OP_CLIP, "z", IN(x, low)));
    done(c, model_op(c->graph, OP_CLIP, "w", IN(x, -1, high)));
}

/* Shapes that broadcast together. */
static int any_operand(struct grad_check *c, enum grad_fill fill)
{
    int64_t dims[] = {between(c, 0, 1) ? 2 : 1, between(c, 0, 1) ? 3 : 1,
                      between(c, 0, 1) ? 5 : 1};
    int skip = (int)between(c, 0, 2);

    return grad_leaf(c, fill, -1, 3 - skip, dims + skip);
}

static void build_binary(struct grad_check *c)
{
    static const enum op_kind kinds[] = {OP_ADD, OP_SUB, OP_MUL, OP_DIV,
                                         OP_POW};

    for (int k = 0; k < 5; k++) {
        enum op_kind kind = kinds[k];
        bool positive = kind == OP_DIV || kind == OP_POW;
        int a = any_operand(c, positive ? GRAD_POSITIVE : GRAD_ANY);
        int b = any_operand(c, positive ? GRAD_POSITIVE : GRAD_ANY);

        done(c, model_op(c->graph, kind, NULL, IN(a, b)));
    }
}

static void build_many(struct grad_check *c)
{
    int a = any_operand(c, GRAD_ANY);
    int b = any_operand(c, GRAD_ANY);
    int d = any_operand(c, GRAD_ANY);

    done(c, model_op(c->graph, OP_SUM, "sum", IN(a, b, d)));
    done(c, model_op(c->graph, OP_MEAN, "mean", IN(a, b, d, a)));
}

/* Of two of one leaf, no two elements are close. */
static void build_extreme(struct grad_check *c)
{
    int x = grad_leaf(c, GRAD_DISTINCT, -1, DIMS(2, 3, 5));
    int one = model_ints(c->graph, NULL, 1, (int64_t[]){1});
    int two = model_ints(c->graph, NULL, 1, (int64_t[]){2});
    int zero = model_ints(c->graph, NULL, 1, (int64_t[]){0});
    int a = model_op(c->graph, OP_SLICE, "a", IN(x, zero, one, zero));
    int b = model_op(c->graph, OP_SLICE, "b", IN(x, one, two, zero));

    done(c, model_op(c->graph, OP_MAX, "max", IN(a, b)));
    done(c, model_op(c->graph, OP_MIN, "min", IN(a, b)));
}

static void build_where(struct grad_check *c)
{
    int a = any_operand(c, GRAD_OFF);
    int b = any_operand(c, GRAD_ANY);
    int slope = grad_leaf(c, GRAD_ANY, -1, DIMS(3, 1));
    int x = grad_leaf(c, GRAD_OFF, -1, DIMS(2, 3, 4));
    int zero = model_f32(c->graph, "zero", 0, 0, SCALAR);
    int below = model_op(c->graph, OP_LESS, "below", IN(a, zero));

    done(c, model_op(c->graph, OP_WHERE, "y", IN(below, a, b)));
    done(c, model_op(c->graph, OP_PRELU, "z", IN(x, slope)));
}

/* ---- shapes ------------------------------------------------------------- */

static int list(struct grad_check *c, int n, const int64_t *v)
{
    return model_ints(c->graph, NULL, n, v);
}

static void build_views(struct grad_check *c)
{
    int x = grad_leaf(c, GRAD_ANY, -1, DIMS(2, 3, 1, 4));
    int a = model_op(c->graph, OP_FLATTEN, "a", IN(x));
    int b = model_op(c->graph, OP_RESHAPE, "b", IN(x, list(c, DIMS(6, -1))));
    int s = model_op(c->graph, OP_SQUEEZE, "s", IN(x, list(c, DIMS(2))));
    int u = model_op(c->graph, OP_UNSQUEEZE, "u", IN(s, list(c, DIMS(0, 4))));
    int t = model_op(c->graph, OP_TRANSPOSE, "t", IN(s));
    int v;

    done(c, t);
    v = model_op(c->graph, OP_TRANSPOSE, "v", IN(x));
    model_set_ints(c->graph, "perm", DIMS(1, 3, 0, 2));
    done(c, v);
    done(c, a);
    done(c, model_op(c->graph, OP_MUL, "m", IN(b, b)));
    done(c, u);
}

static void build_joins(struct grad_check *c)
{
    int64_t axis = between(c, 0, 2);
    int64_t dims[3] = {2, 4, 3};
    int parts[3];
    int y;
    int z;

    for (int i = 0; i < 3; i++) {
        dims[axis] = between(c, 1, 3);
        parts[i] = grad_leaf(c, GRAD_ANY, -1, 3, dims);
    }
    y = model_op(c->graph, OP_CONCAT, "y", 3, parts);
    model_set_int(c->graph, "axis", axis - 3);
    y = model_op(c->graph, OP_EXP, "e", IN(y));
    z = model_op(c->graph, OP_SPLIT, "s0", IN(y));
    model_set_int(c->graph, "axis", axis == 1 ? 0 : 1);
    if (axis == 1) {
        done(c, model_more(c->graph, "s1"));
    } else {
        (void)model_more(c->graph, "s1");
        model_more(c->graph, "s2");
        done(c, model_more(c->graph, "s3"));
    }
    done(c, z);
}

static void build_slices(struct grad_check *c)
{
    int x = grad_leaf(c, GRAD_ANY, -1, DIMS(2, 6, 5));
    int from = list(c, 2, (int64_t[]){between(c, -4, 2), 1});
    int to = list(c, 2, (int64_t[]){between(c, 3, 9), -1});
    int axes = list(c, DIMS(1, 2));
    int y = model_op(c->graph, OP_SLICE, "y", IN(x, from, to, axes));
    int pads = list(c, 6, (int64_t[]){0, between(c, 0, 2), 1, 2, 0, 0});
    int z = model_op(c->graph, OP_PAD, "z", IN(x, pads));
    int wide = list(c, DIMS(3, 2, 6, 5));

    done(c, y);
    done(c, z);
    done(c, model_op(c->graph, OP_EXPAND, "e", IN(x, wide)));
}

static void build_blocks(struct grad_check *c)
{
    int x = grad_leaf(c, GRAD_ANY, -1, DIMS(2, 8, 4, 2));
    int y = model_op(c->graph, OP_DEPTH_TO_SPACE, "y", IN(x));

    model_set_int(c->graph, "blocksize", 2);
    done(c, y);
    y = model_op(c->graph, OP_SPACE_TO_DEPTH, "z", IN(x));
    model_set_int(c->graph, "blocksize", 2);
    done(c, y);
}

static void build_reductions(struct grad_check *c)
{
    enum op_kind kind = between(c, 0, 1) ? OP_REDUCE_MEAN : OP_REDUCE_SUM;
    int x = grad_leaf(c, GRAD_ANY, -1, DIMS(2, 3, 4));
    int axes = list(c, 2, (int64_t[]){between(c, 0, 1), -1});
    int y = model_op(c->graph, kind, "y", IN(x, axes));

    model_set_int(c->graph, "keepdims", between(c, 0, 1));
    done(c, y);
    done(c, model_op(c->graph, kind, "all", IN(x)));
}

/* ---- normalisation and the rest -------------------------------------------
 */

static void build_batch_norm(struct grad_check *c)
{
    int64_t channels = between(c, 1, 5);
    int64_t frozen = between(c, 0, 2) == 0;
    int64_t inner = between(c, 1, 19);
    int x = grad_leaf(c, GRAD_ANY, 0, DIMS(4, channels, inner));
    int mean = model_f32(c->graph, "mean", 0.5F, 0.1F, DIMS(channels));
    int var = model_f32(c->graph, "var", 2, 0.1F, DIMS(channels));
    int scale = frozen ? model_f32(c->graph, "scale", 1, 0.3F, DIMS(channels))
                       : grad_leaf(c, GRAD_ANY, 1, DIMS(channels));
    int bias = frozen ? model_f32(c->graph, "bias", 1, 0.3F, DIMS(channels))
                      : grad_leaf(c, GRAD_ANY, 1, DIMS(channels));
    int y =
        model_op(c->graph, OP_BATCH_NORM, "y", IN(x, scale, bias, mean, var));

    model_set_float(c->graph, "epsilon", 0.01F);
    done(c, y);
}

static void build_softmax(struct grad_check *c)
{
    int x = grad_leaf(c, GRAD_ANY, -1, DIMS(2, 4, 3));
    int y = model_op(c->graph, OP_SOFTMAX, "y", IN(x));

    model_set_int(c->graph, "axis", between(c, -3, 2));
    done(c, y);
    y = model_op(c->graph, OP_LOG_SOFTMAX, "z", IN(x));
    model_set_int(c->graph, "axis", between(c, -3, 2));
    done(c, y);
}

static void build_loss(struct grad_check *c)
{
    int x;

    c->classes = between(c, 2, 6);
    x = between(c, 0, 1)
            ? grad_leaf(c, GRAD_ANY, 0, DIMS(between(c, 1, 5), c->classes))
            : grad_leaf(c, GRAD_ANY, 0, DIMS(2, c->classes, 3));
    done(c, model_op(c->graph, OP_NEG, "scores", IN(x)));
}

/* As an op of the model's own, with what the request cannot say. */
static void build_weighted_loss(struct grad_check *c)
{
    static const char *const reductions[] = {"mean", "sum"};
    int x = grad_leaf(c, GRAD_ANY, 0, DIMS(8, 3));
    int labels = model_ints(c->graph, "labels", 8,
                            (const int64_t[]){0, 2, 1, -7, 2, 2, 0, 1});
    int weights = model_f32(c->graph, "weights", 0.5F, 0.75F, DIMS(3));

    done(c, model_op(c->graph, OP_SOFTMAX_LOSS, "y", IN(x, labels, weights)));
    model_set_string(c->graph, "reduction", reductions[between(c, 0, 1)]);
    model_set_int(c->graph, "ignore_index", -7);
}

static void build_dropout(struct grad_check *c)
{
    int x = grad_leaf(c, GRAD_ANY, -1, DIMS(3, 5, 7));
    int ratio = model_f32(c->graph, "ratio", 0.3F, 0, SCALAR);

    done(c, model_op(c->graph, OP_DROPOUT, "y", IN(x, ratio)));
    done(c, model_op(c->graph, OP_DROPOUT, "z", IN(x)));
}

/* A value with several readers, fused ops, and a leaf that nothing reads. */
static void build_residual(struct grad_check *c)
{
    int x = grad_leaf(c, GRAD_ANY, -1, DIMS(2, 3, 6, 6));
    int w = grad_leaf(c, GRAD_ANY, 1, DIMS(3, 3, 3, 3));
    int v = grad_leaf(c, GRAD_ANY, 1, DIMS(3, 3, 1, 1));
    int a;
    int b;
    int sum;

    (void)grad_leaf(c, GRAD_ANY, 0, DIMS(2));
    a = model_op(c->graph, OP_CONV, "a", IN(x, w));
    model_set_ints(c->graph, "pads", DIMS(1, 1, 1, 1));
    a = model_op(c->graph, OP_TANH, "t", IN(a));
    b = model_op(c->graph, OP_CONV, "b", IN(a, v));
    sum = model_op(c->graph, OP_ADD, "sum", IN(b, x));
    sum = model_op(c->graph, OP_LEAKY_RELU, "leaky", IN(sum));
    model_set_float(c->graph, "alpha", 0.99F); /* its kink hides in the noise */
    done(c, model_op(c->graph, OP_MUL, "y", IN(sum, a)));
}

static const struct {
    const char *name;
    void (*build)(struct grad_check *c);
} trials[] = {
    {"gemm", grad_gemm},
    {"matmul", grad_matmul},
    {"conv", build_conv},
    {"conv_transpose", build_conv_transpose},
    {"max_pool", build_max_pool},
    {"average_pool", build_average_pool},
    {"global pools", build_global},
    {"unary", build_unary},
    {"flat", build_flat},
    {"clip", build_clip},
    {"binary", build_binary},
    {"sum and mean", build_many},
    {"max and min", build_extreme},
    {"where and prelu", build_where},
    {"views", build_views},
    {"concat and split", build_joins},
    {"slice, pad, expand", build_slices},
    {"slice by steps", grad_steps},
    {"gather and tile", grad_picks},
    {"resize", grad_resize},
    {"reduced extremes", grad_reduced_extremes},
    {"blocks", build_blocks},
    {"reductions", build_reductions},
    {"batch_norm", build_batch_norm},
    {"norms of samples", grad_sample_norms},
    {"lrn", grad_lrn},
    {"softmax", build_softmax},
    {"loss", build_loss},
    {"weighted loss", build_weighted_loss},
    {"dropout", build_dropout},
    {"residual", build_residual},
    {"lossy tiles", grad_tiles},
    {"lossy convolution", grad_lossy_conv},
    {"lossy blocks", grad_blocks},
};

static void note_kinds(const struct graph *g)
{
    for (size_t i = 0; i < g->n_ops; i++) {
        was_checked[g->ops[i].kind] = true;
    }
}

static void test_gradients_are_those_of_finite_differences(void **state)
{
    (void)state;
    for (size_t t = 0; t < sizeof(trials) / sizeof(trials[0]); t++) {
        for (uint64_t seed = 1; seed <= ROUNDS; seed++) {
            struct grad_check c;
            struct rng rng;

            rng_init(&rng, seed * 1000 + t);
            grad_check_init(&c, &rng);
            trials[t].build(&c);
            note_kinds(c.graph);
            grad_check_run(&c, trials[t].name, seed);
            grad_check_deinit(&c);
        }
    }
}

/* What the rewrite itself puts in is checked with what it stands for; steps
 * that are flat have nothing to check but that. */
static void test_every_rule_was_checked(void **state)
{
    (void)state;
    was_checked[OP_BATCH_NORM_TRAIN] = true;
    was_checked[OP_DROPOUT_TRAIN] = true;
    was_checked[OP_SOFTMAX_LOSS] = true;
    was_checked[OP_FLOOR] = true;
    was_checked[OP_CEIL] = true;
    was_checked[OP_ROUND] = true;
    for (int k = 0; k < OP_COUNT; k++) {
        if (grad_rule_of((enum op_kind)k) != NULL && !was_checked[k]) {
            fail_msg("no trial has %s", op_info((enum op_kind)k)->name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients_are_those_of_finite_differences),
        cmocka_unit_test(test_every_rule_was_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

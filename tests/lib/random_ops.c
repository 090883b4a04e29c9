#include "tests/lib/random_ops.h"

#include "tests/lib/model.h"
#include "tests/lib/unit.h"

#include <math.h>

#define RANDOM_ELEMENTS_MAX 20000

/* ---- convolutions ------------------------------------------------------ */

/* A divisor of n, at random. */
static int64_t divisor(struct maker *m, int64_t n)
{
    int64_t d = 1 + random_below(m, (int)n);

    while (n % d != 0) {
        d--;
    }
    return d;
}

/* Weights either as they are, or as int8 through DequantizeLinear, which is
 * then an op that depends on constants alone. */
static int conv_weight(struct maker *m, int64_t inputs, int rank,
                       const int64_t *dims)
{
    float scale = 1 / sqrtf((float)inputs);
    struct shape shape = shape_of(rank, dims);
    struct tensor t;
    int8_t *data;
    int value;

    if (random_below(m, 6) > 0) {
        return random_const(m, scale, 0, rank, dims);
    }
    assert_int_equal(tensor_init(&t, DTYPE_I8, &shape), 0);
    data = t.data;
    for (int64_t i = 0; i < tensor_count(&t); i++) {
        data[i] = (int8_t)(random_below(m, 200) - 100);
    }
    value = graph_add_const(m->graph, NULL, &t);
    assert_true(value >= 0);
    value =
        model_op(m->graph, OP_DEQUANTIZE_LINEAR, NULL,
                 IN(value, model_f32(m->graph, NULL, scale / 64, 0, SCALAR)));
    m->graph->values[value].dtype = DTYPE_F32;
    m->graph->values[value].has_shape = true;
    m->graph->values[value].shape = shape;
    return value;
}

static void conv_pads(struct maker *m, int64_t pad)
{
    if (random_below(m, 4) == 0) {
        model_set_string(m->graph, "auto_pad", "SAME_UPPER");
    } else {
        model_set_ints(m->graph, "pads",
                       DIMS(pad, pad, pad, random_below(m, (int)pad + 1)));
    }
}

static void add_batch_norm(struct maker *m, int x)
{
    int64_t channels = random_shape(m, x)->dims[1];
    int scale = random_const(m, 0.1f, 1, DIMS(channels));
    int bias = random_const(m, 0.1f, 0, DIMS(channels));
    int mean = random_const(m, 0.1f, 0, DIMS(channels));
    int variance = model_f32(m->graph, NULL, 0.5f, 0.25f, DIMS(channels));

    model_op(m->graph, OP_BATCH_NORM, NULL, IN(x, scale, bias, mean, variance));
    random_done(m);
}

static bool make_batch_norm(struct maker *m)
{
    int x = random_pick(m, 4);

    if (x >= 0) {
        add_batch_norm(m, x);
    }
    return x >= 0;
}

static bool make_conv(struct maker *m)
{
    int x = random_pick(m, 4);
    int64_t kernel = 1 + 2 * random_below(m, 2);
    int64_t stride = 1 + random_below(m, 2);
    struct shape in;
    int64_t group;
    int64_t out;
    int weight;

    if (x < 0) {
        return false;
    }
    in = *random_shape(m, x);
    if (in.dims[2] < kernel || in.dims[3] < kernel) {
        kernel = 1;
    }
    group = random_below(m, 2) == 0 ? 1 : divisor(m, in.dims[1]);
    out = group * (1 + random_below(m, group > 2 ? 2 : 8));
    weight = conv_weight(m, in.dims[1] / group * kernel * kernel,
                         DIMS(out, in.dims[1] / group, kernel, kernel));
    if (random_below(m, 2) == 0) {
        model_op(m->graph, OP_CONV, NULL, IN(x, weight));
    } else {
        int bias = random_const(m, 0.1f, 0, DIMS(out));

        model_op(m->graph, OP_CONV, NULL, IN(x, weight, bias));
    }
    model_set_int(m->graph, "group", group);
    model_set_ints(m->graph, "strides", DIMS(stride, stride));
    conv_pads(m, kernel / 2);
    random_done(m);
    if (random_below(m, 3) == 0) { /* as many models have it */
        add_batch_norm(m, m->pool[m->n_pool - 1]);
    }
    return true;
}

static bool make_conv_transpose(struct maker *m)
{
    int x = random_pick(m, 4);
    int64_t out = 1 + random_below(m, 5);
    int weight;

    if (x < 0 || shape_count(random_shape(m, x)) > RANDOM_ELEMENTS_MAX / 8) {
        return false;
    }
    weight = conv_weight(m, random_shape(m, x)->dims[1],
                         DIMS(random_shape(m, x)->dims[1], out, 2, 2));
    model_op(m->graph, OP_CONV_TRANSPOSE, NULL, IN(x, weight));
    model_set_ints(m->graph, "strides", DIMS(2, 2));
    random_done(m);
    return true;
}

/* ---- element by element ------------------------------------------------ */

static int pick_any(struct maker *m)
{
    return m->pool[m->n_pool - 1 - random_below(m, m->n_pool > 4 ? 4 : 1)];
}

static bool make_activation(struct maker *m)
{
    static const enum op_kind kinds[] = {
        OP_RELU, OP_RELU,       OP_LEAKY_RELU, OP_SIGMOID,  OP_TANH,
        OP_ELU,  OP_HARD_SWISH, OP_SOFTPLUS,   OP_IDENTITY, OP_NEG,
    };
    int kind = random_below(m, (int)(sizeof(kinds) / sizeof(kinds[0])));

    model_op(m->graph, kinds[kind], NULL, IN(pick_any(m)));
    random_done(m);
    return true;
}

static bool make_clip(struct maker *m)
{
    int x = pick_any(m);
    int low = model_f32(m->graph, NULL, 0, 0, SCALAR);
    int high = model_f32(m->graph, NULL, 6, 0, SCALAR);

    model_op(m->graph, OP_CLIP, NULL, IN(x, low, high));
    random_done(m);
    return true;
}

/* Another value of the pool with the shape of `x` but for dimension `free`. */
static int find_partner(struct maker *m, int x, int free)
{
    const struct shape *want = random_shape(m, x);
    int start = random_below(m, m->n_pool);

    for (int i = 0; i < m->n_pool; i++) {
        int y = m->pool[(start + i) % m->n_pool];
        struct shape shape = *random_shape(m, y);

        if (shape.rank == want->rank && free >= 0) {
            shape.dims[free] = want->dims[free];
        }
        if (y != x && shape_equal(&shape, want)) {
            return y;
        }
    }
    return -1;
}

static bool make_residual(struct maker *m)
{
    static const enum op_kind kinds[] = {OP_ADD, OP_ADD, OP_ADD,
                                         OP_MUL, OP_SUB, OP_MAX};
    int x = pick_any(m);
    int y = find_partner(m, x, -1);

    if (y < 0) {
        return false;
    }
    model_op(m->graph, kinds[random_below(m, 6)], NULL, IN(x, y));
    random_done(m);
    return true;
}

static bool make_scale(struct maker *m)
{
    int x = random_pick(m, 4);
    int y;

    if (x < 0) {
        return false;
    }
    y = random_const(m, 0.2f, 1, DIMS(random_shape(m, x)->dims[1], 1, 1));
    model_op(m->graph, random_below(m, 2) == 0 ? OP_MUL : OP_ADD, NULL,
             IN(x, y));
    random_done(m);
    return true;
}

static bool make_softmax(struct maker *m)
{
    model_op(m->graph, OP_SOFTMAX, NULL, IN(pick_any(m)));
    model_set_int(m->graph, "axis", random_below(m, 2) == 0 ? 1 : -1);
    random_done(m);
    return true;
}

/* ---- pooling ----------------------------------------------------------- */

static bool make_pool(struct maker *m)
{
    int x = random_pick(m, 4);
    int64_t kernel = 2 + random_below(m, 2);
    int64_t pad = random_below(m, 2);

    if (x < 0 || random_shape(m, x)->dims[2] < kernel ||
        random_shape(m, x)->dims[3] < kernel) {
        return false;
    }
    model_op(m->graph, random_below(m, 2) == 0 ? OP_MAX_POOL : OP_AVERAGE_POOL,
             NULL, IN(x));
    model_set_ints(m->graph, "kernel_shape", DIMS(kernel, kernel));
    model_set_ints(m->graph, "strides", DIMS(2, 1 + random_below(m, 2)));
    model_set_ints(m->graph, "pads", DIMS(pad, pad, pad, pad));
    model_set_int(m->graph, "ceil_mode", random_below(m, 2));
    random_done(m);
    return true;
}

static bool make_global_pool(struct maker *m)
{
    int x = random_pick(m, 4);

    if (x < 0 || random_below(m, 3) > 0) {
        return false;
    }
    if (random_below(m, 2) == 0) {
        model_op(m->graph, OP_GLOBAL_AVERAGE_POOL, NULL, IN(x));
    } else {
        model_op(m->graph, OP_REDUCE_MEAN, NULL, IN(x));
        model_set_ints(m->graph, "axes", DIMS(2, -1));
    }
    random_done(m);
    return true;
}

/* ---- layout ------------------------------------------------------------ */

static bool make_concat(struct maker *m)
{
    int x = pick_any(m);
    int y = find_partner(m, x, 1);

    if (y < 0 || shape_count(random_shape(m, x)) > RANDOM_ELEMENTS_MAX ||
        shape_count(random_shape(m, y)) > RANDOM_ELEMENTS_MAX) {
        return false;
    }
    model_op(m->graph, OP_CONCAT, NULL, IN(x, y));
    model_set_int(m->graph, "axis", 1);
    random_done(m);
    return true;
}

static bool make_split(struct maker *m)
{
    int x = random_pick(m, 4);

    if (x < 0 || random_shape(m, x)->dims[1] % 2 != 0) {
        return false;
    }
    model_op(m->graph, OP_SPLIT, NULL, IN(x));
    model_more(m->graph, NULL);
    model_set_int(m->graph, "axis", 1);
    random_done(m);
    return true;
}

static bool make_slice(struct maker *m)
{
    int x = random_pick(m, 4);
    int first;
    int end;
    int axes;

    if (x < 0 || random_shape(m, x)->dims[2] < 4) {
        return false;
    }
    first = model_ints(m->graph, NULL, DIMS(random_below(m, 2)));
    end = model_ints(m->graph, NULL, DIMS(-1));
    axes = model_ints(m->graph, NULL, DIMS(2));
    model_op(m->graph, OP_SLICE, NULL, IN(x, first, end, axes));
    random_done(m);
    return true;
}

static bool make_pad(struct maker *m)
{
    int x = random_pick(m, 4);
    int pads;

    if (x < 0 || shape_count(random_shape(m, x)) > RANDOM_ELEMENTS_MAX) {
        return false;
    }
    pads = model_ints(m->graph, NULL,
                      DIMS(0, 0, 1, random_below(m, 2), 0, 0, 1, 0));
    model_op(m->graph, OP_PAD, NULL, IN(x, pads));
    random_done(m);
    return true;
}

static bool make_resize(struct maker *m)
{
    int x = random_pick(m, 4);
    int scales;

    if (x < 0 || shape_count(random_shape(m, x)) > RANDOM_ELEMENTS_MAX / 8) {
        return false;
    }
    scales = model_f32(m->graph, NULL, 1, 0, DIMS(4));
    ((float *)m->graph->values[scales].data.data)[2] = 2;
    ((float *)m->graph->values[scales].data.data)[3] = 2;
    model_op(m->graph, OP_RESIZE, NULL, IN(x, -1, scales));
    model_set_string(m->graph, "mode", "nearest");
    model_set_string(m->graph, "nearest_mode", "floor");
    model_set_string(m->graph, "coordinate_transformation_mode", "asymmetric");
    random_done(m);
    return true;
}

static bool make_transpose(struct maker *m)
{
    int x = random_pick(m, 4);

    if (x < 0) {
        return false;
    }
    model_op(m->graph, OP_TRANSPOSE, NULL, IN(x));
    model_set_ints(m->graph, "perm", DIMS(0, 1, 3, 2));
    random_done(m);
    return true;
}

static bool make_dense(struct maker *m)
{
    int x = random_pick(m, 4);
    int64_t out = 1 + random_below(m, 20);
    int64_t features;
    int weight;
    int bias;

    if (x < 0 || random_below(m, 3) > 0) {
        return false;
    }
    x = model_op(m->graph, OP_FLATTEN, NULL, IN(x));
    random_done(m);
    features = random_shape(m, x)->dims[1];
    weight =
        random_const(m, 1 / sqrtf((float)features), 0, DIMS(out, features));
    bias = random_const(m, 0.1f, 0, DIMS(out));
    model_op(m->graph, OP_GEMM, NULL, IN(x, weight, bias));
    model_set_int(m->graph, "transB", 1);
    random_done(m);
    return true;
}

const random_op random_ops[] = {
    make_conv,       make_conv,   make_conv,           make_batch_norm,
    make_activation, make_clip,   make_residual,       make_residual,
    make_scale,      make_pool,   make_conv_transpose, make_global_pool,
    make_concat,     make_concat, make_split,          make_slice,
    make_pad,        make_resize, make_transpose,      make_dense,
    make_softmax,
};
const int random_n_ops = (int)(sizeof(random_ops) / sizeof(random_ops[0]));

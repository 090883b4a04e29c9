/* Products by bits against the definition, bit for bit, on each instruction
 * set; and layers that take what comes, bits or not. */
#include "kernels/xnor.h"

#include "base/mem.h"
#include "base/rng.h"
#include "graph/infer.h"
#include "tests/lib/model.h"
#include "tests/lib/run_graph.h"
#include "tests/lib/unit.h"

#include <string.h>

#define TRIALS 60

/* -1, 0 or 1; of every `zeros` one is 0 (0: none). */
static void fill(float *x, size_t n, struct rng *rng, uint64_t zeros)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = rng_below(rng, 2) != 0 ? 1 : -1;
        if (zeros > 0 && rng_below(rng, zeros) == 0) {
            x[i] = 0;
        }
    }
}

static float *room(size_t n)
{
    float *x = mem_array(float, n > 0 ? n : 1);

    assert_non_null(x);
    return x;
}

static uint64_t *words(size_t n)
{
    uint64_t *x = mem_array(uint64_t, n);

    assert_non_null(x);
    return x;
}

/* ---- dense ----------------------------------------------------------------
 */

static void try_dense(const struct isa *isa, struct rng *rng)
{
    size_t n = 1 + rng_below(rng, 4);
    size_t k = 1 + rng_below(rng, 200);
    size_t rows = 1 + rng_below(rng, 9);
    float *x = room(n * k);
    float *w = room(rows * k);
    float *y = room(n * rows);
    uint64_t *packed = words(rows * 2 * xnor_words(k));
    uint64_t *scratch = words(2 * xnor_words(k));

    fill(x, n * k, rng, 1 + rng_below(rng, 6));
    fill(w, rows * k, rng, rng_below(rng, 2) * 5);
    for (size_t r = 0; r < rows; r++) {
        assert_true(xnor_pack(w + r * k, k, packed + r * 2 * xnor_words(k)));
    }
    assert_true(xnor_dense(isa, x, n, k, packed, rows, y, scratch));
    for (size_t i = 0; i < n * rows; i++) {
        float sum = 0;

        for (size_t j = 0; j < k; j++) {
            sum += x[i / rows * k + j] * w[i % rows * k + j];
        }
        assert_memory_equal(&sum, &y[i], sizeof(sum));
    }
    x[rng_below(rng, n * k)] = 0.5F;
    assert_false(xnor_dense(isa, x, n, k, packed, rows, y, scratch));
    mem_free(x);
    mem_free(w);
    mem_free(y);
    mem_free(packed);
    mem_free(scratch);
}

static void test_dense(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 1);
    for (size_t i = 0; isa_each(i) != NULL; i++) {
        for (int t = 0; t < TRIALS; t++) {
            try_dense(isa_each(i), &rng);
        }
    }
}

/* ---- convolution ----------------------------------------------------------
 */

static struct xnor_conv random_conv(struct rng *rng)
{
    struct xnor_conv c = {.cin = 1 + rng_below(rng, 140),
                          .cout = 1 + rng_below(rng, 5)};

    for (int a = 0; a < GRID_AXES; a++) {
        struct grid *g = &c.grid;

        g->kernel[a] = a == 0 ? 1 : 1 + rng_below(rng, 3);
        g->stride[a] = 1 + rng_below(rng, 2);
        g->dilation[a] = 1 + rng_below(rng, 2);
        g->pad[a] = a == 0 ? 0 : rng_below(rng, 3);
        g->in[a] = a == 0 ? 1 : 5 + rng_below(rng, 4);
        g->out[a] = (g->in[a] + 2 * g->pad[a] -
                     (g->kernel[a] - 1) * g->dilation[a] - 1) /
                        g->stride[a] +
                    1;
    }
    return c;
}

/* Output `at` of filter f. */
static float conv_at(const struct xnor_conv *c, const float *x, const float *w,
                     size_t f, size_t at)
{
    const struct grid *g = &c->grid;
    size_t oy = at / g->out[2];
    size_t ox = at % g->out[2];
    float sum = 0;

    for (size_t i = 0; i < c->cin; i++) {
        for (size_t k = 0; k < g->kernel[1] * g->kernel[2]; k++) {
            size_t y = oy * g->stride[1] + k / g->kernel[2] * g->dilation[1];
            size_t z = ox * g->stride[2] + k % g->kernel[2] * g->dilation[2];
            bool inside = y >= g->pad[1] && z >= g->pad[2] &&
                          y - g->pad[1] < g->in[1] && z - g->pad[2] < g->in[2];

            sum += inside ? x[(i * g->in[1] + y - g->pad[1]) * g->in[2] + z -
                              g->pad[2]] *
                                w[(f * c->cin + i) * grid_taps(g) + k]
                          : 0;
        }
    }
    return sum;
}

static void try_conv(const struct isa *isa, struct rng *rng)
{
    struct xnor_conv c = random_conv(rng);
    size_t n_in = c.cin * grid_in(&c.grid);
    size_t area = grid_out(&c.grid);
    size_t n_w = c.cout * c.cin * grid_taps(&c.grid);
    float *x = room(n_in);
    float *w = room(n_w);
    float *y = room(c.cout * area);
    uint64_t *packed = words(xnor_conv_packed(&c));
    uint64_t *scratch = words(xnor_conv_scratch(&c));

    fill(x, n_in, rng, rng_below(rng, 2) * 4);
    fill(w, n_w, rng, 0);
    assert_true(xnor_conv_pack(&c, w, packed));
    assert_true(xnor_conv_run(isa, &c, x, packed, y, scratch));
    for (size_t i = 0; i < c.cout * area; i++) {
        float want = conv_at(&c, x, w, i / area, i % area);

        assert_memory_equal(&want, &y[i], sizeof(want));
    }
    x[rng_below(rng, n_in)] = 2;
    assert_false(xnor_conv_run(isa, &c, x, packed, y, scratch));
    w[rng_below(rng, n_w)] = -3;
    assert_false(xnor_conv_pack(&c, w, packed));
    mem_free(x);
    mem_free(w);
    mem_free(y);
    mem_free(packed);
    mem_free(scratch);
}

static void test_conv(void **state)
{
    struct rng rng;

    (void)state;
    rng_init(&rng, 2);
    for (size_t i = 0; isa_each(i) != NULL; i++) {
        for (int t = 0; t < TRIALS; t++) {
            try_conv(isa_each(i), &rng);
        }
    }
}

/* ---- layers ---------------------------------------------------------------
 */

/* Sign of weights before a convolution with a bias and Relu, or a dense
 * layer. */
static struct graph *layer(bool is_conv)
{
    struct graph *g = graph_new("layer");
    int x = model_input(g, "x", DTYPE_F32, DIMS(2, 3, 6, 5));
    int y;

    if (is_conv) {
        int w = model_f32(g, "w", -10, 0.75F, DIMS(2, 3, 3, 3));
        int b = model_f32(g, "b", 0.25F, 1, DIMS(2));

        y = model_op(g, OP_CONV, "y",
                     IN(x, model_op(g, OP_SIGN, "signs", IN(w)), b));
        model_set_ints(g, "pads", 4, (const int64_t[]){1, 1, 1, 1});
        y = model_op(g, OP_RELU, "relu", IN(y));
    } else {
        int w = model_f32(g, "w", -100, 0.75F, DIMS(90, 4));

        y = model_op(g, OP_FLATTEN, "flat", IN(x));
        y = model_op(g, OP_GEMM, "y",
                     IN(y, model_op(g, OP_SIGN, "signs", IN(w))));
    }
    model_output(g, y);
    assert_int_equal(infer_graph(g, NULL), 0);
    return g;
}

/* The same layer whose weights are an input, so that no bits are made. */
static void run_both(bool is_conv, float *values)
{
    struct graph *with = layer(is_conv);
    struct graph *without = layer(is_conv);
    int signs = graph_find_value(without, "signs");
    int w = graph_find_value(without, "w");
    struct tensor weights = tensor_ref(&without->values[w].data);
    struct shape shape = shape_of(4, (const int64_t[]){2, 3, 6, 5});
    struct tensor in[2] = {{.dtype = DTYPE_F32, .shape = shape, .data = values},
                           {.blob = NULL}};
    struct tensor a;
    struct tensor b;
    float *x;

    assert_int_equal(
        tensor_copy(&in[1], DTYPE_F32, &weights.shape, weights.data), 0);
    x = in[1].data;
    for (int64_t i = 0; i < tensor_count(&in[1]); i++) {
        x[i] = x[i] > 0 ? 1 : x[i] < 0 ? -1 : 0;
    }
    model_input(without, "w2", DTYPE_F32, weights.shape.rank,
                weights.shape.dims);
    graph_replace_uses(without, signs, graph_find_value(without, "w2"));
    assert_int_equal(graph_compact(without), 0);
    run_graph(with, in, &a);
    run_graph(without, in, &b);
    assert_memory_equal(a.data, b.data, tensor_bytes(&a));
    tensor_deinit(&a);
    tensor_deinit(&b);
    tensor_deinit(&in[1]);
    tensor_deinit(&weights);
    graph_free(with);
    graph_free(without);
}

static void test_layers_take_what_comes(void **state)
{
    float values[180];
    struct rng rng;

    (void)state;
    rng_init(&rng, 3);
    for (int is_conv = 0; is_conv < 2; is_conv++) {
        fill(values, 180, &rng, 5);
        run_both(is_conv != 0, values);
        values[179] = 0.25F; /* the last is not like them */
        run_both(is_conv != 0, values);
        values[0] = 0.5F;
        run_both(is_conv != 0, values);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dense),
        cmocka_unit_test(test_conv),
        cmocka_unit_test(test_layers_take_what_comes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Lossy tiles and blocks: exact where nothing is lost, at the rates that were
 * asked for where it is, the same whoever computes it. */
#include "tests/lib/model.h"
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "engine/plan.h"
#include "graph/infer.h"
#include "graph/lossy.h"
#include "kernels/blocks.h"
#include "kernels/tiles.h"

#include <math.h>
#include <string.h>

#define SIDE 12
#define CHANNELS 8
#define SAMPLES 600

/* ---- kernels: what is lost ----------------------------------------------- */

static struct tiles grid_of(int bands, int64_t reach)
{
    struct tiles t = {.salt = 5, .p = 0.4, .p11 = 0.9, .p22 = 0.6};

    for (int a = 0; a < 2; a++) {
        struct tiles_axis *x = &t.axis[a];

        x->extent = SIDE;
        x->bands = bands;
        x->length = SIDE / bands + 2 * reach;
        x->reach = reach;
        for (int i = 0; i <= bands; i++) {
            x->border[i] = (int64_t)SIDE / bands * i;
        }
        for (int i = 0; i < bands; i++) {
            x->from[i] = x->border[i] - reach;
        }
    }
    return t;
}

static float ones[SIDE * SIDE * CHANNELS];
static float tiles[16 * (SIDE + 4) * (SIDE + 4) * CHANNELS];

/* Elements of the halo that lie in the picture, and how many are lost. */
static void count_lost(const struct tiles *t, const float *made, double *lost,
                       double *all)
{
    const struct tiles_axis *a = t->axis;
    const float *at = made;

    for (int c = 0; c < CHANNELS; c++) {
        for (int i = 0; i < a[0].bands * a[1].bands; i++) {
            int64_t r = i / a[1].bands;
            int64_t s = i % a[1].bands;

            for (int64_t y = a[0].from[r]; y < a[0].from[r] + a[0].length;
                 y++) {
                for (int64_t x = a[1].from[s]; x < a[1].from[s] + a[1].length;
                     x++, at++) {
                    bool in = y >= 0 && x >= 0 && y < SIDE && x < SIDE;
                    bool own = y >= a[0].border[r] && y < a[0].border[r + 1] &&
                               x >= a[1].border[s] && x < a[1].border[s + 1];

                    assert_true(in || *at == 0);
                    assert_true(!own || *at == 1);
                    *all += in && !own;
                    *lost += in && !own && *at == 0;
                }
            }
        }
    }
}

static double part_lost(struct tiles *t)
{
    double lost = 0;
    double all = 0;

    for (size_t i = 0; i < sizeof(ones) / sizeof(ones[0]); i++) {
        ones[i] = 1;
    }
    for (int64_t seed = 0; seed < SAMPLES; seed++) {
        tiles_cut(t, ones, 1, CHANNELS, &seed, tiles);
        count_lost(t, tiles, &lost, &all);
    }
    return lost / all;
}

static void assert_near(double got, double want, double by)
{
    if (!(fabs(got - want) <= by)) {
        fail_msg("%g is not within %g of %g", got, by, want);
    }
}

/* Over a million elements, so their mean has a deviation of 5e-4; of sides
 * there are 48 a sample, in bursts. */
static void test_as_much_is_lost_as_is_asked_for(void **state)
{
    (void)state;
    for (int bands = 2; bands <= 4; bands += 2) {
        struct tiles t = grid_of(bands, 1);

        t.loss = TILES_ELEMENTS;
        assert_near(part_lost(&t), 0.4, 0.002);
        t.p = 0.05;
        assert_near(part_lost(&t), 0.05, 0.001);
        t.loss = TILES_SIDES; /* 0.1 / (0.1 + 0.4) */
        assert_near(part_lost(&t), 0.2, 0.02);
        t.p11 = 0.99;
        t.p22 = 0.03;
        assert_near(part_lost(&t), 0.01 / 0.98, 0.004);
        t.loss = TILES_NONE;
        assert_near(part_lost(&t), 1, 0);
        t.loss = TILES_EXACT;
        assert_near(part_lost(&t), 0, 0);
    }
}

/* A side is kept or lost in all channels at once, and bursts are as long as
 * p22 says: in a grid of 1 x 3 the middle tile's left and right follow one
 * another in the chain. */
static void test_sides_are_lost_whole_and_in_bursts(void **state)
{
    struct tiles t = grid_of(3, 1);
    double after = 0;
    double both = 0;
    size_t line = (size_t)t.axis[1].length;
    size_t tile = line * (size_t)t.axis[0].length;

    (void)state;
    t.loss = TILES_SIDES;
    (void)part_lost(&t); /* fills `ones` */
    for (int64_t seed = 0; seed < 20000; seed++) {
        const float *middle = tiles + 4 * tile + 2 * line; /* its second row */

        tiles_cut(&t, ones, 1, CHANNELS, &seed, tiles);
        for (int c = 1; c < CHANNELS; c++) {
            assert_true(middle[0] == middle[(size_t)c * 9 * tile]);
        }
        after += middle[0] == 0;
        both += middle[0] == 0 && middle[line - 1] == 0;
    }
    assert_near(both / after, 0.6, 0.02);
}

static void test_samples_lose_the_same_wherever_they_are(void **state)
{
    struct tiles t = grid_of(2, 2);
    const int64_t seeds[] = {7, 8, 9};
    static float three[3 * sizeof(ones) / sizeof(ones[0])];
    static float cut[3 * 4 * 10 * 10 * CHANNELS];
    size_t n = 4 * 10 * 10 * CHANNELS;

    (void)state;
    for (size_t i = 0; i < sizeof(three) / sizeof(three[0]); i++) {
        three[i] = (float)(i + 1);
    }
    for (int loss = TILES_ELEMENTS; loss <= TILES_SIDES; loss++) {
        t.loss = (enum tiles_loss)loss;
        tiles_cut(&t, three, 3, CHANNELS, seeds, cut);
        tiles_cut(&t, three + sizeof(ones) / sizeof(ones[0]), 1, CHANNELS,
                  seeds + 1, tiles);
        assert_memory_equal(cut + n, tiles, n * sizeof(float));
    }
}

static void test_margins_have_as_many_levels_as_bits_say(void **state)
{
    struct tiles t = grid_of(2, 1);
    const int64_t seed = 1;
    size_t inside = 0;

    (void)state;
    t.loss = TILES_EXACT;
    t.levels = 15;
    t.low = 0.5F;
    t.high = 0.8F;
    for (size_t i = 0; i < SIDE * SIDE; i++) {
        ones[i] = (float)i / (SIDE * SIDE);
    }
    for (int own = 0; own < 2; own++) {
        const float *at = tiles;

        t.own = own != 0;
        tiles_cut(&t, ones, 1, 1, &seed, tiles);
        for (int64_t y = -1; y < 7; y++) {
            for (int64_t x = -1; x < 7; x++, at++) {
                bool pad = y < 0 || x < 0;
                bool coarse =
                    !pad && (y >= (own ? 5 : 6) || x >= (own ? 5 : 6));
                float was = pad ? 0 : ones[y * SIDE + x];
                float level = (was < 0.5F ? 0 : was > 0.8F ? 0.3F : was - 0.5F);

                level = nearbyintf(level / 0.02F) * 0.02F;
                assert_near((double)*at, (double)(coarse ? level : was), 1e-6);
                inside += coarse && level > 0 && level < 0.29F;
            }
        }
    }
    assert_true(inside > 5);
}

/* ---- the rewrite --------------------------------------------------------- */

struct net {
    struct graph *graph;
    struct lossy_layer layers[2];
    struct lossy lossy;
};

static void set_axis(struct lossy_axis *a, int bands, int64_t in, int64_t out,
                     int64_t stride)
{
    a->bands = bands;
    for (int i = 0; i <= bands; i++) {
        a->out[i] = i == bands ? out : out / bands * i;
        a->in[i] = i == bands ? in : out / bands * i * stride;
    }
}

/* A convolution of any stride, then a pooling whose windows overlap. */
static void make_net(struct net *n, int64_t side, int64_t stride, int bands,
                     bool pools)
{
    int x;
    int y;

    *n = (struct net){.graph = graph_new("net")};
    x = model_input(n->graph, "x", DTYPE_F32, DIMS(2, 3, side, side + 1));
    y = model_f32(n->graph, "w", -0.3F, 0.011F, DIMS(4, 3, 3, 3));
    y = model_op(n->graph, OP_CONV, "y",
                 IN(x, y, model_f32(n->graph, "b", 0.1F, 0.1F, DIMS(4))));
    model_set_ints(n->graph, "pads", DIMS(1, 1, 1, 1));
    model_set_ints(n->graph, "strides", DIMS(stride, stride));
    if (pools) {
        y = model_op(n->graph, OP_MAX_POOL, "z", IN(y));
        model_set_ints(n->graph, "kernel_shape", DIMS(3, 3));
        model_set_ints(n->graph, "strides", DIMS(1, 1));
        model_set_ints(n->graph, "pads", DIMS(1, 1, 1, 1));
    }
    model_output(n->graph, y);
    for (int a = 0; a < 2; a++) {
        int64_t wide = (side + a - 1) / stride + 1;

        set_axis(&n->layers[0].axis[a], bands, side + a, wide, stride);
        set_axis(&n->layers[1].axis[a], bands, wide, wide, 1);
    }
    n->layers[0].value = "y";
    n->layers[1].value = "z";
    n->lossy.layers = n->layers;
    n->lossy.n_layers = pools ? 2 : 1;
    assert_int_equal(infer_graph(n->graph, NULL), 0);
}

/* What it makes of numbers that count up; `seeds` may be NULL. */
static void run_net(const struct graph *graph, const int64_t *seeds,
                    struct tensor *y)
{
    struct plan *plan = NULL;
    struct tensor in[2] = {{0}};
    struct err err = {""};

    if (plan_make(graph, &plan, &err) < 0) {
        fail_msg("%s", err.text);
    }
    for (size_t i = 0; i < plan_n_inputs(plan); i++) {
        const struct plan_port *port = plan_input(plan, i);

        assert_int_equal(tensor_init(&in[i], port->dtype, &port->shape), 0);
    }
    for (int64_t i = 0; i < tensor_count(&in[0]); i++) {
        ((float *)in[0].data)[i] = sinf((float)i);
    }
    if (seeds != NULL) {
        memcpy(in[1].data, seeds, tensor_bytes(&in[1]));
    }
    assert_int_equal(tensor_init(y, DTYPE_F32, &plan_output(plan, 0)->shape),
                     0);
    assert_int_equal(plan_run(plan, in, y), 0);
    tensor_deinit(&in[0]);
    tensor_deinit(&in[1]);
    plan_free(plan);
}

static bool has_kind(const struct graph *g, enum op_kind kind)
{
    for (size_t i = 0; i < g->n_ops; i++) {
        if (g->ops[i].kind == kind) {
            return true;
        }
    }
    return false;
}

static double difference(const struct tensor *a, const struct tensor *b)
{
    double most = 0;

    for (int64_t i = 0; i < tensor_count(a); i++) {
        most = fmax(most, fabs(tensor_get(a, i) - tensor_get(b, i)));
    }
    return most;
}

/* Halves of bits arrive when nothing is lost, though tiles are not of one
 * size; with everything lost, something else comes out. */
static void test_tiles_without_loss_change_nothing(void **state)
{
    static const int64_t sides[] = {8, 9, 13};

    (void)state;
    for (size_t i = 0; i < 12; i++) {
        struct net n;
        struct tensor want = {0};
        struct tensor got = {0};
        struct err err = {""};
        const int64_t seeds[] = {3, 4};
        bool has_seeds;

        make_net(&n, sides[i % 3], i < 6 ? 1 : 2, i % 2 == 0 ? 2 : 3, i > 2);
        run_net(n.graph, NULL, &want);
        n.lossy.rule.loss = TILE_FORM_ELEMENTS; /* of which none is lost */
        assert_int_equal(lossy_rewrite(n.graph, &n.lossy, &err), 0);
        assert_int_equal(lossy_add_seeds(n.graph, &has_seeds, &err), 0);
        assert_true(has_seeds && has_kind(n.graph, OP_TILE_CUT));
        assert_false(graph_check(n.graph, &err));
        run_net(n.graph, seeds, &got);
        assert_near(difference(&want, &got), 0, 1e-5);
        tensor_deinit(&got);
        graph_free(n.graph);
        make_net(&n, sides[i % 3], i < 6 ? 1 : 2, i % 2 == 0 ? 2 : 3, i > 2);
        n.lossy.rule.loss = TILE_FORM_NONE;
        assert_int_equal(lossy_rewrite(n.graph, &n.lossy, &err), 0);
        run_net(n.graph, NULL, &got);
        assert_true(difference(&want, &got) > 0.01);
        tensor_deinit(&got);
        tensor_deinit(&want);
        graph_free(n.graph);
    }
}

static void test_what_loses_nothing_stays_as_it_is(void **state)
{
    struct net n;
    bool has_seeds;

    (void)state;
    make_net(&n, 8, 1, 2, true);
    assert_int_equal(lossy_rewrite(n.graph, &n.lossy, NULL), 0);
    assert_false(has_kind(n.graph, OP_TILE_CUT));
    n.lossy.rule.loss = TILE_FORM_ELEMENTS;
    n.layers[0].halo = LOSSY_EXACT;
    n.layers[1].value = "elsewhere"; /* of another part of the model */
    assert_int_equal(lossy_rewrite(n.graph, &n.lossy, NULL), 0);
    assert_false(has_kind(n.graph, OP_TILE_CUT));
    assert_int_equal(lossy_add_seeds(n.graph, &has_seeds, NULL), 0);
    assert_false(has_seeds);
    graph_free(n.graph);
}

static void test_layers_that_cannot_be_in_tiles_are_named(void **state)
{
    struct net n;
    struct err err = {""};
    const char *products[] = {"y"};

    (void)state;
    make_net(&n, 8, 1, 2, false);
    n.lossy.rule.loss = TILE_FORM_ELEMENTS;
    n.layers[0].axis[0].in[2] = 7;
    assert_int_equal(lossy_rewrite(n.graph, &n.lossy, &err), EDGE_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "Conv"));
    n.lossy.n_layers = 0;
    n.lossy.products = products;
    n.lossy.n_products = 1;
    n.lossy.blocks = 4;
    n.lossy.rule.block_p = 0.1F;
    assert_int_equal(lossy_rewrite(n.graph, &n.lossy, &err), EDGE_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "dense"));
    graph_free(n.graph);
}

/* ---- blocks -------------------------------------------------------------- */

#define DEPTH 8

/* With weights of 1, and inputs of which each block has powers of its own, an
 * output tells which blocks arrived. */
static void test_blocks_are_lost_by_sample(void **state)
{
    struct blocks b = {.isa = isa_best(),
                       .rows = 4000,
                       .depth = DEPTH,
                       .cols = 5,
                       .blocks = 4,
                       .p = 0.1,
                       .salt = 3};
    static float x[4000 * DEPTH];
    static float y[4000 * 5];
    static int64_t seeds[4000];
    float w[5 * DEPTH];
    float bias[5] = {0};
    float *scratch = mem_aligned(blocks_scratch(&b) * sizeof(float));
    double lost = 0;

    (void)state;
    assert_non_null(scratch);
    for (size_t i = 0; i < 4000; i++) {
        seeds[i] = (int64_t)i;
        for (size_t k = 0; k < DEPTH; k++) {
            x[i * DEPTH + k] = (float)(1U << (k / 2)) / 2;
        }
    }
    for (size_t i = 0; i < 5 * DEPTH; i++) {
        w[i] = 1;
    }
    blocks_run(&b, x, w, bias, seeds, y, scratch);
    for (size_t i = 0; i < sizeof(y) / sizeof(y[0]); i++) {
        unsigned there = (unsigned)y[i];

        assert_near((double)y[i], there, 0);
        lost += 4 - __builtin_popcount(there);
    }
    assert_near(lost / (4 * 4000 * 5), 0.1, 0.008);
    b.p = 0;
    blocks_run(&b, x, w, bias, NULL, y, scratch);
    assert_near((double)y[17], 15, 0);
    mem_free(scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_much_is_lost_as_is_asked_for),
        cmocka_unit_test(test_sides_are_lost_whole_and_in_bursts),
        cmocka_unit_test(test_samples_lose_the_same_wherever_they_are),
        cmocka_unit_test(test_margins_have_as_many_levels_as_bits_say),
        cmocka_unit_test(test_tiles_without_loss_change_nothing),
        cmocka_unit_test(test_what_loses_nothing_stays_as_it_is),
        cmocka_unit_test(test_layers_that_cannot_be_in_tiles_are_named),
        cmocka_unit_test(test_blocks_are_lost_by_sample),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A lossy tile is a picture of its own; refusals name what is in the way. */
#include "tests/lib/unit.h"

#include "coordinator/plan/rewrite.h"
#include "base/mem.h"
#include "base/rng.h"
#include "graph/infer.h"
#include "tests/lib/random_graph.h"
#include "tests/lib/run_graph.h"
#include "tests/lib/same_values.h"

#include <string.h>

#define SIDE 12

struct fixture {
    struct graph *graph;
    struct rng rng;
    struct err err;
};

static int add_weights(struct fixture *f, int64_t outs, int64_t ins)
{
    struct shape shape = {.rank = 4, .dims = {outs, ins, 3, 3}};
    struct tensor t = random_tensor(&f->rng, &shape);
    int value = graph_add_const(f->graph, NULL, &t);

    assert_true(value >= 0);
    return value;
}

/* Two 3x3 convolutions with pads of 1 and a Relu between, over side x side. */
static struct graph *make(struct fixture *f, int64_t side)
{
    static const int64_t pads[4] = {1, 1, 1, 1};
    int x;
    int last;

    rng_init(&f->rng, 3);
    f->graph = graph_new("g");
    x = last = graph_add_value(f->graph, "x");
    f->graph->values[x].dtype = DTYPE_F32;
    f->graph->values[x].has_shape = true;
    f->graph->values[x].shape =
        (struct shape){.rank = 4, .dims = {1, 3, side, side}};
    assert_true(graph_add_input(f->graph, x) >= 0);
    for (int i = 0; i < 2; i++) {
        int in[2] = {last, add_weights(f, 3, 3)};
        int made = graph_add_value(f->graph, NULL);
        int relu = graph_add_value(f->graph, i == 0 ? NULL : "y");
        int op = graph_add_op(f->graph, OP_CONV, i == 0 ? "conv0" : "conv1", in,
                              2, &made, 1);

        assert_int_equal(op_set_ints(&f->graph->ops[op], "pads", pads, 4), 0);
        assert_true(graph_add_op(f->graph, OP_RELU, NULL, &made, 1, &relu, 1) >=
                    0);
        last = relu;
    }
    assert_true(graph_add_output(f->graph, last) >= 0);
    assert_int_equal(infer_graph(f->graph, &f->err), 0);
    return f->graph;
}

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    (void)make(f, SIDE);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    graph_free(f->graph);
    test_free(f);
    return 0;
}

static struct tile two_by_two(const struct fixture *f, enum tile_halo halo)
{
    return (struct tile){.halo = halo,
                         .end_op = (int)f->graph->n_ops,
                         .rows = 2,
                         .columns = 2,
                         .part = {10, 11, 12, 13},
                         .level_step = 100,
                         .scatter = 1,
                         .join = 2};
}

/* A quarter of a picture: rows and columns from `y`, `x`. */
static void copy_quarter(const struct tensor *whole, struct tensor *part, int y,
                         int x)
{
    int half = SIDE / 2;

    for (int c = 0; c < 3; c++) {
        for (int i = 0; i < half; i++) {
            memcpy((float *)part->data + (c * half + i) * half,
                   (float *)whole->data + (c * SIDE + y + i) * SIDE + x,
                   sizeof(float) * (size_t)half);
        }
    }
}

static void a_lossy_tile_is_a_picture_of_its_own(void **state)
{
    struct fixture *f = *state;
    struct tile tile = two_by_two(f, TILE_NONE);
    struct fixture small = {0};
    struct shape shape = {.rank = 4, .dims = {1, 3, SIDE / 2, SIDE / 2}};
    struct tensor in = random_tensor(&f->rng, &f->graph->values[0].shape);
    struct tensor out;
    int levels;

    assert_int_equal(rewrite_tile(f->graph, &tile, &levels, &f->err), 0);
    assert_int_equal(levels, 1);
    run_graph(f->graph, &in, &out);
    (void)make(&small, SIDE / 2); /* the same weights */
    for (int t = 0; t < 4; t++) {
        struct tensor quarter;
        struct tensor wanted;
        struct tensor got;

        assert_int_equal(tensor_init(&quarter, DTYPE_F32, &shape), 0);
        assert_int_equal(tensor_init(&got, DTYPE_F32, &shape), 0);
        copy_quarter(&in, &quarter, t / 2 * SIDE / 2, t % 2 * SIDE / 2);
        copy_quarter(&out, &got, t / 2 * SIDE / 2, t % 2 * SIDE / 2);
        run_graph(small.graph, &quarter, &wanted);
        assert_near((uint64_t)t, &wanted, &got, 1e-6);
        tensor_deinit(&quarter);
        tensor_deinit(&wanted);
        tensor_deinit(&got);
    }
    graph_free(small.graph);
    tensor_deinit(&in);
    tensor_deinit(&out);
}

/* Elements that a tile takes in, beyond its share. */
static int64_t sliced(const struct graph *g)
{
    int64_t n = 0;

    for (size_t i = 0; i < g->n_ops; i++) {
        if (g->ops[i].kind == OP_SLICE) {
            const struct shape *s = &g->values[g->ops[i].out[0]].shape;

            n += s->dims[2] * s->dims[3];
        }
    }
    return n;
}

static void borders_are_as_wide_as_the_receptive_field(void **state)
{
    struct fixture *f = *state;
    struct tile tile = two_by_two(f, TILE_RECOMPUTE);
    int levels;

    assert_int_equal(rewrite_tile(f->graph, &tile, &levels, &f->err), 0);
    /* Two 3x3 layers reach two pixels far: each tile sees 8 x 8 of the input,
     * and its second layer all that the first one made. */
    assert_int_equal(sliced(f->graph), 4 * 8 * 8);
}

static void exchanged_borders_are_one_pixel(void **state)
{
    struct fixture *f = *state;
    struct tile tile = two_by_two(f, TILE_EXCHANGE);
    int levels;

    assert_int_equal(rewrite_tile(f->graph, &tile, &levels, &f->err), 0);
    assert_int_equal(levels, 2);
    /* 7 x 7 of the input, then from three neighbours 6, 6 and 1 pixels. */
    assert_int_equal(sliced(f->graph), 4 * 7 * 7 + 4 * (6 + 6 + 1));
}

static void a_grid_finer_than_the_map_is_refused(void **state)
{
    struct fixture *f = *state;
    struct tile tile = two_by_two(f, TILE_RECOMPUTE);
    int levels;

    tile.rows = SIDE + 1;
    tile.columns = 1;
    assert_int_equal(rewrite_tile(f->graph, &tile, &levels, &f->err),
                     EDGE_ENOFIT);
    assert_non_null(strstr(f->err.text, "finer than \"y\", which has 12 rows"));
}

static void what_no_tile_computes_is_named(void **state)
{
    struct fixture *f = *state;
    struct tile tile = two_by_two(f, TILE_RECOMPUTE);
    int y = graph_find_value(f->graph, "y");
    int flat = graph_add_value(f->graph, "flat");
    int levels;

    assert_true(
        graph_add_op(f->graph, OP_FLATTEN, "to_dense", &y, 1, &flat, 1) >= 0);
    assert_int_equal(infer_graph(f->graph, &f->err), 0);
    tile.end_op = (int)f->graph->n_ops;
    assert_int_equal(rewrite_tile_end(f->graph, 0, tile.end_op),
                     tile.end_op - 1);
    assert_int_equal(rewrite_tile(f->graph, &tile, &levels, &f->err),
                     EDGE_EINVAL);
    assert_non_null(strstr(f->err.text, "\"to_dense\""));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_lossy_tile_is_a_picture_of_its_own),
        T(borders_are_as_wide_as_the_receptive_field),
        T(exchanged_borders_are_one_pixel),
        T(a_grid_finer_than_the_map_is_refused),
        T(what_no_tile_computes_is_named),
    };
#undef T

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Whatever a file says: any operator, with any inputs that it may have and
 * any attributes, either infers shapes that hold or is refused by name.
 * Nothing overflows (the sanitizers watch) and nothing crashes.
 */
#include "tests/lib/unit.h"

#include "base/rng.h"
#include "graph/infer.h"
#include "graph/window.h"
#include "tests/lib/eval.h"
#include "tests/lib/model.h"

#include <stdio.h>
#include <string.h>

#define ROUNDS 60000
#define DIM_MAX ((int64_t)LIMIT_TENSOR_BYTES)

static uint64_t seed; /* of the round at hand, for messages */

static int below(struct rng *rng, int n)
{
    return (int)rng_below(rng, (uint64_t)n);
}

/* Mostly small numbers, so that some inputs fit; else the worst there are. */
static int64_t any_int(struct rng *rng)
{
    static const int64_t worst[] = {
        INT64_MAX, INT64_MIN,    INT64_MAX - 1, INT64_MIN + 1, INT32_MAX,
        INT32_MIN, DIM_MAX,      DIM_MAX + 1,   -DIM_MAX,      65536,
        1ll << 62, -(1ll << 62), 4294967296ll,  1000000007ll,  100,
    };

    if (below(rng, 5) > 0) {
        return below(rng, 7) - 2;
    }
    return worst[below(rng, (int)(sizeof(worst) / sizeof(worst[0])))];
}

static enum dtype any_type(struct rng *rng, enum dtype usual)
{
    return below(rng, 6) > 0 ? usual
                             : (enum dtype)(1 + below(rng, DTYPE_COUNT - 1));
}

/* A constant list of up to 10 numbers, or a scalar. */
static int add_list(struct rng *rng, struct graph *g)
{
    int64_t v[10];
    int n = below(rng, below(rng, 4) == 0 ? 11 : 5);

    if (below(rng, 4) == 0) {
        int value = model_const(g, NULL, any_type(rng, DTYPE_I64), SCALAR);

        if (g->values[value].dtype == DTYPE_I64) {
            *(int64_t *)g->values[value].data.data = any_int(rng);
        }
        return value;
    }
    for (int i = 0; i < n; i++) {
        v[i] = any_int(rng);
    }
    return model_ints(g, NULL, n, v);
}

static int add_value(struct rng *rng, struct graph *g, int rank)
{
    enum dtype usual = below(rng, 4) == 0 ? DTYPE_I64 : DTYPE_F32;
    bool is_const = below(rng, 3) == 0;
    int64_t dims[LIMIT_RANK];
    int value;

    rank = below(rng, 4) == 0 ? below(rng, LIMIT_RANK + 1) : rank;
    for (int i = 0; i < rank; i++) {
        dims[i] = is_const              ? below(rng, 4)
                  : below(rng, 12) == 0 ? DIM_MAX >> below(rng, 40)
                                        : below(rng, 7) - 1;
    }
    if (is_const) {
        return model_const(g, NULL, any_type(rng, usual), rank, dims);
    }
    value = model_input(g, NULL, any_type(rng, usual), rank, dims);
    g->values[value].has_shape = below(rng, 15) > 0;
    return value;
}

static void add_attr(struct rng *rng, struct graph *g, const char *name)
{
    static const char *const words[] = {
        "SAME_UPPER", "SAME_LOWER", "VALID",    "reflect",
        "edge",       "nearest",    "constant", "tf_crop_and_resize",
    };
    int64_t v[12];
    int n = 1 + below(rng, below(rng, 3) == 0 ? 12 : 4);

    for (int i = 0; i < n; i++) {
        v[i] = any_int(rng);
    }
    switch (below(rng, 40)) {
    case 0: model_set_float(g, name, 0.5f); return;
    case 1: model_set_string(g, name, "odd"); return;
    case 2: model_set_ints(g, name, n, v); return;
    default: break;
    }
    if (strstr(name, "mode") != NULL || strcmp(name, "auto_pad") == 0) {
        if (strcmp(name, "ceil_mode") != 0) {
            model_set_string(g, name, words[below(rng, 8)]);
            return;
        }
    }
    if (name[strlen(name) - 1] == 's' || strstr(name, "_shape") != NULL ||
        strcmp(name, "perm") == 0 || strcmp(name, "shape") == 0 ||
        strcmp(name, "output_padding") == 0) {
        model_set_ints(g, name, n, v);
    } else {
        model_set_int(g, name, v[0]);
    }
}

static void add_attrs(struct rng *rng, struct graph *g)
{
    static const char *const names[] = {
        "axis",         "axes",      "strides",
        "pads",         "dilations", "kernel_shape",
        "group",        "auto_pad",  "ceil_mode",
        "output_shape", "perm",      "output_padding",
        "to",           "blocksize", "allowzero",
        "start",        "end",       "mode",
        "keepdims",     "size",      "noop_with_empty_axes",
        "transA",       "transB",    "coordinate_transformation_mode",
        "shape",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (below(rng, 6) == 0) {
            add_attr(rng, g, names[i]);
        }
    }
    if (below(rng, 6) == 0) { /* else the sizes of kernels seldom agree */
        model_set_ints(g, "kernel_shape", DIMS(2, 1 + below(rng, 3)));
    }
}

static void build(struct rng *rng, struct graph *g)
{
    enum op_kind kind = (enum op_kind)below(rng, OP_COUNT);
    const struct op_info *info = op_info(kind);
    int in_max = info->in_max >= 0 ? info->in_max : 4;
    int out_max = info->out_max >= 0 ? info->out_max : 4;
    int n_in = info->in_min + below(rng, in_max - info->in_min + 1);
    int n_out = info->out_min + below(rng, out_max - info->out_min + 1);
    int rank = 1 + below(rng, 4);
    int in[16];

    for (int i = 0; i < n_in; i++) {
        if (i >= info->in_min && below(rng, 5) == 0) {
            in[i] = -1;
        } else if (i > 0 && below(rng, 6) == 0) {
            in[i] = in[0];
        } else {
            in[i] = below(rng, i == 0 ? 8 : 2) == 0 ? add_list(rng, g)
                                                    : add_value(rng, g, rank);
        }
    }
    model_output(g, model_op(g, kind, "y", n_in, in));
    for (int k = 1; k < n_out; k++) {
        model_more(g, NULL);
    }
    add_attrs(rng, g);
}

static void assert_holds(const struct graph *g)
{
    const struct op *op = &g->ops[0];

    for (int k = 0; k < op->n_out; k++) {
        const struct value *v = &g->values[op->out[k]];
        size_t bytes;

        assert_in_range(v->dtype, 1, DTYPE_COUNT - 1);
        if (!v->has_shape) {
            continue;
        }
        assert_in_range(v->shape.rank, 0, LIMIT_RANK);
        for (int i = 0; i < v->shape.rank; i++) {
            assert_true(v->shape.dims[i] >= -1 && v->shape.dims[i] <= DIM_MAX);
        }
        assert_true(!shape_is_static(&v->shape) ||
                    shape_bytes(&v->shape, v->dtype, &bytes));
    }
}

static bool uses_window(const struct graph *g)
{
    enum op_kind kind = g->ops[0].kind;
    int x = g->ops[0].in[0];

    return (kind == OP_CONV || kind == OP_CONV_TRANSPOSE ||
            kind == OP_MAX_POOL || kind == OP_AVERAGE_POOL) &&
           g->values[x].has_shape && g->values[g->ops[0].out[0]].has_shape;
}

/* Everything that looks at shapes looks at these. Folding computes small
 * outputs only, so that the test stays quick. */
static void use(struct graph *g)
{
    struct window window;
    struct op_cost cost;
    struct eval eval = {.rc = EDGE_EUNSUPPORTED};
    struct err err = {.text = ""};

    infer_cost(g, &g->ops[0], &cost);
    if (!(cost.macs >= 0 && cost.flops >= 0 && cost.bytes_out >= 0)) {
        fail_msg("seed %llu: %s costs %g, %g, %g", (unsigned long long)seed,
                 op_info(g->ops[0].kind)->name, cost.macs, cost.flops,
                 cost.bytes_out);
    }
    if (uses_window(g)) {
        assert_int_equal(window_of(g, &g->ops[0], &window, &err), 0);
    }
    if (graph_check(g, &err) < 0 || pass_run_all(g, eval_op, &eval, &err) < 0 ||
        graph_check(g, &err) < 0) {
        fail_msg("seed %llu: %s", (unsigned long long)seed, err.text);
    }
}

static void test_any_op_infers_or_is_refused_by_name(void **state)
{
    int n_inferred = 0;
    bool inferred[OP_COUNT] = {false};

    (void)state;
    for (seed = 1; seed <= ROUNDS; seed++) {
        struct graph *g = graph_new("hostile");
        struct err err = {.text = ""};
        enum op_kind kind;
        struct rng rng;
        int rc;

        rng_init(&rng, seed);
        build(&rng, g);
        kind = g->ops[0].kind;
        rc = infer_graph(g, &err);
        if (rc == 0) {
            n_inferred++;
            inferred[kind] = true;
            assert_holds(g);
            use(g);
        } else {
            assert_int_equal(rc, EDGE_EINVAL);
            assert_true(strstr(err.text, op_info(kind)->name) == err.text ||
                        strstr(err.text, "graph input") == err.text);
        }
        graph_free(g);
    }
    print_message("%d of %d were inferred\n", n_inferred, ROUNDS);
    for (int i = 0; i < OP_COUNT; i++) {
        if (!inferred[i]) { /* then nothing is known about its success */
            fail_msg("no round was a valid %s", op_info((enum op_kind)i)->name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_op_infers_or_is_refused_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

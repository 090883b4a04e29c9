#include "tests/lib/random_graph.h"

#include "base/mem.h"
#include "graph/infer.h"
#include "tests/lib/model.h"
#include "tests/lib/random_ops.h"
#include "tests/lib/unit.h"

int random_below(struct maker *m, int n)
{
    return (int)rng_below(m->rng, (uint64_t)n);
}

int random_pick(struct maker *m, int rank)
{
    int found = -1;

    for (int i = m->n_pool - 1; i >= 0; i--) {
        if (random_shape(m, m->pool[i])->rank != rank) {
            continue;
        }
        found = m->pool[i];
        if (random_below(m, 5) < 3) {
            break;
        }
    }
    return found;
}

const struct shape *random_shape(const struct maker *m, int value)
{
    return &m->graph->values[value].shape;
}

struct tensor random_tensor(struct rng *rng, const struct shape *shape)
{
    struct tensor t;
    float *data;

    assert_int_equal(tensor_init(&t, DTYPE_F32, shape), 0);
    data = t.data;
    for (int64_t i = 0; i < tensor_count(&t); i++) {
        data[i] = rng_normal(rng);
    }
    return t;
}

int random_const(struct maker *m, float scale, float shift, int rank,
                 const int64_t *dims)
{
    struct shape shape = shape_of(rank, dims);
    struct tensor t = random_tensor(m->rng, &shape);
    float *data = t.data;
    int value;

    for (int64_t i = 0; i < tensor_count(&t); i++) {
        data[i] = data[i] * scale + shift;
    }
    value = graph_add_const(m->graph, NULL, &t);
    assert_true(value >= 0);
    return value;
}

void random_done(struct maker *m)
{
    struct op *op = model_last(m->graph);
    struct err err = {.text = ""};

    if (infer_op(m->graph, op, &err) < 0) {
        fail_msg("%s", err.text);
    }
    for (int k = 0; k < op->n_out && m->n_pool < RANDOM_VALUES; k++) {
        m->pool[m->n_pool++] = op->out[k];
    }
}

static void add_inputs(struct maker *m)
{
    int n = 1 + random_below(m, 3);
    int64_t batch = 1 + random_below(m, 2);
    int64_t side = 5 + random_below(m, 8);

    for (int i = 0; i < n; i++) {
        char name[] = "in0";

        name[2] = (char)('0' + i);
        /* Often of one size, so that Add and Concat find partners. */
        m->pool[m->n_pool++] = model_input(
            m->graph, name, DTYPE_F32,
            DIMS(batch, 1 + random_below(m, 6), side, side - (i == 2)));
    }
}

static void add_outputs(struct maker *m)
{
    int wanted = 1 + random_below(m, 3);
    int *uses;

    assert_int_equal(graph_count_uses(m->graph, &uses), 0);
    for (int i = m->n_pool - 1; i >= 0 && wanted > 0; i--) {
        /* What nothing reads yet, and sometimes what something does. */
        if (m->graph->values[m->pool[i]].producer >= 0 &&
            (uses[m->pool[i]] == 0 || random_below(m, 8) == 0)) {
            model_output(m->graph, m->pool[i]);
            wanted--;
        }
    }
    mem_free(uses);
}

struct graph *random_graph(struct rng *rng, int n_ops)
{
    struct maker m = {.rng = rng, .graph = graph_new("random")};
    struct err err = {.text = ""};

    assert_non_null(m.graph);
    add_inputs(&m);
    while (m.graph->n_ops < (size_t)n_ops && m.n_pool < RANDOM_VALUES) {
        (void)random_ops[random_below(&m, random_n_ops)](&m);
    }
    add_outputs(&m);
    assert_int_equal(graph_compact(m.graph), 0);
    if (graph_check(m.graph, &err) < 0 || infer_graph(m.graph, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return m.graph;
}

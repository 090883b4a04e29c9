/* A plan that fuses ops, works in place and shares one arena gives the bits
 * that the ops give one by one, on random graphs. */
#include "tests/lib/planned.h"
#include "tests/lib/random_graph.h"
#include "tests/lib/unit.h"

#include "base/mem.h"

#include <string.h>

#define GRAPHS 300
#define OPS 80

/* The same graph in which every value is an output: nothing can be fused, and
 * nothing shares bytes. */
static struct graph *opened(const struct graph *graph)
{
    struct graph *open = NULL;

    assert_int_equal(graph_clone(graph, &open), 0);
    for (size_t i = 0; i < open->n_ops; i++) {
        for (int k = 0; k < open->ops[i].n_out; k++) {
            int v = open->ops[i].out[k];

            if (v >= 0 && !graph_is_output(open, v)) {
                assert_true(graph_add_output(open, v) >= 0);
            }
        }
    }
    return open;
}

static struct tensor *random_inputs(struct rng *rng, const struct graph *graph)
{
    struct tensor *in = mem_array(struct tensor, graph->n_inputs);

    assert_non_null(in);
    for (size_t i = 0; i < graph->n_inputs; i++) {
        in[i] = random_tensor(rng, &graph->values[graph->inputs[i]].shape);
    }
    return in;
}

static void free_tensors(struct tensor *t, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        tensor_deinit(&t[i]);
    }
    mem_free(t);
}

static void compare(const struct graph *graph, const struct tensor *a,
                    const struct tensor *b, uint64_t seed)
{
    for (size_t i = 0; i < graph->n_outputs; i++) {
        assert_int_equal(tensor_bytes(&a[i]), tensor_bytes(&b[i]));
        if (memcmp(a[i].data, b[i].data, tensor_bytes(&a[i])) != 0) {
            fail_msg("seed %llu: output \"%s\" differs",
                     (unsigned long long)seed,
                     graph->values[graph->outputs[i]].name);
        }
    }
}

/* True if the whole graph's plan fused something. */
static bool check_seed(uint64_t seed)
{
    struct rng rng;
    struct graph *graph;
    struct graph *open;
    struct tensor *in;
    struct tensor *whole;
    struct tensor *apart;
    struct plan *plan = NULL;
    bool fused = false;

    rng_init(&rng, seed);
    graph = random_graph(&rng, OPS);
    open = opened(graph);
    in = random_inputs(&rng, graph);
    whole = mem_array(struct tensor, graph->n_outputs);
    apart = mem_array(struct tensor, open->n_outputs);
    planned_once(graph, in, whole);
    planned_once(open, in, apart);
    compare(graph, whole, apart, seed);
    assert_int_equal(plan_make(graph, &plan, NULL), 0);
    for (size_t i = 0; i < plan_n_times(plan); i++) {
        fused = fused || strchr(plan_times(plan)[i].kind, '+') != NULL;
    }
    plan_free(plan);
    free_tensors(in, graph->n_inputs);
    free_tensors(whole, graph->n_outputs);
    free_tensors(apart, open->n_outputs);
    graph_free(open);
    graph_free(graph);
    return fused;
}

static void test_fused_is_separate(void **state)
{
    int fused = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= GRAPHS; seed++) {
        fused += check_seed(seed) ? 1 : 0;
    }
    print_message("%d of %d graphs had fused steps\n", fused, GRAPHS);
    assert_true(fused > GRAPHS / 4); /* otherwise this tests nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fused_is_separate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/lib/fleet_early.h"

#include "base/mem.h"
#include "coordinator/plan/leaving.h"
#include "graph/infer.h"
#include "tensor/doubt.h"
#include "tests/lib/model.h"
#include "tests/lib/unit.h"

#include <string.h>

/* What the input leads to and the first output needs. */
static void mark(const struct graph *g, bool *led, bool *needed)
{
    led[g->inputs[0]] = true;
    for (size_t i = 0; i < g->n_ops; i++) {
        const struct op *op = &g->ops[i];
        bool is_led = false;

        for (int k = 0; k < op->n_in; k++) {
            is_led = is_led || (op->in[k] >= 0 && led[op->in[k]]);
        }
        for (int k = 0; k < op->n_out; k++) {
            led[op->out[k]] = is_led;
        }
    }
    needed[g->outputs[0]] = true;
    for (size_t i = g->n_ops; i-- > 0;) {
        const struct op *op = &g->ops[i];
        bool is_needed = false;

        for (int k = 0; k < op->n_out; k++) {
            is_needed = is_needed || needed[op->out[k]];
        }
        for (int k = 0; k < op->n_in && is_needed; k++) {
            if (op->in[k] >= 0) {
                needed[op->in[k]] = true;
            }
        }
    }
}

/* A value in the middle of the way, or -1. */
static int half_way(const struct graph *g)
{
    bool *led = mem_array(bool, g->n_values + 1);
    bool *needed = mem_array(bool, g->n_values + 1);
    int values[256];
    size_t n = 0;

    assert_true(led != NULL && needed != NULL);
    mark(g, led, needed);
    for (size_t i = 0; i < g->n_ops && n < 256; i++) {
        int value = g->ops[i].out[0];

        if (led[value] && needed[value] && value != g->outputs[0] &&
            g->values[value].dtype == DTYPE_F32) {
            values[n++] = value;
        }
    }
    mem_free(led);
    mem_free(needed);
    return n >= 2 ? values[n / 2] : -1;
}

static bool is_read_once(const struct graph *g)
{
    int *uses = NULL;
    bool once;

    assert_int_equal(graph_count_uses(g, &uses), 0);
    once = g->n_inputs == 1 && uses[g->inputs[0]] == 1;
    mem_free(uses);
    return once;
}

bool fleet_early_add(struct graph *g)
{
    const struct value *first = &g->values[g->outputs[0]];
    struct shape shape = first->shape;
    int value = is_read_once(g) ? half_way(g) : -1;
    int ramp;
    struct err err;

    if (value < 0 || shape_count(&shape) < 2 || first->dtype != DTYPE_F32) {
        return false;
    }
    ramp = model_f32(g, "early.ramp", -1, 0.25f, shape.rank, shape.dims);
    value = model_op(g, OP_REDUCE_MEAN, "early.mean", IN(value));
    model_set_int(g, "keepdims", 0);
    value = model_op(g, OP_MUL, "early.scores", IN(ramp, value));
    model_output(g, value);
    return infer_graph(g, &err) == 0;
}

struct graph *fleet_early_arrange(const struct graph *from)
{
    struct cluster_exit exit = {
        .output = from->values[from->outputs[from->n_outputs - 1]].name};
    const struct cluster cluster = {.exits = &exit, .n_exits = 1};
    struct leaving leaving;
    struct graph *g = NULL;
    struct err err;

    assert_int_equal(graph_clone(from, &g), 0);
    if (leaving_arrange(g, &cluster, &leaving, &err) < 0) {
        graph_free(g);
        return NULL;
    }
    return g;
}

bool fleet_early_can(const struct graph *graph)
{
    struct graph *g = fleet_early_arrange(graph);

    graph_free(g);
    return g != NULL;
}

double fleet_early_doubt(const struct tensor *scores)
{
    return doubt_of(DOUBT_ENTROPY, scores->data, tensor_count(scores));
}

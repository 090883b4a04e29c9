#include "tests/lib/run_graph.h"

#include "engine/bind.h"
#include "engine/plan.h"
#include "tests/lib/unit.h"

bool run_graph_can(const struct graph *graph, struct err *why)
{
    for (size_t i = 0; i < graph->n_ops; i++) {
        enum op_kind kind = graph->ops[i].kind;

        if (bind_find(kind) == NULL) {
            (void)err_set(why, EDGE_EUNSUPPORTED, "%s", op_info(kind)->name);
            return false;
        }
    }
    return true;
}

void run_graph(const struct graph *graph, const struct tensor *inputs,
               struct tensor *outputs)
{
    struct plan *plan = NULL;
    struct err err = {.text = ""};

    if (plan_make(graph, &plan, &err) < 0) {
        fail_msg("plan \"%s\": %s", graph->name, err.text);
    }
    assert_int_equal(plan_n_inputs(plan), graph->n_inputs);
    assert_int_equal(plan_n_outputs(plan), graph->n_outputs);
    for (size_t i = 0; i < graph->n_outputs; i++) {
        const struct plan_port *port = plan_output(plan, i);

        assert_int_equal(tensor_init(&outputs[i], port->dtype, &port->shape),
                         0);
    }
    assert_int_equal(plan_run(plan, inputs, outputs), 0);
    plan_free(plan);
}

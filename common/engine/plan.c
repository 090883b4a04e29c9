#include "engine/plan.h"

#include "base/mem.h"
#include "engine/build.h"
#include "graph/infer.h"

static int check_inputs(const struct graph *graph, struct err *err)
{
    for (size_t i = 0; i < graph->n_inputs; i++) {
        const struct value *v = &graph->values[graph->inputs[i]];
        size_t bytes;

        if (v->dtype == DTYPE_NONE || !v->has_shape ||
            !shape_bytes(&v->shape, v->dtype, &bytes)) {
            return err_set(err, EDGE_EUNSUPPORTED,
                           "input \"%s\" has no fixed type and size", v->name);
        }
    }
    return 0;
}

static int start(struct builder *b, const struct graph *graph, struct err *err)
{
    int rc = check_inputs(graph, err);

    if (rc < 0) {
        return rc;
    }
    if (graph_clone(graph, &b->graph) < 0 ||
        consts_init(&b->consts, b->graph) < 0) {
        return err_set(err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
    }
    rc = infer_graph(b->graph, err);
    if (rc < 0) {
        return rc;
    }
    b->plan = mem_new(struct plan);
    b->steps = mem_array(struct placed, graph->n_ops);
    if (b->plan == NULL || b->steps == NULL) {
        return err_set(err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
    }
    b->plan->steps = mem_array(struct step, graph->n_ops);
    b->plan->times = mem_array(struct plan_time, graph->n_ops);
    if (b->plan->steps == NULL || b->plan->times == NULL) {
        return err_set(err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
    }
    for (size_t v = 0; v < graph->n_values; v++) {
        if (graph_is_const(graph, (int)v)) {
            b->plan->weight_bytes += tensor_bytes(&graph->values[v].data);
        }
    }
    return 0;
}

static void builder_deinit(struct builder *b)
{
    for (size_t s = 0; s < b->n_steps; s++) {
        step_deinit(&b->steps[s].step);
        mem_free(b->steps[s].in);
        mem_free(b->steps[s].out);
    }
    mem_free(b->steps);
    layout_deinit(&b->layout);
    consts_deinit(&b->consts);
    graph_free(b->graph);
}

/* `n_times`: how many may be described; more than steps while it is built. */
static void plan_release(struct plan *plan, size_t n_times)
{
    if (plan == NULL) {
        return;
    }
    for (size_t i = 0; i < plan->n_steps; i++) {
        step_deinit(&plan->steps[i]);
    }
    for (size_t i = 0; plan->times != NULL && i < n_times; i++) {
        build_free_time(&plan->times[i]);
    }
    for (size_t i = 0; i < plan->n_inputs; i++) {
        mem_free((void *)plan->inputs[i].name);
    }
    for (size_t i = 0; i < plan->n_outputs; i++) {
        mem_free((void *)plan->outputs[i].name);
    }
    for (size_t i = 0; i < plan->n_copies; i++) {
        tensor_deinit(&plan->copies[i].source);
    }
    for (size_t i = 0; i < plan->n_consts; i++) {
        tensor_deinit(&plan->consts[i]);
    }
    mem_free(plan->steps);
    mem_free(plan->times);
    mem_free(plan->inputs);
    mem_free(plan->outputs);
    mem_free((void *)plan->made);
    mem_free(plan->patches);
    mem_free(plan->copies);
    mem_free(plan->consts);
    mem_free(plan->arena);
    mem_free(plan->extra);
    mem_free(plan);
}

int plan_make(const struct graph *graph, struct plan **plan, struct err *err)
{
    struct builder b = {0};
    size_t n_ops = graph->n_ops;
    int rc = start(&b, graph, err);

    if (rc == 0) {
        rc = build_steps(&b, err);
    }
    if (rc == 0) {
        rc = build_addresses(&b, err);
    }
    if (rc == 0) {
        *plan = b.plan;
    } else {
        plan_release(b.plan, n_ops);
    }
    builder_deinit(&b);
    return rc;
}

int plan_share(struct plan *plan, struct threads *threads, struct err *err)
{
    size_t others = threads != NULL ? threads->n - 1 : 0;
    size_t most = 0;
    size_t bytes;

    for (size_t i = 0; i < plan->n_steps; i++) {
        const struct step *step = &plan->steps[i];

        if (step->run_part != NULL && step->scratch_bytes > most) {
            most = step->scratch_bytes;
        }
    }
    most = (most + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN;
    if (others > 0) {
        plan->extra =
            mem_mul(most, others, &bytes) ? mem_aligned(bytes + 1) : NULL;
        if (plan->extra == NULL) {
            return err_set(err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
        }
        plan->arena_bytes += bytes;
        plan->threads = threads;
        plan->extra_each = most;
    }
    return 0;
}

void plan_free(struct plan *plan)
{
    plan_release(plan, plan != NULL ? plan->n_steps : 0);
}

size_t plan_n_inputs(const struct plan *plan)
{
    return plan->n_inputs;
}

size_t plan_n_outputs(const struct plan *plan)
{
    return plan->n_outputs;
}

const struct plan_port *plan_input(const struct plan *plan, size_t i)
{
    return &plan->inputs[i];
}

const struct plan_port *plan_output(const struct plan *plan, size_t i)
{
    return &plan->outputs[i];
}

size_t plan_weight_bytes(const struct plan *plan)
{
    return plan->weight_bytes;
}

size_t plan_packed_bytes(const struct plan *plan)
{
    return plan->packed_bytes;
}

size_t plan_arena_bytes(const struct plan *plan)
{
    return plan->arena_bytes;
}

static bool is_view_of(const struct step *step, const struct tensor *view)
{
    for (int i = 0; i < step->n_in; i++) {
        if (view == &step->in[i]) {
            return true;
        }
    }
    for (int i = 0; i < step->n_out; i++) {
        if (view == &step->out[i]) {
            return true;
        }
    }
    return false;
}

/* Patches are in the order of steps. */
void plan_finals(const struct plan *plan, size_t *after)
{
    size_t p = 0;

    for (size_t i = 0; i < plan->n_outputs; i++) {
        after[i] = plan->n_steps;
    }
    for (size_t s = 0; s < plan->n_steps; s++) {
        for (; p < plan->n_patches &&
               is_view_of(&plan->steps[s], plan->patches[p].view);
             p++) {
            if (plan->patches[p].is_output) {
                after[plan->patches[p].port] = s + 1;
            }
        }
    }
}

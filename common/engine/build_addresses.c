#include "engine/build.h"

#include "base/mem.h"

static int name_port(struct plan_port *port, const struct value *value)
{
    port->name = mem_strdup(value->name);
    port->dtype = value->dtype;
    port->shape = value->shape;
    return port->name != NULL ? 0 : EDGE_ENOMEM;
}

/* The view that says how large output `i` came out, if a step makes it. */
static const struct tensor *find_maker(const struct builder *b, int value)
{
    for (size_t s = 0; s < b->n_steps; s++) {
        for (int i = 0; i < b->steps[s].step.n_out; i++) {
            if (b->steps[s].out[i] == value && !b->steps[s].step.is_view) {
                return &b->steps[s].step.out[i];
            }
        }
    }
    return NULL;
}

static int make_ports(struct builder *b)
{
    const struct graph *g = b->graph;
    struct plan *plan = b->plan;

    plan->inputs = mem_array(struct plan_port, g->n_inputs);
    plan->outputs = mem_array(struct plan_port, g->n_outputs);
    plan->made = mem_array(const struct tensor *, g->n_outputs);
    if (plan->inputs == NULL || plan->outputs == NULL || plan->made == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < g->n_inputs; i++) {
        plan->n_inputs++;
        if (name_port(&plan->inputs[i], &g->values[g->inputs[i]]) < 0) {
            return EDGE_ENOMEM;
        }
    }
    for (size_t i = 0; i < g->n_outputs; i++) {
        plan->n_outputs++;
        if (name_port(&plan->outputs[i], &g->values[g->outputs[i]]) < 0) {
            return EDGE_ENOMEM;
        }
        plan->made[i] = find_maker(b, g->outputs[i]);
        if (plan->made[i] != NULL) {
            plan->outputs[i].shape = plan->made[i]->shape;
        }
    }
    return 0;
}

static void add_patch(struct plan *plan, struct tensor *view,
                      const struct room *room)
{
    struct patch *patch = &plan->patches[plan->n_patches++];

    patch->view = view;
    patch->port = (size_t)room->port;
    patch->is_output = room->kind == ROOM_OUTPUT;
}

static void place_view(struct builder *b, struct tensor *view, int value)
{
    const struct room *room;

    if (value < 0) {
        return;
    }
    room = layout_room(&b->layout, value);
    if (room->kind == ROOM_ARENA) {
        view->data = b->plan->arena + room->offset;
    } else if (room->kind == ROOM_INPUT || room->kind == ROOM_OUTPUT) {
        add_patch(b->plan, view, room);
    }
}

static int place_steps(struct builder *b)
{
    struct plan *plan = b->plan;
    size_t views = 0;

    for (size_t s = 0; s < b->n_steps; s++) {
        views += (size_t)b->steps[s].step.n_in;
        views += (size_t)b->steps[s].step.n_out;
    }
    plan->arena_bytes = b->layout.arena_bytes;
    plan->arena = mem_aligned(plan->arena_bytes);
    plan->patches = mem_array(struct patch, views);
    if (plan->arena == NULL || plan->patches == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t s = 0; s < b->n_steps; s++) {
        struct placed *p = &b->steps[s];

        if (p->step.is_view) {
            continue;
        }
        for (int i = 0; i < p->step.n_in; i++) {
            place_view(b, &p->step.in[i], p->in[i]);
        }
        for (int i = 0; i < p->step.n_out; i++) {
            place_view(b, &p->step.out[i], p->out[i]);
        }
        p->step.scratch = plan->arena + b->layout.scratch[s];
    }
    return 0;
}

/* Outputs that are an input, a constant or another output's bytes. */
static int place_copies(struct builder *b)
{
    const struct graph *g = b->graph;
    struct plan *plan = b->plan;

    plan->copies = mem_array(struct copy, g->n_outputs);
    if (plan->copies == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < g->n_outputs; i++) {
        int v = g->outputs[i];
        const struct room *room = layout_room(&b->layout, v);
        struct copy *copy = &plan->copies[plan->n_copies];

        if (room->kind == ROOM_OUTPUT && room->port == (int)i) {
            continue;
        }
        *copy = (struct copy){.output = i, .from_input = -1};
        copy->from_output = -1;
        if (room->kind == ROOM_OUTPUT) {
            copy->from_output = room->port;
        } else if (room->kind == ROOM_INPUT) {
            copy->from_input = room->port;
        } else {
            copy->source = tensor_ref(&g->values[v].data);
        }
        plan->n_copies++;
    }
    return 0;
}

void build_free_time(struct plan_time *time)
{
    mem_free((void *)time->op);
    mem_free((void *)time->kind);
}

static int keep_consts(struct builder *b)
{
    struct graph *g = b->graph;
    struct plan *plan = b->plan;

    plan->consts = mem_array(struct tensor, g->n_values);
    if (plan->consts == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t v = 0; v < g->n_values; v++) {
        if (!b->consts.kept[v] || !graph_is_const(g, (int)v)) {
            continue;
        }
        plan->consts[plan->n_consts++] = tensor_ref(&g->values[v].data);
        plan->packed_bytes += tensor_bytes(&g->values[v].data);
    }
    return 0;
}

/* Views are not run; the rest of the steps become the plan's. Their arrays
 * stay where they are, so patches into them hold. */
static void take_steps(struct builder *b)
{
    struct plan *plan = b->plan;

    for (size_t s = 0; s < b->n_steps; s++) {
        struct plan_time *time = &plan->times[s];

        if (b->steps[s].step.is_view) {
            build_free_time(time);
            step_deinit(&b->steps[s].step);
        } else {
            plan->times[plan->n_steps] = *time;
            plan->steps[plan->n_steps++] = b->steps[s].step;
            b->steps[s].step = (struct step){0};
        }
        if (plan->n_steps <= s) {
            *time = (struct plan_time){0};
        }
    }
}

int build_addresses(struct builder *b, struct err *err)
{
    int rc = layout_make(&b->layout, b->graph, b->steps, b->n_steps);

    if (rc < 0) {
        return err_set(err, rc, "the activations: %s", err_text(rc));
    }
    if (make_ports(b) < 0 || place_steps(b) < 0 || place_copies(b) < 0 ||
        keep_consts(b) < 0) {
        return err_set(err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
    }
    take_steps(b);
    return 0;
}

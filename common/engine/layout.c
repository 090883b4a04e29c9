#include "engine/layout.h"

#include "base/mem.h"
#include "engine/arena.h"

const struct room *layout_room(const struct layout *layout, int value)
{
    return &layout->rooms[layout->root[value]];
}

static void use(struct layout *l, int value, int step, size_t bytes)
{
    struct room *room = &l->rooms[l->root[value]];

    if (step > room->last) {
        room->last = step;
    }
    if (bytes > room->size) {
        room->size = bytes;
    }
}

/* Graph inputs and constants have a place already. */
static void place_given(struct layout *l, const struct graph *graph)
{
    for (size_t v = 0; v < graph->n_values; v++) {
        l->root[v] = (int)v;
        l->rooms[v].first = -1;
        l->rooms[v].last = -1;
        if (graph_is_const(graph, (int)v)) {
            l->rooms[v].kind = ROOM_CONST;
        }
    }
    for (size_t i = 0; i < graph->n_inputs; i++) {
        l->rooms[graph->inputs[i]].kind = ROOM_INPUT;
        l->rooms[graph->inputs[i]].port = (int)i;
    }
}

static void place_step(struct layout *l, const struct placed *p, int s)
{
    for (int i = 0; i < p->step.n_in; i++) {
        if (p->in[i] >= 0) {
            use(l, p->in[i], s, 0);
        }
    }
    if (p->step.is_view) {
        l->root[p->out[0]] = l->root[p->in[0]];
        return;
    }
    for (int i = 0; i < p->step.n_out; i++) {
        if (p->out[i] >= 0) {
            l->rooms[p->out[i]].kind = ROOM_ARENA;
            l->rooms[p->out[i]].first = s;
            use(l, p->out[i], s, tensor_bytes(&p->step.out[i]));
        }
    }
}

/* The first output of a group of views is written where the caller wants it;
 * others of the same bytes are copied at the end of a run. */
static void place_outputs(struct layout *l, const struct graph *graph)
{
    for (size_t i = 0; i < graph->n_outputs; i++) {
        struct room *room = &l->rooms[l->root[graph->outputs[i]]];

        if (room->kind == ROOM_ARENA) {
            room->kind = ROOM_OUTPUT;
            room->port = (int)i;
        }
    }
}

/* Whether in[0]'s bytes are free for out[0]: nothing reads them later, or as
 * another input of this step. */
static bool can_overwrite(const struct layout *l, const struct placed *p, int s)
{
    const struct room *in = &l->rooms[l->root[p->in[0]]];
    const struct room *out = &l->rooms[l->root[p->out[0]]];

    if (in->kind != ROOM_ARENA || out->kind != ROOM_ARENA || in->last != s ||
        tensor_bytes(&p->step.out[0]) > tensor_bytes(&p->step.in[0])) {
        return false;
    }
    for (int i = 1; i < p->step.n_in; i++) {
        if (p->in[i] >= 0 && l->root[p->in[i]] == l->root[p->in[0]]) {
            return false;
        }
    }
    return true;
}

/* Steps go in order, so in[0]'s root is final when its reader comes. */
static void share_in_place(struct layout *l, const struct placed *steps,
                           size_t n_steps)
{
    for (size_t s = 0; s < n_steps; s++) {
        const struct placed *p = &steps[s];
        struct room *from;
        struct room *to;

        if (p->step.is_view) {
            l->root[p->out[0]] = l->root[p->in[0]];
            continue;
        }
        if (!p->step.in_place || p->in[0] < 0 || p->out[0] < 0 ||
            !can_overwrite(l, p, (int)s)) {
            continue;
        }
        from = &l->rooms[l->root[p->in[0]]];
        to = &l->rooms[p->out[0]];
        l->root[p->out[0]] = l->root[p->in[0]];
        from->last = to->last > from->last ? to->last : from->last;
        to->kind = ROOM_NONE;
    }
}

static int place_arena(struct layout *l, const struct graph *graph,
                       const struct placed *steps, size_t n_steps)
{
    size_t room = graph->n_values + n_steps;
    struct arena_block *blocks = mem_array(struct arena_block, room);
    size_t n = 0;
    int rc;

    if (blocks == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t v = 0; v < graph->n_values; v++) {
        if (l->rooms[v].kind == ROOM_ARENA) {
            blocks[n].size = l->rooms[v].size;
            blocks[n].first = l->rooms[v].first;
            blocks[n++].last = l->rooms[v].last;
        }
    }
    for (size_t s = 0; s < n_steps; s++) {
        blocks[n].size = steps[s].step.scratch_bytes;
        blocks[n].first = (int)s;
        blocks[n++].last = (int)s;
    }
    rc = arena_place(blocks, n, &l->arena_bytes);
    n = 0;
    for (size_t v = 0; rc == 0 && v < graph->n_values; v++) {
        if (l->rooms[v].kind == ROOM_ARENA) {
            l->rooms[v].offset = blocks[n++].offset;
        }
    }
    for (size_t s = 0; rc == 0 && s < n_steps; s++) {
        l->scratch[s] = blocks[n++].offset;
    }
    mem_free(blocks);
    return rc;
}

int layout_make(struct layout *layout, const struct graph *graph,
                const struct placed *steps, size_t n_steps)
{
    struct layout *l = layout;
    int rc = EDGE_ENOMEM;

    *l = (struct layout){0};
    l->rooms = mem_array(struct room, graph->n_values);
    l->root = mem_array(int, graph->n_values);
    l->scratch = mem_array(size_t, n_steps);
    if (l->rooms != NULL && l->root != NULL && l->scratch != NULL) {
        place_given(l, graph);
        for (size_t s = 0; s < n_steps; s++) {
            place_step(l, &steps[s], (int)s);
        }
        place_outputs(l, graph);
        share_in_place(l, steps, n_steps);
        rc = place_arena(l, graph, steps, n_steps);
    }
    if (rc < 0) {
        layout_deinit(l);
    }
    return rc;
}

void layout_deinit(struct layout *layout)
{
    mem_free(layout->rooms);
    mem_free(layout->root);
    mem_free(layout->scratch);
    *layout = (struct layout){0};
}

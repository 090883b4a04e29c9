/*
 * Where each value of a plan lies: a constant's own bytes, the caller's
 * tensors for graph inputs and outputs, or a place in the arena by lifetime.
 * Views and in-place steps share the bytes of what they read.
 */
#ifndef EDGE_ENGINE_LAYOUT_H
#define EDGE_ENGINE_LAYOUT_H

#include "engine/step.h"

enum room_kind { ROOM_NONE, ROOM_CONST, ROOM_INPUT, ROOM_OUTPUT, ROOM_ARENA };

struct room {
    enum room_kind kind;
    int port;      /* of INPUT and OUTPUT */
    size_t offset; /* of ARENA */
    size_t size;
    int first; /* steps; -1: before the first one */
    int last;
};

/* A step with the values that its views stand for. */
struct placed {
    struct step step;
    int *in;  /* step.n_in values, -1: left out */
    int *out; /* step.n_out */
};

struct layout {
    struct room *rooms; /* by value; only roots' are filled */
    int *root;          /* by value: the value whose room it shares */
    size_t *scratch;    /* by step: offset in the arena */
    size_t arena_bytes;
};

/* EDGE_ENOMEM, EDGE_ETOOBIG; `layout` is then empty. */
int layout_make(struct layout *layout, const struct graph *graph,
                const struct placed *steps, size_t n_steps);
void layout_deinit(struct layout *layout);
const struct room *layout_room(const struct layout *layout, int value);

#endif

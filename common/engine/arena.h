/*
 * Room for activations: blocks that live for a while are given offsets in one
 * piece of memory so that blocks alive at the same time never overlap. Pure.
 */
#ifndef EDGE_ENGINE_ARENA_H
#define EDGE_ENGINE_ARENA_H

#include <stddef.h>

struct arena_block {
    size_t size;
    int first;     /* the step that makes it */
    int last;      /* the last step that reads it, first <= last */
    size_t offset; /* set by arena_place, a multiple of MEM_ALIGN */
};

/* Largest blocks first, each into the smallest gap that holds it, or at the
 * end. *total is the room needed. EDGE_ENOMEM; EDGE_ETOOBIG if sizes
 * overflow. */
int arena_place(struct arena_block *blocks, size_t n, size_t *total);

#endif

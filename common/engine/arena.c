#include "engine/arena.h"

#include "base/err.h"
#include "base/limits.h"
#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int by_size(const void *left, const void *right)
{
    const struct arena_block *a = *(const struct arena_block *const *)left;
    const struct arena_block *b = *(const struct arena_block *const *)right;

    if (a->size != b->size) {
        return a->size < b->size ? 1 : -1;
    }
    return a->first != b->first ? (a->first < b->first ? -1 : 1)
                                : (a->last > b->last) - (a->last < b->last);
}

static size_t rounded(size_t size)
{
    return (size + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN;
}

static int overlap_in_time(const struct arena_block *a,
                           const struct arena_block *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* The smallest gap between the blocks of `placed` (by offset) that are alive
 * with `block`, or the end of the last of them. */
static size_t find_gap(const struct arena_block *block,
                       struct arena_block *const *placed, size_t n)
{
    size_t size = rounded(block->size);
    size_t best_gap = SIZE_MAX;
    size_t best = 0;
    size_t end = 0;

    for (size_t i = 0; i < n; i++) {
        const struct arena_block *other = placed[i];

        if (!overlap_in_time(block, other)) {
            continue;
        }
        if (other->offset >= end && other->offset - end >= size &&
            other->offset - end < best_gap) {
            best_gap = other->offset - end;
            best = end;
        }
        if (other->offset + rounded(other->size) > end) {
            end = other->offset + rounded(other->size);
        }
    }
    return best_gap < SIZE_MAX ? best : end;
}

/* Keeps `placed` in order of offset. */
static void insert(struct arena_block **placed, size_t n,
                   struct arena_block *block)
{
    size_t at = n;

    while (at > 0 && placed[at - 1]->offset > block->offset) {
        at--;
    }
    memmove(placed + at + 1, placed + at, (n - at) * sizeof(*placed));
    placed[at] = block;
}

/* No sum of offsets can overflow if the sum of all sizes does not. */
static int check_sizes(const struct arena_block *blocks, size_t n)
{
    size_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        if (blocks[i].size > LIMIT_TENSOR_BYTES ||
            !mem_add(sum, rounded(blocks[i].size), &sum)) {
            return EDGE_ETOOBIG;
        }
    }
    return 0;
}

int arena_place(struct arena_block *blocks, size_t n, size_t *total)
{
    struct arena_block **order = mem_array(struct arena_block *, n);
    struct arena_block **placed = mem_array(struct arena_block *, n);
    int rc = check_sizes(blocks, n);

    *total = 0;
    if (order == NULL || placed == NULL) {
        rc = EDGE_ENOMEM;
    }
    if (rc < 0) {
        goto out;
    }
    for (size_t i = 0; i < n; i++) {
        order[i] = &blocks[i];
    }
    qsort(order, n, sizeof(*order), by_size);
    for (size_t i = 0; i < n; i++) {
        struct arena_block *block = order[i];

        block->offset = find_gap(block, placed, i);
        insert(placed, i, block);
        if (block->offset + rounded(block->size) > *total) {
            *total = block->offset + rounded(block->size);
        }
    }
out:
    mem_free(order);
    mem_free(placed);
    return rc;
}

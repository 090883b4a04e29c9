/*
 * Private to loader.c: pictures that are kept, within a number of bytes. One
 * that is in stays in.
 */
#ifndef EDGE_DATASET_CACHE_H
#define EDGE_DATASET_CACHE_H

#include "image/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cache_slot {
    uint64_t sample;
    struct image image; /* no pixels: free */
};

struct cache {
    struct cache_slot *slots; /* sample % n_slots is the only place of one */
    size_t n_slots;
    size_t bytes;
    size_t bytes_max; /* the slots included */
};

/* For a set of `samples`; 0 bytes: it keeps nothing. EDGE_ENOMEM. */
int cache_init(struct cache *cache, uint64_t samples, size_t bytes_max);
void cache_deinit(struct cache *cache);

/* NULL: it is not there. */
const struct image *cache_find(const struct cache *cache, uint64_t sample);
/* Takes the image's pixels if there is room: then true. */
bool cache_take(struct cache *cache, uint64_t sample,
                const struct image *image);

#endif

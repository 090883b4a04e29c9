#include "dataset/cache.h"

#include "base/mem.h"

/* A picture smaller than this is hardly worth its slot. */
#define BYTES_MIN 1024

int cache_init(struct cache *cache, uint64_t samples, size_t bytes_max)
{
    size_t n = bytes_max / BYTES_MIN;

    *cache = (struct cache){.bytes_max = bytes_max};
    if (n == 0) {
        return 0;
    }
    cache->n_slots = samples < n ? (size_t)samples : n;
    cache->slots = mem_array(struct cache_slot, cache->n_slots);
    cache->bytes = cache->n_slots * sizeof(*cache->slots);
    return cache->slots == NULL ? EDGE_ENOMEM : 0;
}

void cache_deinit(struct cache *cache)
{
    for (size_t i = 0; cache->slots != NULL && i < cache->n_slots; i++) {
        image_deinit(&cache->slots[i].image);
    }
    mem_free(cache->slots);
    *cache = (struct cache){0};
}

const struct image *cache_find(const struct cache *cache, uint64_t sample)
{
    const struct cache_slot *slot;

    if (cache->n_slots == 0) {
        return NULL;
    }
    slot = &cache->slots[sample % cache->n_slots];
    return slot->image.pixels != NULL && slot->sample == sample ? &slot->image
                                                                : NULL;
}

bool cache_take(struct cache *cache, uint64_t sample, const struct image *image)
{
    size_t bytes =
        (size_t)image->width * (size_t)image->height * (size_t)image->channels;
    struct cache_slot *slot;

    if (cache->n_slots == 0 || cache->bytes + bytes > cache->bytes_max) {
        return false;
    }
    slot = &cache->slots[sample % cache->n_slots];
    if (slot->image.pixels != NULL) {
        return false;
    }
    slot->sample = sample;
    slot->image = *image;
    cache->bytes += bytes;
    return true;
}

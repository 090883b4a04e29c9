#include "config/pool.h"

#include "base/limits.h"
#include "base/mem.h"

#include <stdalign.h>
#include <string.h>

#define CHUNK KIB(4)
#define ALIGN alignof(max_align_t)

struct pool_chunk {
    struct pool_chunk *next;
    size_t used;
    size_t size;
    alignas(max_align_t) char bytes[];
};

static struct pool_chunk *add_chunk(struct pool *pool, size_t size)
{
    struct pool_chunk *chunk;
    size_t bytes;

    if (size < CHUNK) {
        size = CHUNK;
    }
    if (!mem_add(size, sizeof(*chunk), &bytes)) {
        return NULL;
    }
    chunk = mem_zalloc(1, bytes);
    if (chunk == NULL) {
        return NULL;
    }
    chunk->size = size;
    chunk->next = pool->chunks;
    pool->chunks = chunk;
    return chunk;
}

void *pool_alloc(struct pool *pool, size_t n, size_t size)
{
    struct pool_chunk *chunk = pool->chunks;
    size_t bytes;
    void *p;

    if (!mem_mul(n, size, &bytes) || !mem_add(bytes, ALIGN - 1, &bytes)) {
        return NULL;
    }
    bytes -= bytes % ALIGN;
    if (chunk == NULL || chunk->size - chunk->used < bytes) {
        chunk = add_chunk(pool, bytes);
    }
    if (chunk == NULL) {
        return NULL;
    }
    p = chunk->bytes + chunk->used;
    chunk->used += bytes;
    return p;
}

char *pool_text(struct pool *pool, const char *text, size_t length)
{
    char *copy;
    size_t size;

    if (!mem_add(length, 1, &size)) {
        return NULL;
    }
    copy = pool_alloc(pool, size, 1);
    if (copy != NULL && length > 0) {
        memcpy(copy, text, length);
    }
    return copy;
}

void pool_deinit(struct pool *pool)
{
    while (pool->chunks != NULL) {
        struct pool_chunk *chunk = pool->chunks;

        pool->chunks = chunk->next;
        mem_free(chunk);
    }
}

/*
 * Memory that is released all at once: what one YAML file becomes. Zeroed,
 * aligned for any type, never resized. The pool's owner calls pool_deinit().
 */
#ifndef EDGE_CONFIG_POOL_H
#define EDGE_CONFIG_POOL_H

#include <stddef.h>

struct pool_chunk;

struct pool {
    struct pool_chunk *chunks; /* private; NULL is an empty pool */
};

/* NULL: out of memory, or n * size overflows. */
void *pool_alloc(struct pool *pool, size_t n, size_t size);
/* A copy of `length` bytes and a NUL. */
char *pool_text(struct pool *pool, const char *text, size_t length);
void pool_deinit(struct pool *pool);

#endif

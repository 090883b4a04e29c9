/*
 * Immutable shared bytes, the only reference-counted type. A blob is filled
 * by whoever made it and from then on only read. References are counted
 * atomically, so the last one may be dropped on any thread; by rule they are
 * taken and dropped on the loop thread all the same.
 */
#ifndef EDGE_BASE_BLOB_H
#define EDGE_BASE_BLOB_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct blob {
    uint8_t *data; /* MEM_ALIGN-aligned (page-aligned when mapped) */
    size_t size;
    /* private */
    int refs;
    int mapped;
};

/* `size` bytes, not cleared, with one reference; NULL: out of memory. */
struct blob *blob_new(size_t size);
struct blob *blob_copy(const void *data, size_t size);

/* A read-only view of a whole file, paged in as it is touched. */
int blob_map(const char *path, struct blob **blob, struct err *err);
/* A file read whole; EDGE_ETOOBIG above `limit` bytes. "-" is stdin. */
int blob_read(const char *path, size_t limit, struct blob **blob,
              struct err *err);
/* The same view of an open regular file; `fd` stays the caller's. */
int blob_map_fd(int fd, struct blob **blob);

struct blob *blob_ref(struct blob *blob);
void blob_unref(struct blob *blob); /* NULL is fine */

#endif

/*
 * A tensor: type, shape and bytes, row-major without padding.
 *
 * `struct tensor` is a small value. If `blob` is set it owns a reference on
 * the bytes and tensor_deinit() drops it; with `blob` NULL it is a borrowed
 * view (into an arena, say) and `data` must outlive it. `data` may point into
 * the middle of the blob.
 */
#ifndef EDGE_TENSOR_TENSOR_H
#define EDGE_TENSOR_TENSOR_H

#include "base/blob.h"
#include "tensor/shape.h"

struct tensor {
    enum dtype dtype;
    struct shape shape;
    void *data;
    struct blob *blob;
};

/* Room for a static shape, not cleared. EDGE_ETOOBIG, EDGE_ENOMEM. */
int tensor_init(struct tensor *t, enum dtype dtype, const struct shape *shape);
/* The same with the bytes of `data` copied in. */
int tensor_copy(struct tensor *t, enum dtype dtype, const struct shape *shape,
                const void *data);
/* Takes a reference on `blob`; EDGE_EINVAL if the bytes from `offset` are
 * fewer than the shape needs. */
int tensor_from_blob(struct tensor *t, enum dtype dtype,
                     const struct shape *shape, struct blob *blob,
                     size_t offset);
void tensor_deinit(struct tensor *t); /* fine on a zeroed one, or twice */
struct tensor tensor_ref(const struct tensor *t); /* blob must be set */

size_t tensor_bytes(const struct tensor *t);
int64_t tensor_count(const struct tensor *t);

/* The element as a number, whatever the type (f16 included). As an integer
 * it is cut toward zero, held within int64, and 0 for NaN. */
double tensor_get(const struct tensor *t, int64_t index);
int64_t tensor_get_int(const struct tensor *t, int64_t index);

float tensor_half_to_float(uint16_t half);
uint16_t tensor_float_to_half(float value); /* rounds to nearest even */

/* NumPy's .npy, versions 1 to 3, little-endian, C order, no objects. Every
 * length is checked before allocation. */
int npy_decode(const struct blob *file, struct tensor *t, struct err *err);
int npy_write(const char *path, const struct tensor *t, struct err *err);

#endif

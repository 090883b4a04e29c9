/*
 * Element types and dimensions. A shape is a plain value; a dimension of -1
 * is not known yet. Counts are checked against overflow and
 * LIMIT_TENSOR_BYTES.
 */
#ifndef EDGE_TENSOR_SHAPE_H
#define EDGE_TENSOR_SHAPE_H

#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dtype {
    DTYPE_NONE,
    DTYPE_F32,
    DTYPE_F16, /* stored; computed as f32 */
    DTYPE_F64,
    DTYPE_I8,
    DTYPE_U8,
    DTYPE_I16,
    DTYPE_U16,
    DTYPE_I32,
    DTYPE_U32,
    DTYPE_I64,
    DTYPE_U64,
    DTYPE_BOOL, /* one byte, 0 or 1 */
    DTYPE_COUNT
};

size_t dtype_size(enum dtype dtype);      /* 0 for DTYPE_NONE */
const char *dtype_name(enum dtype dtype); /* "float32" */
enum dtype dtype_parse(const char *name); /* DTYPE_NONE: no such name */
bool dtype_is_float(enum dtype dtype);
bool dtype_is_signed(enum dtype dtype);

struct shape {
    int rank;
    int64_t dims[LIMIT_RANK];
};

struct shape shape_of(int rank, const int64_t *dims);
bool shape_equal(const struct shape *a, const struct shape *b);
bool shape_is_static(const struct shape *s); /* no -1 in it */
/* Elements of a static shape; -1 if it overflows or is not static. */
int64_t shape_count(const struct shape *s);
/* Product of dims[from..to). */
int64_t shape_span(const struct shape *s, int from, int to);
/* Bytes of a static shape; false: too large or not static. */
bool shape_bytes(const struct shape *s, enum dtype dtype, size_t *bytes);
/* A possibly negative axis made 0..rank-1; -1: out of range. */
int shape_axis(int64_t axis, int rank);
/* ONNX multidirectional broadcast; false: not compatible. A dimension not
 * known yet is taken to fit. */
bool shape_broadcast(const struct shape *a, const struct shape *b,
                     struct shape *out);
#define SHAPE_TEXT 192
/* "1x3x224x224", "scalar", "?" for -1; returns `out`. */
const char *shape_text(const struct shape *s, char out[SHAPE_TEXT]);

#endif

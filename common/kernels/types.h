/*
 * Element types by name, for kernels whose loops are written once for all of
 * them. X(suffix of DTYPE_, C type, suffix of functions, the unsigned type
 * in which sums and products wrap around instead of overflowing).
 */
#ifndef EDGE_KERNELS_TYPES_H
#define EDGE_KERNELS_TYPES_H

#include "tensor/tensor.h"

#define TYPES_INT(X)                \
    X(I8, int8_t, i8, uint32_t)     \
    X(U8, uint8_t, u8, uint32_t)    \
    X(I16, int16_t, i16, uint32_t)  \
    X(U16, uint16_t, u16, uint32_t) \
    X(I32, int32_t, i32, uint32_t)  \
    X(U32, uint32_t, u32, uint32_t) \
    X(I64, int64_t, i64, uint64_t)  \
    X(U64, uint64_t, u64, uint64_t)

/* float16 is not here: it is stored only, and computed as float32. */
#define TYPES_FLOAT(X)        \
    X(F32, float, f32, float) \
    X(F64, double, f64, double)

#define TYPES_NUMBER(X) TYPES_FLOAT(X) TYPES_INT(X)

/* A loop over i whose elements do not depend on one another, even where the
 * output takes its first input's place. */
#if defined(__clang__)
#define LOOP_FREE /* clang looks for overlaps at run time */
#else
#define LOOP_FREE _Pragma("GCC ivdep")
#endif

#define HALF_BLOCK 256 /* float16 elements converted at a time */

void half_to_floats(float *out, const uint16_t *in, size_t n);
void floats_to_half(uint16_t *out, const float *in, size_t n);

#endif

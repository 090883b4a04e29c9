/*
 * Arithmetic on two inputs, row by row (kernels/broadcast.h). Types are those
 * of ONNX; integers wrap around, and a division by zero gives 0.
 */
#ifndef EDGE_KERNELS_BINARY_H
#define EDGE_KERNELS_BINARY_H

#include "tensor/shape.h"

/* out (n) = a (n, or 1 if step_a is 0) op b (likewise). `out` may be `a`. */
typedef void (*binary_row)(void *out, const void *a, const void *b, size_t n,
                           int64_t step_a, int64_t step_b);

enum binary_op {
    BINARY_ADD,
    BINARY_SUB,
    BINARY_MUL,
    BINARY_DIV,
    BINARY_MIN,   /* NaN if either is */
    BINARY_MAX,   /* likewise */
    BINARY_MOD,   /* the sign of b, as Python's %; integers only */
    BINARY_FMOD,  /* the sign of a, as C's */
    BINARY_PRELU, /* a < 0 ? a * b : a */
    BINARY_OPS
};

/* NULL: not defined for the type. */
binary_row binary_find(enum binary_op op, enum dtype dtype);

/* out = a ^ b, in a's type; b is of any type. */
typedef void (*power_row)(void *out, const void *a, const void *b, size_t n,
                          int64_t step_a, int64_t step_b, enum dtype exponent);
power_row power_find(enum dtype base);

/* Comparisons and logic; out is bool. */
enum compare_op {
    COMPARE_EQUAL,
    COMPARE_LESS,
    COMPARE_LESS_EQUAL,
    COMPARE_GREATER,
    COMPARE_GREATER_EQUAL,
    COMPARE_AND, /* of bool */
    COMPARE_OR,
    COMPARE_OPS
};

binary_row compare_find(enum compare_op op, enum dtype dtype);

/* out = condition ? a : b, elements of `size` bytes. */
void where_row(void *out, const uint8_t *condition, const void *a,
               const void *b, size_t n, const int64_t step[3], size_t size);

#endif

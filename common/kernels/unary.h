/*
 * Functions of one element, over a run of n of them. `out` may be `in`.
 */
#ifndef EDGE_KERNELS_UNARY_H
#define EDGE_KERNELS_UNARY_H

#include "tensor/shape.h"

enum unary_op {
    UNARY_RELU,
    UNARY_CLIP,       /* a, b (low, high for integers): the bounds */
    UNARY_LEAKY_RELU, /* a: slope below 0 */
    UNARY_ELU,        /* a: alpha */
    UNARY_SELU,       /* a: alpha, b: gamma */
    UNARY_SIGMOID,
    UNARY_HARD_SIGMOID, /* a: alpha, b: beta */
    UNARY_HARD_SWISH,
    UNARY_SOFTPLUS,
    UNARY_TANH,
    UNARY_ERF,
    UNARY_GELU,
    UNARY_GELU_TANH, /* its approximation by tanh */
    UNARY_SQRT,
    UNARY_EXP,
    UNARY_LOG,
    UNARY_RECIPROCAL,
    UNARY_FLOOR,
    UNARY_CEIL,
    UNARY_ROUND, /* halves to even */
    UNARY_NEG,
    UNARY_ABS,
    UNARY_SIGN,
    UNARY_NOT, /* of bool */
    UNARY_OPS
};

struct unary {
    double a;
    double b;
    int64_t low; /* bits of uint64 for that type */
    int64_t high;
};

typedef void (*unary_run)(const struct unary *u, void *out, const void *in,
                          size_t n);

/* NULL: not defined for the type. */
unary_run unary_find(enum unary_op op, enum dtype dtype);

/* The float32 functions of one instruction set (kernels/isa.h). Each element
 * is computed alike wherever it stands in the run. */
typedef void (*unary_run_f32)(const struct unary *u, float *out,
                              const float *in, size_t n);

#endif

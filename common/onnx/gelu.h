/*
 * Gelu as a chain of opset-17 operators: how export writes it and how import
 * knows it again, so that a model that went out and came back is the same.
 *
 *   approximate "none":  0.5 x (1 + erf(x / sqrt 2)), as PyTorch writes it:
 *     Div(x, sqrt2) Erf Add(1) Mul(x, .) Mul(0.5)
 *   approximate "tanh":  0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))):
 *     Mul(x, x) Mul(x) Mul(0.044715) Add(x) Mul(sqrt(2/pi)) Tanh Add(1)
 *     Mul(x, .) Mul(0.5)
 */
#ifndef EDGE_ONNX_GELU_H
#define EDGE_ONNX_GELU_H

#include "graph/op.h"

#include <stdbool.h>

/* One link: y = kind(previous, x) or kind(previous, constant). */
struct gelu_link {
    enum op_kind kind;
    bool takes_x;
    float constant; /* otherwise; 0: one operand only */
    const char *suffix;
};

#define GELU_LINKS_MAX 9

/* The links in order; the first one's `previous` is x. */
const struct gelu_link *gelu_links(bool is_tanh, int *n);

#endif

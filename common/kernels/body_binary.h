/*
 * Arithmetic on two rows of float32. The loops are plain: the compiler makes
 * vectors of them for the instruction set it is told.
 */
#ifndef EDGE_KERNELS_BODY_BINARY_H
#define EDGE_KERNELS_BODY_BINARY_H

#include "kernels/binary_row.h"

BINARY_ROW(add_row, float, BINARY_ADD_OF)
BINARY_ROW(sub_row, float, BINARY_SUB_OF)
BINARY_ROW(mul_row, float, BINARY_MUL_OF)
BINARY_ROW(div_row, float, BINARY_DIV_OF)
BINARY_ROW(min_row, float, BINARY_MIN_OF)
BINARY_ROW(max_row, float, BINARY_MAX_OF)
BINARY_ROW(prelu_row, float, BINARY_PRELU_OF)

static const binary_row binary_rows[BINARY_OPS] = {
    [BINARY_ADD] = add_row,     [BINARY_SUB] = sub_row, [BINARY_MUL] = mul_row,
    [BINARY_DIV] = div_row,     [BINARY_MIN] = min_row, [BINARY_MAX] = max_row,
    [BINARY_PRELU] = prelu_row,
};

#endif

/*
 * The tables of kernels: one array of rows a bind_*.c file, ended by a row
 * without prepare. bind.c lists them all.
 */
#ifndef EDGE_ENGINE_BIND_ROWS_H
#define EDGE_ENGINE_BIND_ROWS_H

#include "engine/bind.h"

/* Light operators. */
extern const struct bind bind_binary_rows[];
extern const struct bind bind_cast_rows[];
extern const struct bind bind_compare_rows[];
extern const struct bind bind_index_rows[];
extern const struct bind bind_move_rows[];
extern const struct bind bind_reduce_rows[];
extern const struct bind bind_resize_rows[];
extern const struct bind bind_unary_rows[];
extern const struct bind bind_view_rows[];

/* Heavy operators. */
extern const struct bind bind_conv_rows[]; /* Conv, ConvTranspose */
extern const struct bind bind_conv_grad_rows[];
extern const struct bind bind_train_rows[];
extern const struct bind bind_lossy_rows[];
extern const struct bind bind_gemm_rows[]; /* Gemm, MatMul */
extern const struct bind bind_norm_rows[]; /* *Normalization, LRN, *Softmax */
extern const struct bind bind_pool_rows[]; /* MaxPool, AveragePool, Global* */
extern const struct bind bind_qlinear_rows[]; /* QLinear*, *Integer */
extern const struct bind bind_quant_rows[];   /* *QuantizeLinear */

#endif

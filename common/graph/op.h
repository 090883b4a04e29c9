/*
 * The operators: one row each with name, arity, shape inference and cost.
 * Kernels are bound in engine/ (engine/bind.h); gradients are in grad_*.c.
 */
#ifndef EDGE_GRAPH_OP_H
#define EDGE_GRAPH_OP_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* X(enum suffix, ONNX name, least inputs, most inputs, least outputs, most
 * outputs, shape inference). -1: as many as LIMIT_OP_INPUTS. Several rows
 * share an inference function; they are in infer_*.c. */
#define OP_TABLE(X)                                                        \
    X(CONV, "Conv", 2, 3, 1, 1, conv)                                      \
    X(CONV_TRANSPOSE, "ConvTranspose", 2, 3, 1, 1, conv_transpose)         \
    X(GEMM, "Gemm", 2, 3, 1, 1, gemm)                                      \
    X(MATMUL, "MatMul", 2, 2, 1, 1, matmul)                                \
    X(BATCH_NORM, "BatchNormalization", 5, 5, 1, 1, batch_norm)            \
    X(INSTANCE_NORM, "InstanceNormalization", 3, 3, 1, 1, instance_norm)   \
    X(LAYER_NORM, "LayerNormalization", 2, 3, 1, 3, layer_norm)            \
    X(LRN, "LRN", 1, 1, 1, 1, same)                                        \
    X(RELU, "Relu", 1, 1, 1, 1, same)                                      \
    X(CLIP, "Clip", 1, 3, 1, 1, clip)                                      \
    X(LEAKY_RELU, "LeakyRelu", 1, 1, 1, 1, same)                           \
    X(PRELU, "PRelu", 2, 2, 1, 1, prelu)                                   \
    X(ELU, "Elu", 1, 1, 1, 1, same)                                        \
    X(SELU, "Selu", 1, 1, 1, 1, same)                                      \
    X(SIGMOID, "Sigmoid", 1, 1, 1, 1, same)                                \
    X(HARD_SIGMOID, "HardSigmoid", 1, 1, 1, 1, same)                       \
    X(HARD_SWISH, "HardSwish", 1, 1, 1, 1, same)                           \
    X(SOFTPLUS, "Softplus", 1, 1, 1, 1, same)                              \
    X(TANH, "Tanh", 1, 1, 1, 1, same)                                      \
    X(ERF, "Erf", 1, 1, 1, 1, same)                                        \
    X(GELU, "Gelu", 1, 1, 1, 1, same)                                      \
    X(SOFTMAX, "Softmax", 1, 1, 1, 1, softmax)                             \
    X(LOG_SOFTMAX, "LogSoftmax", 1, 1, 1, 1, softmax)                      \
    X(SOFTMAX_LOSS, "SoftmaxCrossEntropyLoss", 2, 3, 1, 2, softmax_loss)   \
    X(ADD, "Add", 2, 2, 1, 1, broadcast)                                   \
    X(SUB, "Sub", 2, 2, 1, 1, broadcast)                                   \
    X(MUL, "Mul", 2, 2, 1, 1, broadcast)                                   \
    X(DIV, "Div", 2, 2, 1, 1, broadcast)                                   \
    X(POW, "Pow", 2, 2, 1, 1, broadcast)                                   \
    X(MOD, "Mod", 2, 2, 1, 1, broadcast)                                   \
    X(SQRT, "Sqrt", 1, 1, 1, 1, same)                                      \
    X(EXP, "Exp", 1, 1, 1, 1, same)                                        \
    X(LOG, "Log", 1, 1, 1, 1, same)                                        \
    X(NEG, "Neg", 1, 1, 1, 1, same)                                        \
    X(ABS, "Abs", 1, 1, 1, 1, same)                                        \
    X(SIGN, "Sign", 1, 1, 1, 1, same)                                      \
    X(RECIPROCAL, "Reciprocal", 1, 1, 1, 1, same)                          \
    X(FLOOR, "Floor", 1, 1, 1, 1, same)                                    \
    X(CEIL, "Ceil", 1, 1, 1, 1, same)                                      \
    X(ROUND, "Round", 1, 1, 1, 1, same)                                    \
    X(MIN, "Min", 1, -1, 1, 1, broadcast)                                  \
    X(MAX, "Max", 1, -1, 1, 1, broadcast)                                  \
    X(SUM, "Sum", 1, -1, 1, 1, broadcast)                                  \
    X(MEAN, "Mean", 1, -1, 1, 1, broadcast)                                \
    X(MAX_POOL, "MaxPool", 1, 1, 1, 2, pool)                               \
    X(AVERAGE_POOL, "AveragePool", 1, 1, 1, 1, pool)                       \
    X(GLOBAL_AVERAGE_POOL, "GlobalAveragePool", 1, 1, 1, 1, global_pool)   \
    X(GLOBAL_MAX_POOL, "GlobalMaxPool", 1, 1, 1, 1, global_pool)           \
    X(REDUCE_MEAN, "ReduceMean", 1, 2, 1, 1, reduce)                       \
    X(REDUCE_SUM, "ReduceSum", 1, 2, 1, 1, reduce)                         \
    X(REDUCE_MAX, "ReduceMax", 1, 2, 1, 1, reduce)                         \
    X(REDUCE_MIN, "ReduceMin", 1, 2, 1, 1, reduce)                         \
    X(EQUAL, "Equal", 2, 2, 1, 1, compare)                                 \
    X(LESS, "Less", 2, 2, 1, 1, compare)                                   \
    X(LESS_OR_EQUAL, "LessOrEqual", 2, 2, 1, 1, compare)                   \
    X(GREATER, "Greater", 2, 2, 1, 1, compare)                             \
    X(GREATER_OR_EQUAL, "GreaterOrEqual", 2, 2, 1, 1, compare)             \
    X(NOT, "Not", 1, 1, 1, 1, same)                                        \
    X(AND, "And", 2, 2, 1, 1, compare)                                     \
    X(OR, "Or", 2, 2, 1, 1, compare)                                       \
    X(WHERE, "Where", 3, 3, 1, 1, where)                                   \
    X(CONCAT, "Concat", 1, -1, 1, 1, concat)                               \
    X(SPLIT, "Split", 1, 2, 1, -1, split)                                  \
    X(SLICE, "Slice", 3, 5, 1, 1, slice)                                   \
    X(PAD, "Pad", 2, 3, 1, 1, pad)                                         \
    X(RESHAPE, "Reshape", 2, 2, 1, 1, reshape)                             \
    X(FLATTEN, "Flatten", 1, 1, 1, 1, flatten)                             \
    X(TRANSPOSE, "Transpose", 1, 1, 1, 1, transpose)                       \
    X(SQUEEZE, "Squeeze", 1, 2, 1, 1, squeeze)                             \
    X(UNSQUEEZE, "Unsqueeze", 2, 2, 1, 1, unsqueeze)                       \
    X(GATHER, "Gather", 2, 2, 1, 1, gather)                                \
    X(TILE, "Tile", 2, 2, 1, 1, tile)                                      \
    X(EXPAND, "Expand", 2, 2, 1, 1, expand)                                \
    X(RANGE, "Range", 3, 3, 1, 1, range)                                   \
    X(SHAPE, "Shape", 1, 1, 1, 1, shape)                                   \
    X(CAST, "Cast", 1, 1, 1, 1, cast)                                      \
    X(CONSTANT_OF_SHAPE, "ConstantOfShape", 1, 1, 1, 1, constant_of_shape) \
    X(IDENTITY, "Identity", 1, 1, 1, 1, same)                              \
    X(DROPOUT, "Dropout", 1, 3, 1, 2, dropout)                             \
    X(RESIZE, "Resize", 1, 4, 1, 1, resize)                                \
    X(DEPTH_TO_SPACE, "DepthToSpace", 1, 1, 1, 1, depth_to_space)          \
    X(SPACE_TO_DEPTH, "SpaceToDepth", 1, 1, 1, 1, space_to_depth)          \
    X(ARG_MAX, "ArgMax", 1, 1, 1, 1, arg)                                  \
    X(ARG_MIN, "ArgMin", 1, 1, 1, 1, arg)                                  \
    X(TOP_K, "TopK", 2, 2, 2, 2, top_k)                                    \
    X(NON_MAX_SUPPRESSION, "NonMaxSuppression", 2, 5, 1, 1, nms)           \
    X(QUANTIZE_LINEAR, "QuantizeLinear", 2, 3, 1, 1, quantize)             \
    X(DEQUANTIZE_LINEAR, "DequantizeLinear", 2, 3, 1, 1, dequantize)       \
    X(QLINEAR_CONV, "QLinearConv", 8, 9, 1, 1, qlinear_conv)               \
    X(QLINEAR_MATMUL, "QLinearMatMul", 8, 8, 1, 1, qlinear_matmul)         \
    X(CONV_INTEGER, "ConvInteger", 2, 4, 1, 1, conv_integer)               \
    X(MATMUL_INTEGER, "MatMulInteger", 2, 4, 1, 1, matmul_integer)         \
    X(DYNAMIC_QUANTIZE, "DynamicQuantizeLinear", 1, 1, 3, 3, dynamic_quantize)

/* Operators of our own, which training graphs alone have (graph/grad.h): no
 * file has them, neither coming in nor going out. dy is the gradient of what
 * the operator of the forward pass makes, y, from x.
 *
 *   ConvWeightGrad (x, dy): attributes of Conv, kernel_shape among them
 *   ReluGrad, SigmoidGrad, TanhGrad (dy, y); ClipGrad (dy, y, low, high);
 *   LeakyReluGrad, EluGrad, SeluGrad (dy, y): attributes of the operator
 *   HardSigmoidGrad, HardSwishGrad (dy, x)
 *   MaxPoolGrad (dy, x, y), AveragePoolGrad (dy): attributes of the operator,
 *   all of its window written out, and shape, that of x
 *   BatchNormTrain (x, scale, bias) -> y, mean, variance (by N) of the batch
 *   BatchNormGrad (dy, x, scale, mean, variance) -> of x, scale, bias
 *   SoftmaxLossGrad (log_prob, labels, dloss)
 *   DropoutTrain (x, seeds): attributes ratio and salt; one seed a sample
 *   Accumulate (sum, x) -> the new sum, which may lie where the old one does
 *   TileCut (x, seeds) -> tiles with what they read of each other, some of it
 *   lost; TileJoin (tiles, seeds, x), its transpose: see graph/lossy.h
 *   BlockGemm (x, w, bias, seeds): a Gemm with blocks of w lost, by sample;
 *   BlockInputGrad (dy, w, seeds), BlockWeightGrad (dy, x, seeds) */
#define OP_OWN_TABLE(X)                                                    \
    X(CONV_WEIGHT_GRAD, "ConvWeightGrad", 2, 2, 1, 1, conv_weight_grad)    \
    X(RELU_GRAD, "ReluGrad", 2, 2, 1, 1, unary_grad)                       \
    X(CLIP_GRAD, "ClipGrad", 2, 4, 1, 1, unary_grad)                       \
    X(LEAKY_RELU_GRAD, "LeakyReluGrad", 2, 2, 1, 1, unary_grad)            \
    X(ELU_GRAD, "EluGrad", 2, 2, 1, 1, unary_grad)                         \
    X(SELU_GRAD, "SeluGrad", 2, 2, 1, 1, unary_grad)                       \
    X(SIGMOID_GRAD, "SigmoidGrad", 2, 2, 1, 1, unary_grad)                 \
    X(TANH_GRAD, "TanhGrad", 2, 2, 1, 1, unary_grad)                       \
    X(HARD_SIGMOID_GRAD, "HardSigmoidGrad", 2, 2, 1, 1, unary_grad)        \
    X(HARD_SWISH_GRAD, "HardSwishGrad", 2, 2, 1, 1, unary_grad)            \
    X(MAX_POOL_GRAD, "MaxPoolGrad", 3, 3, 1, 1, pool_grad)                 \
    X(AVERAGE_POOL_GRAD, "AveragePoolGrad", 1, 1, 1, 1, pool_grad)         \
    X(BATCH_NORM_TRAIN, "BatchNormTrain", 3, 3, 1, 3, batch_norm_train)    \
    X(BATCH_NORM_GRAD, "BatchNormGrad", 5, 5, 1, 3, batch_norm_grad)       \
    X(SOFTMAX_LOSS_GRAD, "SoftmaxLossGrad", 3, 4, 1, 1, softmax_loss_grad) \
    X(DROPOUT_TRAIN, "DropoutTrain", 2, 2, 1, 1, dropout_train)            \
    X(ACCUMULATE, "Accumulate", 2, 2, 1, 1, unary_grad)                    \
    X(TILE_CUT, "TileCut", 1, 2, 1, 1, tile_cut)                           \
    X(TILE_JOIN, "TileJoin", 1, 3, 1, 1, tile_join)                        \
    X(BLOCK_GEMM, "BlockGemm", 2, 4, 1, 1, block_gemm)                     \
    X(BLOCK_INPUT_GRAD, "BlockInputGrad", 2, 3, 1, 1, block_gemm)          \
    X(BLOCK_WEIGHT_GRAD, "BlockWeightGrad", 2, 3, 1, 1, block_gemm)

enum op_kind {
#define X(kind, name, in0, in1, out0, out1, infer) OP_##kind,
    OP_TABLE(X) OP_OWN_TABLE(X)
#undef X
        OP_COUNT
};

struct graph;
struct op;

struct op_info {
    const char *name; /* the ONNX operator */
    int in_min;
    int in_max;
    int out_min;
    int out_max;
    /* Sets dtype and shape of ops[op]'s outputs from its inputs. Inputs have
     * been inferred. EDGE_EINVAL with a sentence when they do not fit. */
    int (*infer)(struct graph *graph, struct op *op, struct err *err);
};

const struct op_info *op_info(enum op_kind kind);
int op_find(const char *name);     /* the kind of an ONNX operator, or -1 */
bool op_is_own(enum op_kind kind); /* it is no ONNX operator */

/* One input, and each element of the output depends on that element alone;
 * further inputs, if any, are numbers (Clip). */
bool op_is_unary(enum op_kind kind);
/* Two or more inputs, broadcast, and the same holds. */
bool op_is_elementwise(enum op_kind kind);

#endif

/*
 * What the infer_*.c files share: how shape inference of one op reads its
 * inputs, says what is wrong and sets its outputs. Dimensions that get here
 * lie in [-1, INFER_DIM_MAX], so sums of a few of them do not overflow.
 */
#ifndef EDGE_GRAPH_INFER_OP_H
#define EDGE_GRAPH_INFER_OP_H

#include "graph/graph.h"

#define INFER_DIM_MAX ((int64_t)LIMIT_TENSOR_BYTES)

/* `Conv "conv1": ` and the sentence; EDGE_EINVAL. */
int infer_fail(const struct op *op, struct err *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Input `i`, or NULL if it is left out. */
const struct value *infer_in(const struct graph *graph, const struct op *op,
                             int i);
/* Sets output `i`; nothing if it is left out. EDGE_EINVAL: too large. */
int infer_out(struct graph *graph, const struct op *op, int i, enum dtype dtype,
              const struct shape *shape, struct err *err);

/* Input `i` as at most `max` integers. 1: they are in v[0..*n); 0: they are
 * not known, or the input is left out; EDGE_EINVAL: not a list of integers,
 * or more than `max`. */
int infer_ints(const struct graph *graph, const struct op *op, int i,
               int64_t *v, size_t max, size_t *n, struct err *err);
/* The same of one integer. */
int infer_int(const struct graph *graph, const struct op *op, int i, int64_t *v,
              struct err *err);

/* *axis in 0..rank-1 from one that may be negative. */
int infer_axis(const struct op *op, int64_t from, int rank, int *axis,
               struct err *err);
/* A mask of the axes in v[0..n); EDGE_EINVAL on one out of range or twice. */
int infer_axes(const struct op *op, const int64_t *v, size_t n, int rank,
               bool mask[LIMIT_RANK], struct err *err);
int infer_rank(const struct op *op, const struct value *v, int least, int most,
               struct err *err);
/* Inputs `i` and `j` are of one type (fine if either is left out). */
int infer_same_type(const struct graph *graph, const struct op *op, int i,
                    int j, struct err *err);
/* Input `i`, if there, is of type `dtype`. */
int infer_type(const struct graph *graph, const struct op *op, int i,
               enum dtype dtype, struct err *err);
/* Input 0 is of a type that ONNX allows, which matters where it must be of
 * floating point; fine as long as its type is not known. infer_type.c */
int infer_check_types(const struct graph *graph, const struct op *op,
                      struct err *err);
/* The type of output `k`, DTYPE_NONE if that of an input is not known. */
enum dtype infer_output_type(const struct graph *graph, const struct op *op,
                             int k);

/* ONNX multidirectional broadcast where -1 may stand for any number. */
int infer_broadcast(const struct op *op, const struct shape *a,
                    const struct shape *b, struct shape *out, struct err *err);
/* Input `i`, if there, broadcasts to `to` without making it larger. */
int infer_fits(const struct graph *graph, const struct op *op, int i,
               const struct shape *to, struct err *err);
/* Input `i`, if there, is a vector of `n` elements (-1: of any number). */
int infer_vector(const struct graph *graph, const struct op *op, int i,
                 int64_t n, const char *what, struct err *err);
/* True if a and b are both known and differ. */
bool infer_differ(int64_t a, int64_t b);

/* The dimensions that Shape gives of an input of `rank`: its attributes start
 * and end, clamped. */
void infer_shape_range(const struct op *op, int rank, int *first, int *count);

/* The element type that ONNX's TensorProto.DataType `number` means. */
enum dtype infer_onnx_type(int64_t number);

/* Shape inference of the operators; see op.h for who uses which. */
#define INFER_FUNCTIONS(X) \
    X(arg)                 \
    X(batch_norm)          \
    X(batch_norm_grad)     \
    X(batch_norm_train)    \
    X(block_gemm)          \
    X(broadcast)           \
    X(cast)                \
    X(clip)                \
    X(compare)             \
    X(concat)              \
    X(constant_of_shape)   \
    X(conv)                \
    X(conv_integer)        \
    X(conv_transpose)      \
    X(conv_weight_grad)    \
    X(depth_to_space)      \
    X(dequantize)          \
    X(dropout)             \
    X(dropout_train)       \
    X(dynamic_quantize)    \
    X(expand)              \
    X(flatten)             \
    X(gather)              \
    X(gemm)                \
    X(global_pool)         \
    X(instance_norm)       \
    X(layer_norm)          \
    X(matmul)              \
    X(matmul_integer)      \
    X(nms)                 \
    X(pad)                 \
    X(pool)                \
    X(pool_grad)           \
    X(prelu)               \
    X(qlinear_conv)        \
    X(qlinear_matmul)      \
    X(quantize)            \
    X(range)               \
    X(reduce)              \
    X(reshape)             \
    X(resize)              \
    X(same)                \
    X(shape)               \
    X(slice)               \
    X(softmax)             \
    X(softmax_loss)        \
    X(softmax_loss_grad)   \
    X(space_to_depth)      \
    X(split)               \
    X(squeeze)             \
    X(tile)                \
    X(tile_cut)            \
    X(tile_join)           \
    X(top_k)               \
    X(transpose)           \
    X(unary_grad)          \
    X(unsqueeze)           \
    X(where)

#define X(name) \
    int infer_op_##name(struct graph *graph, struct op *op, struct err *err);
INFER_FUNCTIONS(X)
#undef X

#endif

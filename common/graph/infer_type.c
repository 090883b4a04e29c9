/* What types go into an op and come out of it; neither needs the shapes. */
#include "graph/infer_op.h"

#include "graph/attr.h"

static enum dtype input_type(const struct graph *graph, const struct op *op,
                             int i)
{
    const struct value *v = infer_in(graph, op, i);

    return v != NULL ? v->dtype : DTYPE_NONE;
}

/* ---- in ----------------------------------------------------------------- */

/* Of which operators ONNX allows floating point alone. */
static bool takes_floats_alone(enum op_kind kind)
{
    switch (kind) {
    case OP_CONV:
    case OP_CONV_TRANSPOSE:
    case OP_BATCH_NORM:
    case OP_INSTANCE_NORM:
    case OP_LAYER_NORM:
    case OP_LRN:
    case OP_LEAKY_RELU:
    case OP_ELU:
    case OP_SELU:
    case OP_SIGMOID:
    case OP_HARD_SIGMOID:
    case OP_HARD_SWISH:
    case OP_SOFTPLUS:
    case OP_TANH:
    case OP_GELU:
    case OP_SOFTMAX:
    case OP_LOG_SOFTMAX:
    case OP_SOFTMAX_LOSS:
    case OP_SQRT:
    case OP_EXP:
    case OP_LOG:
    case OP_RECIPROCAL:
    case OP_FLOOR:
    case OP_CEIL:
    case OP_ROUND:
    case OP_SUM:
    case OP_MEAN:
    case OP_AVERAGE_POOL:
    case OP_GLOBAL_AVERAGE_POOL:
    case OP_GLOBAL_MAX_POOL: return true;
    default: return false;
    }
}

int infer_check_types(const struct graph *graph, const struct op *op,
                      struct err *err)
{
    enum dtype dtype = input_type(graph, op, 0);

    if (dtype == DTYPE_NONE || dtype_is_float(dtype) ||
        !takes_floats_alone(op->kind)) {
        return 0;
    }
    return infer_fail(op, err,
                      "input 0 (\"%.100s\") must be of floating point, is %s",
                      infer_in(graph, op, 0)->name, dtype_name(dtype));
}

/* ---- out ---------------------------------------------------------------- */

enum dtype infer_output_type(const struct graph *graph, const struct op *op,
                             int k)
{
    const struct attr *value = op_attr(op, "value");

    switch (op->kind) {
    case OP_EQUAL:
    case OP_LESS:
    case OP_LESS_OR_EQUAL:
    case OP_GREATER:
    case OP_GREATER_OR_EQUAL:
    case OP_AND:
    case OP_OR:
    case OP_NOT: return DTYPE_BOOL;
    case OP_SHAPE:
    case OP_ARG_MAX:
    case OP_ARG_MIN:
    case OP_NON_MAX_SUPPRESSION: return DTYPE_I64;
    case OP_MAX_POOL:
    case OP_TOP_K: return k == 0 ? input_type(graph, op, 0) : DTYPE_I64;
    case OP_DROPOUT: return k == 0 ? input_type(graph, op, 0) : DTYPE_BOOL;
    case OP_LAYER_NORM: return k == 0 ? input_type(graph, op, 0) : DTYPE_F32;
    case OP_WHERE: return input_type(graph, op, 1);
    case OP_CAST: return infer_onnx_type(op_int(op, "to", 0));
    case OP_CONSTANT_OF_SHAPE:
        return value != NULL ? value->tensor.dtype : DTYPE_F32;
    case OP_QUANTIZE_LINEAR:
        return infer_in(graph, op, 2) != NULL ? input_type(graph, op, 2)
                                              : DTYPE_U8;
    case OP_DEQUANTIZE_LINEAR: return input_type(graph, op, 1);
    case OP_QLINEAR_CONV:
    case OP_QLINEAR_MATMUL: return input_type(graph, op, 7);
    case OP_CONV_INTEGER:
    case OP_MATMUL_INTEGER: return DTYPE_I32;
    case OP_DYNAMIC_QUANTIZE: return k == 1 ? DTYPE_F32 : DTYPE_U8;
    default: return input_type(graph, op, 0);
    }
}

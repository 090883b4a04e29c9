/* What an op costs: a count of its arithmetic and of the bytes it touches. */
#include "graph/infer.h"

#include "graph/infer_op.h"
#include "graph/window.h"

/* Operations that one exp, log, tanh ... is counted as. */
#define COST_TRANSCENDENTAL 10.0

static double count_of(const struct value *v)
{
    double count = 1;

    for (int i = 0; i < v->shape.rank; i++) {
        count *= v->shape.dims[i] > 0 ? (double)v->shape.dims[i] : 0;
    }
    return v->has_shape ? count : 0;
}

static double bytes_of(const struct value *v)
{
    return count_of(v) * (double)dtype_size(v->dtype);
}

static double dim(const struct value *v, int i)
{
    return v->shape.dims[i] > 0 ? (double)v->shape.dims[i] : 0;
}

/* Multiply-accumulates of a convolution: each element of the larger side
 * meets the kernel once for each channel of its group on the other side. */
static double conv_macs(const struct graph *graph, const struct op *op)
{
    const struct value *weight =
        infer_in(graph, op, op->kind == OP_QLINEAR_CONV ? 3 : 1);
    bool back = op->kind == OP_CONV_TRANSPOSE;
    const struct value *over =
        back ? infer_in(graph, op, 0) : &graph->values[op->out[0]];

    /* Of an input of unknown rank even the weight's is not checked. */
    if (weight->shape.rank == 0 || dim(weight, 0) == 0) {
        return 0;
    }
    return count_of(over) * count_of(weight) / dim(weight, 0);
}

static double product_macs(const struct graph *graph, const struct op *op)
{
    const struct value *a = infer_in(graph, op, 0);
    const struct value *out = &graph->values[op->out[0]];
    bool turned = op->kind == OP_GEMM && op_int(op, "transA", 0) != 0;

    if (a->shape.rank == 0) {
        return 0;
    }
    return count_of(out) * dim(a, turned ? 0 : a->shape.rank - 1);
}

/* As many as the convolution whose weights' gradient it is has. */
static double weight_grad_macs(const struct graph *graph, const struct op *op)
{
    const struct value *dy = infer_in(graph, op, 1);
    const struct value *weight = &graph->values[op->out[0]];

    if (weight->shape.rank == 0 || dim(weight, 0) == 0) {
        return 0;
    }
    return count_of(dy) * count_of(weight) / dim(weight, 0);
}

static double macs_of(const struct graph *graph, const struct op *op)
{
    switch (op->kind) {
    case OP_CONV_WEIGHT_GRAD: return weight_grad_macs(graph, op);
    case OP_CONV:
    case OP_CONV_TRANSPOSE:
    case OP_QLINEAR_CONV:
    case OP_CONV_INTEGER: return conv_macs(graph, op);
    case OP_GEMM:
    case OP_MATMUL:
    case OP_QLINEAR_MATMUL:
    case OP_MATMUL_INTEGER: return product_macs(graph, op);
    default: return 0;
    }
}

static double pool_flops(const struct graph *graph, const struct op *op)
{
    struct window w;
    double taps = 1;

    if (window_of(graph, op, &w, NULL) < 0) {
        return 0;
    }
    for (int i = 0; i < w.n; i++) {
        taps *= (double)w.kernel[i];
    }
    return taps * count_of(&graph->values[op->out[0]]);
}

/* Arithmetic of one element of the output, or of the input for reductions. */
static double flops_per_element(enum op_kind kind)
{
    switch (kind) {
    case OP_BATCH_NORM: return 2;
    case OP_BATCH_NORM_TRAIN:
    case OP_BATCH_NORM_GRAD: return 8;
    case OP_INSTANCE_NORM:
    case OP_LAYER_NORM: return 8;
    case OP_ELU:
    case OP_SELU:
    case OP_SIGMOID:
    case OP_SOFTPLUS:
    case OP_TANH:
    case OP_ERF:
    case OP_GELU:
    case OP_EXP:
    case OP_LOG:
    case OP_POW:
    case OP_SQRT: return COST_TRANSCENDENTAL;
    case OP_SOFTMAX:
    case OP_SOFTMAX_LOSS_GRAD:
    case OP_LOG_SOFTMAX: return COST_TRANSCENDENTAL + 4;
    case OP_LRN: return COST_TRANSCENDENTAL + 8;
    case OP_HARD_SIGMOID:
    case OP_HARD_SWISH: return 4;
    case OP_CLIP:
    case OP_QUANTIZE_LINEAR:
    case OP_DEQUANTIZE_LINEAR: return 2;
    case OP_RESIZE: return 8;
    default: return 1;
    }
}

/* True for ops that only move or rename elements. */
static bool only_moves(enum op_kind kind)
{
    switch (kind) {
    case OP_CONCAT:
    case OP_SPLIT:
    case OP_SLICE:
    case OP_PAD:
    case OP_RESHAPE:
    case OP_FLATTEN:
    case OP_TRANSPOSE:
    case OP_SQUEEZE:
    case OP_UNSQUEEZE:
    case OP_GATHER:
    case OP_TILE:
    case OP_EXPAND:
    case OP_SHAPE:
    case OP_CONSTANT_OF_SHAPE:
    case OP_IDENTITY:
    case OP_DROPOUT:
    case OP_DEPTH_TO_SPACE:
    case OP_SPACE_TO_DEPTH: return true;
    default: return false;
    }
}

static bool reads_more_than_it_makes(enum op_kind kind)
{
    return kind == OP_GLOBAL_AVERAGE_POOL || kind == OP_GLOBAL_MAX_POOL ||
           kind == OP_REDUCE_MEAN || kind == OP_REDUCE_SUM ||
           kind == OP_REDUCE_MAX || kind == OP_REDUCE_MIN ||
           kind == OP_ARG_MAX || kind == OP_ARG_MIN || kind == OP_TOP_K ||
           kind == OP_NON_MAX_SUPPRESSION;
}

static double flops_of(const struct graph *graph, const struct op *op)
{
    const struct value *x = infer_in(graph, op, 0);
    const struct value *y = &graph->values[op->out[0]];

    if (only_moves(op->kind)) {
        return 0;
    }
    if (op->kind == OP_SOFTMAX_LOSS) {
        return count_of(x) * (COST_TRANSCENDENTAL + 4);
    }
    if (op->kind == OP_MAX_POOL || op->kind == OP_AVERAGE_POOL) {
        return pool_flops(graph, op);
    }
    if (reads_more_than_it_makes(op->kind)) {
        return count_of(x);
    }
    /* Sum, Max and the like: one operation for each input after the first. */
    if (op_info(op->kind)->in_max < 0 && op->n_in > 2) {
        return count_of(y) * (double)(op->n_in - 1);
    }
    return count_of(y) * flops_per_element(op->kind);
}

void infer_cost(const struct graph *graph, const struct op *op,
                struct op_cost *cost)
{
    *cost = (struct op_cost){0};
    for (int k = 0; k < op->n_in; k++) {
        const struct value *v = infer_in(graph, op, k);

        if (v != NULL && v->data.blob != NULL) {
            cost->bytes_weight += bytes_of(v);
        } else if (v != NULL) {
            cost->bytes_in += bytes_of(v);
        }
    }
    for (int k = 0; k < op->n_out; k++) {
        if (op->out[k] >= 0) {
            cost->bytes_out += bytes_of(&graph->values[op->out[k]]);
        }
    }
    if (op->n_out == 0 || op->out[0] < 0 || infer_in(graph, op, 0) == NULL) {
        return;
    }
    cost->macs = macs_of(graph, op);
    cost->flops = cost->macs > 0 ? 2 * cost->macs : flops_of(graph, op);
}

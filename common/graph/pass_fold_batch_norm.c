/*
 * y = scale * (product - mean) / sqrt(variance + epsilon) + bias is the same
 * product with other weights: each output channel's multiplied by one factor,
 * its bias multiplied and moved. Factors are in double, rounded once.
 */
#include "graph/pass.h"

#include "base/mem.h"
#include "graph/infer_op.h"

#include <math.h>

struct affine { /* y = factor * product + shift, for each channel */
    double *factor;
    double *shift;
    int64_t n;
};

static bool is_f32_const(const struct value *v)
{
    return v != NULL && v->data.blob != NULL && v->dtype == DTYPE_F32;
}

static const float *floats(const struct value *v)
{
    return v->data.data;
}

/* ---- which op ---------------------------------------------------------- */

/* A bias that has one number for each output channel, or is absent. */
static bool bias_is_plain(const struct graph *graph, const struct op *op)
{
    const struct value *bias = infer_in(graph, op, 2);
    const struct value *y = &graph->values[op->out[0]];
    int channel = op->kind == OP_GEMM ? y->shape.rank - 1 : 1;

    if (bias == NULL) {
        return true;
    }
    return is_f32_const(bias) && bias->shape.rank > 0 &&
           bias->shape.dims[bias->shape.rank - 1] == y->shape.dims[channel] &&
           tensor_count(&bias->data) == y->shape.dims[channel];
}

/* The op whose product `bn` normalises, if it can take the factors. */
static struct op *find_product(struct graph *graph, const struct op *bn,
                               const int *uses)
{
    int x = bn->in[0];
    int producer = graph->values[x].producer;
    struct op *op = producer >= 0 ? &graph->ops[producer] : NULL;

    if (op == NULL || uses[x] != 1 || !graph->values[x].has_shape ||
        op_int(bn, "training_mode", 0) != 0) {
        return NULL;
    }
    if (op->kind != OP_CONV && op->kind != OP_CONV_TRANSPOSE &&
        op->kind != OP_GEMM) {
        return NULL;
    }
    for (int k = 1; k < 5; k++) {
        if (!is_f32_const(infer_in(graph, bn, k))) {
            return NULL;
        }
    }
    return is_f32_const(infer_in(graph, op, 1)) && bias_is_plain(graph, op)
               ? op
               : NULL;
}

/* ---- the numbers ------------------------------------------------------- */

static void affine_deinit(struct affine *a)
{
    mem_free(a->factor);
    mem_free(a->shift);
}

/* 1: done; 0: a factor is not finite, so the op stays as it is. */
static int affine_init(struct affine *a, const struct graph *graph,
                       const struct op *bn)
{
    const float *scale = floats(infer_in(graph, bn, 1));
    const float *bias = floats(infer_in(graph, bn, 2));
    const float *mean = floats(infer_in(graph, bn, 3));
    const float *variance = floats(infer_in(graph, bn, 4));
    double epsilon = (double)op_float(bn, "epsilon", 1e-5f);

    a->n = infer_in(graph, bn, 1)->shape.dims[0];
    a->factor = mem_array(double, (size_t)a->n);
    a->shift = mem_array(double, (size_t)a->n);
    if (a->factor == NULL || a->shift == NULL) {
        affine_deinit(a);
        return EDGE_ENOMEM;
    }
    for (int64_t i = 0; i < a->n; i++) {
        a->factor[i] = (double)scale[i] / sqrt((double)variance[i] + epsilon);
        a->shift[i] = (double)bias[i] - (double)mean[i] * a->factor[i];
        if (!isfinite(a->factor[i]) || !isfinite(a->shift[i])) {
            affine_deinit(a);
            return 0;
        }
    }
    return 1;
}

/* The output channel that element `i` of the weight belongs to. */
static int64_t channel_of(const struct op *op, const struct shape *w, int64_t i)
{
    int64_t inner = shape_span(w, 1, w->rank); /* of one index of dims[0] */

    if (op->kind == OP_CONV) {
        return i / inner;
    }
    if (op->kind == OP_GEMM) {
        return op_int(op, "transB", 0) != 0 ? i / inner : i % inner;
    }
    /* ConvTranspose [C, M / group, k...]: input channel c is of group
     * c / (C / group), whose outputs start at that times M / group. */
    int64_t group = i / inner / (w->dims[0] / op_int(op, "group", 1));

    return group * w->dims[1] + i % inner / shape_span(w, 2, w->rank);
}

static int scale_weight(const struct op *op, const struct value *weight,
                        const struct affine *a, struct tensor *out)
{
    int64_t n = tensor_count(&weight->data);
    int rc = tensor_init(out, DTYPE_F32, &weight->shape);

    for (int64_t i = 0; rc == 0 && i < n; i++) {
        int64_t channel = channel_of(op, &weight->shape, i);

        ((float *)out->data)[i] =
            (float)((double)floats(weight)[i] * a->factor[channel]);
    }
    return rc;
}

static int move_bias(const struct op *op, const struct value *bias,
                     const struct affine *a, struct tensor *out)
{
    struct shape shape = shape_of(1, &a->n);
    double beta =
        op->kind == OP_GEMM ? (double)op_float(op, "beta", 1.0f) : 1.0;
    int rc = tensor_init(out, DTYPE_F32, &shape);

    for (int64_t i = 0; rc == 0 && i < a->n; i++) {
        double old = bias != NULL ? beta * (double)floats(bias)[i] : 0;

        ((float *)out->data)[i] = (float)(old * a->factor[i] + a->shift[i]);
    }
    return rc;
}

/* ---- the rewrite ------------------------------------------------------- */

/* A new constant called after the value it comes from; -1 for `from`: after
 * the op's bias. Returns its index. */
static int add_folded(struct graph *graph, const struct op *op, int from,
                      struct tensor *data)
{
    char *name = from >= 0 ? mem_printf("%s/bn", graph->values[from].name)
                           : mem_printf("%s/bias", op->name);
    int value;

    if (name == NULL) {
        return EDGE_ENOMEM;
    }
    value = graph_add_const(graph, name, data);
    if (value == EDGE_EEXIST || value == EDGE_ETOOBIG) {
        value = graph_add_const(graph, NULL, data);
    }
    mem_free(name);
    return value;
}

static int set_inputs(struct op *op, int weight, int bias)
{
    if (op->n_in < 3) {
        int *in = mem_resize(op->in, 3, sizeof(*in));

        if (in == NULL) {
            return EDGE_ENOMEM;
        }
        op->in = in;
        op->n_in = 3;
    }
    op->in[1] = weight;
    op->in[2] = bias;
    return op->kind == OP_GEMM && op_attr(op, "beta") != NULL
               ? op_set_float(op, "beta", 1.0f)
               : 0;
}

static int rewrite(struct graph *graph, struct op *op, const struct op *bn,
                   const struct affine *a)
{
    const struct value *bias_from = infer_in(graph, op, 2);
    struct tensor weight = {0};
    struct tensor bias = {0};
    int new_weight = -1;
    int new_bias = -1;
    int rc = scale_weight(op, infer_in(graph, op, 1), a, &weight);

    if (rc == 0) {
        rc = move_bias(op, bias_from, a, &bias);
    }
    if (rc == 0) {
        new_weight = add_folded(graph, op, op->in[1], &weight);
        rc = new_weight < 0 ? new_weight : 0;
    }
    if (rc == 0) {
        new_bias =
            add_folded(graph, op, bias_from != NULL ? op->in[2] : -1, &bias);
        rc = new_bias < 0 ? new_bias : 0;
    }
    if (rc == 0) {
        rc = set_inputs(op, new_weight, new_bias);
    }
    if (rc == 0) {
        graph_move_output(graph, bn->in[0], bn->out[0]);
    }
    tensor_deinit(&weight);
    tensor_deinit(&bias);
    return rc;
}

static int fold(struct graph *graph, struct op *bn, const int *uses)
{
    struct op *op = find_product(graph, bn, uses);
    struct affine a = {0};
    int rc;

    if (op == NULL) {
        return 0;
    }
    rc = affine_init(&a, graph, bn);
    if (rc == 1) {
        rc = rewrite(graph, op, bn, &a);
        affine_deinit(&a);
    }
    return rc;
}

int pass_fold_batch_norm(struct graph *graph, struct err *err)
{
    int *uses;
    int rc = graph_count_uses(graph, &uses);

    if (rc < 0) {
        return err_set(err, rc, "fold batch norms: %s", err_text(rc));
    }
    for (size_t i = 0; rc == 0 && i < graph->n_ops; i++) {
        struct op *op = &graph->ops[i];

        if (op->kind == OP_BATCH_NORM) {
            rc = fold(graph, op, uses);
        }
        if (rc < 0) {
            (void)err_set(err, rc, "%s \"%.200s\": %s", op_info(op->kind)->name,
                          op->name, err_text(rc));
        }
    }
    mem_free(uses);
    return rc < 0 ? rc : pass_drop_dead(graph, err);
}

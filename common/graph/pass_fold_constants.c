/*
 * Ops that depend on constants alone become constants, where that does not
 * make the model much larger: what is stored and sent is the smaller of the
 * two forms.
 */
#include "graph/pass.h"

#include "base/mem.h"
#include "graph/infer.h"
#include "graph/infer_op.h"

/* An output up to this size is always worth it. */
#define FOLD_FREE_BYTES KIB(64)

struct folding {
    struct graph *graph;
    pass_eval eval;
    void *arg;
    bool *is_weight; /* of values: some op packs it, if it is constant */
    size_t made;     /* bytes of new constants */
};

/* Which inputs a kernel wants to know before the run. ONNX files of ours hold
 * a uniform constant as ConstantOfShape; as a weight it must come back. */
static bool packs_input(enum op_kind kind, int input)
{
    switch (kind) {
    case OP_CONV:
    case OP_CONV_TRANSPOSE:
    case OP_GEMM:
    case OP_MATMUL:
    case OP_BATCH_NORM:
    case OP_INSTANCE_NORM:
    case OP_LAYER_NORM:
    case OP_PRELU:
    case OP_QLINEAR_CONV:
    case OP_QLINEAR_MATMUL:
    case OP_CONV_INTEGER:
    case OP_MATMUL_INTEGER: return input > 0;
    case OP_QUANTIZE_LINEAR:
    case OP_DEQUANTIZE_LINEAR: return true;
    default: return false;
    }
}

static int find_weights(struct folding *f)
{
    f->is_weight = mem_array(bool, f->graph->n_values);
    if (f->is_weight == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < f->graph->n_ops; i++) {
        const struct op *op = &f->graph->ops[i];

        for (int k = 0; k < op->n_in; k++) {
            if (op->in[k] >= 0 && packs_input(op->kind, k)) {
                f->is_weight[op->in[k]] = true;
            }
        }
    }
    return 0;
}

static bool inputs_are_const(const struct graph *graph, const struct op *op)
{
    for (int k = 0; k < op->n_in; k++) {
        if (op->in[k] >= 0 && !graph_is_const(graph, op->in[k])) {
            return false;
        }
    }
    return true;
}

/* Bytes of the outputs; false: not known. */
static bool out_bytes(const struct graph *graph, const struct op *op,
                      size_t *bytes)
{
    *bytes = 0;
    for (int k = 0; k < op->n_out; k++) {
        const struct value *v;
        size_t more;

        if (op->out[k] < 0) {
            continue;
        }
        v = &graph->values[op->out[k]];
        if (!v->has_shape || !shape_bytes(&v->shape, v->dtype, &more) ||
            !mem_add(*bytes, more, bytes)) {
            return false;
        }
    }
    return true;
}

static size_t in_bytes(const struct graph *graph, const struct op *op)
{
    size_t bytes = 0;

    for (int k = 0; k < op->n_in; k++) {
        if (op->in[k] >= 0) {
            bytes += tensor_bytes(&graph->values[op->in[k]].data);
        }
    }
    return bytes;
}

static bool is_worth_it(const struct folding *f, const struct op *op,
                        size_t *bytes)
{
    size_t allowed = in_bytes(f->graph, op);

    if (op->kind == OP_DEQUANTIZE_LINEAR || !out_bytes(f->graph, op, bytes)) {
        return false;
    }
    if (op->kind == OP_IDENTITY || op->kind == OP_RESHAPE ||
        op->kind == OP_FLATTEN || op->kind == OP_SQUEEZE ||
        op->kind == OP_UNSQUEEZE) {
        *bytes = 0; /* the bytes are shared */
        return true;
    }
    if (*bytes > LIMIT_FOLD_BYTES - f->made) {
        return false;
    }
    if (op->kind == OP_CONSTANT_OF_SHAPE && f->is_weight[op->out[0]]) {
        return true;
    }
    return *bytes <= (allowed > FOLD_FREE_BYTES ? allowed : FOLD_FREE_BYTES);
}

static int fold_op(struct folding *f, struct op *op, struct err *err)
{
    struct tensor out[LIMIT_OP_INPUTS] = {0};
    struct err why;
    size_t bytes;
    int rc;

    if (!inputs_are_const(f->graph, op) || !is_worth_it(f, op, &bytes)) {
        return 0;
    }
    rc = f->eval(f->arg, f->graph, op, out, &why);
    if (rc == EDGE_EUNSUPPORTED) {
        return 0; /* refused when it is planned, if it is needed by then */
    }
    if (rc < 0) {
        return err_set(err, rc, "%s", why.text);
    }
    f->made += bytes;
    for (int k = 0; k < op->n_out; k++) {
        if (op->out[k] >= 0 && out[k].blob != NULL) {
            graph_set_const(f->graph, op->out[k], &out[k]);
        }
        tensor_deinit(&out[k]);
    }
    return 0;
}

/* Shape of a value of known dimensions, whatever the value. */
static int fold_shape(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = &graph->values[op->in[0]];
    struct shape length = {.rank = 1};
    struct tensor dims = {0};
    int first;
    int count;
    int rc;

    if (!x->has_shape) {
        return 0;
    }
    infer_shape_range(op, x->shape.rank, &first, &count);
    for (int i = first; i < first + count; i++) {
        if (x->shape.dims[i] < 0) {
            return 0;
        }
    }
    length.dims[0] = count;
    rc = tensor_copy(&dims, DTYPE_I64, &length, x->shape.dims + first);
    if (rc < 0) {
        return err_set(err, rc, "Shape \"%.200s\": %s", op->name, err_text(rc));
    }
    graph_set_const(graph, op->out[0], &dims);
    return 0;
}

int pass_fold_constants(struct graph *graph, pass_eval eval, void *arg,
                        struct err *err)
{
    struct folding f = {.graph = graph, .eval = eval, .arg = arg};
    int rc = find_weights(&f);

    if (rc < 0) {
        (void)err_set(err, rc, "fold constants: out of memory");
    }
    for (size_t i = 0; rc == 0 && i < graph->n_ops; i++) {
        struct op *op = &graph->ops[i];

        /* What came before may have become constant, so more is known. */
        rc = infer_op(graph, op, err);
        if (rc == 0) {
            rc = op->kind == OP_SHAPE ? fold_shape(graph, op, err)
                                      : fold_op(&f, op, err);
        }
    }
    mem_free(f.is_weight);
    return rc < 0 ? rc : pass_drop_dead(graph, err);
}

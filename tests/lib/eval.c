#include "tests/lib/eval.h"

#include "graph/infer_op.h"

#include <string.h>

static int64_t *ints(struct tensor *t)
{
    return t->data;
}

/* Lists one after the other: Concat of vectors, and of one Unsqueeze and
 * Identity. */
static void join(const struct graph *graph, const struct op *op, int n_in,
                 struct tensor *out)
{
    int64_t n = 0;

    for (int i = 0; i < n_in; i++) {
        const struct tensor *in = &infer_in(graph, op, i)->data;

        for (int64_t k = 0; k < tensor_count(in); k++) {
            ints(out)[n++] = tensor_get_int(in, k);
        }
    }
}

static void compute(const struct graph *graph, const struct op *op,
                    struct tensor *out)
{
    const struct tensor *a = &infer_in(graph, op, 0)->data;
    const struct tensor *b =
        op->n_in > 1 && op->in[1] >= 0 ? &infer_in(graph, op, 1)->data : NULL;

    if (op->kind == OP_CONCAT) {
        join(graph, op, op->n_in, out);
    } else if (op->kind == OP_UNSQUEEZE || op->kind == OP_IDENTITY) {
        join(graph, op, 1, out);
    }
    for (int64_t i = 0; b != NULL && i < tensor_count(out); i++) {
        if (op->kind == OP_GATHER) {
            int64_t index = tensor_get_int(b, i);

            ints(out)[i] =
                tensor_get_int(a, index < 0 ? index + tensor_count(a) : index);
        } else if (op->kind == OP_ADD) {
            ints(out)[i] = tensor_get_int(a, i) + tensor_get_int(b, i);
        } else if (op->kind == OP_MUL) {
            ints(out)[i] = tensor_get_int(a, i) * tensor_get_int(b, i);
        }
    }
}

int eval_op(void *arg, const struct graph *graph, const struct op *op,
            struct tensor *out, struct err *err)
{
    struct eval *eval = arg;

    eval->calls++;
    if (eval->rc < 0) {
        return err_set(err, eval->rc, "told to refuse \"%s\"", op->name);
    }
    for (int k = 0; k < op->n_out; k++) {
        const struct value *v;
        int rc;

        out[k] = (struct tensor){0};
        if (op->out[k] < 0) {
            continue;
        }
        v = &graph->values[op->out[k]];
        rc = tensor_init(&out[k], v->dtype, &v->shape);
        if (rc < 0) {
            return err_set(err, rc, "%s", err_text(rc));
        }
        memset(out[k].data, 0, tensor_bytes(&out[k]));
        if (v->dtype == DTYPE_I64) {
            compute(graph, op, &out[k]);
        }
    }
    return 0;
}

#include "tests/lib/imported.h"

#include "onnx/import.h"
#include "tests/lib/heap.h"
#include "tests/lib/unit.h"

#include "base/mem.h"

#include <stdlib.h>

int imported_set_up(void **state)
{
    *state = mem_new(struct imported);
    return *state == NULL;
}

int imported_tear_down(void **state)
{
    struct imported *f = *state;

    heap_heal();
    graph_free(f->graph);
    mem_free(f);
    return 0;
}

/* Ends the model, imports it and keeps the outcome. */
void imported_take(struct imported *f)
{
    struct blob *file = onnx_end(&f->m);

    f->rc = import_blob(file, "m.onnx", NULL, NULL, &f->graph, &f->err);
    blob_unref(file);
}

void imported_ok(struct imported *f)
{
    struct err err;

    imported_take(f);
    if (f->rc < 0) {
        fail_msg("%s", f->err.text);
    }
    assert_int_equal(graph_check(f->graph, &err), 0);
}

void imported_refused(struct imported *f, int rc, const char *text)
{
    imported_take(f);
    assert_int_equal(f->rc, rc);
    assert_string_equal(f->err.text, text);
}

/* A model of input x (float32, `dims`), output y and one node. */
void imported_one_node(struct imported *f, int opset, const char *type,
                       struct onnx_dims dims)
{
    onnx_begin(&f->m, opset);
    onnx_input(&f->m, "x", ONNX_F32, dims);
    onnx_output(&f->m, "y");
    onnx_node(&f->m, type, "x", "y");
}

const struct op *imported_op(const struct imported *f)
{
    assert_int_equal(f->graph->n_ops, 1);
    return &f->graph->ops[0];
}

const struct tensor *imported_const(const struct imported *f,
                                    const struct op *op, int i)
{
    assert_true(i < op->n_in);
    assert_true(graph_is_const(f->graph, op->in[i]));
    return &f->graph->values[op->in[i]].data;
}

void imported_check_ints(const struct imported *f, const struct op *op, int i,
                         struct onnx_dims wanted)
{
    const struct tensor *t = imported_const(f, op, i);

    assert_int_equal(t->dtype, DTYPE_I64);
    assert_int_equal(t->shape.rank, 1);
    assert_int_equal(t->shape.dims[0], wanted.rank);
    for (int k = 0; k < wanted.rank; k++) {
        assert_int_equal(tensor_get_int(t, k), wanted.d[k]);
    }
}

void imported_check_float(const struct imported *f, const struct op *op, int i,
                          double wanted)
{
    const struct tensor *t = imported_const(f, op, i);

    assert_int_equal(t->dtype, DTYPE_F32);
    assert_int_equal(t->shape.rank, 0);
    assert_true(tensor_get(t, 0) == wanted);
}

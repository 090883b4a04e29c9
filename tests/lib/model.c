#include "tests/lib/model.h"

#include "base/mem.h"
#include "tests/lib/unit.h"

#include <string.h>

int model_input(struct graph *graph, const char *name, enum dtype dtype,
                int rank, const int64_t *dims)
{
    int value = graph_add_value(graph, name);

    assert_true(value >= 0);
    graph->values[value].dtype = dtype;
    graph->values[value].has_shape = true;
    graph->values[value].shape = shape_of(rank, dims);
    assert_true(graph_add_input(graph, value) >= 0);
    return value;
}

static int add_const(struct graph *graph, const char *name, struct tensor *t)
{
    int value = graph_add_const(graph, name, t);

    assert_true(value >= 0);
    return value;
}

int model_const(struct graph *graph, const char *name, enum dtype dtype,
                int rank, const int64_t *dims)
{
    struct shape shape = shape_of(rank, dims);
    struct tensor t;

    assert_int_equal(tensor_init(&t, dtype, &shape), 0);
    memset(t.data, 0, tensor_bytes(&t));
    return add_const(graph, name, &t);
}

int model_f32(struct graph *graph, const char *name, float first, float step,
              int rank, const int64_t *dims)
{
    int value = model_const(graph, name, DTYPE_F32, rank, dims);
    struct tensor *t = &graph->values[value].data;
    float *data = t->data;

    for (int64_t i = 0; i < tensor_count(t); i++) {
        data[i] = first + step * (float)i;
    }
    return value;
}

int model_ints(struct graph *graph, const char *name, int n, const int64_t *v)
{
    struct shape shape = {.rank = 1, .dims = {n}};
    struct tensor t;

    assert_int_equal(tensor_copy(&t, DTYPE_I64, &shape, v), 0);
    return add_const(graph, name, &t);
}

int model_op(struct graph *graph, enum op_kind kind, const char *name, int n_in,
             const int *in)
{
    int out = graph_add_value(graph, name);

    assert_true(out >= 0);
    assert_true(graph_add_op(graph, kind, graph->values[out].name, in, n_in,
                             &out, 1) >= 0);
    return out;
}

int model_more(struct graph *graph, const char *name)
{
    struct op *op = model_last(graph);
    int value = graph_add_value(graph, name);
    int *out = mem_resize(op->out, (size_t)op->n_out + 1, sizeof(*out));

    assert_true(value >= 0);
    assert_non_null(out);
    op->out = out;
    op->out[op->n_out++] = value;
    graph->values[value].producer = (int)graph->n_ops - 1;
    return value;
}

struct op *model_last(struct graph *graph)
{
    return &graph->ops[graph->n_ops - 1];
}

void model_set_int(struct graph *graph, const char *name, int64_t value)
{
    assert_int_equal(op_set_int(model_last(graph), name, value), 0);
}

void model_set_ints(struct graph *graph, const char *name, int n,
                    const int64_t *v)
{
    assert_int_equal(op_set_ints(model_last(graph), name, v, (size_t)n), 0);
}

void model_set_float(struct graph *graph, const char *name, float value)
{
    assert_int_equal(op_set_float(model_last(graph), name, value), 0);
}

void model_set_string(struct graph *graph, const char *name, const char *value)
{
    assert_int_equal(op_set_string(model_last(graph), name, value), 0);
}

void model_output(struct graph *graph, int value)
{
    assert_true(graph_add_output(graph, value) >= 0);
}

const struct value *model_value(const struct graph *graph, const char *name)
{
    int value = graph_find_value(graph, name);

    assert_true(value >= 0);
    return &graph->values[value];
}

size_t model_count(const struct graph *graph, enum op_kind kind)
{
    size_t n = 0;

    for (size_t i = 0; i < graph->n_ops; i++) {
        n += graph->ops[i].kind == kind;
    }
    return n;
}

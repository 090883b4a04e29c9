#include "tests/lib/same_graph.h"

#include "tests/lib/unit.h"

#include "base/mem.h"
#include "graph/window.h"

#include <stdlib.h>
#include <string.h>

struct constant {
    enum dtype dtype;
    struct shape shape;
    const uint8_t *data;
    size_t step; /* bytes from element to element; 0: all are the first */
};

struct pair {
    const struct graph *a;
    const struct graph *b;
    int *b_of; /* the value of b that is a value of a, -1: none yet */
};

/* True if the value is constant, by itself or made by ConstantOfShape. */
static bool constant_of(const struct graph *g, int value, struct constant *c)
{
    static const float zero = 0;
    const struct value *v = &g->values[value];
    const struct op *op = v->producer >= 0 ? &g->ops[v->producer] : NULL;
    const struct attr *fill;

    if (v->data.blob != NULL) {
        *c = (struct constant){v->dtype, v->shape, v->data.data,
                               dtype_size(v->dtype)};
        return true;
    }
    if (op == NULL || op->kind != OP_CONSTANT_OF_SHAPE ||
        !graph_is_const(g, op->in[0])) {
        return false;
    }
    fill = op_attr(op, "value");
    *c = (struct constant){
        .dtype = fill != NULL ? fill->tensor.dtype : DTYPE_F32,
        .data = fill != NULL ? fill->tensor.data : (const void *)&zero};
    c->shape.rank = (int)tensor_count(&g->values[op->in[0]].data);
    for (int i = 0; i < c->shape.rank; i++) {
        c->shape.dims[i] = tensor_get_int(&g->values[op->in[0]].data, i);
    }
    return true;
}

static bool same_constant(const struct constant *a, const struct constant *b)
{
    size_t size = dtype_size(a->dtype);
    int64_t n = shape_count(&a->shape);

    if (a->dtype != b->dtype || !shape_equal(&a->shape, &b->shape)) {
        return false;
    }
    if (a->step == size && b->step == size) {
        return n == 0 || memcmp(a->data, b->data, (size_t)n * size) == 0;
    }
    if (a->step == 0 && b->step == 0) {
        return memcmp(a->data, b->data, size) == 0;
    }
    for (int64_t i = 0; i < n; i++) {
        if (memcmp(a->data + (size_t)i * a->step, b->data + (size_t)i * b->step,
                   size) != 0) {
            return false;
        }
    }
    return true;
}

static bool same_tensor(const struct tensor *a, const struct tensor *b)
{
    struct constant ca = {a->dtype, a->shape, a->data, dtype_size(a->dtype)};
    struct constant cb = {b->dtype, b->shape, b->data, dtype_size(b->dtype)};

    return same_constant(&ca, &cb);
}

static bool same_attr(const struct attr *a, const struct attr *b)
{
    if (b == NULL || a->kind != b->kind) {
        return false;
    }
    switch (a->kind) {
    case ATTR_INT: return a->i == b->i;
    case ATTR_FLOAT: return memcmp(&a->f, &b->f, sizeof(a->f)) == 0;
    case ATTR_STRING: return strcmp(a->s, b->s) == 0;
    case ATTR_INTS:
        return a->n == b->n &&
               (a->n == 0 || memcmp(a->ints, b->ints, a->n * 8) == 0);
    case ATTR_FLOATS:
        return a->n == b->n &&
               (a->n == 0 || memcmp(a->floats, b->floats, a->n * 4) == 0);
    case ATTR_TENSOR:
    default: return same_tensor(&a->tensor, &b->tensor);
    }
}

static bool same_value(const struct pair *p, int a, int b)
{
    struct constant ca;
    struct constant cb;

    if (a < 0 || b < 0) {
        return a < 0 && b < 0;
    }
    if (constant_of(p->a, a, &ca)) {
        return constant_of(p->b, b, &cb) && same_constant(&ca, &cb);
    }
    return p->b_of[a] == b;
}

static bool is_reduction(const struct op *op)
{
    return op->kind == OP_REDUCE_MEAN || op->kind == OP_REDUCE_SUM ||
           op->kind == OP_REDUCE_MAX || op->kind == OP_REDUCE_MIN;
}

static size_t axes_of(const struct graph *g, const struct op *op,
                      int64_t axes[LIMIT_RANK])
{
    const struct tensor *t;

    if (op->n_in < 2) {
        return op_ints(op, "axes", axes, LIMIT_RANK);
    }
    t = &g->values[op->in[1]].data;
    for (int64_t i = 0; i < tensor_count(t); i++) {
        axes[i] = tensor_get_int(t, i);
    }
    return (size_t)tensor_count(t);
}

static void compare_reduction(struct pair *p, const struct op *a,
                              const struct op *b)
{
    int64_t axes_a[LIMIT_RANK];
    int64_t axes_b[LIMIT_RANK];
    size_t n = axes_of(p->a, a, axes_a);

    assert_int_equal(a->kind, b->kind);
    assert_int_equal(n, axes_of(p->b, b, axes_b));
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(axes_a[i], axes_b[i]);
    }
    assert_int_equal(op_int(a, "keepdims", 1), op_int(b, "keepdims", 1));
    assert_true(same_value(p, a->in[0], b->in[0]));
    p->b_of[a->out[0]] = b->out[0];
}

/* The same windows over the input, whatever they lie over beyond it. */
static bool same_windows(struct pair *p, const struct op *a, const struct op *b)
{
    struct window wa;
    struct window wb;

    if (a->kind != b->kind ||
        (a->kind != OP_MAX_POOL && a->kind != OP_AVERAGE_POOL) ||
        op_int(a, "ceil_mode", 0) == op_int(b, "ceil_mode", 0) ||
        !p->a->values[a->in[0]].has_shape ||
        !p->b->values[b->in[0]].has_shape ||
        window_of(p->a, a, &wa, NULL) < 0 ||
        window_of(p->b, b, &wb, NULL) < 0) {
        return false;
    }
    for (int i = 0; i < wa.n; i++) {
        if (wa.kernel[i] != wb.kernel[i] || wa.stride[i] != wb.stride[i] ||
            wa.dilation[i] != wb.dilation[i] || wa.out[i] != wb.out[i] ||
            wa.pad_begin[i] != wb.pad_begin[i]) {
            return false;
        }
    }
    return wa.n == wb.n && op_int(a, "count_include_pad", 0) ==
                               op_int(b, "count_include_pad", 0);
}

static void compare_pool(struct pair *p, const struct op *a, const struct op *b)
{
    assert_true(same_value(p, a->in[0], b->in[0]));
    assert_int_equal(a->n_out, b->n_out);
    for (int i = 0; i < a->n_out; i++) {
        p->b_of[a->out[i]] = b->out[i];
    }
}

static void compare_op(struct pair *p, const struct op *a, const struct op *b)
{
    if (is_reduction(a)) {
        compare_reduction(p, a, b);
        return;
    }
    if (same_windows(p, a, b)) {
        compare_pool(p, a, b);
        return;
    }
    if (a->kind != b->kind || a->n_in != b->n_in || a->n_out != b->n_out ||
        a->n_attrs != b->n_attrs) {
        fail_msg("%s \"%s\" (%d in, %d out, %zu attributes) became %s \"%s\" "
                 "(%d, %d, %zu)",
                 op_info(a->kind)->name, a->name, a->n_in, a->n_out, a->n_attrs,
                 op_info(b->kind)->name, b->name, b->n_in, b->n_out,
                 b->n_attrs);
    }
    for (int i = 0; i < a->n_in; i++) {
        if (!same_value(p, a->in[i], b->in[i])) {
            fail_msg("%s \"%s\": input %d differs", op_info(a->kind)->name,
                     a->name, i);
        }
    }
    for (size_t i = 0; i < a->n_attrs; i++) {
        if (!same_attr(&a->attrs[i], op_attr(b, a->attrs[i].name))) {
            fail_msg("%s \"%s\": attribute %s differs", op_info(a->kind)->name,
                     a->name, a->attrs[i].name);
        }
    }
    for (int i = 0; i < a->n_out; i++) {
        assert_int_equal(a->out[i] < 0, b->out[i] < 0);
        if (a->out[i] >= 0) {
            p->b_of[a->out[i]] = b->out[i];
        }
    }
}

static bool is_fill(const struct graph *g, const struct op *op)
{
    struct constant c;

    return op->kind == OP_CONSTANT_OF_SHAPE && constant_of(g, op->out[0], &c);
}

static const struct op *next_op(const struct graph *g, size_t *i)
{
    while (*i < g->n_ops && is_fill(g, &g->ops[*i])) {
        (*i)++;
    }
    return *i < g->n_ops ? &g->ops[(*i)++] : NULL;
}

static void compare_port(const struct value *a, const struct value *b)
{
    char ta[SHAPE_TEXT] = "?";
    char tb[SHAPE_TEXT] = "?";

    assert_string_equal(a->name, b->name);
    assert_int_equal(a->dtype, b->dtype);
    assert_int_equal(a->has_shape, b->has_shape);
    if (a->has_shape && !shape_equal(&a->shape, &b->shape)) {
        fail_msg("\"%s\" was %s, is %s", a->name, shape_text(&a->shape, ta),
                 shape_text(&b->shape, tb));
    }
}

static void compare_inputs(struct pair *p)
{
    assert_int_equal(p->a->n_inputs, p->b->n_inputs);
    for (size_t i = 0; i < p->a->n_inputs; i++) {
        compare_port(&p->a->values[p->a->inputs[i]],
                     &p->b->values[p->b->inputs[i]]);
        p->b_of[p->a->inputs[i]] = p->b->inputs[i];
    }
}

static void compare_outputs(struct pair *p)
{
    assert_int_equal(p->a->n_outputs, p->b->n_outputs);
    for (size_t i = 0; i < p->a->n_outputs; i++) {
        assert_true(same_value(p, p->a->outputs[i], p->b->outputs[i]));
        assert_string_equal(p->a->values[p->a->outputs[i]].name,
                            p->b->values[p->b->outputs[i]].name);
    }
}

static void compare_metas(const struct graph *a, const struct graph *b)
{
    assert_int_equal(a->n_metas, b->n_metas);
    for (size_t i = 0; i < a->n_metas; i++) {
        const char *text = graph_meta(b, a->metas[i].key);

        if (text == NULL || strcmp(text, a->metas[i].text) != 0) {
            fail_msg("metadata \"%s\" was \"%s\", is \"%s\"", a->metas[i].key,
                     a->metas[i].text, text != NULL ? text : "");
        }
    }
}

void assert_same_graph(const struct graph *a, const struct graph *b)
{
    struct pair p = {.a = a, .b = b};
    const struct op *op_a;
    const struct op *op_b;
    size_t ia = 0;
    size_t ib = 0;

    p.b_of = mem_array(int, a->n_values + 1);
    assert_non_null(p.b_of);
    memset(p.b_of, -1, a->n_values * sizeof(*p.b_of));
    compare_inputs(&p);
    do {
        op_a = next_op(a, &ia);
        op_b = next_op(b, &ib);
        if ((op_a == NULL) != (op_b == NULL)) {
            fail_msg("%zu ops became %zu", a->n_ops, b->n_ops);
        }
        if (op_a != NULL) {
            compare_op(&p, op_a, op_b);
        }
    } while (op_a != NULL);
    compare_outputs(&p);
    compare_metas(a, b);
    mem_free(p.b_of);
}

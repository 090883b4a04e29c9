#include "coordinator/plan/rewrite_make.h"

#include "base/mem.h"
#include "graph/attr.h"
#include "graph/infer.h"

#include <stdio.h>
#include <string.h>

#define PART_ATTR "edged.part"

int rewrite_set_part(struct op *op, int part)
{
    return op_set_int(op, PART_ATTR, part);
}

int rewrite_part(const struct op *op)
{
    return (int)op_int(op, PART_ATTR, REWRITE_NO_PART);
}

void rewrite_clear_part(struct op *op)
{
    op_clear(op, PART_ATTR);
}

void make_fail(struct maker *m, int rc, const char *format, ...)
{
    char text[512];
    va_list args;

    if (m->rc < 0) {
        return; /* the first error is the one that tells */
    }
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    m->rc = err_set(m->err, rc, "%s", text);
}

/* Takes the result of a graph_add_*(). */
static int keep(struct maker *m, int rc)
{
    if (rc < 0) {
        make_fail(m, rc, "rewrite the graph: %s", err_text(rc));
    }
    return m->rc < 0 ? -1 : rc;
}

/* ---- ops ----------------------------------------------------------------- */

/* LIKE/SUFFIX, or a name made up if that is taken. */
static int add_named(struct maker *m, enum op_kind kind, const char *like,
                     const char *suffix, const int *in, int n_in, int out)
{
    char *name = mem_printf("%s/%s", like, suffix);
    int op;

    if (name == NULL) {
        return EDGE_ENOMEM;
    }
    op = graph_add_op(m->graph, kind, name, in, n_in, &out, 1);
    if (op == EDGE_EEXIST) {
        op = graph_add_op(m->graph, kind, NULL, in, n_in, &out, 1);
    }
    mem_free(name);
    return op;
}

int make_op(struct maker *m, enum op_kind kind, const char *like,
            const char *suffix, const int *in, int n_in, int part)
{
    int out = m->rc < 0 ? -1 : keep(m, graph_add_value(m->graph, NULL));
    int op;

    if (m->rc < 0) {
        return -1;
    }
    op = keep(m, add_named(m, kind, like, suffix, in, n_in, out));
    if (op >= 0 && part != REWRITE_NO_PART) {
        (void)keep(m, rewrite_set_part(&m->graph->ops[op], part));
    }
    return m->rc < 0 ? -1 : op;
}

int make_done(struct maker *m, int op)
{
    struct op *made;

    if (m->rc < 0) {
        return -1;
    }
    made = &m->graph->ops[op];
    m->rc = infer_op(m->graph, made, m->err);
    return m->rc < 0 ? -1 : m->graph->ops[op].out[0];
}

int make_copy(struct maker *m, int from, const char *suffix, const int *in,
              int n_in, int part)
{
    int op = make_op(m, m->graph->ops[from].kind, m->graph->ops[from].name,
                     suffix, in, n_in, REWRITE_NO_PART);

    if (m->rc == 0) {
        (void)keep(m, attr_copy_all(&m->graph->ops[from], &m->graph->ops[op]));
    }
    if (m->rc == 0) {
        (void)keep(m, rewrite_set_part(&m->graph->ops[op], part));
    }
    return m->rc < 0 ? -1 : op;
}

int make_set_ints(struct maker *m, int op, const char *name, const int64_t *v,
                  size_t n)
{
    return m->rc < 0 ? -1
                     : keep(m, op_set_ints(&m->graph->ops[op], name, v, n));
}

int make_set_int(struct maker *m, int op, const char *name, int64_t v)
{
    return m->rc < 0 ? -1 : keep(m, op_set_int(&m->graph->ops[op], name, v));
}

int make_set_string(struct maker *m, int op, const char *name, const char *v)
{
    return m->rc < 0 ? -1 : keep(m, op_set_string(&m->graph->ops[op], name, v));
}

/* ---- constants, slices, concats ------------------------------------------ */

int make_ints(struct maker *m, const int64_t *values, size_t n)
{
    struct shape shape = {.rank = 1, .dims = {(int64_t)n}};
    struct tensor t = {0};
    int value;

    if (m->rc < 0 || keep(m, tensor_copy(&t, DTYPE_I64, &shape, values)) < 0) {
        return -1;
    }
    value = keep(m, graph_add_const(m->graph, NULL, &t));
    tensor_deinit(&t);
    return value;
}

int make_slice(struct maker *m, int value, int axis, int64_t begin, int64_t end,
               const char *suffix, int part)
{
    int64_t at = axis;
    int in[4];
    int op;

    if (m->rc < 0) {
        return -1;
    }
    if (begin == 0 && end == m->graph->values[value].shape.dims[axis]) {
        return value;
    }
    in[0] = value;
    in[1] = make_ints(m, &begin, 1);
    in[2] = make_ints(m, &end, 1);
    in[3] = make_ints(m, &at, 1);
    op = make_op(m, OP_SLICE, m->rc < 0 ? "" : m->graph->values[value].name,
                 suffix, in, 4, part);
    return make_done(m, op);
}

int make_concat(struct maker *m, const int *values, int n, int axis,
                const char *suffix, int part)
{
    int op;

    if (m->rc < 0 || n == 1) {
        return m->rc < 0 ? -1 : values[0];
    }
    op = make_op(m, OP_CONCAT, m->graph->values[values[0]].name, suffix, values,
                 n, part);
    (void)make_set_int(m, op, "axis", axis);
    return make_done(m, op);
}

/* Rows of `t` that lie one after the other: outer blocks of `run` bytes, each
 * `stride` apart, from `first`. */
static void copy_runs(uint8_t *to, const uint8_t *from, size_t outer,
                      size_t run, size_t stride)
{
    for (size_t i = 0; i < outer; i++) {
        memcpy(to + i * run, from + i * stride, run);
    }
}

int make_const_slice(struct maker *m, int value, int axis, int64_t begin,
                     int64_t end)
{
    const struct tensor *from;
    struct tensor t = {0};
    struct shape shape;
    size_t outer = 1;
    size_t inner;
    int made;

    if (m->rc < 0) {
        return -1;
    }
    from = &m->graph->values[value].data;
    shape = from->shape;
    inner = dtype_size(from->dtype);
    for (int i = 0; i < axis; i++) {
        outer *= (size_t)shape.dims[i];
    }
    for (int i = axis + 1; i < shape.rank; i++) {
        inner *= (size_t)shape.dims[i];
    }
    shape.dims[axis] = end - begin;
    if (keep(m, tensor_init(&t, from->dtype, &shape)) < 0) {
        return -1;
    }
    copy_runs(t.data, (const uint8_t *)from->data + (size_t)begin * inner,
              outer, (size_t)(end - begin) * inner,
              (size_t)from->shape.dims[axis] * inner);
    made = keep(m, graph_add_const(m->graph, NULL, &t));
    tensor_deinit(&t);
    return made;
}

/* ---- shares -------------------------------------------------------------- */

bool make_shares(int64_t total, int64_t step, const double *share, int n,
                 int64_t *ends)
{
    double sum = 0;
    double before = 0;
    bool equal = true;

    for (int i = 0; i < n; i++) {
        equal = equal && share[i] <= 0;
        sum += share[i] > 0 ? share[i] : 0;
    }
    for (int i = 0; i < n; i++) {
        before += equal ? 1 : (share[i] > 0 ? share[i] : 0);
        ends[i] = i + 1 == n ? total
                             : (int64_t)((double)total / (double)step * before /
                                             (equal ? n : sum) +
                                         0.5) *
                                   step;
        if (ends[i] > total || ends[i] <= (i > 0 ? ends[i - 1] : 0)) {
            return false;
        }
    }
    return true;
}

int make_finish(struct maker *m)
{
    if (m->rc == 0) {
        m->rc = graph_sort(m->graph, m->err);
    }
    if (m->rc == 0) {
        (void)keep(m, graph_compact(m->graph));
    }
    if (m->rc == 0) {
        m->rc = infer_graph(m->graph, m->err);
    }
    return m->rc;
}

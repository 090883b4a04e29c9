/* Binary layers, views and aggregators: what ddnn is made of. */
#include "onnx/zoo_make.h"

#include <inttypes.h>
#include <stdio.h>

struct zoo_map zoo_sign(struct zoo *z, struct zoo_map x, const char *name)
{
    (void)zoo_op(z, OP_SIGN, name, &x.value, 1, &x);
    return x;
}

int zoo_signs(struct zoo *z, const char *layer, int weight)
{
    struct zoo_map x = {.value = weight};

    return zoo_sign(z, x, zoo_name_of("%s.signs", layer).text).value;
}

struct zoo_map zoo_dense_binary(struct zoo *z, struct zoo_map x,
                                const char *name, int64_t out,
                                struct zoo_start start)
{
    const int64_t dims[2] = {out, x.c};
    struct zoo_fans fans = {(double)x.c, (double)out};
    int in[2] = {x.value, -1};
    struct op *op;

    in[1] =
        zoo_signs(z, name, zoo_weight(z, name, shape_of(2, dims), fans, start));
    op = zoo_op(z, OP_GEMM, name, in, 2, &x);
    if (op != NULL) {
        z->rc = op_set_int(op, "transB", 1);
    }
    return (struct zoo_map){x.value, out, 1, 1};
}

/* ---- inputs and outputs ---------------------------------------------------
 */

static int add_input(struct zoo *z, const char *name, struct shape shape)
{
    int value = z->rc == 0 ? graph_add_value(z->graph, name) : -1;
    struct value *v;

    if (value < 0) {
        z->rc = z->rc == 0 ? value : z->rc;
        return -1;
    }
    v = &z->graph->values[value];
    v->dtype = DTYPE_F32;
    v->has_shape = true;
    v->shape = shape;
    z->rc = graph_add_input(z->graph, value);
    if (z->rc >= 0) {
        z->rc = graph_add_meta(z->graph,
                               zoo_name_of("dim_param/%s/0", name).text, "N");
    }
    return value;
}

void zoo_add_views(struct zoo *z, struct zoo_map view)
{
    const int64_t dims[4] = {-1, view.c, view.h, view.w};
    const int64_t there[2] = {-1, z->n_views};

    for (int k = 0; k < z->n_views; k++) {
        z->views[k] = view;
        z->views[k].value =
            add_input(z, zoo_name_of("input_%d", k).text, shape_of(4, dims));
    }
    z->present = add_input(z, "present", shape_of(2, there));
}

void zoo_output(struct zoo *z, struct zoo_map x)
{
    if (z->rc == 0) {
        int at = graph_add_output(z->graph, x.value);

        z->rc = at < 0 ? at : 0;
    }
}

/* ---- who is there ---------------------------------------------------------
 */

/* A constant of whole numbers, made once. */
static int add_list(struct zoo *z, const char *name, const int64_t *list,
                    int64_t n)
{
    int value = graph_find_value(z->graph, name);
    struct shape shape = shape_of(1, &n);
    struct tensor t = {.blob = NULL};

    if (value >= 0 || z->rc < 0) {
        return value;
    }
    z->rc = tensor_copy(&t, DTYPE_I64, &shape, list);
    if (z->rc < 0) {
        return -1;
    }
    value = graph_add_const(z->graph, name, &t);
    tensor_deinit(&t);
    z->rc = value < 0 ? value : 0;
    return value;
}

static int add_index(struct zoo *z, int64_t index)
{
    return add_list(z, zoo_name_of("at.%" PRId64, index).text, &index, 1);
}

/* The values are there already, or are made as `name`: of (N, 1), with as many
 * axes as `like`. */
static bool find(struct zoo *z, const char *name, int *value)
{
    *value = z->rc == 0 ? graph_find_value(z->graph, name) : -1;
    return z->rc < 0 || *value >= 0;
}

static bool is_map(const struct zoo *z, struct zoo_map x)
{
    return z->rc == 0 && (x.h > 1 || x.w > 1);
}

/* (N, 1) as (N, 1, 1, 1), for maps. */
static int widen(struct zoo *z, int column, const char *name)
{
    const int64_t axes[2] = {2, 3};
    struct zoo_map x = {.value = column};
    int value;
    int in[2];

    if (find(z, name, &value)) {
        return value;
    }
    in[0] = column;
    in[1] = add_list(z, "axes.map", axes, 2);
    (void)zoo_op(z, OP_UNSQUEEZE, name, in, 2, &x);
    return x.value;
}

/* Column k of `present`: (N, 1). */
static int column_of(struct zoo *z, int view)
{
    struct zoo_name name = zoo_name_of("present.%d", view);
    struct zoo_map x = {.value = z->present};
    int value;
    int in[4];

    if (find(z, name.text, &value)) {
        return value;
    }
    in[0] = z->present;
    in[1] = add_index(z, view);
    in[2] = add_index(z, view + 1);
    in[3] = add_index(z, 1);
    (void)zoo_op(z, OP_SLICE, name.text, in, 4, &x);
    return x.value;
}

static int there(struct zoo *z, struct zoo_map like, int view)
{
    int column = column_of(z, view);

    return is_map(z, like)
               ? widen(z, column, zoo_name_of("present.%d.map", view).text)
               : column;
}

/* -`below` where the view is absent, else 0: (there - 1) * below. */
static int bar(struct zoo *z, int present, const char *name, float below)
{
    struct zoo_map x = {.value = present};
    int in[2] = {present, zoo_number(z, zoo_name_of("%s.one", name).text, 1)};

    (void)zoo_op(z, OP_SUB, zoo_name_of("%s.absent", name).text, in, 2, &x);
    in[0] = x.value;
    in[1] = zoo_number(z, zoo_name_of("%s.below", name).text, below);
    (void)zoo_op(z, OP_MUL, zoo_name_of("%s.bar", name).text, in, 2, &x);
    return x.value;
}

struct zoo_map zoo_where_present(struct zoo *z, struct zoo_map x, int view,
                                 const char *name, float below)
{
    struct zoo_name own = zoo_name_of("%s.there%d", name, view);
    int in[2] = {x.value, there(z, x, view)};
    int present = in[1];

    (void)zoo_op(z, OP_MUL, own.text, in, 2, &x);
    if (below > 0) {
        in[0] = x.value;
        in[1] = bar(z, present, own.text, below);
        (void)zoo_op(z, OP_ADD, zoo_name_of("%s.most", own.text).text, in, 2,
                     &x);
    }
    return x;
}

/* ---- aggregators ----------------------------------------------------------
 */

static struct zoo_map of_all(struct zoo *z, enum op_kind kind,
                             const struct zoo_map *x, const char *name)
{
    struct zoo_map out = x[0];
    int in[ZOO_VIEWS_MAX];

    for (int k = 0; k < z->n_views; k++) {
        in[k] = x[k].value;
    }
    (void)zoo_op(z, kind, name, in, z->n_views, &out);
    return out;
}

struct zoo_map zoo_max_of(struct zoo *z, const struct zoo_map *x,
                          const char *name)
{
    return of_all(z, OP_MAX, x, name);
}

/* How many are there, at least 1: (N, 1). */
static int how_many(struct zoo *z)
{
    struct zoo_map x = {.value = z->present};
    int value;
    int in[2];

    if (find(z, "present.many", &value)) {
        return value;
    }
    in[0] = z->present;
    in[1] = add_index(z, 1); /* the axis */
    (void)zoo_op(z, OP_REDUCE_SUM, "present.sum", in, 2, &x);
    in[0] = x.value;
    in[1] = zoo_number(z, "present.one", 1);
    (void)zoo_op(z, OP_MAX, "present.many", in, 2, &x);
    return x.value;
}

struct zoo_map zoo_mean_of(struct zoo *z, const struct zoo_map *x,
                           const char *name)
{
    struct zoo_map sum = of_all(z, OP_SUM, x, zoo_name_of("%s.sum", name).text);
    int many = how_many(z);
    int in[2] = {sum.value, many};

    in[1] = is_map(z, sum) ? widen(z, many, "present.many.map") : many;
    (void)zoo_op(z, OP_DIV, name, in, 2, &sum);
    return sum;
}

struct zoo_map zoo_concat_of(struct zoo *z, const struct zoo_map *x,
                             const char *name)
{
    struct zoo_map out = x[0];
    struct op *op;
    int in[ZOO_VIEWS_MAX];

    for (int k = 0; k < z->n_views; k++) {
        in[k] = x[k].value;
    }
    op = zoo_op(z, OP_CONCAT, name, in, z->n_views, &out);
    if (op != NULL) {
        z->rc = op_set_int(op, "axis", 1);
    }
    out.c = x[0].c * z->n_views;
    return out;
}

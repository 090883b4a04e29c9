/*
 * What the exporter's files share. A model is built as a tree of the
 * generated messages whose strings and bytes are borrowed from the graph,
 * then packed; a `struct maker` owns everything else.
 */
#ifndef EDGE_ONNX_EXPORT_IMPL_H
#define EDGE_ONNX_EXPORT_IMPL_H

#include "graph/graph.h"
#include "graph/window.h"
#include "onnx/export.h"

#include "onnx.pb-c.h"

struct maker {
    const struct graph *graph;
    struct graph *inferred; /* a clone with shapes, if `graph` lacked some */
    size_t inline_max;      /* larger constants go beside the model */
    bool *is_needed;        /* of values: a node or output reads it */
    struct names made;      /* names made up so far */
    void **owned;           /* allocations, for export_release() */
    size_t n_owned;
    size_t owned_room;
    size_t nodes_room;
    size_t initializers_room;
    size_t blobs_room;
    Onnx__ModelProto model;
    Onnx__GraphProto body;
    struct export *out;
};

/* Zeroed memory that lives as long as the maker, or NULL. */
void *export_alloc(struct maker *m, size_t n, size_t size);
/* A free value name like BASE/SUFFIX; NULL: out of memory. */
char *export_name(struct maker *m, const char *base, const char *suffix);

/* export_tensor.c */
int32_t export_dtype(enum dtype dtype); /* TensorProto.DataType */
/* A TensorProto with its data inside; `name` may be NULL. */
int export_tensor(struct maker *m, const char *name, const struct tensor *t,
                  Onnx__TensorProto **proto);
/* An int64 list among the initializers; *name is its name. */
int export_add_ints(struct maker *m, const char *base, const char *suffix,
                    const int64_t *v, size_t n, char **name);
/* A float scalar of type `dtype` among the initializers. */
int export_add_float(struct maker *m, const char *base, const char *suffix,
                     enum dtype dtype, float v, char **name);
/* Every needed constant, inside, beside or as ConstantOfShape. */
int export_constants(struct maker *m);

/* export_node.c: an empty node `type` in the model, with room for `n_in`
 * inputs and one output, which the caller fills in. */
Onnx__NodeProto *export_add_node(struct maker *m, const char *type,
                                 const char *name, size_t n_in, size_t n_out);
int export_set_tensor(struct maker *m, Onnx__NodeProto *node, const char *name,
                      const struct tensor *t);
/* Marks what the nodes of this op will read. */
int export_mark_op(struct maker *m, const struct op *op, struct err *err);
int export_op(struct maker *m, const struct op *op);

/* export_pool.c: whether this pool is written without its ceil_mode, as
 * window *w; and its pads then. */
bool export_needs_plain_pool(const struct maker *m, const struct op *op,
                             struct window *w);
int export_plain_pads(struct maker *m, const struct op *op,
                      const struct window *w, int64_t **pads);

/* export_gelu.c: Gelu in operators of opset 17, which import_gelu.c knows
 * again. */
int export_gelu(struct maker *m, const struct op *op);

#endif

/*
 * A model: ops in topological order over values.
 *
 * Values and ops are named by index, so a graph can grow and be rewritten
 * without dangling pointers; pointers into `values` or `ops` die at the next
 * graph_add_*(). A value is constant when `data.blob` is set, otherwise it is
 * a graph input (producer -1) or made by ops[producer]. Attributes follow
 * ONNX opset 17 whatever opset a model came in: the importer brings older and
 * newer forms to that one (docs/decisions/0004). One owner, one thread.
 */
#ifndef EDGE_GRAPH_GRAPH_H
#define EDGE_GRAPH_GRAPH_H

#include "base/err.h"
#include "graph/names.h"
#include "graph/op.h"
#include "tensor/tensor.h"

#include <stdbool.h>
#include <stddef.h>

enum attr_kind {
    ATTR_INT,
    ATTR_FLOAT,
    ATTR_STRING,
    ATTR_INTS,
    ATTR_FLOATS,
    ATTR_TENSOR
};

struct attr {
    char *name;
    enum attr_kind kind;
    int64_t i;
    float f;
    char *s;
    int64_t *ints;
    float *floats;
    size_t n; /* of ints or floats */
    struct tensor tensor;
};

struct value {
    char *name; /* unique and not empty; changed by graph_rename_value() */
    enum dtype dtype;
    bool has_shape; /* the rank is known; dimensions may still be -1 */
    struct shape shape;
    struct tensor data; /* set for a constant; owns its blob */
    int producer;       /* index of the op that makes it, or -1 */
};

struct op {
    enum op_kind kind;
    char *name; /* the ONNX node's name, or made up; unique */
    int *in;    /* value indices; -1: an optional input left out */
    int n_in;
    int *out; /* -1: an optional output left out */
    int n_out;
    struct attr *attrs;
    size_t n_attrs;
};

struct meta { /* ONNX metadata_props, kept through import and export */
    char *key;
    char *text;
};

struct graph {
    char *name;
    struct value *values;
    size_t n_values;
    size_t values_room;
    struct op *ops;
    size_t n_ops;
    size_t ops_room;
    int *inputs; /* values that are neither constant nor made by an op */
    size_t n_inputs;
    size_t inputs_room;
    int *outputs;
    size_t n_outputs;
    size_t outputs_room;
    struct meta *metas;
    size_t n_metas;
    size_t metas_room;
    /* private: who has which name */
    struct names value_names;
    struct names op_names;
};

struct graph *graph_new(const char *name);
void graph_free(struct graph *graph); /* NULL is fine */
/* A deep copy that shares the constants' blobs. */
int graph_clone(const struct graph *from, struct graph **graph);

/* Each returns the new index or a negative code: EDGE_ENOMEM, EDGE_EEXIST (the
 * name is taken), EDGE_ETOOBIG (LIMIT_GRAPH_*, LIMIT_OP_INPUTS), EDGE_EINVAL
 * (see each). Names are copied; NULL makes one up that is free now, so names
 * of a file are added before any is made up. */
int graph_add_value(struct graph *graph, const char *name);
/* Takes over `data`'s reference on success, and clears *data. */
int graph_add_const(struct graph *graph, const char *name, struct tensor *data);
/* `in` and `out` are copied. EDGE_EINVAL: an index out of range, or an out
 * value that is made already, constant or a graph input. */
int graph_add_op(struct graph *graph, enum op_kind kind, const char *name,
                 const int *in, int n_in, const int *out, int n_out);
/* These two return the position in inputs or outputs. EDGE_EEXIST: it is one
 * already. EDGE_EINVAL: an input that is made by an op or constant. */
int graph_add_input(struct graph *graph, int value);
int graph_add_output(struct graph *graph, int value);
/* 0, or EDGE_EEXIST if there is such a key. */
int graph_add_meta(struct graph *graph, const char *key, const char *text);
const char *graph_meta(const struct graph *graph, const char *key);
void graph_drop_meta(struct graph *graph, const char *key); /* fine if none */

/* Changes in place, for passes. What becomes superfluous goes with the next
 * graph_compact(); until then an op may have outputs of -1. */
int graph_rename_value(struct graph *graph, int value, const char *name);
/* Makes `value` a constant, whatever made it or whether it was an input;
 * takes over `data`'s reference and clears *data. */
void graph_set_const(struct graph *graph, int value, struct tensor *data);
/* The op that makes `from` makes `to` instead, in place of the op that did;
 * `from` is then made by nothing. Readers are left as they are. */
void graph_move_output(struct graph *graph, int from, int to);

int graph_find_value(const struct graph *graph, const char *name); /* or -1 */
int graph_find_op(const struct graph *graph, const char *name);    /* or -1 */
bool graph_is_const(const struct graph *graph, int value); /* -1: false */
bool graph_is_input(const struct graph *graph, int value);
bool graph_is_output(const struct graph *graph, int value);

/* Attributes. op_set_* replace one of the same name; 0 or EDGE_ENOMEM. */
const struct attr *op_attr(const struct op *op, const char *name);
int64_t op_int(const struct op *op, const char *name, int64_t fallback);
float op_float(const struct op *op, const char *name, float fallback);
const char *op_string(const struct op *op, const char *name,
                      const char *fallback);
/* Up to `max` ints into `out`; returns how many there are, 0 if absent. */
size_t op_ints(const struct op *op, const char *name, int64_t *out, size_t max);
int op_set_int(struct op *op, const char *name, int64_t value);
int op_set_float(struct op *op, const char *name, float value);
int op_set_string(struct op *op, const char *name, const char *value);
int op_set_ints(struct op *op, const char *name, const int64_t *v, size_t n);
int op_set_floats(struct op *op, const char *name, const float *v, size_t n);
/* Takes over `value`'s reference on success, and clears *value. */
int op_set_tensor(struct op *op, const char *name, struct tensor *value);
void op_clear(struct op *op, const char *name); /* fine if there is none */

/* How many inputs of ops, plus graph outputs, read each value; the array of
 * n_values ints is the caller's, released with mem_free(). */
int graph_count_uses(const struct graph *graph, int **uses);
/* Makes every reader of `from`, graph outputs included, read `to`. */
void graph_replace_uses(struct graph *graph, int from, int to);

/* Puts ops in topological order (stable); EDGE_EINVAL names an op on a cycle
 * or a value that nothing makes. */
int graph_sort(struct graph *graph, struct err *err);
/* Ops were put in another order: each value learns again who makes it. */
void graph_set_producers(struct graph *graph);
/* Drops ops whose outputs nothing reads, then values nothing names; indices
 * change. Graph inputs stay, even unread ones. */
int graph_compact(struct graph *graph);
/* Every invariant above, for tests and after an import. */
int graph_check(const struct graph *graph, struct err *err);

/* The part of `from` that computes `outputs` from `inputs` (value indices):
 * a graph with exactly these inputs and outputs, in these orders, whose values
 * have the names they have in `from`. Constants, and ops that depend on
 * constants alone, come along where they are read, so two parts may both hold
 * one; metadata stays behind. The one exception to the names: an output that is
 * also an input passes through an Identity op, and both are called
 * graph_pass_name() of its name, since ONNX wants the two to differ.
 * EDGE_EINVAL names a graph input that is needed and not in `inputs`, a value
 * given twice, or a pass name that another value of the part has. */
int graph_extract(const struct graph *from, const int *inputs, size_t n_inputs,
                  const int *outputs, size_t n_outputs, const char *name,
                  struct graph **graph, struct err *err);

#define GRAPH_PASS_SUFFIX "/pass"
/* The name under which a value called `name` leaves a part that only passes
 * it on: NAME/pass. A name that ends in /pass or /passK already gets the next
 * number (/pass2, ...) instead of a second suffix. For mem_free(); NULL: out
 * of memory. */
char *graph_pass_name(const char *name);

#endif

/*
 * A fixture for tests that make a small ONNX model and import it.
 */
#ifndef EDGE_TESTS_IMPORTED_H
#define EDGE_TESTS_IMPORTED_H

#include "graph/graph.h"
#include "tests/lib/onnx_make.h"

struct imported {
    struct onnx_make m;
    struct graph *graph;
    struct err err;
    int rc;
};

/* Of a test of cmocka; *state is the fixture. */
int imported_set_up(void **state);
int imported_tear_down(void **state);

/* Ends the model, imports it as "m.onnx" and keeps the outcome. */
void imported_take(struct imported *f);
/* The same, and it must be fine. */
void imported_ok(struct imported *f);
/* The same, and it must fail so. */
void imported_refused(struct imported *f, int rc, const char *text);

/* Begins a model of input x (float32), output y and one node. */
void imported_one_node(struct imported *f, int opset, const char *type,
                       struct onnx_dims dims);

/* The graph's one op. */
const struct op *imported_op(const struct imported *f);
/* Input `i` of the op, which must be constant. */
const struct tensor *imported_const(const struct imported *f,
                                    const struct op *op, int i);
/* Input `i` must be this list of int64, or this float32 scalar. */
void imported_check_ints(const struct imported *f, const struct op *op, int i,
                         struct onnx_dims wanted);
void imported_check_float(const struct imported *f, const struct op *op, int i,
                          double wanted);

#endif

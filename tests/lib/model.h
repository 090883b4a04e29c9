/*
 * Small graphs written down quickly, for tests. What cannot be built fails the
 * test that asked for it. Names of ops are the names of their outputs.
 */
#ifndef EDGE_TESTS_MODEL_H
#define EDGE_TESTS_MODEL_H

#include "graph/graph.h"

/* How lists are passed: model_input(g, "x", DTYPE_F32, DIMS(1, 3, 8, 8)). */
#define DIMS(...)                                              \
    (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), \
        (const int64_t[])                                      \
    {                                                          \
        __VA_ARGS__                                            \
    }
#define SCALAR 0, NULL
#define IN(...)                                                      \
    (int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)), (const int[]) \
    {                                                                \
        __VA_ARGS__                                                  \
    }

/* Each returns the value's index. */
int model_input(struct graph *graph, const char *name, enum dtype dtype,
                int rank, const int64_t *dims);
/* Elements are `first`, `first + step`, ... */
int model_f32(struct graph *graph, const char *name, float first, float step,
              int rank, const int64_t *dims);
/* All elements zero. */
int model_const(struct graph *graph, const char *name, enum dtype dtype,
                int rank, const int64_t *dims);
/* A list of int64. */
int model_ints(struct graph *graph, const char *name, int n, const int64_t *v);

/* An op with one output called `name`, the last one of the graph. */
int model_op(struct graph *graph, enum op_kind kind, const char *name, int n_in,
             const int *in);
/* More outputs of the op that was added last, called `name`. */
int model_more(struct graph *graph, const char *name);
struct op *model_last(struct graph *graph); /* good until the next op */

void model_set_int(struct graph *graph, const char *name, int64_t value);
void model_set_ints(struct graph *graph, const char *name, int n,
                    const int64_t *v);
void model_set_float(struct graph *graph, const char *name, float value);
void model_set_string(struct graph *graph, const char *name, const char *value);

void model_output(struct graph *graph, int value);

/* The value of that name; the test fails if there is none. */
const struct value *model_value(const struct graph *graph, const char *name);
/* How many ops of a kind there are. */
size_t model_count(const struct graph *graph, enum op_kind kind);

#endif

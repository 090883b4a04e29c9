/*
 * A fixture for tests of the engine: a graph under construction, its plan,
 * and tensors to run it on. What fails without being expected fails the test.
 */
#ifndef EDGE_TESTS_PLANNED_H
#define EDGE_TESTS_PLANNED_H

#include "engine/plan.h"
#include "graph/graph.h"

#define PLANNED_PORTS 8

struct planned {
    struct graph *graph;
    struct plan *plan;
    struct tensor in[PLANNED_PORTS]; /* 1, 2, 3 ... until a test sets them */
    struct tensor out[PLANNED_PORTS];
    struct err err;
};

/* Of a test of cmocka; *state is the fixture, its graph empty. */
int planned_set_up(void **state);
int planned_tear_down(void **state);

/* Plans the graph and makes tensors for its ports. */
void planned_make(struct planned *p);
/* Planning must fail so. */
void planned_refused(struct planned *p, int rc, const char *text);
void planned_run(struct planned *p);
/* planned_make() if need be, planned_run(), and output `i` must be these. */
void planned_gives(struct planned *p, size_t i, int n, const double *wanted);
#define WANTED(...)                                                           \
    (int)(sizeof((double[]){__VA_ARGS__}) / sizeof(double)), (const double[]) \
    {                                                                         \
        __VA_ARGS__                                                           \
    }
/* Elements of an input. */
void planned_fill(struct planned *p, size_t input, int n, const double *v);
/* Element of any type. */
void planned_put(struct tensor *t, int64_t i, double v);

/* Runs `graph` on `in` by a plan of its own; `out` has room for its outputs,
 * to be released with tensor_deinit. */
void planned_once(const struct graph *graph, const struct tensor *in,
                  struct tensor *out);

#endif

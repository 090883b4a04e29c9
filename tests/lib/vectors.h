/*
 * A stored test of an ONNX model, in the layout of ONNX's own tests:
 * FOLDER/model.onnx and FOLDER/test_data_set_K/{input,output}_J.pb.
 */
#ifndef EDGE_TESTS_VECTORS_H
#define EDGE_TESTS_VECTORS_H

#include "graph/graph.h"

#define VECTORS_PORTS 64

struct vectors {
    struct tensor in[VECTORS_PORTS];
    size_t n_in;
    struct tensor out[VECTORS_PORTS];
    size_t n_out;
};

/* What is stored below `folder`, which may lack inputs. */
int vectors_read(struct vectors *v, const char *folder, struct err *err);
void vectors_deinit(struct vectors *v);

/* Which of the model's inputs are made constants before it is planned: those
 * whose value decides a shape have to be. */
enum vectors_bind { VECTORS_BIND_NONE, VECTORS_BIND_INTS, VECTORS_BIND_ALL };

/* Imports FOLDER/model.onnx, runs it on v->in and leaves its outputs in `got`
 * (v->n_out of them, to be released with tensor_deinit). The run must not
 * allocate, and a second one must give the same. */
int vectors_run(const struct vectors *v, const char *model,
                enum vectors_bind bind, struct tensor *got, struct err *err);
/* Plans the model while each allocation fails in turn. */
int vectors_starve(const struct vectors *v, const char *model,
                   enum vectors_bind bind, struct err *err);

/* |got - wanted| <= atol + rtol * |wanted| for floats, equal for others. */
struct vectors_bound {
    double rtol;
    double atol;
};

/* False: they differ; `err` says where and how much. *worst is the largest
 * share of what is allowed that any element took (NULL: not wanted). */
bool vectors_same(const struct tensor *got, const struct tensor *wanted,
                  const struct vectors_bound *bound, double *worst,
                  struct err *err);

#endif

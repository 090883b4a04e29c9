/*
 * What the rewrites share: making ops of a part, and cutting constants.
 */
#ifndef EDGE_PLAN_REWRITE_MAKE_H
#define EDGE_PLAN_REWRITE_MAKE_H

#include "coordinator/plan/rewrite.h"

/* Errors are remembered: after one, every call fails in turn, so a rewrite
 * checks once at the end. Values are indices; -1 after an error. */
struct maker {
    struct graph *graph;
    int rc;
    struct err *err;
};

/* A new op of `part` named after `like` and `suffix` ("conv1", "t2"), with one
 * output; its index. Attributes come next, then make_done(). */
int make_op(struct maker *m, enum op_kind kind, const char *like,
            const char *suffix, const int *in, int n_in, int part);
/* A copy of ops[from] with its attributes, over other inputs. */
int make_copy(struct maker *m, int from, const char *suffix, const int *in,
              int n_in, int part);
int make_set_ints(struct maker *m, int op, const char *name, const int64_t *v,
                  size_t n);
int make_set_int(struct maker *m, int op, const char *name, int64_t v);
int make_set_string(struct maker *m, int op, const char *name, const char *v);
/* Gives it shapes; its output. */
int make_done(struct maker *m, int op);

int make_ints(struct maker *m, const int64_t *values, size_t n);
/* Elements begin .. end - 1 of an axis. */
int make_slice(struct maker *m, int value, int axis, int64_t begin, int64_t end,
               const char *suffix, int part);
/* `n` values side by side; one alone is itself. */
int make_concat(struct maker *m, const int *values, int n, int axis,
                const char *suffix, int part);
/* The same of a constant, as a constant. */
int make_const_slice(struct maker *m, int value, int axis, int64_t begin,
                     int64_t end);
void make_fail(struct maker *m, int rc, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Cuts `total` into n pieces by share (all 0: equal), each a multiple of
 * `step` but for the last: ends[i] ascend to total. False: some piece would
 * be empty. */
bool make_shares(int64_t total, int64_t step, const double *share, int n,
                 int64_t *ends);

/* Shapes anew, sorted and without what nothing reads. */
int make_finish(struct maker *m);

#endif

/*
 * What a shard has learnt so far, as a file: parameters, the optimizer's
 * moments and running statistics, each with its name, so that a checkpoint can
 * be read by whoever has a model with these names, however it is cut. The
 * same state is the same bytes. Little-endian:
 *
 *     "edged state 1\n", two zero bytes
 *     u64 steps, u64 skipped      of the optimizer
 *     u64 moments                 arrays of moments: 0, 1 or 2
 *     u64 parameters, u64 statistics     how many of each follow
 *     for each: u64 elements, u64 bytes of its name, the name
 *     zero bytes to a multiple of 64
 *     float32: parameters, first moments, second moments, statistics, each
 *     group in the order of the names
 *
 * Bytes come from other programs: all of them are checked. Any thread.
 */
#ifndef EDGE_TRAIN_LEARNT_H
#define EDGE_TRAIN_LEARNT_H

#include "train/step.h"

/* A new blob; what is written goes on to change with the next micro-batch. */
int learnt_write(const struct train_step *step, struct blob **blob,
                 struct err *err);
/* EDGE_ECORRUPT: it is no such file; EDGE_EINVAL: it is of another shard or
 * optimizer. Nothing is changed then. */
int learnt_read(const struct blob *blob, struct train_step *step,
                struct err *err);

struct learnt_item {
    char *name;
    size_t n;
    const float *values; /* in the blob */
    const float *first;  /* NULL: there are none */
    const float *second;
};

struct learnt {
    struct blob *blob; /* a reference */
    uint64_t steps;
    uint64_t skipped;
    struct learnt_item *items; /* parameters, then statistics */
    size_t n_params;
    size_t n_items;
};

int learnt_open(struct blob *blob, struct learnt *state, struct err *err);
void learnt_close(struct learnt *state); /* fine on a zeroed one */

/* Gives the constants of `graph`, which may be more than that shard, the
 * values that the state has of them. EDGE_EINVAL: one is not there, or is of
 * another size. */
int learnt_store(const struct learnt *state, struct graph *graph,
                 struct err *err);

#endif

/*
 * A model cut into a given number of stages by its work alone, without boards
 * to reckon with: for shards that are exported to be run elsewhere. A model is
 * a line of cut points with costs between them; place_cut() finds the stages
 * whose slowest takes the least time (exact, by dynamic programming). Pure.
 */
#ifndef EDGE_PLAN_PLACE_H
#define EDGE_PLAN_PLACE_H

#include "base/err.h"
#include "base/limits.h"

#include <stddef.h>
#include <stdint.h>

/* A place where the model may be cut, in order. The last point of a model is
 * its end, with the totals. */
struct place_point {
    double work;    /* multiply-accumulates before it */
    double weights; /* bytes of constants used before it */
    double bytes;   /* that cross it, per request */
};

/* What a device and a link are taken to do. */
#define PLACE_MACS_PER_S 10e9
#define PLACE_BYTES_PER_S 100e6

/* Cuts `n` points (the last being the end) into `k` stages, 1 <= k <= n:
 * ends[i] is the index of the point that ends stage i. */
int place_cut(const struct place_point *points, size_t n, size_t k,
              size_t *ends);

/* Seconds that a stage takes for one request, sending included. */
double place_seconds(const struct place_point *points, size_t from, size_t to);

#endif

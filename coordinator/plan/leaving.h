/*
 * Exits of an ordinary model, in whatever plan (docs/decisions/0034): an exit
 * is a further output of the model, and where it is follows from the graph or
 * from `after`. What only its output needs comes right behind it in the order
 * of the ops, so it belongs to the stage that ends there; what a request needs
 * only if it does not leave waits until it is known not to. The second half is
 * for tiers (tiers.h), too. Pure.
 */
#ifndef EDGE_PLAN_LEAVING_H
#define EDGE_PLAN_LEAVING_H

#include "config/cluster.h"
#include "coordinator/plan/parts.h"
#include "graph/graph.h"

struct leaving_exit { /* number i + 1 */
    int first;        /* position (cut.h) of the first op that only it needs */
    int end;    /* behind the last of them; what it spares comes from here on */
    int output; /* its place among the graph's outputs */
    size_t of;  /* which of the file's exits */
};

struct leaving {
    struct leaving_exit exits[LIMIT_PORTS]; /* in the order of the ops */
    size_t n;
};

/* Puts the graph's ops and outputs into that order: the first output first,
 * then those of the exits; others, and what only they need, are not made. The
 * graph comes in sorted with shapes inferred, and leaves so. EDGE_ECONFIG: no
 * such layer or output, one that needs what is not computed there yet, an exit
 * that spares nothing; EDGE_ENOMEM. */
int leaving_arrange(struct graph *graph, const struct cluster *cluster,
                    struct leaving *leaving, struct err *err);

/* Positions within `first` .. `end` where a stage that is computed whole is
 * parted, so that what an exit spares is not computed before it; how many.
 * `joins`: what comes in is joined there. `leaving` may be NULL. */
size_t leaving_parts(const struct leaving *leaving, int first, int end,
                     bool joins, int positions[LIMIT_PORTS]);

/* Scores of the same classes as the first output: what may stand for it. */
bool leaving_fits(const struct graph *graph, int value);

/* How many exits must have let a request pass before part `from` sends
 * anything to part `to`: the last of those that `to` is not needed for, and
 * that it hears of, which is each that something leads to from it. numbers[i]
 * is that of the exit of part i; 0: it has none. */
int leaving_after(const struct parts *parts, const int *numbers, size_t from,
                  size_t to);
/* The first exit that part `i` leads to or is; LIMIT_PORTS + 1: none. */
int leaving_rank(const struct parts *parts, const int *numbers, size_t i);

#endif

/*
 * Models with an input for each of several views: docs/decisions/0032.
 * Pure.
 */
#ifndef EDGE_GRAPH_VIEWS_H
#define EDGE_GRAPH_VIEWS_H

#include "graph/graph.h"

#define VIEWS_PRESENT "present" /* the input that says who is there */

struct views {
    size_t inputs[LIMIT_PORTS]; /* places in graph->inputs, by view */
    size_t n;                   /* 0: it is no such model */
    size_t present;             /* the place of that input, if it has one */
    bool has_present;
};

/* Several inputs, all of them float32 of (N, channels, height, width) and of
 * one size, but for one of (N, views) called "present". EDGE_EUNSUPPORTED says
 * what is amiss with a model of several inputs that is none. */
int views_find(const struct graph *graph, struct views *views, struct err *err);

/* By value: bit k says that input k of the graph leads to it. n_values of them
 * for mem_free(). EDGE_ENOMEM. */
int views_reach(const struct graph *graph, uint64_t **reach);
/* The view that such a set of inputs has, or -1: several, or none. */
int views_only(const struct views *views, uint64_t reach);

/* Adds NAME/there: `scores` (N, classes) times what "present" says of a view.
 * *there is its value; the graph is inferred for that. */
int views_mask(struct graph *graph, const struct views *views, int scores,
               size_t view, int *there, struct err *err);

#endif

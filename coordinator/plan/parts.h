/*
 * A rewritten graph taken apart into shards, by the labels of its ops
 * (rewrite.h). Pure.
 */
#ifndef EDGE_PLAN_PARTS_H
#define EDGE_PLAN_PARTS_H

#include "graph/graph.h"

#define PARTS_OUTSIDE (-1) /* instead of a shard: the model's own ports */

struct part_link { /* output `from_port` of a shard is input `to_port` of
                    * another; from OUTSIDE: input from_port of the model; to
                    * OUTSIDE: output to_port of the model */
    int from;
    int from_port;
    int to;
    int to_port;
};

struct parts {
    struct graph **shards; /* owned; each before those that it sends to */
    int *labels;
    size_t n;
    struct part_link *links; /* by from, from_port */
    size_t n_links;
    size_t links_room;
};

/* Ops that depend on a graph input must have a label; those that depend on
 * constants alone come along where they are read. EDGE_ENOFIT: more values
 * than LIMIT_PORTS enter or leave a shard, or one that does not fit a frame;
 * EDGE_EINVAL: parts that wait for each other. */
int parts_make(const struct graph *graph, struct parts *parts, struct err *err);
/* One link more, unless it is there. EDGE_ENOMEM or 0. */
int parts_link(struct parts *parts, const struct part_link *link);
void parts_deinit(struct parts *parts); /* fine on a zeroed one */

#endif

/*
 * What the files of graph/ share beyond graph.h: copies and release of
 * parts, checks.
 */
#ifndef EDGE_GRAPH_ATTR_H
#define EDGE_GRAPH_ATTR_H

#include "graph/graph.h"

void attr_deinit(struct attr *attr);
/* A deep copy; a tensor's blob is shared. */
int attr_copy(const struct attr *from, struct attr *attr);
/* Adds copies of all attributes to `op`, which has none; on failure `op`
 * holds those made so far, and its graph releases them. */
int attr_copy_all(const struct op *from, struct op *op);
void op_deinit(struct op *op);

/* As many inputs and outputs as the operator has, none left out that is not
 * optional. */
int graph_check_arity(const struct op *op, struct err *err);

#endif

/*
 * What the files of cut share: where each value is made and last read.
 */
#ifndef EDGE_PLAN_CUT_SCAN_H
#define EDGE_PLAN_CUT_SCAN_H

#include "graph/graph.h"

#define CUT_NEVER (-1)

struct cut_scan {
    int *ops; /* in order, as cut_order() gives them */
    size_t n_ops;
    int *made; /* of values: how many counted ops come up to the one that makes
                * it; 0: a graph input; CUT_NEVER: of constants alone */
    int *read; /* of values: position of the last counted op that reads it,
                * n_ops if it is a graph output; CUT_NEVER: none does */
};

/* Fine to deinit one that is zeroed. */
int cut_scan_init(struct cut_scan *scan, const struct graph *graph);
void cut_scan_deinit(struct cut_scan *scan);

/* True if `value` is made before `position` and read after it. */
bool cut_scan_crosses(const struct cut_scan *scan, int value, int position);

#endif

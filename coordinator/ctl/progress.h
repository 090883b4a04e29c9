/*
 * Progress on stderr: on a terminal one line for all nodes, drawn again in its
 * place; otherwise a line per phase and per node and quarter; JSON lines if
 * asked for, or nothing.
 */
#ifndef EDGE_CTL_PROGRESS_H
#define EDGE_CTL_PROGRESS_H

#include "coordinator/ctl/ctl.h"

#define PROGRESS_NODES 64 /* further ones are not shown */

struct progress_node {
    char name[65];
    uint64_t done;
    uint64_t total;
    int said; /* quarters, of the plain form */
};

struct progress {
    enum ctl_progress how; /* never AUTO */
    bool drawn;            /* a bar stands on the last line */
    int64_t started_ms;    /* of the phase */
    int64_t drawn_ms;
    char phase[32];
    struct progress_node nodes[PROGRESS_NODES]; /* of the phase */
    size_t n_nodes;
};

void progress_init(struct progress *p, const struct ctl *ctl);
/* `total` 0: a phase without a measure. */
void progress_step(struct progress *p, const char *phase, const char *node,
                   uint64_t done, uint64_t total);
/* Clears the line: before results or errors are printed. */
void progress_end(struct progress *p);

#endif

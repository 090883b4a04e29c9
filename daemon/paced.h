/*
 * Paced compute: runs last as long as on a board that one does not have, by a
 * table of its operators' times. The answers are computed all the same; what
 * is left of the time is waited for, off the loop. For the lab
 * (docs/decisions/0020), and for rehearsing a placement on a laptop.
 *
 * The table is text: OP SECONDS WORK a line, # begins a comment. WORK is what
 * the op does there in multiply-adds, or for one without any in numbers that
 * it makes; an op that does a part of it, as in a split or a tile, takes that
 * part of the time. Ops that are not in the table take none.
 */
#ifndef EDGED_PACED_H
#define EDGED_PACED_H

#include "graph/graph.h"
#include "net/io.h"

struct paced;

/* EDGE_ECONFIG names file and line. */
int paced_load(const char *path, struct paced **pace, struct err *err);
void paced_free(struct paced *pace); /* NULL is fine */

/* How long a run of `graph` is to take, in microseconds; its shapes are
 * inferred and static. */
uint32_t paced_us(const struct paced *pace, const struct graph *graph);

/* Of one of its ops, in seconds; 0: it is not in the table. */
double paced_op_s(const struct paced *pace, const struct graph *graph,
                  const struct op *op);

/* What the steps of a run take on the board of the table, of which they take
 * least_ns[], from what they took here: a run is as long as the table says, so
 * what it does not name, and what was slower here, is over before that; or all
 * of it is as slow as here, where that takes longer. */
void paced_rehearse(double *ns, const double *least_ns, size_t n);

/* At least so long; a fault that slows the board slows this as well. */
void paced_stretch(struct io_stretch *stretch, uint32_t pace_us);

#endif

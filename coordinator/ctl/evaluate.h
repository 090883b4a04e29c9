/* What the files of `edgectl evaluate` and `exits tune` share. */
#ifndef EDGE_CTL_EVALUATE_H
#define EDGE_CTL_EVALUATE_H

#include "coordinator/ctl/exit_tally.h"
#include "coordinator/ctl/train_ask.h"

/* The metadata of a model with, a line each, a set of missing views ("-": none,
 * "0,3"), the accuracy without them in percent, and the samples that it was
 * measured with. */
#define EVALUATE_MEASURED "edged.views.measured"

/* That text, for mem_free(); NULL: out of memory. */
char *evaluate_measured(const uint64_t *sets, const struct exit_tally *tallies,
                        size_t n);

/* Each output of one evaluation, if there are several. */
int evaluate_print_outputs(const struct ctl *ctl,
                           const struct exit_tally *tally, struct err *err);
/* A row for each set of missing views. */
int evaluate_print_table(const struct ctl *ctl, const uint64_t *sets,
                         const struct exit_tally *tallies, size_t n,
                         struct err *err);
/* What any threshold would do, and the one to take: the highest that loses at
 * most so many points (0.5: half a percent of the samples) against the best of
 * the outputs alone. */
int evaluate_print_sweep(const struct ctl *ctl, const struct cluster *cluster,
                         const struct graph *graph, const struct views *views,
                         const struct exit_tally *tally, double points,
                         struct err *err);

#endif

/* What `edgectl watch` prints: a line for each sample, and one at the end. */
#ifndef EDGE_CTL_WATCH_PRINT_H
#define EDGE_CTL_WATCH_PRINT_H

#include "coordinator/ctl/infer_print.h"

struct watch_tally {
    uint64_t answered; /* those that lack a view, too */
    uint64_t incomplete;
    uint64_t failed;
    uint64_t skipped;
    uint64_t slowest_us;
    double seconds;
};

/* landed->answer says which sample it is; `base` is added to its number. */
int watch_print(const struct ctl *ctl, const struct infer_line *line,
                uint64_t base, struct err *err);
int watch_print_tally(const struct ctl *ctl, const struct watch_tally *tally,
                      struct err *err);

#endif

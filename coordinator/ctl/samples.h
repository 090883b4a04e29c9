/*
 * The inputs that a benchmark asks with, in turn, and what each must be
 * answered: seeded ones, or the one that was given.
 */
#ifndef EDGE_CTL_SAMPLES_H
#define EDGE_CTL_SAMPLES_H

#include "coordinator/ctl/deployed.h"
#include "coordinator/ctl/named.h"

#define SAMPLES 4

struct sample {
    struct tensor inputs[LIMIT_PORTS];
    struct tensor *outputs; /* NULL: not known yet */
};

struct samples {
    struct sample all[SAMPLES];
    size_t n;
    size_t n_outputs; /* of each that has them */
};

/* `given` is read; without any in it SAMPLES different ones are made. */
int samples_make(struct samples *samples, const struct deployed *deployed,
                 struct named_list *given, struct err *err);
/* What the model in `file` makes of each, here. */
int samples_check(struct samples *samples, const struct deployed *deployed,
                  const char *file, struct err *err);
void samples_deinit(struct samples *samples);

#endif

/*
 * What an answer says of the views that it was made of: which were missing,
 * how good answers without those were measured to be, where it left, and what
 * each view's board sent for it.
 */
#ifndef EDGE_COORDINATOR_REPLY_VIEWS_H
#define EDGE_COORDINATOR_REPLY_VIEWS_H

#include "coordinator/parts.h"

struct reply_views {
    char *missing[LIMIT_PORTS]; /* names of inputs; owned */
    size_t n_missing;
    char exit[LIMIT_NAME + 1]; /* "": the last tier */
    double confidence;
    bool has_accuracy;
    double accuracy; /* percent */
    uint64_t samples;
    struct relay_views_list sent;
    size_t n_sent;
};

/* EDGE_ENOMEM or 0; nothing for an answer without views. For
 * reply_views_deinit(), whatever comes back. */
int reply_views_init(struct reply_views *views, const struct answer *answer);
void reply_views_deinit(struct reply_views *views);
/* Borrows. */
void reply_views_fill(struct reply_views *views, Edged__Answer *message);

/* The line of `text` (MASK ACCURACY SAMPLES, "0,3 96.1 10000", "-" for none)
 * about exactly these views. False: there is none. */
bool reply_views_accuracy(const char *text, uint32_t absent, double *accuracy,
                          uint64_t *samples);

#endif

/*
 * Private to pack.c: sums over all pixels of a set while it is packed, which
 * is also where each picture is decoded and found to be one.
 */
#ifndef EDGE_DATASET_PIXELS_H
#define EDGE_DATASET_PIXELS_H

#include "dataset/origin.h"

struct pixels {
    uint64_t *places; /* of DATASET_RAW: the sum of the levels at each place */
    size_t n;
};

/* For a set of that kind and shape. EDGE_ENOMEM. */
int pixels_init(struct pixels *pixels, const struct dataset *set);
void pixels_deinit(struct pixels *pixels);

/* Adds to set->levels too. An error if the sample is no picture. */
int pixels_add(struct pixels *pixels, struct dataset *set,
               const struct origin_sample *sample, struct err *err);

/* The mean picture (float32, levels of 0..255) into the store, set->mean. */
int pixels_finish(struct pixels *pixels, struct store *store,
                  struct dataset *set, struct err *err);

#endif

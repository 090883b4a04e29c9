/*
 * What a classifier's outputs say: the classes with the highest scores. Pure.
 */
#ifndef EDGE_CTL_ANSWER_H
#define EDGE_CTL_ANSWER_H

#include "base/err.h"
#include "tensor/tensor.h"

#include <stddef.h>

struct answer_class {
    size_t index; /* in the model's output */
    double score; /* a probability; NaN if the output has such */
};

/* The first output that scores classes: of a floating type, with exactly one
 * dimension that is not 1. NULL if there is none. */
const struct tensor *answer_scores(const struct tensor *outputs, size_t n);

/* The `most` best classes, fewer if there are not so many: *top is for
 * mem_free(). Scores that are no probabilities (one outside 0..1, or a sum
 * that is not 1 within 1e-3) go through softmax. Of equal ones the lowest
 * index comes first, NaN last. EDGE_ENOMEM. */
int answer_top(const struct tensor *scores, size_t most,
               struct answer_class **top, size_t *n);

#endif

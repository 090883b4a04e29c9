/*
 * How unsure scores are, as one number from 0 to 1: what an exit compares with
 * its threshold. Any thread; no state.
 */
#ifndef EDGE_TENSOR_DOUBT_H
#define EDGE_TENSOR_DOUBT_H

#include <stdint.h>

enum doubt_kind {
    DOUBT_ENTROPY, /* -sum p ln p / ln n (Teerapittayanon et al. 2017, section
                      III-D) */
    DOUBT_TOP      /* 1 less the highest p */
};

/* Of n scores, p = Softmax of them. 0: sure, and of a single class; 1: of what
 * is no number. */
double doubt_of(enum doubt_kind kind, const float *scores, int64_t n);
/* The same of n probabilities, which Softmax has made already. */
double doubt_of_shares(enum doubt_kind kind, const float *p, int64_t n);

#endif

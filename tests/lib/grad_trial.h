/*
 * What the trials of tests/property/test_grad.c share, and those of matrix
 * products (grad_products.c) and of picked elements (grad_picks.c).
 */
#ifndef EDGE_TESTS_LIB_GRAD_TRIAL_H
#define EDGE_TESTS_LIB_GRAD_TRIAL_H

#include "tests/lib/grad_check.h"
#include "tests/lib/model.h"

static inline int64_t between(struct grad_check *c, int64_t from, int64_t to)
{
    return from + (int64_t)rng_below(c->rng, (uint64_t)(to - from + 1));
}

static inline void done(struct grad_check *c, int value)
{
    model_output(c->graph, value);
}

void grad_gemm(struct grad_check *c);
void grad_matmul(struct grad_check *c);
/* grad_picks.c */
void grad_sample_norms(struct grad_check *c);
void grad_lrn(struct grad_check *c);
void grad_steps(struct grad_check *c);
void grad_picks(struct grad_check *c);
void grad_resize(struct grad_check *c);
void grad_reduced_extremes(struct grad_check *c);
/* grad_lossy.c */
void grad_tiles(struct grad_check *c);
void grad_lossy_conv(struct grad_check *c);
void grad_blocks(struct grad_check *c);

#endif

/*
 * Seeded numbers for the tests of kernels, and the multiply-add that a kernel
 * of a given instruction set makes.
 */
#ifndef EDGE_TESTS_NUMBERS_H
#define EDGE_TESTS_NUMBERS_H

#include "base/rng.h"
#include "kernels/isa.h"
#include "kernels/post.h"

/* n floats of a normal distribution; for mem_free(). Fails the test when out
 * of memory. Beyond them lies memory that a sanitizer watches. */
float *numbers_normal(struct rng *rng, size_t n);
/* n floats that hold a NaN each. */
float *numbers_unset(size_t n);
/* from .. to, both included */
size_t numbers_between(struct rng *rng, size_t from, size_t to);

/* sum + a * b with the roundings of `isa`. */
float numbers_madd(const struct isa *isa, float sum, float a, float b);
/* act(v + bias + residual), op by op; i is the output, c its channel. */
float numbers_post(const struct post *post, float v, size_t i, size_t c);
/* A post of a random kind, with bias and residual from the arrays. */
struct post numbers_any_post(struct rng *rng, const float *bias,
                             const float *residual);

/* Fails the test unless both are the same, bit for bit. */
void numbers_assert_same(const float *got, const float *wanted, size_t n);
/* Fails unless |got - wanted| <= bound * max(1, |wanted|). */
void numbers_assert_near(const float *got, const float *wanted, size_t n,
                         double bound);

#endif

/*
 * A seeded random generator: xoshiro256** (Blackman and Vigna 2018), seeded
 * through splitmix64. Not for keys. Same seed, same sequence, on any machine.
 */
#ifndef EDGE_BASE_RNG_H
#define EDGE_BASE_RNG_H

#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_init(struct rng *rng, uint64_t seed);
uint64_t rng_next(struct rng *rng);
uint64_t rng_below(struct rng *rng, uint64_t n); /* 0 .. n-1, n > 0 */
double rng_unit(struct rng *rng);                /* [0, 1) */
float rng_normal(struct rng *rng);               /* mean 0, deviation 1 */

#endif

/*
 * Random numbers that a counter decides, so that whoever needs one again, on
 * whatever board and in whatever order, gets the same: of dropout and of
 * lossy tiles.
 */
#ifndef EDGE_KERNELS_MIX_H
#define EDGE_KERNELS_MIX_H

#include <stdint.h>

#define MIX_GOLDEN 0x9e3779b97f4a7c15U /* 2^64 / the golden ratio */

/* splitmix64's output function (Steele, Lea and Flood 2014): of a counter it
 * makes numbers that pass for random. */
static inline uint64_t mix_64(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

/* Where the counters of a sample's part in one layer begin. */
static inline uint64_t mix_base(int64_t seed, uint64_t salt)
{
    return mix_64((uint64_t)seed + MIX_GOLDEN) ^ mix_64(salt + MIX_GOLDEN);
}

/* Number `i` from there: uniform below 2^32. */
static inline uint32_t mix_at(uint64_t base, uint64_t i)
{
    return (uint32_t)(mix_64(base + (i + 1) * MIX_GOLDEN) >> 32);
}

/* MurmurHash3's finaliser (Appleby 2011), for the elements of a row. */
static inline uint32_t mix_32(uint32_t h)
{
    h = (h ^ (h >> 16)) * 0x85ebca6bU;
    h = (h ^ (h >> 13)) * 0xc2b2ae35U;
    return h ^ (h >> 16);
}

/* Such a number is below it with probability p, 0 <= p <= 1; for p = 1 all
 * are, which is why it is wider than they. */
static inline uint64_t mix_bound(double p)
{
    return (uint64_t)(p * 4294967296.0);
}

#endif

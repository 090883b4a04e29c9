/* How long a shard took lately, and its percentiles. Pure. */
#ifndef EDGE_RELAY_TIMES_H
#define EDGE_RELAY_TIMES_H

#include "base/limits.h"

#include <stdint.h>

struct relay_times {
    uint32_t us[HOP_SAMPLES]; /* a ring */
    uint64_t n;               /* ever */
    uint64_t sorted_at;       /* n when `sorted` was made */
    uint32_t sorted[HOP_SAMPLES];
};

void relay_times_add(struct relay_times *times, uint64_t us);
/* The time that `percent` of them took at most (nearest rank); 0: too few
 * are known. May lag behind by some samples. */
uint32_t relay_times_percentile(struct relay_times *times, uint32_t percent);

#endif

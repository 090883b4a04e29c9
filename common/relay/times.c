#include "relay/times.h"

#include <stdlib.h>
#include <string.h>

/* Sorting for every hop would be work for nothing. */
#define SORT_EVERY 16

void relay_times_add(struct relay_times *times, uint64_t us)
{
    times->us[times->n % HOP_SAMPLES] =
        us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
    times->n++;
}

static int by_value(const void *left, const void *right)
{
    const uint32_t *a = left;
    const uint32_t *b = right;

    return *a < *b ? -1 : *a > *b;
}

uint32_t relay_times_percentile(struct relay_times *times, uint32_t percent)
{
    uint64_t sorted = times->sorted_at;
    uint64_t n;

    if (times->n < HOP_SAMPLES_MIN) {
        return 0;
    }
    if (sorted == 0 || times->n - sorted >= SORT_EVERY) {
        sorted = times->n;
        n = sorted < HOP_SAMPLES ? sorted : HOP_SAMPLES;
        memcpy(times->sorted, times->us, n * sizeof(times->us[0]));
        qsort(times->sorted, n, sizeof(times->sorted[0]), by_value);
        times->sorted_at = sorted;
    }
    n = sorted < HOP_SAMPLES ? sorted : HOP_SAMPLES;
    return times->sorted[(n * percent + 99) / 100 - 1];
}

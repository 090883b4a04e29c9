/*
 * Which of the latest request ids were finished here. A coordinator counts
 * its ids up from a random start, so a window of bits below the highest one
 * remembers thousands in little room; and as what an earlier life of it asked
 * for ends while a later one asks, a few windows are kept.
 */
#ifndef EDGE_DAEMON_SEEN_H
#define EDGE_DAEMON_SEEN_H

#include "base/limits.h"

#include <stdbool.h>
#include <stdint.h>

#define SEEN_LIVES 4

struct seen_window {
    uint64_t top;                        /* the highest one */
    uint64_t used;                       /* when the last was added; 0: never */
    uint64_t bits[LIMIT_DEDUP_IDS / 64]; /* of id at id % LIMIT_DEDUP_IDS */
};

struct seen { /* zeroed: none was */
    struct seen_window windows[SEEN_LIVES];
    uint64_t n_added;
};

/* One that is far from all windows begins a new one, in place of the one that
 * was not added to for longest. */
void seen_add(struct seen *seen, uint64_t id);
/* False also of one that has left its window. */
bool seen_has(const struct seen *seen, uint64_t id);

#endif

#include "daemon/seen.h"

#include <string.h>

#define WINDOW ((uint64_t)LIMIT_DEDUP_IDS)
#define FAR (UINT64_C(1) << 32) /* no life gives so many ids in a while */

static bool is_near(const struct seen_window *w, uint64_t id)
{
    return w->used > 0 && (w->top > id ? w->top - id : id - w->top) < FAR;
}

static size_t window_of(const struct seen *seen, uint64_t id)
{
    size_t i = 0;

    while (i < SEEN_LIVES && !is_near(&seen->windows[i], id)) {
        i++;
    }
    return i;
}

static struct seen_window *begin(struct seen *seen, uint64_t id)
{
    struct seen_window *oldest = &seen->windows[0];

    for (size_t i = 1; i < SEEN_LIVES; i++) {
        if (seen->windows[i].used < oldest->used) {
            oldest = &seen->windows[i];
        }
    }
    *oldest = (struct seen_window){.top = id};
    return oldest;
}

/* The ids between the old top and the new one were not seen. */
static void slide(struct seen_window *w, uint64_t top)
{
    if (top - w->top >= WINDOW) {
        memset(w->bits, 0, sizeof(w->bits));
        w->top = top;
    }
    while (w->top < top) {
        w->top++;
        w->bits[w->top % WINDOW / 64] &= ~(UINT64_C(1) << w->top % 64);
    }
}

void seen_add(struct seen *seen, uint64_t id)
{
    size_t i = window_of(seen, id);
    struct seen_window *w =
        i < SEEN_LIVES ? &seen->windows[i] : begin(seen, id);

    w->used = ++seen->n_added;
    if (id > w->top) {
        slide(w, id);
    }
    if (w->top - id < WINDOW) { /* else too old to be remembered */
        w->bits[id % WINDOW / 64] |= UINT64_C(1) << id % 64;
    }
}

bool seen_has(const struct seen *seen, uint64_t id)
{
    size_t i = window_of(seen, id);
    const struct seen_window *w = &seen->windows[i];

    return i < SEEN_LIVES && id <= w->top && w->top - id < WINDOW &&
           (w->bits[id % WINDOW / 64] >> id % 64 & 1) != 0;
}

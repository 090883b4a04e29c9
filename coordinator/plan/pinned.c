#include "coordinator/plan/pinned.h"

#include <stdlib.h>
#include <string.h>

/* What of `shard` is behind the stage's name, with its dot; NULL: it is none
 * of this stage. */
static const char *piece_of(const struct cluster_stage *stage,
                            const char *shard)
{
    size_t n = strlen(stage->name);

    return strncmp(stage->name, shard, n) == 0 &&
                   (shard[n] == '\0' || shard[n] == '.')
               ? shard + n
               : NULL;
}

/* Names may have dots themselves: the longest that fits. */
static const struct cluster_stage *stage_of(const struct cluster *cluster,
                                            const char *shard)
{
    const struct cluster_stage *best = NULL;

    for (size_t i = 0; i < cluster->n_stages; i++) {
        const struct cluster_stage *stage = &cluster->stages[i];

        if (piece_of(stage, shard) != NULL &&
            (best == NULL || strlen(stage->name) > strlen(best->name))) {
            best = stage;
        }
    }
    return best;
}

static bool is_in(char *const *names, size_t n, size_t first, size_t step,
                  const char *device)
{
    for (size_t i = first; i < n; i += step) {
        if (strcmp(names[i], device) == 0) {
            return true;
        }
    }
    return n == 0;
}

/* A part has every k-th device, what slices and joins is with the first part
 * (plan_devices.c). */
static bool is_over(char *const *over, size_t n, size_t k, const char *piece,
                    const char *device)
{
    bool is_part = piece[0] == '.' && piece[1] >= '0' && piece[1] <= '9';
    size_t index = is_part ? (size_t)strtoul(piece + 1, NULL, 10) : 0;

    return is_in(over, n, index % n, k, device);
}

bool pinned_allows(const struct cluster *cluster, const char *shard,
                   const char *device)
{
    const struct cluster_stage *s = stage_of(cluster, shard);

    for (size_t i = 1; i < cluster->n_tiers; i++) {
        if (strcmp(cluster->tiers[i].name, shard) == 0) {
            return strcmp(cluster->tiers[i].on, device) == 0;
        }
    }
    if (s == NULL) {
        return true;
    }
    if (s->split.n_over > 0) {
        return is_over(s->split.over, s->split.n_over, s->split.n_over,
                       piece_of(s, shard), device);
    }
    if (s->tile.n_over > 0) {
        return is_over(s->tile.over, s->tile.n_over,
                       (size_t)s->tile.rows * s->tile.columns,
                       piece_of(s, shard), device);
    }
    return is_in(s->replicas, s->n_replicas, 0, 1, device);
}

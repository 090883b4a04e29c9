/* Tiers on their devices, and what their stages are. */
#include "coordinator/plan/tiers.h"

#include "base/mem.h"

#include <string.h>

/* ---- devices ------------------------------------------------------------- */

static const char *device_of(const struct tiers *tiers,
                             const struct cluster *cluster,
                             const struct graph *graph, size_t stage)
{
    const char *input;

    if (stage >= tiers->n_views) {
        return cluster->tiers[stage - tiers->n_views + 1].on;
    }
    input = graph->values[graph->inputs[stage]].name;
    for (size_t i = 0; i < cluster->n_views; i++) {
        if (strcmp(cluster->views[i].name, input) == 0) {
            return cluster->views[i].on;
        }
    }
    return "";
}

static int set_device(struct choice_stage *stage, const char *name,
                      const struct profile *profile, struct err *err)
{
    size_t d = 0;

    while (d < profile->n_devices &&
           strcmp(profile->devices[d].name, name) != 0) {
        d++;
    }
    if (d == profile->n_devices) {
        return err_set(err, EDGE_ECONFIG,
                       "device \"%s\" has a view or a tier, but takes no part "
                       "now. Try: edgectl undrain %s",
                       name, name);
    }
    stage->devices = mem_array(size_t, 1);
    if (stage->devices == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    stage->devices[0] = d;
    stage->n_devices = 1;
    return 0;
}

int tiers_choice(const struct tiers *tiers, const struct cluster *cluster,
                 const struct graph *graph, const struct profile *profile,
                 struct choice *choice, struct err *err)
{
    int first = 0;
    int rc = 0;

    choice->stages = mem_array(struct choice_stage, tiers->n_stages);
    if (choice->stages == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < tiers->n_stages && rc == 0; i++) {
        struct choice_stage *stage = &choice->stages[i];

        choice->n_stages = i + 1;
        *stage = (struct choice_stage){.first = first,
                                       .end = tiers->ends[i],
                                       .kind = PIECES_WHOLE,
                                       .rows = 1,
                                       .columns = 1,
                                       .in_factor = 1};
        first = tiers->ends[i];
        rc = set_device(stage, device_of(tiers, cluster, graph, i), profile,
                        err);
    }
    return rc;
}

/* ---- exits --------------------------------------------------------------- */

int tiers_view(const struct tiers *tiers, size_t stage)
{
    return stage < tiers->n_views ? (int)stage : -1;
}

int tiers_exit_number(const struct tiers *tiers, size_t stage)
{
    return stage >= tiers->n_views && tiers->exits[stage] != TIERS_NO_EXIT
               ? (int)(stage - tiers->n_views) + 1
               : 0;
}

/* What a plan predicts, kept with the placement; and why it is the plan. */
#include "coordinator/plan_job.h"

#include "base/mem.h"
#include "coordinator/explain.h"
#include "coordinator/plan/paper.h"

/* Milliseconds of one run on each of its devices. */
static int say_shard(const struct working *w, size_t i, Edged__StageText *text)
{
    const struct shard_place *place = &w->places[i];
    const struct piece *piece = &w->pieces[i];
    const struct choice_stage *stage =
        &w->job->choices.best.stages[piece->stage];

    text->stage = (uint32_t)piece->stage;
    text->piece = piece->role == PIECE_PART ? (uint32_t)piece->index + 1 : 0;
    text->nodes = mem_array(char *, place->n_devices);
    text->compute_ms = mem_array(double, place->n_devices);
    if (text->nodes == NULL || text->compute_ms == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t k = 0; k < place->n_devices; k++) {
        size_t d = place->devices[k];

        text->nodes[k] = mem_strdup(w->job->devices[d].name);
        if (text->nodes[k] == NULL) {
            return EDGE_ENOMEM;
        }
        text->n_nodes = k + 1;
        text->compute_ms[k] =
            paper_seconds(&w->model, stage, w->parts.shards[i],
                          w->profile.devices[d].board) *
            1e3;
        text->n_compute_ms = k + 1;
    }
    return 0;
}

static int explain(struct working *w, Edged__Placement *spec)
{
    const struct explain from = {.graph = w->graph,
                                 .order = w->model.scan.ops,
                                 .cluster = w->job->cluster,
                                 .profile = &w->profile,
                                 .choices = &w->job->choices,
                                 .spec = spec};

    return explain_new(&from, &w->job->explained);
}

int plan_say(struct working *w, Edged__Placement *spec, struct err *err)
{
    int rc = 0;

    spec->predicted_ms = w->job->choices.best.latency_s * 1e3;
    spec->predicted_rate = w->job->choices.best.throughput;
    for (size_t i = 0; i < w->n_places && rc == 0; i++) {
        rc = say_shard(w, i, spec->texts[i]);
    }
    if (rc == 0) {
        rc = plan_drift_keep(w, spec);
    }
    if (rc == 0 && w->job->explain) {
        rc = explain(w, spec);
    }
    return rc < 0 ? err_set(err, rc, "out of memory") : 0;
}

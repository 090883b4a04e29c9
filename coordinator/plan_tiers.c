/*
 * A job whose model has views: stages as tiers.h finds them, and what the
 * placement says of views and who gathers them.
 */
#include "coordinator/plan_job.h"

#include "base/mem.h"
#include "wire/convert.h"

#include <stdio.h>
#include <string.h>

#define MEASURED "edged.views.measured"
#define MEASURED_MAX 16384 /* bytes of it */
/* Without a `deadline`: who gathers goes on after so long. */
#define GATHER_MS 2000

static int no_memory(struct err *err)
{
    return err_set(err, EDGE_ENOMEM, "out of memory");
}

/* ---- the stages ---------------------------------------------------------- */

int plan_tiers_arrange(struct working *w, Edged__Placement *spec,
                       struct err *err)
{
    const char *measured = graph_meta(w->graph, MEASURED);
    int rc = tiers_arrange(w->graph, w->job->cluster, &w->tiers, err);

    w->has_tiers = rc == 0;
    if (rc == 0 && measured != NULL && strlen(measured) <= MEASURED_MAX) {
        rc = convert_set_text(&spec->view_accuracy, measured) < 0
                 ? no_memory(err)
                 : 0;
    }
    return rc < 0 ? err_wrap(err, rc, "%s", w->job->model_name) : 0;
}

int plan_tiers_choose(struct working *w, struct err *err)
{
    struct choices *choices = &w->job->choices;
    int rc;

    choices_deinit(choices);
    *choices = (struct choices){.shape = CHOICE_PIPELINE};
    rc = tiers_choice(&w->tiers, w->job->cluster, w->graph, &w->profile,
                      &choices->best, err);
    return rc == 0 ? tiers_reckon(&w->tiers, &w->model, &choices->best, err)
                   : rc;
}

bool plan_tiers_is_present(const struct working *w, size_t input)
{
    return w->has_tiers && w->tiers.has_present && input == w->tiers.n_views;
}

void plan_tiers_fill(const struct working *w, size_t input,
                     const struct tensor *t)
{
    float *values = t->data;

    if (plan_tiers_is_present(w, input)) {
        for (int64_t i = 0; i < tensor_count(t); i++) {
            values[i] = 1;
        }
    }
}

char *plan_tiers_name(const struct working *w, size_t stage)
{
    int view = tiers_view(&w->tiers, stage);
    const char *name =
        view >= 0 ? w->graph->values[w->graph->inputs[view]].name
                  : w->job->cluster->tiers[stage - w->tiers.n_views + 1].name;

    for (size_t t = 1; view >= 0 && t < w->job->cluster->n_tiers; t++) {
        if (strcmp(name, w->job->cluster->tiers[t].name) == 0) {
            return mem_printf("s%zu", stage); /* told apart from that tier */
        }
    }
    return convert_name_ok(name) ? mem_strdup(name) : mem_printf("s%zu", stage);
}

/* ---- the gateway's side -------------------------------------------------- */

/* Nobody sends `present`. */
static void trim_gateway(const struct working *w, Edged__Placement *spec)
{
    size_t n = 0;

    for (size_t i = 0; i < spec->n_entries; i++) {
        Edged__Link *link = spec->entries[i];

        if (link->port < w->tiers.n_views) {
            spec->entries[n++] = link;
        } else {
            edged__link__free_unpacked(link, NULL);
        }
    }
    spec->n_entries = n;
    while (spec->n_inputs > w->tiers.n_views) {
        edged__port__free_unpacked(spec->inputs[--spec->n_inputs], NULL);
    }
    spec->may_lack = w->tiers.has_present;
}

/* ---- a shard's ----------------------------------------------------------- */

uint32_t plan_tiers_wait_ms(const struct working *w)
{
    uint32_t ms = w->job->cluster->deadline_ms;

    return ms > 0 ? ms : GATHER_MS;
}

static const char *device_of(const struct working *w, int shard)
{
    const struct choice_stage *stage =
        &w->job->choices.best.stages[w->pieces[shard].stage];

    return w->job->devices[stage->devices[0]].name;
}

/* What each input of shard i is of. */
static int fill_sources(const struct working *w, size_t i,
                        Edged__Gather *gather)
{
    for (size_t k = 0; k < w->parts.n_links; k++) {
        const struct part_link *link = &w->parts.links[k];
        int view;

        if (link->to != (int)i) {
            continue;
        }
        if (link->from == PARTS_OUTSIDE) {
            gather->present = (uint32_t)link->to_port + 1;
            continue;
        }
        view = tiers_view(&w->tiers, w->pieces[link->from].stage);
        gather->views[link->to_port] = (uint32_t)(view + 1);
        mem_free(gather->nodes[link->to_port]);
        gather->nodes[link->to_port] =
            mem_strdup(view >= 0 ? device_of(w, link->from) : "");
        if (gather->nodes[link->to_port] == NULL) {
            return EDGE_ENOMEM;
        }
    }
    return 0;
}

/* A tier that only reads what another has gathered waits for all of it. */
static bool reads_present(const struct working *w, size_t shard)
{
    for (size_t k = 0; k < w->parts.n_links; k++) {
        if (w->parts.links[k].to == (int)shard &&
            w->parts.links[k].from == PARTS_OUTSIDE && w->tiers.has_present) {
            return true;
        }
    }
    return false;
}

/* The shard of a tier that may lack views. */
static int set_gather(const struct working *w, size_t i, Edged__Shard *shard)
{
    Edged__Gather *gather = mem_new(Edged__Gather);

    if (gather == NULL) {
        return EDGE_ENOMEM;
    }
    edged__gather__init(gather);
    shard->gather = gather;
    gather->views_in_all = (uint32_t)w->tiers.n_views;
    gather->deadline_ms = plan_tiers_wait_ms(w);
    gather->views = mem_array(uint32_t, shard->n_inputs);
    gather->nodes = mem_array(char *, shard->n_inputs);
    if (gather->views == NULL || gather->nodes == NULL) {
        return EDGE_ENOMEM;
    }
    gather->n_views = shard->n_inputs;
    for (size_t k = 0; k < shard->n_inputs; k++) {
        gather->nodes[k] = mem_strdup("");
        if (gather->nodes[k] == NULL) {
            return EDGE_ENOMEM;
        }
        gather->n_nodes = k + 1;
    }
    return fill_sources(w, i, gather);
}

static int describe(const struct working *w, size_t i, Edged__Shard *shard)
{
    int view = tiers_view(&w->tiers, w->pieces[i].stage);

    shard->view = (uint32_t)(view + 1);
    return view < 0 && reads_present(w, i) ? set_gather(w, i, shard) : 0;
}

int plan_tiers_describe(const struct working *w, Edged__Placement *spec,
                        struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < w->parts.n && rc == 0; i++) {
        rc = describe(w, i, spec->shards[i]);
    }
    if (rc < 0) {
        return no_memory(err);
    }
    trim_gateway(w, spec);
    return plan_sources(w, spec, err);
}

void plan_tiers_places(const struct working *w, Edged__Placement *spec)
{
    for (size_t i = 0; i < spec->n_places; i++) {
        spec->places[i]->view =
            (uint32_t)(tiers_view(&w->tiers, w->pieces[i].stage) + 1);
    }
}

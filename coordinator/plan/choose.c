#include "coordinator/plan/choose.h"

#include "codec/codec.h"
#include "coordinator/plan/cut.h"
#include "coordinator/plan/written.h"

#include "base/mem.h"

#include <stdio.h>

struct choosing {
    const struct cost_model *model;
    const struct cluster *cluster;
    struct cut *cuts;
    size_t n_cuts;
    int *points;
    struct search_stage *stages;
    struct choice written; /* holds the devices of the stages */
};

uint32_t choose_queue(const struct cluster *cluster)
{
    uint32_t queue = cluster->routing.queue;

    return queue < CHOOSE_QUEUED ? queue : CHOOSE_QUEUED;
}

/* ---- as written ---------------------------------------------------------- */

static bool is_cut(const struct choosing *c, int position)
{
    for (size_t i = 0; i < c->n_cuts; i++) {
        if (c->cuts[i].position == position) {
            return true;
        }
    }
    return position == (int)c->model->n_ops;
}

static int read_written(struct choosing *c, const struct leaving *leaving,
                        struct err *err)
{
    const struct cluster *cluster = c->cluster;
    int rc = written_stages(&c->written, cluster, c->model->graph,
                            c->model->profile, leaving, err);

    for (size_t i = 0; i < c->written.n_stages && rc == 0; i++) {
        const struct choice_stage *from = &c->written.stages[i];

        c->stages[i] = (struct search_stage){
            .name = cluster->stages[i].name,
            .first = from->first,
            .end = from->end,
            .shape = {from->kind, from->axis, from->halo, from->rows,
                      from->columns},
            .devices = from->devices,
            .n_devices = from->n_devices,
        };
        if (!is_cut(c, from->end)) {
            rc = err_set(err, EDGE_ECONFIG,
                         "stage %s cannot end at \"%s\": too much crosses "
                         "there",
                         cluster->stages[i].name, cluster->stages[i].last);
        }
    }
    return rc;
}

/* ---- the search ---------------------------------------------------------- */

/* Bytes on the wire for a byte of a value, of links that say nothing
 * themselves. */
static double bytes_factor(const struct cluster *cluster)
{
    static const struct shape shape = {.rank = 4, .dims = {1, 64, 32, 32}};
    const struct codec *codec = &cluster->links.codec.codec;
    size_t bytes = 64 * 32 * 32 * sizeof(float);

    return codec_is_plain(codec)
               ? 1
               : (double)codec_room(codec, &shape) / (double)bytes;
}

/* What the search finds when it may cut, beside what is written. */
static void take_others(struct choices *choices, struct choices *loose)
{
    for (int i = 0; i < CHOICE_SHAPES; i++) {
        struct choice_other *to = &choices->others[i];
        struct choice_other *from = &loose->others[i];

        if (i == CHOICE_WRITTEN) {
            continue;
        }
        choice_deinit(&to->choice);
        *to = *from;
        *from = (struct choice_other){0};
        if (i == (int)loose->shape) {
            choice_deinit(&to->choice);
            to->choice = loose->best;
            to->is_possible = true;
            loose->best = (struct choice){0};
        }
        if (to->is_possible) {
            (void)snprintf(to->why, sizeof(to->why),
                           "other stages are written");
        }
    }
}

/* What does not fit leaves the written plan alone. */
static int compare_free(const struct search *search, struct choices *choices,
                        struct err *err)
{
    struct search other = *search;
    struct choices loose = {0};
    struct err why;
    int rc;

    other.stages = NULL;
    other.n_stages = 0;
    other.stays = NULL;
    rc = search_run(&other, &loose, &why);
    if (rc == 0) {
        take_others(choices, &loose);
    } else if (rc == EDGE_ENOMEM) {
        return err_set(err, rc, "out of memory");
    }
    choices_deinit(&loose);
    return 0;
}

static int run(struct choosing *c, struct choices *choices,
               const struct choose_how *how, struct err *err)
{
    const struct cluster *cluster = c->cluster;
    struct search search = {.model = c->model,
                            .goal = (enum search_goal)cluster->goal,
                            .replicas = cluster->replicas,
                            .bytes_factor = bytes_factor(cluster),
                            .points = c->points,
                            .stages = c->stages,
                            .n_stages = cluster->n_stages,
                            .stays = how->stays,
                            .gain = how->gain};
    int rc;

    for (size_t i = 0; i < c->n_cuts; i++) {
        if (!c->cuts[i].splits_group) { /* fused ops stay together */
            c->points[search.n_points++] = c->cuts[i].position;
        }
    }
    choices_deinit(choices);
    rc = search_run(&search, choices, err);
    return rc == 0 && how->compare && cluster->n_stages > 0
               ? compare_free(&search, choices, err)
               : rc;
}

int choose_plan(struct choices *choices, const struct cost_model *model,
                const struct cluster *cluster, const struct choose_how *how,
                struct err *err)
{
    struct choosing c = {.model = model, .cluster = cluster};
    int rc;

    if (cluster->n_views > 0) { /* their stages follow: tiers.h */
        return err_set(err, EDGE_EUNSUPPORTED,
                       "a model of several views is not simulated yet. What a "
                       "cluster would do with it: edgectl plan --explain");
    }
    rc = cut_candidates(model->graph, &c.cuts, &c.n_cuts, err);
    if (rc < 0) {
        return rc;
    }
    c.points = mem_array(int, c.n_cuts);
    c.stages = mem_array(struct search_stage, cluster->n_stages);
    if (c.points == NULL || c.stages == NULL) {
        rc = err_set(err, EDGE_ENOMEM, "out of memory");
    }
    if (rc == 0 && cluster->n_stages > 0) {
        rc = read_written(&c, how->leaving, err);
    }
    rc = rc == 0 ? run(&c, choices, how, err) : rc;
    choice_deinit(&c.written);
    mem_free(c.stages);
    mem_free(c.points);
    cut_free(c.cuts, c.n_cuts);
    return rc;
}

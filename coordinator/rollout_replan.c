/*
 * A rollout of another plan for what is deployed: the same generation in a new
 * epoch, planned on what boards do by measure (replan.c says when).
 *
 *   PLANNING    a plan_job, as for a deploy; it ends here where no plan is
 *               better by enough
 *   INSTALLING  and so on as for a recovery that is not urgent
 */
#include "coordinator/rollout.h"

#include "base/mem.h"
#include "wire/convert.h"

#include <string.h>

struct rollout *rollout_new_again(struct deployment *d)
{
    struct rollout *r = mem_new(struct rollout);

    if (r == NULL) {
        return NULL;
    }
    r->c = d->c;
    r->deployment = d;
    r->is_recovery = true;
    r->started_us = io_now_us(d->c->io);
    r->step_us = r->started_us;
    r->yaml = d->yaml;
    r->model = d->model;
    r->labels = d->labels;
    r->has_labels = d->has_labels;
    r->generation = d->generation;
    r->deployed_at_ms = d->deployed_at_ms;
    memcpy(r->model_name, d->model_name, sizeof(r->model_name));
    list_push(&d->c->rollouts, &r->link);
    d->rollout = r;
    r->step = ROLLOUT_PLANNING;
    return r;
}

static void on_planned(struct plan_job *job)
{
    struct rollout *r = job->arg;
    struct err err;
    int rc;

    if (r->yields || r->deployment == NULL || r->deployment->is_leaving ||
        r->c->closing) {
        rollout_finish(r, EDGE_ESTALE, "it gave way");
        return;
    }
    if (job->rc < 0) {
        rollout_finish(r, job->rc, job->err.text);
        return;
    }
    rc = replan_accept(r->deployment, job, &err);
    if (rc == 0) {
        rc = placement_new(r->c, r->deployment, job->spec, &r->next, &err);
    }
    if (rc < 0) {
        rollout_finish(r, rc, err.text);
        return;
    }
    job->spec = NULL; /* the placement's now */
    r->next->is_quiet = true;
    r->step = ROLLOUT_INSTALLING;
    r->step_us = io_now_us(r->c->io);
    placement_install(r->next);
    rollout_poke(r->c);
}

/* Those that are there; the others are a recovery's business. */
static int find_members(struct rollout *r)
{
    const struct cluster *cluster = r->deployment->cluster;

    r->members = mem_array(struct member *, cluster->n_devices);
    if (r->members == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < cluster->n_devices; i++) {
        struct member *m = members_find(r->c, cluster->devices[i].name);

        if (m != NULL && !m->drained && members_state(r->c, m) == MEMBER_UP) {
            r->members[r->n_members++] = m;
        }
    }
    return 0;
}

/* Codecs are tried again on what they were tried on. */
static int take_calibration(struct rollout *r)
{
    const Edged__Placement *now = r->deployment->current->spec;

    if (now->calibration.len == 0) {
        return 0;
    }
    r->has_calibration = true;
    return convert_digest_in(&now->calibration, &r->calibration, NULL);
}

int rollout_replan(struct deployment *d, double gain,
                   double (*factor)(const struct deployment *d,
                                    const char *node))
{
    struct rollout *r = rollout_new_again(d);
    int rc = r == NULL ? EDGE_ENOMEM : find_members(r);

    rc = rc == 0 ? take_calibration(r) : rc;
    if (rc == 0) {
        r->is_replan = true;
        r->job = rollout_job(r);
        rc = r->job == NULL ? EDGE_ENOMEM : 0;
    }
    if (rc == 0) {
        r->job->now = placement_copy(d->current->spec);
        rc = r->job->now == NULL ? EDGE_ENOMEM : 0;
    }
    if (rc < 0) {
        if (r != NULL) {
            rollout_free(r);
        }
        return rc;
    }
    for (size_t i = 0; i < r->n_members; i++) {
        r->job->devices[i].factor = factor(d, r->members[i]->name);
    }
    r->job->gain = gain;
    r->job->done = on_planned;
    plan_job_start(r->c->io, r->job);
    return 0;
}

int rollout_back(struct deployment *d, Edged__Placement *spec)
{
    int rc = rollout_again(d, spec, false);

    if (rc == 0) {
        d->rollout->is_replan = true;
    }
    return rc;
}

void rollout_orphan(struct deployment *d)
{
    list_each(&d->c->rollouts, it, after)
    {
        struct rollout *r = list_entry(it, struct rollout, link);

        if (r->deployment == d && r->is_replan) {
            r->cluster = d->cluster; /* the job still reads it */
            d->cluster = NULL;
            r->deployment = NULL;
        }
    }
}

/*
 * A deploy comes in: its YAML is read, its devices are found and dialed, and
 * the deployment is made or found; from there on it is rollout.c's. What is
 * wrong with it is refused at once.
 */
#include "coordinator/rollout.h"

#include "coordinator/asked.h"

#include "base/mem.h"
#include "wire/convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROLLOUTS_MAX (2 * LIMIT_DEPLOYMENTS) /* plans among them */

bool rollout_is_asked(const struct deployment *d)
{
    list_each(&d->c->rollouts, it, after)
    {
        const struct rollout *r = list_entry(it, struct rollout, link);

        if (r->deployment == d && !r->is_recovery) {
            return true;
        }
    }
    return false;
}

static int find_deployment(struct rollout *r, struct err *err)
{
    struct deployment *d = deployments_get(r->c, r->cluster->name);
    size_t n = 0;

    if (r->dry_run) {
        return 0; /* changes nothing, so it needs nobody's leave */
    }
    list_each(&r->c->deployments, it, after)
    {
        n++;
    }
    if (d != NULL && d->is_leaving) {
        return err_set(err, EDGE_EBUSY,
                       "%s is being undeployed. Try again in a moment",
                       d->name);
    }
    if (d != NULL && rollout_is_asked(d)) {
        return err_set(err, EDGE_EBUSY,
                       "another deploy of %s is under way. Try again when it "
                       "is done",
                       d->name);
    }
    if (d == NULL && n >= LIMIT_DEPLOYMENTS) {
        return err_set(err, EDGE_EBUSY,
                       "%zu models are deployed, which is "
                       "the most there can be",
                       n);
    }
    if (d == NULL) {
        d = deployments_make(r->c, r->cluster->name);
        r->is_new = true;
    }
    if (d == NULL) {
        r->is_new = false;
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    r->deployment = d;
    recovery_yield(d);
    if (d->rollout == NULL) {
        d->rollout = r;
    }
    return 0;
}

static int read_digests(struct rollout *r, const Edged__Deploy *from,
                        struct err *err)
{
    int rc = convert_digest_in(&from->yaml, &r->yaml, err);

    if (rc == 0) {
        rc = convert_digest_in(&from->model, &r->model, err);
    }
    if (rc == 0 && from->labels.len > 0) {
        rc = convert_digest_in(&from->labels, &r->labels, err);
        r->has_labels = true;
    }
    if (rc == 0 && from->calibration.len > 0) {
        rc = convert_digest_in(&from->calibration, &r->calibration, err);
        r->has_calibration = true;
    }
    return rc;
}

static int begin(struct rollout *r, const Edged__Deploy *from, struct err *err,
                 char **text)
{
    int rc = read_digests(r, from, err);

    if (rc == 0) {
        rc =
            asked_read(r->c, &r->yaml, from->yaml_name, &r->cluster, text, err);
    }
    if (rc == 0) {
        rc = asked_devices(r->c, r->cluster, &r->members, &r->n_members, err);
    }
    return rc < 0 ? rc : find_deployment(r, err);
}

static bool has_room(const struct coordinator *c)
{
    size_t n = 0;

    for (const struct list *it = c->rollouts.next; it != &c->rollouts;
         it = it->next) {
        n++;
    }
    return n < ROLLOUTS_MAX;
}

void rollout_on_deploy(struct coordinator *c, struct io_peer *peer,
                       struct msg *msg)
{
    const Edged__Deploy *from = msg->env->deploy;
    struct rollout *r = has_room(c) ? mem_new(struct rollout) : NULL;
    char *text = NULL;
    struct err err;
    int rc;

    if (r == NULL || leave_refuses(c)) {
        mem_free(r);
        rollout_refuse(peer, r == NULL ? EDGE_EBUSY : EDGE_ECLOSED,
                       r == NULL
                           ? "too many deploys are under way"
                           : "the coordinator is stopping. Try again in a "
                             "moment");
        return;
    }
    r->c = c;
    r->client = peer;
    r->dry_run = from->dry_run;
    r->explain = from->dry_run && from->explain;
    r->plan_number = from->plan_number;
    r->started_us = io_now_us(c->io);
    r->step_us = r->started_us;
    (void)snprintf(r->model_name, sizeof(r->model_name), "%s",
                   from->model_name);
    list_push(&c->rollouts, &r->link);
    rc = begin(r, from, &err, &text);
    if (rc < 0) {
        rollout_refuse(peer, rc, text != NULL ? text : err.text);
        rollout_free(r);
    } else {
        r->step = ROLLOUT_DEVICES;
        rollout_look(r);
    }
    mem_free(text); /* of open_memstream(), which is malloc's */
}

/*
 * Brings all nodes to a new epoch:
 *
 *   1. the YAML is read, its devices are dialed; all must be there
 *   2. the plan is worked out off the loop          (plan_job.c)
 *   3. every seat installs its shards               (seat.c, push.c)
 *   4. the golden input goes through the new epoch, and must come out right
 *   5. the deployment is kept in state.db
 *   6. new requests enter the new epoch; the old one drains and is retired
 *
 *   a device is not there after 5 s, the plan is impossible, a seat fails, a
 *   device is lost for 15 s, no seat moves for INSTALL_MS, the golden answer is
 * wrong, the disk is full: the reason goes to the client, the new placement is
 * retired, and the old one never noticed. the client goes away: the rollout
 * goes on.
 */
#include "coordinator/rollout.h"

#include "coordinator/explain.h"
#include "coordinator/train/train.h"

#include "base/failpoint.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define DEVICES_MS 5000
#define SPEEDS_MS 3000    /* or the next plan of the same would be another */
#define LOST_MS 15000     /* a device may restart meanwhile */
#define LOST_AGAIN_MS 500 /* of a recovery, which can do without it */
#define SAY_MS 200

/* ---- talking
 * ------------------------------------------------------------------- */

void rollout_say(struct rollout *r, const char *phase, const char *node,
                 uint64_t done, uint64_t total, const char *text)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Progress progress = EDGED__PROGRESS__INIT;

    if (r->client == NULL) {
        return;
    }
    progress.phase = (char *)(uintptr_t)phase;
    progress.node = (char *)(uintptr_t)node;
    progress.done = done;
    progress.total = total;
    progress.text = (char *)(uintptr_t)text;
    env.body_case = EDGED__ENVELOPE__BODY_PROGRESS;
    env.progress = &progress;
    (void)io_send(r->client, &env, NULL);
}

/* `more` is sent behind it, or NULL. */
static void reply(struct io_peer *client, const Edged__DeployReply *message,
                  struct blob *more)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    struct io_payload payload = {.blob = more,
                                 .size = more != NULL ? more->size : 0};

    env.body_case = EDGED__ENVELOPE__BODY_DEPLOY_REPLY;
    env.deploy_reply = (Edged__DeployReply *)(uintptr_t)message;
    if (client != NULL) {
        (void)admin_send(client, &env, more != NULL ? &payload : NULL);
    }
}

void rollout_refuse(struct io_peer *client, int rc, const char *text)
{
    Edged__DeployReply message = EDGED__DEPLOY_REPLY__INIT;

    message.code = rc;
    message.text = (char *)(uintptr_t)text;
    reply(client, &message, NULL);
}

static uint64_t count_pushed(const struct placement *p)
{
    uint64_t bytes = 0;

    for (size_t i = 0; p != NULL && i < p->n_seats; i++) {
        bytes += p->seats[i].pushed;
    }
    return bytes;
}

/* ---- the end
 * --------------------------------------------------------------------- */

void rollout_free(struct rollout *r)
{
    if (r->deployment != NULL && r->deployment->rollout == r) {
        r->deployment->rollout = NULL;
    }
    if (r->is_new && r->deployment != NULL) {
        deployments_free(r->deployment);
    }
    list_unlink(&r->link);
    if (list_is_empty(&r->c->rollouts)) {
        members_stay(r->c);
    }
    golden_free(r->want, r->n_want);
    plan_job_free(r->job);
    report_free(r->report);
    cluster_free(r->cluster);
    if (r->spec != NULL) {
        edged__placement__free_unpacked(r->spec, NULL);
    }
    mem_free(r->members);
    mem_free(r->nodes);
    mem_free(r->packed);
    mem_free(r);
}

static void end(struct rollout *r, int rc, const char *text)
{
    struct deployment *again = r->is_recovery ? r->deployment : NULL;
    const struct seat *failed =
        r->next != NULL ? placement_failed(r->next) : NULL;
    bool is_replan = r->is_replan;
    struct member *blamed = failed != NULL ? failed->member : NULL;
    char why[300];

    (void)snprintf(why, sizeof(why), "%s", text);
    if (r->next != NULL) {
        r->next->deployment = NULL;
        placement_retire(r->next);
        r->next = NULL;
    }
    FAILPOINT("rollout.finished");
    rollout_free(r);
    if (again != NULL && is_replan) {
        replan_ended(again, rc, why);
    } else if (again != NULL) {
        recovery_ended(again, rc, why, blamed);
    }
}

void rollout_finish(struct rollout *r, int rc, const char *text)
{
    Edged__DeployReply message = EDGED__DEPLOY_REPLY__INIT;
    struct blob *why = NULL;
    struct placement *p =
        rc < 0 || r->dry_run ? r->next : r->deployment->current;

    message.code = rc;
    message.text = (char *)(uintptr_t)text;
    message.generation = r->deployment != NULL ? r->deployment->generation : 0;
    message.plan = r->report;
    message.pushed_bytes = count_pushed(p);
    message.took_ms = (uint32_t)((io_now_us(r->c->io) - r->started_us) / 1000);
    if (rc < 0) {
        log_event(r->c->log, LOG_WARN,
                  r->is_replan     ? "replan.ended"
                  : r->is_recovery ? "recovery.failed"
                                   : "deploy.failed",
                  "rc=%s err=\"%s\"", err_name(rc), text);
        if (!r->dry_run && !r->is_recovery && r->cluster != NULL) {
            event_note(r->c, EVENT_DEPLOY, "", "deploy of %s failed: %s",
                       r->cluster->name, text);
        }
    }
    if (rc == 0 && r->job != NULL && r->job->explained != NULL) {
        why = explain_pack(r->job->explained);
    }
    reply(r->client, &message, why);
    blob_unref(why);
    end(r, rc, text);
}

/* ---- each step, looked at when something has moved
 * -------------------------------- */

static void look_at_devices(struct rollout *r)
{
    uint64_t waited = io_now_us(r->c->io) - r->step_us;
    bool is_known = true;
    char text[800];

    if (r->deployment != NULL && r->deployment->rollout != r) {
        if (r->deployment->rollout != NULL) {
            return; /* a recovery that is giving way */
        }
        r->deployment->rollout = r;
    }

    for (size_t i = 0; i < r->n_members; i++) {
        const struct member *m = r->members[i];

        if (members_is_ready(m) && m->next == NULL) {
            is_known = is_known && m->speed.kind[0] != '\0';
            continue;
        }
        if (waited < (uint64_t)DEVICES_MS * 1000) {
            return;
        }
        (void)snprintf(text, sizeof(text),
                       "cannot reach %s at %s:%d (%s). Try: edgectl nodes",
                       m->name, m->next != NULL ? m->next_host : m->host,
                       m->next != NULL ? m->next_port : m->port,
                       m->why[0] != '\0' ? m->why : "no answer");
        rollout_finish(r, EDGE_EUNREACHABLE, text);
        return;
    }
    if (is_known || waited >= (uint64_t)SPEEDS_MS * 1000) {
        rollout_begin_planning(r);
    }
}

/* A few times a second, and at the end. */
static void say_pushes(struct rollout *r, bool is_last)
{
    uint64_t done = count_pushed(r->next);
    uint64_t now = io_now_us(r->c->io);

    if (done == r->said_done ||
        (!is_last && now - r->said_us < (uint64_t)SAY_MS * 1000)) {
        return;
    }
    r->said_done = done;
    r->said_us = now;
    for (size_t i = 0; i < r->next->n_seats; i++) {
        const struct seat *seat = &r->next->seats[i];

        if (seat->to_push > 0) {
            rollout_say(r, "push", seat->member->name, seat->pushed,
                        seat->to_push, "");
        }
    }
}

/* A member that has been away for too long, or NULL. */
static const struct member *find_lost(const struct rollout *r)
{
    uint64_t now = io_now_us(r->c->io);
    uint64_t most_ms = r->is_recovery ? LOST_AGAIN_MS : LOST_MS;

    for (size_t i = 0; i < r->next->n_seats; i++) {
        const struct member *m = r->next->seats[i].member;

        if (!members_is_ready(m) && now - m->down_us > most_ms * 1000 &&
            seat_is_needed(&r->next->seats[i])) {
            return m;
        }
    }
    return NULL;
}

static bool wants_no_golden(const struct rollout *r)
{
    const struct cluster *cluster =
        r->is_recovery ? r->deployment->cluster : r->cluster;

    return cluster->rollout.golden == CLUSTER_GOLDEN_NONE;
}

static void look_at_seats(struct rollout *r)
{
    const struct seat *failed = placement_failed(r->next);
    const struct member *lost = find_lost(r);
    uint64_t quiet = io_now_us(r->c->io) - r->next->progress_us;
    bool is_ready = placement_is_ready(r->next);
    char text[800];

    say_pushes(r, is_ready || failed != NULL);
    if (failed != NULL) {
        (void)snprintf(text, sizeof(text), "%s: %s", failed->member->name,
                       failed->why);
        rollout_finish(r, failed->rc, text);
    } else if (is_ready && wants_no_golden(r)) {
        rollout_begin_keeping(r);
    } else if (is_ready) {
        rollout_begin_golden(r);
    } else if (lost != NULL) {
        (void)snprintf(text, sizeof(text), "%s was lost: %s", lost->name,
                       lost->why);
        rollout_finish(r, EDGE_EUNREACHABLE, text);
    } else if (quiet > (uint64_t)INSTALL_MS * 1000) {
        rollout_finish(r, EDGE_ETIMEOUT,
                       "a device has not got ready. Try: edgectl nodes");
    }
}

void rollout_look(struct rollout *r)
{
    if (r->step == ROLLOUT_DEVICES) {
        look_at_devices(r);
    } else if (r->step == ROLLOUT_INSTALLING) {
        look_at_seats(r);
    }
}

void rollout_poke(struct coordinator *c)
{
    list_each(&c->rollouts, it, after)
    {
        rollout_look(list_entry(it, struct rollout, link));
    }
    train_poke(c);
}

void rollout_tick(struct coordinator *c)
{
    rollout_poke(c);
}

void rollout_peer_gone(struct coordinator *c, struct io_peer *peer)
{
    list_each(&c->rollouts, it, after)
    {
        struct rollout *r = list_entry(it, struct rollout, link);

        if (r->client == peer) {
            r->client = NULL;
        }
    }
}

void rollout_stop_all(struct coordinator *c)
{
    list_each(&c->rollouts, it, after)
    {
        struct rollout *r = list_entry(it, struct rollout, link);

        rollout_refuse(
            r->client, EDGE_ECLOSED,
            "the coordinator stopped before the deploy was done; what was "
            "in force stays in force. Try again");
        r->client = NULL;
    }
}

void rollout_free_all(struct coordinator *c)
{
    list_each(&c->rollouts, it, after)
    {
        rollout_free(list_entry(it, struct rollout, link));
    }
}

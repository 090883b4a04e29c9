/*
 * Which certificates are refused: kept, used here, told to every node.
 *
 *   Revoke -> job: denied in state.db, the list written for TLS
 *          -> in force here, the node parted with, all told -> Result
 *
 * Whoever revoked hears that it is done when it is; after a crash in between
 * the list is written again from state.db before anybody is let in.
 */
#include "coordinator/authority.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* Where it is not known how long a certificate is good: longer than its
 * authority. */
#define FOR_EVER_S (21ll * 366 * 86400)

static void send_denied(struct coordinator *c, struct io_peer *peer)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Denied denied = EDGED__DENIED__INIT;
    size_t n = c->authority.n_denied;

    denied.spki = mem_array(ProtobufCBinaryData, n > 0 ? n : 1);
    if (denied.spki == NULL) {
        return; /* the next connection says it */
    }
    for (size_t i = 0; i < n; i++) {
        denied.spki[i].data = c->authority.denied[i].bytes;
        denied.spki[i].len = sizeof(c->authority.denied[i].bytes);
    }
    denied.n_spki = n;
    env.body_case = EDGED__ENVELOPE__BODY_DENIED;
    env.denied = &denied;
    (void)io_send(peer, &env, NULL);
    mem_free(denied.spki);
}

void authority_member_up(struct coordinator *c, struct io_peer *peer)
{
    if (c->authority.is_made) {
        send_denied(c, peer);
    }
}

static void run_deny(struct authority_job *job)
{
    struct coordinator *c = job->c;

    job->denied = mem_array(struct digest, LIMIT_DENIED);
    job->rc = job->denied == NULL
                  ? err_set(&job->err, EDGE_ENOMEM, "out of memory")
                  : state_load_denied(c->state, authority_now_s(), job->denied,
                                      &job->n_denied, &job->err);
    if (job->rc == 0) {
        job->rc = pki_save_denied(c->folder, c->authority.store_flags,
                                  job->denied, job->n_denied, &job->err);
    }
}

/* In force here, and told to every node. */
static int use_denied(struct authority_job *job)
{
    struct coordinator *c = job->c;
    int rc;

    mem_free(c->authority.denied);
    c->authority.denied = job->denied;
    c->authority.n_denied = job->n_denied;
    job->denied = NULL;
    rc = c->authority.tls->apply(c->authority.tls->arg, &job->err);
    list_each(&c->members, it, after)
    {
        const struct member *m = list_entry(it, struct member, link);

        if (m->peer != NULL && m->peer->up) {
            send_denied(c, m->peer);
        }
    }
    return rc;
}

static void finish_deny(struct authority_job *job)
{
    if (job->rc == 0) {
        job->rc = use_denied(job);
    }
    if (job->rc < 0) {
        log_event(job->c->log, LOG_ERROR, "authority.deny_failed", "why=\"%s\"",
                  job->err.text);
    }
}

void authority_deny(struct coordinator *c)
{
    struct authority_job *job = NULL;
    struct err err;

    if (authority_job_new(c, NULL, &job, &err) < 0) {
        log_event(c->log, LOG_ERROR, "authority.deny_failed", "why=\"%s\"",
                  err.text);
        return;
    }
    authority_job_start(job, run_deny, finish_deny);
}

/* ---- Revoke -------------------------------------------------------------- */

static void run_revoke(struct authority_job *job)
{
    int64_t now_s = authority_now_s();
    size_t n = 0;

    job->rc =
        state_deny(job->c->state, job->name, job->has_spki ? &job->spki : NULL,
                   now_s, now_s + FOR_EVER_S, &n, &job->err);
    if (job->rc == 0 && n == 0) {
        job->rc = err_set(&job->err, EDGE_ENOENT,
                          "no certificate of \"%s\" is known that has not "
                          "expired. Members:  edgectl nodes",
                          job->name);
    }
    if (job->rc == 0) {
        run_deny(job);
    }
}

static void finish_revoke(struct authority_job *job)
{
    struct coordinator *c = job->c;
    struct member *m = members_find(c, job->name);

    if (job->rc == 0) {
        event_note(c, EVENT_CERTIFICATE, job->name, "was revoked");
        if (m != NULL) {
            members_revoke(c, m);
        }
        job->rc = use_denied(job);
    }
    if (job->peer != NULL) {
        authority_result(job->peer, job->rc,
                         job->rc < 0 ? job->err.text : job->name);
    }
}

void authority_on_revoke(struct coordinator *c, struct io_peer *peer,
                         struct msg *msg)
{
    const char *node = msg->env->revoke->node;
    const struct member *m = members_find(c, node);
    struct authority_job *job = NULL;
    struct err err;
    int rc = authority_check(c, &err);

    if (rc == 0 && !pki_name_ok(node)) {
        rc = err_set(&err, EDGE_EINVAL, "\"%.80s\" is not a name", node);
    }
    if (rc == 0) {
        rc = authority_job_new(c, peer, &job, &err);
    }
    if (rc < 0) {
        authority_result(peer, rc, err.text);
        return;
    }
    (void)snprintf(job->name, sizeof(job->name), "%s", node);
    if (m != NULL && m->peer != NULL && m->peer->up && m->peer->secure) {
        job->has_spki = true;
        memcpy(job->spki.bytes, m->peer->spki, sizeof(job->spki.bytes));
    }
    authority_job_start(job, run_revoke, finish_revoke);
}

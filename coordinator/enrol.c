/*
 * A board becomes a member, and stays one.
 *
 *   Enrol -> job: is the token good, is the request proper?
 *         -> is a board of that name here already?
 *         -> job: sign, use up the token, keep who it is -> EnrolReply, dial
 *   Renew -> job: is it the key that the connection proved? sign -> EnrolReply
 *
 * Who has no token learns nothing, is hung up on, and costs a look at the
 * tokens: nothing is signed for it, and nothing is kept of it but one line in
 * the log a second.
 */
#include "coordinator/authority.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static void reply(struct io_peer *peer, int rc, const char *text,
                  const struct authority_job *job)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__EnrolReply enrol = EDGED__ENROL_REPLY__INIT;

    enrol.code = rc;
    enrol.text = (char *)(uintptr_t)text;
    if (job != NULL && rc == 0) {
        enrol.cert_pem = job->cert_pem;
        enrol.ca_pem = job->ca_pem;
        enrol.cluster = (char *)(uintptr_t)job->cluster;
    }
    env.body_case = EDGED__ENVELOPE__BODY_ENROL_REPLY;
    env.enrol_reply = &enrol;
    (void)io_send(peer, &env, NULL);
}

/* Signs what was checked; the authority's key leaves memory again. */
static int issue(struct authority_job *job, int64_t now_s)
{
    struct pki_issue what = {PKI_NODE, job->name, now_s,
                             (int64_t)(job->ttl_ms / 1000)};
    struct pki_set set = {0};
    struct pki_cert ca;
    int rc = authority_load(job->c, &set, &job->err);

    if (rc == 0) {
        rc = pki_read(set.ca_pem, &ca, &job->err);
    }
    if (rc == 0) {
        rc = pki_issue(set.ca_pem, set.ca_key_pem, job->csr, job->csr_size,
                       &what, &job->cert_pem, &job->err);
    }
    if (rc == 0) {
        memcpy(job->cluster, ca.name, sizeof(job->cluster));
        job->ca_pem = mem_strdup(set.ca_pem);
        rc = job->ca_pem != NULL
                 ? 0
                 : err_set(&job->err, EDGE_ENOMEM, "out of memory");
    }
    pki_set_deinit(&set);
    return rc;
}

/* It must be a request for the name that was said. */
static int check_request(struct authority_job *job, struct digest *spki)
{
    char name[LIMIT_NAME + 1];
    int rc = pki_check_csr(job->csr, job->csr_size, name, spki, &job->err);

    if (rc == 0 && strcmp(name, job->name) != 0) {
        rc = err_set(&job->err, EDGE_EREFUSED,
                     "%s asks for a certificate of %s", job->name, name);
    }
    return rc;
}

/* ---- Enrol --------------------------------------------------------------- */

static struct state_admit admit_of(const struct authority_job *job)
{
    struct state_admit admit = {
        .node = {(char *)(uintptr_t)job->name, (char *)(uintptr_t)job->host,
                 job->port},
        .spki = job->spki,
        .now_s = authority_now_s(),
    };

    admit.not_after_s = admit.now_s + (int64_t)(job->ttl_ms / 1000);
    token_hash(job->token.secret, &admit.hash);
    return admit;
}

/* The token first: to look at a request costs more. */
static void run_look(struct authority_job *job)
{
    struct state_admit admit = admit_of(job);

    job->rc = state_knows_token(job->c->state, &admit.hash, &job->err);
    if (job->rc == 0) {
        job->rc = check_request(job, &job->spki);
        admit.spki = job->spki;
    }
    if (job->rc == 0) {
        job->rc = state_may_admit(job->c->state, &admit, &job->err);
    }
}

static void run_enrol(struct authority_job *job)
{
    struct state_admit admit = admit_of(job);

    job->rc = issue(job, admit.now_s);
    if (job->rc == 0) { /* last: from here on the token is used up */
        job->rc = state_admit(job->c->state, &admit, &job->err);
    }
}

/* Events are few, and shall not be pushed out by whoever comes along. */
static void note_refused(struct authority_job *job)
{
    struct authority *a = &job->c->authority;
    uint64_t now_us = io_now_us(job->c->io);

    if (a->refused_us != 0 && now_us - a->refused_us < 1000000) {
        return;
    }
    a->refused_us = now_us;
    if (job->rc == EDGE_ENOENT) {
        log_event(job->c->log, LOG_WARN, "enrol.refused",
                  "name=%s host=%s why=\"%s\"", job->name, job->host,
                  job->err.text);
    } else {
        event_note(job->c, EVENT_CERTIFICATE, job->name, "was refused: %.200s",
                   job->err.text);
    }
}

static void refuse(struct io_peer *peer, int rc, const char *why)
{
    reply(peer, rc, why, NULL);
    io_hang_up(peer, rc, "that was all that you may ask");
}

static void finish_refused(struct authority_job *job)
{
    note_refused(job);
    if (job->peer != NULL) {
        refuse(job->peer, job->rc, job->err.text);
    }
}

static void finish_enrol(struct authority_job *job)
{
    struct coordinator *c = job->c;
    struct member *m;
    struct err err;

    if (job->rc < 0) {
        finish_refused(job);
        return;
    }
    if (job->peer != NULL) {
        reply(job->peer, 0, "", job);
    }
    event_note(c, EVENT_CERTIFICATE, job->name, "joined from %s port %d",
               job->host, job->port);
    authority_deny(c); /* what that name had before */
    if (members_add(c, job->name, job->host, job->port, &m, &err) < 0) {
        log_event(c->log, LOG_ERROR, "node.not_dialed", "node=%s why=\"%s\"",
                  job->name, err.text);
    }
}

/* Two boards of one name are a mistake; the same board once more is not. */
static int check_taken(struct authority_job *job)
{
    const struct member *m = members_find(job->c, job->name);

    if (m == NULL || !members_is_ready(m) || strcmp(m->host, job->host) == 0) {
        return 0;
    }
    return err_set(
        &job->err, EDGE_EEXIST,
        "a board called %s is a member already, at %s. Give this "
        "one another name:  \"name:\" in /etc/edged/edged.yaml, then "
        "edged join again (the token is still good)",
        job->name, m->host);
}

/* Only who has a good token is told who is a member. */
static void finish_look(struct authority_job *job)
{
    if (job->rc == 0) {
        job->rc = check_taken(job);
    }
    if (job->rc < 0) {
        finish_refused(job);
    } else {
        authority_job_start(job, run_enrol, finish_enrol);
    }
}

static int fill(struct authority_job *job, const Edged__Enrol *enrol,
                const struct io_peer *peer, struct err *err)
{
    const char *host = enrol->host[0] != '\0' ? enrol->host : peer->host;

    if (enrol->secret.len != sizeof(job->token.secret) ||
        !pki_name_ok(enrol->name) || enrol->port < 1 || enrol->port > 65535 ||
        host[0] == '\0' || strlen(host) >= sizeof(job->host)) {
        return err_set(err, EDGE_EPROTO, "an Enrol that says too little");
    }
    memcpy(job->token.secret, enrol->secret.data, enrol->secret.len);
    (void)snprintf(job->name, sizeof(job->name), "%s", enrol->name);
    (void)snprintf(job->host, sizeof(job->host), "%s", host);
    job->port = (int)enrol->port;
    job->ttl_ms = authority_cert_ttl_ms(job->c);
    return authority_job_csr(job, &enrol->csr, err);
}

void authority_on_enrol(struct coordinator *c, struct io_peer *peer,
                        struct msg *msg)
{
    struct authority_job *job = NULL;
    struct err err;
    int rc = authority_check(c, &err);

    if (rc == 0 && peer->user != NULL) {
        rc = err_set(&err, EDGE_EBUSY, "one Enrol on a connection");
    }
    if (rc == 0) {
        rc = authority_job_new(c, peer, &job, &err);
    }
    if (rc == 0) {
        rc = fill(job, msg->env->enrol, peer, &err);
    }
    if (rc < 0) {
        authority_job_free(job);
        refuse(peer, rc, err.text);
        return;
    }
    peer->user = c; /* no second one */
    authority_job_start(job, run_look, finish_look);
}

/* ---- Renew --------------------------------------------------------------- */

static void run_renew(struct authority_job *job)
{
    int64_t now_s = authority_now_s();
    struct digest spki;

    job->rc = check_request(job, &spki);
    if (job->rc == 0 && !digest_equal(&spki, &job->spki)) {
        job->rc = err_set(&job->err, EDGE_EREFUSED,
                          "%s asks for a certificate of another key: that "
                          "needs a token",
                          job->name);
    }
    if (job->rc == 0) {
        job->rc = state_may_renew(job->c->state, &spki, &job->err);
    }
    if (job->rc == 0) {
        job->rc = issue(job, now_s);
    }
    if (job->rc == 0) {
        job->rc =
            state_put_cert(job->c->state, &spki, job->name,
                           now_s + (int64_t)(job->ttl_ms / 1000), &job->err);
    }
}

static void finish_renew(struct authority_job *job)
{
    event_note(job->c, EVENT_CERTIFICATE, job->name, "%s%.200s",
               job->rc < 0 ? "was not renewed: " : "was renewed",
               job->rc < 0 ? job->err.text : "");
    if (job->peer != NULL) {
        reply(job->peer, job->rc, job->rc < 0 ? job->err.text : "", job);
    }
}

void authority_on_renew(struct coordinator *c, struct io_peer *peer,
                        struct msg *msg)
{
    struct authority_job *job = NULL;
    struct err err;
    int rc = authority_check(c, &err);

    if (rc == 0 && !peer->secure) {
        rc = err_set(&err, EDGE_EREFUSED, "there is no TLS here");
    }
    if (rc == 0) {
        rc = authority_job_new(c, peer, &job, &err);
    }
    if (rc == 0) {
        rc = authority_job_csr(job, &msg->env->renew->csr, &err);
    }
    if (rc < 0) {
        reply(peer, rc, err.text, NULL);
        authority_job_free(job);
        return;
    }
    memcpy(job->name, peer->name, sizeof(job->name));
    memcpy(job->spki.bytes, peer->spki, sizeof(job->spki.bytes));
    job->ttl_ms = authority_cert_ttl_ms(c);
    authority_job_start(job, run_renew, finish_renew);
}

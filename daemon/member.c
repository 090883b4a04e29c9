/*
 * This node's certificate: joining with a token, renewal, what is refused.
 *
 *   Join (edged join)  -> job: enrol, store -> apply -> Result
 *   two thirds of its life over
 *                      -> job: request -> Renew -> EnrolReply
 *                      -> job: check, store -> apply
 *   Denied             -> job: store -> apply
 *
 * A renewal that fails or gets no answer is tried again; until the certificate
 * has expired nothing is lost. One job at a time; a list that comes during one
 * waits in `next_denied`.
 */
#include "daemon/member.h"

#include "base/mem.h"
#include "pki/folder.h"
#include "pki/token.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define JOB_US 20000 /* expected; for simulated time */

static int64_t now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec;
}

/* ---- jobs ---------------------------------------------------------------- */

static void job_free(struct member_job *job)
{
    if (job == NULL) {
        return;
    }
    if (job->token != NULL) {
        pki_forget(job->token);
    }
    mem_free(job->cert_pem);
    mem_free(job->csr);
    mem_free(job->denied);
    mem_free(job);
}

static void on_run(struct io_work *work)
{
    struct member_job *job = container_of(work, struct member_job, work);

    job->run(job);
}

static void go_on(struct daemon *d);

static void on_done(struct io_work *work)
{
    struct member_job *job = container_of(work, struct member_job, work);
    struct daemon *d = job->d;

    d->member.job = NULL;
    if (!d->closing) {
        job->finish(job);
    }
    job_free(job);
    if (!d->closing) {
        go_on(d);
    }
}

static struct member_job *job_new(struct daemon *d)
{
    struct member_job *job =
        d->member.job == NULL ? mem_new(struct member_job) : NULL;

    if (job != NULL) {
        job->d = d;
    }
    return job;
}

static void job_start(struct member_job *job,
                      void (*run)(struct member_job *job),
                      void (*finish)(struct member_job *job))
{
    job->run = run;
    job->finish = finish;
    job->work.run = on_run;
    job->work.done = on_done;
    job->work.cost_us = JOB_US;
    job->d->member.job = job;
    io_work(job->d->io, IO_DISK, &job->work);
}

void member_free(struct daemon *d)
{
    job_free(d->member.job);
    job_free(d->member.next_denied);
}

static int apply(struct daemon *d, struct err *err)
{
    return d->member.tls->apply(d->member.tls->arg, err);
}

/* ---- when to renew ------------------------------------------------------- */

static int read_own(const struct daemon *d, int64_t *renew_at_s,
                    struct err *err)
{
    struct pki_set set;
    struct pki_cert cert;
    int rc = pki_load(d->folder, &set, err);

    if (rc == 0) {
        rc = pki_read(set.cert_pem, &cert, err);
        *renew_at_s = rc == 0 ? pki_renew_at_s(&cert) : 0;
        pki_set_deinit(&set);
    }
    return rc;
}

static void run_look(struct member_job *job)
{
    job->rc = read_own(job->d, &job->renew_at_s, &job->err);
}

static void finish_look(struct member_job *job)
{
    if (job->rc == 0) {
        job->d->member.renew_at_s = job->renew_at_s;
    } else if (job->rc != EDGE_ENOENT) {
        log_event(job->d->log, LOG_ERROR, "member.unreadable", "why=\"%s\"",
                  job->err.text);
    }
}

static void look(struct daemon *d)
{
    struct member_job *job = job_new(d);

    if (job != NULL) {
        job_start(job, run_look, finish_look);
    }
}

void member_start(struct daemon *d)
{
    if (d->member.tls != NULL) {
        look(d);
    }
}

/* ---- renewal ------------------------------------------------------------- */

static void run_request(struct member_job *job)
{
    struct pki_set set;

    job->rc = pki_load(job->d->folder, &set, &job->err);
    if (job->rc == 0) {
        job->rc = pki_make_csr(set.key_pem, job->d->name, &job->csr,
                               &job->csr_size, &job->err);
        pki_set_deinit(&set);
    }
}

static void finish_request(struct member_job *job)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Renew renew = EDGED__RENEW__INIT;
    struct daemon *d = job->d;

    if (job->rc < 0) {
        log_event(d->log, LOG_ERROR, "member.not_renewed", "why=\"%s\"",
                  job->err.text);
        return;
    }
    if (d->coordinator == NULL) {
        return; /* it went; the next beat begins again */
    }
    renew.csr.data = job->csr;
    renew.csr.len = job->csr_size;
    env.body_case = EDGED__ENVELOPE__BODY_RENEW;
    env.renew = &renew;
    (void)io_send(d->coordinator, &env, NULL);
}

void member_tick(struct daemon *d)
{
    struct member_job *job;

    if (d->member.renew_at_s == 0 || d->coordinator == NULL ||
        now_s() < d->member.renew_at_s ||
        io_now_ms(d->io) < d->member.renew_after_ms) {
        return;
    }
    job = job_new(d);
    if (job != NULL) {
        d->member.renew_after_ms = io_now_ms(d->io) + RENEW_AGAIN_MS;
        job_start(job, run_request, finish_request);
    }
}

/* It must be of this cluster, of this key, and for this node. */
static void run_renewed(struct member_job *job)
{
    struct daemon *d = job->d;
    struct pki_set set;
    struct pki_cert cert;

    job->rc = pki_load(d->folder, &set, &job->err);
    if (job->rc < 0) {
        return;
    }
    job->rc = pki_check_set(set.ca_pem, job->cert_pem, set.key_pem, &job->err);
    if (job->rc == 0) {
        job->rc = pki_read(job->cert_pem, &cert, &job->err);
    }
    if (job->rc == 0 &&
        (cert.role != PKI_NODE || strcmp(cert.name, d->name) != 0)) {
        job->rc = err_set(&job->err, EDGE_EPROTO,
                          "the new certificate is not one of node %s", d->name);
    }
    if (job->rc == 0) {
        job->rc =
            pki_save_cert(d->folder, d->store_flags, job->cert_pem, &job->err);
        job->renew_at_s = pki_renew_at_s(&cert);
    }
    pki_set_deinit(&set);
}

static void finish_renewed(struct member_job *job)
{
    struct daemon *d = job->d;

    if (job->rc == 0) {
        d->member.renew_at_s = job->renew_at_s;
        job->rc = apply(d, &job->err);
    }
    log_event(d->log, job->rc < 0 ? LOG_ERROR : LOG_INFO, "member.renewed",
              "rc=%s why=\"%s\"", err_name(job->rc),
              job->rc < 0 ? job->err.text : "");
}

void member_on_reply(struct daemon *d, struct io_peer *peer, struct msg *msg)
{
    const Edged__EnrolReply *reply = msg->env->enrol_reply;
    struct member_job *job;

    (void)peer;
    if (reply->code < 0) {
        if (reply->code != EDGE_EBUSY) {
            d->member.renew_after_ms = io_now_ms(d->io) + RENEW_REFUSED_MS;
        }
        log_event(d->log, LOG_ERROR, "member.not_renewed", "why=\"%.300s\"",
                  reply->text);
        return;
    }
    job = d->member.tls != NULL ? job_new(d) : NULL;
    if (job != NULL) {
        job->cert_pem = mem_strdup(reply->cert_pem);
    }
    if (job == NULL || job->cert_pem == NULL) {
        job_free(job); /* asked for again soon */
        return;
    }
    job_start(job, run_renewed, finish_renewed);
}

/* ---- who is refused ------------------------------------------------------ */

static void run_denied(struct member_job *job)
{
    job->rc = pki_save_denied(job->d->folder, job->d->store_flags, job->denied,
                              job->n_denied, &job->err);
}

static void finish_denied(struct member_job *job)
{
    if (job->rc == 0) {
        job->rc = apply(job->d, &job->err);
    }
    if (job->rc < 0) {
        job->d->member.knows_denied = false; /* it is not in force */
    }
    log_event(job->d->log, job->rc < 0 ? LOG_ERROR : LOG_INFO, "member.denied",
              "n=%zu rc=%s why=\"%s\"", job->n_denied, err_name(job->rc),
              job->rc < 0 ? job->err.text : "");
}

/* What came while another job ran. */
static void go_on(struct daemon *d)
{
    struct member_job *job = d->member.next_denied;

    if (job != NULL && d->member.job == NULL) {
        d->member.next_denied = NULL;
        job_start(job, run_denied, finish_denied);
    }
}

/* The list that is kept already is not written again at every connection. */
static bool is_news(struct daemon *d, const struct member_job *job)
{
    struct digest all;

    digest_of(job->denied, job->n_denied * sizeof(job->denied[0]), &all);
    if (d->member.knows_denied && digest_equal(&all, &d->member.denied)) {
        return false;
    }
    d->member.denied = all;
    d->member.knows_denied = true;
    return true;
}

void member_on_denied(struct daemon *d, struct io_peer *peer, struct msg *msg)
{
    const Edged__Denied *denied = msg->env->denied;
    struct member_job *job;

    if (d->member.tls == NULL) {
        return; /* plain text: nobody has a certificate */
    }
    if (denied->n_spki > LIMIT_DENIED) {
        io_hang_up(peer, EDGE_EPROTO, "too many certificates are denied");
        return;
    }
    job = mem_new(struct member_job);
    if (job != NULL) {
        job->d = d;
        job->denied = mem_array(struct digest, denied->n_spki + 1);
    }
    for (size_t i = 0; job != NULL && job->denied != NULL && i < denied->n_spki;
         i++) {
        if (denied->spki[i].len == sizeof(job->denied[0].bytes)) {
            memcpy(job->denied[job->n_denied++].bytes, denied->spki[i].data,
                   sizeof(job->denied[0].bytes));
        }
    }
    if (job == NULL || job->denied == NULL || !is_news(d, job)) {
        job_free(job);
        return;
    }
    job_free(d->member.next_denied);
    d->member.next_denied = job;
    go_on(d);
}

/* ---- joining ------------------------------------------------------------- */

static void send_result(struct io_peer *peer, int rc, const char *text)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Result result = EDGED__RESULT__INIT;

    result.code = rc;
    result.text = (char *)(uintptr_t)text;
    env.body_case = EDGED__ENVELOPE__BODY_RESULT;
    env.result = &result;
    (void)io_send(peer, &env, NULL);
}

/* It has a loop of its own there, and blocks until it is a member or not. */
static void run_join(struct member_job *job)
{
    const struct daemon_tls *tls = job->d->member.tls;

    job->rc = tls->enrol(tls->arg, job->token, &job->err);
    if (job->rc == 0) {
        job->rc = read_own(job->d, &job->renew_at_s, &job->err);
    }
}

static void finish_join(struct member_job *job)
{
    struct daemon *d = job->d;

    if (job->rc == 0) {
        d->member.renew_at_s = job->renew_at_s;
        d->member.knows_denied = false; /* the list was another cluster's */
        d->member.renew_after_ms = 0;
        job->rc = apply(d, &job->err);
    }
    if (job->rc == 0 && d->coordinator != NULL) { /* of the old membership */
        io_hang_up(d->coordinator, EDGE_ECLOSED, "this board joined anew");
    }
    log_event(d->log, job->rc < 0 ? LOG_ERROR : LOG_INFO, "member.joined",
              "rc=%s why=\"%s\"", err_name(job->rc),
              job->rc < 0 ? job->err.text : "");
    if (d->member.asker != NULL) {
        send_result(d->member.asker, job->rc,
                    job->rc < 0 ? job->err.text : d->name);
    }
    d->member.asker = NULL;
}

void member_on_join(struct daemon *d, struct io_peer *peer, struct msg *msg)
{
    struct member_job *job;

    if (d->member.tls == NULL) {
        send_result(peer, EDGE_EREFUSED,
                    "this daemon runs in plain text, as --insecure asked for. "
                    "Start it without");
        return;
    }
    job = job_new(d);
    if (job != NULL) {
        job->token = mem_strdup(msg->env->join->token);
    }
    if (job == NULL || job->token == NULL) {
        job_free(job);
        send_result(peer, EDGE_EBUSY,
                    "the daemon is busy with its certificate; try again");
        return;
    }
    d->member.asker = peer;
    job_start(job, run_join, finish_join);
}

void member_peer_gone(struct daemon *d, const struct io_peer *peer)
{
    if (d->member.asker == peer) {
        d->member.asker = NULL;
    }
}

/*
 * What the files of membership share: jobs on the disk strand, of which there
 * are only so many. Who has no certificate yet may have few of them in all, and
 * they count until they are done, for whoever asks may go and come again.
 */
#include "coordinator/authority.h"

#include "base/mem.h"

#include <time.h>

#define JOB_US 20000 /* expected; for simulated time */

int64_t authority_now_s(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec;
}

/* ---- jobs ---------------------------------------------------------------- */

static size_t count_jobs(const struct coordinator *c, bool of_strangers)
{
    size_t n = 0;

    list_each(&c->authority.jobs, it, after)
    {
        n += !of_strangers ||
             list_entry(it, struct authority_job, link)->of_stranger;
    }
    return n;
}

int authority_job_new(struct coordinator *c, struct io_peer *peer,
                      struct authority_job **out, struct err *err)
{
    bool of_stranger = peer != NULL && peer->role == EDGED__ROLE__ROLE_NONE;
    struct authority_job *job;

    if (peer != NULL &&
        (count_jobs(c, false) >= LIMIT_MEMBER_JOBS ||
         (of_stranger && count_jobs(c, true) >= LIMIT_ENROLS))) {
        return err_set(err, EDGE_EBUSY,
                       "the coordinator is busy with other certificates; try "
                       "again in a moment");
    }
    job = mem_new(struct authority_job);
    if (job == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    job->c = c;
    job->peer = peer;
    job->of_stranger = of_stranger;
    list_init(&job->link);
    *out = job;
    return 0;
}

void authority_job_free(struct authority_job *job)
{
    if (job == NULL) {
        return;
    }
    list_unlink(&job->link);
    token_forget(&job->token);
    mem_free(job->csr);
    mem_free(job->ca_pem);
    mem_free(job->cert_pem);
    mem_free(job->denied);
    mem_free(job);
}

static void on_run(struct io_work *work)
{
    struct authority_job *job = container_of(work, struct authority_job, work);

    job->run(job);
}

static void on_done(struct io_work *work)
{
    struct authority_job *job = container_of(work, struct authority_job, work);

    list_unlink(&job->link);
    if (!job->c->closing) {
        job->finish(job);
    }
    if (list_is_empty(&job->link)) { /* else it has been started again */
        authority_job_free(job);
    }
}

void authority_job_start(struct authority_job *job,
                         void (*run)(struct authority_job *job),
                         void (*finish)(struct authority_job *job))
{
    list_push(&job->c->authority.jobs, &job->link);
    job->run = run;
    job->finish = finish;
    job->work.run = on_run;
    job->work.done = on_done;
    job->work.cost_us = JOB_US;
    io_work(job->c->io, IO_DISK, &job->work);
}

int authority_job_csr(struct authority_job *job, const ProtobufCBinaryData *csr,
                      struct err *err)
{
    job->csr = csr->len > 0 ? mem_dup(csr->data, csr->len) : NULL;
    job->csr_size = csr->len;
    return csr->len > 0 && job->csr == NULL
               ? err_set(err, EDGE_ENOMEM, "out of memory")
               : 0;
}

void authority_peer_gone(struct coordinator *c, const struct io_peer *peer)
{
    list_each(&c->authority.jobs, it, after)
    {
        struct authority_job *job = list_entry(it, struct authority_job, link);

        job->peer = job->peer == peer ? NULL : job->peer;
    }
}

void authority_free(struct coordinator *c)
{
    list_each(&c->authority.jobs, it, after)
    {
        authority_job_free(list_entry(it, struct authority_job, link));
    }
    mem_free(c->authority.denied);
}

int authority_check(const struct coordinator *c, struct err *err)
{
    if (c->authority.is_made) {
        return 0;
    }
    if (c->insecure || c->authority.tls == NULL) {
        return err_set(err, EDGE_EREFUSED,
                       "this coordinator runs in plain text, as --insecure "
                       "asked for: it has no certificates. Start it without");
    }
    return err_set(err, EDGE_EREFUSED,
                   "this cluster has no certificates yet. Make them:  edgectl "
                   "init");
}

void authority_result(struct io_peer *peer, int rc, const char *text)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Result result = EDGED__RESULT__INIT;

    result.code = rc;
    result.text = (char *)(uintptr_t)text;
    env.body_case = EDGED__ENVELOPE__BODY_RESULT;
    env.result = &result;
    (void)io_send(peer, &env, NULL);
}

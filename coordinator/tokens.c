/* edgectl token create: a secret that is good for one board. */
#include "coordinator/authority.h"

#include <stdio.h>
#include <string.h>

static void run_token(struct authority_job *job)
{
    struct coordinator *c = job->c;
    struct pki_set set = {0};
    struct pki_cert ca;
    struct digest hash;
    int64_t now_s = authority_now_s();

    job->rc = authority_load(c, &set, &job->err);
    if (job->rc == 0) {
        job->rc = pki_read(set.ca_pem, &ca, &job->err);
    }
    if (job->rc == 0) {
        job->token.fingerprint = ca.fingerprint;
        memcpy(job->token.cluster, ca.name, sizeof(ca.name));
        job->rc = token_make_secret(job->token.secret, &job->err);
    }
    if (job->rc == 0) {
        job->rc = token_write(&job->token, job->line, &job->err);
    }
    if (job->rc == 0) {
        token_hash(job->token.secret, &hash);
        job->rc =
            state_put_token(c->state, &hash, now_s,
                            now_s + (int64_t)(job->ttl_ms / 1000), &job->err);
    }
    pki_set_deinit(&set);
}

static void reply_token(struct io_peer *peer, int rc, const char *text,
                        const struct authority_job *job)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__TokenReply reply = EDGED__TOKEN_REPLY__INIT;

    reply.code = rc;
    reply.text = (char *)(uintptr_t)text;
    if (job != NULL && rc == 0) {
        reply.token = (char *)(uintptr_t)job->line;
        reply.ttl_ms = job->ttl_ms;
    }
    env.body_case = EDGED__ENVELOPE__BODY_TOKEN_REPLY;
    env.token_reply = &reply;
    (void)io_send(peer, &env, NULL);
}

static void finish_token(struct authority_job *job)
{
    if (job->rc == 0) { /* never the token itself */
        log_event(job->c->log, LOG_INFO, "token.made", "ttl_s=%llu",
                  (unsigned long long)(job->ttl_ms / 1000));
    }
    if (job->peer != NULL) {
        reply_token(job->peer, job->rc, job->rc < 0 ? job->err.text : "", job);
    }
    explicit_bzero(job->line, sizeof(job->line));
}

static void add_hosts(struct authority_job *job, char *const *hosts, size_t n)
{
    for (size_t i = 0; i < n && i < TOKEN_HOSTS; i++) {
        struct token_host *host = &job->token.hosts[i];

        (void)snprintf(host->host, sizeof(host->host), "%s", hosts[i]);
        host->port = job->c->authority.port;
        job->token.n_hosts = i + 1;
    }
}

/* What the user says, else where this coordinator listens, else all of its
 * machine's addresses. */
static int fill_token(struct authority_job *job,
                      const Edged__TokenRequest *request, struct err *err)
{
    struct coordinator *c = job->c;
    char *host = c->authority.host;

    if (request->n_hosts > 0) {
        add_hosts(job, request->hosts, request->n_hosts);
    } else if (c->authority.host[0] != '\0') {
        add_hosts(job, &host, 1);
    } else {
        add_hosts(job, request->found, request->n_found);
    }
    job->ttl_ms =
        request->ttl_ms > 0 ? request->ttl_ms : authority_token_ttl_ms(c);
    if (job->ttl_ms < 1000 || job->ttl_ms > TOKEN_TTL_MAX_MS) {
        return err_set(err, EDGE_EINVAL,
                       "a token is good for 1 s to 7 d, not longer");
    }
    return job->token.n_hosts > 0 ? 0
                                  : err_set(err, EDGE_EINVAL,
                                            "a token needs an address. Give "
                                            "it:  edgectl token create --host "
                                            "ADDRESS");
}

void authority_on_token(struct coordinator *c, struct io_peer *peer,
                        struct msg *msg)
{
    struct authority_job *job = NULL;
    struct err err;
    int rc = authority_check(c, &err);

    if (rc == 0) {
        rc = authority_job_new(c, peer, &job, &err);
    }
    if (rc == 0) {
        rc = fill_token(job, msg->env->token_request, &err);
    }
    if (rc < 0) {
        reply_token(peer, rc, err.text, NULL);
        authority_job_free(job);
        return;
    }
    authority_job_start(job, run_token, finish_token);
}

/* The cluster's authority: made once, kept, its own certificate renewed. */
#include "coordinator/authority.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

/* ---- Init ---------------------------------------------------------------- */

static int issue(const struct pki_set *set, const uint8_t *csr, size_t size,
                 enum pki_role role, const char *name, uint64_t ttl_ms,
                 char **pem, struct err *err)
{
    struct pki_issue what = {role, name, authority_now_s(),
                             (int64_t)(ttl_ms / 1000)};

    return pki_issue(set->ca_pem, set->ca_key_pem, csr, size, &what, pem, err);
}

static int issue_own(struct pki_set *set, uint64_t ttl_ms, struct err *err)
{
    uint8_t *csr = NULL;
    size_t size;
    char *pem = NULL;
    int rc = pki_make_csr(set->key_pem, "coordinator", &csr, &size, err);

    if (rc == 0) {
        rc = issue(set, csr, size, PKI_COORDINATOR, "coordinator", ttl_ms, &pem,
                   err);
    }
    if (rc == 0) {
        mem_free(set->cert_pem);
        set->cert_pem = pem;
    }
    mem_free(csr);
    return rc;
}

static int make(struct authority_job *job, struct pki_set *set)
{
    struct coordinator *c = job->c;
    int rc = pki_make_key(&set->ca_key_pem, &job->err);

    if (rc == 0) {
        rc = pki_make_ca(set->ca_key_pem, job->cluster, authority_now_s(),
                         &set->ca_pem, &job->err);
    }
    if (rc == 0) {
        rc = pki_make_key(&set->key_pem, &job->err);
    }
    if (rc == 0) {
        rc = issue_own(set, job->ttl_ms, &job->err);
    }
    if (rc == 0) {
        rc = pki_save(c->folder, c->authority.store_flags, set, &job->err);
    }
    job->made = rc == 0;
    return rc;
}

int authority_load(const struct coordinator *c, struct pki_set *set,
                   struct err *err)
{
    int rc = pki_load(c->folder, set, err);

    if (rc == 0 && set->ca_key_pem == NULL) {
        pki_set_deinit(set);
        rc = err_set(err, EDGE_EREFUSED,
                     "the key of the cluster's authority is not here but "
                     "wherever its certificates were made: there is no "
                     "%s/tls/ca-key.pem",
                     c->folder);
    }
    return rc;
}

static int note_own(struct authority_job *job, const struct pki_set *set)
{
    struct pki_cert cert;
    int rc = pki_read(set->ca_pem, &cert, &job->err);

    if (rc == 0) {
        memcpy(job->cluster, cert.name, sizeof(job->cluster));
        rc = pki_read(set->cert_pem, &cert, &job->err);
    }
    if (rc == 0) {
        job->renew_at_s = pki_renew_at_s(&cert);
    }
    return rc;
}

/* Kept, as those of nodes are, so that it can be revoked. */
static int keep_client(struct authority_job *job, const char *name,
                       const struct digest *spki)
{
    char kept[LIMIT_NAME + sizeof(STATE_CLIENT)];

    (void)snprintf(kept, sizeof(kept), STATE_CLIENT "%s", name);
    return state_put_cert(job->c->state, spki, kept,
                          authority_now_s() + (int64_t)(job->ttl_ms / 1000),
                          &job->err);
}

static int issue_client(struct authority_job *job, const struct pki_set *set)
{
    char name[LIMIT_NAME + 1];
    struct digest spki;
    int rc = 0;

    if (job->csr_size > 0) {
        rc = pki_check_csr(job->csr, job->csr_size, name, &spki, &job->err);
        if (rc == 0) {
            rc = issue(set, job->csr, job->csr_size, PKI_CLIENT, name,
                       job->ttl_ms, &job->cert_pem, &job->err);
        }
        if (rc == 0) {
            rc = keep_client(job, name, &spki);
        }
    }
    if (rc == 0) {
        job->ca_pem = mem_strdup(set->ca_pem);
        rc = job->ca_pem == NULL
                 ? err_set(&job->err, EDGE_ENOMEM, "out of memory")
                 : 0;
    }
    return rc;
}

static void run_init(struct authority_job *job)
{
    struct pki_set set = {0};

    job->rc = authority_load(job->c, &set, &job->err);
    if (job->rc == EDGE_ENOENT) {
        job->rc = make(job, &set);
    }
    if (job->rc == 0) {
        job->rc = note_own(job, &set);
    }
    if (job->rc == 0) {
        job->rc = issue_client(job, &set);
    }
    pki_set_deinit(&set);
}

static void reply_init(struct io_peer *peer, int rc, const char *text,
                       const struct authority_job *job)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__InitReply reply = EDGED__INIT_REPLY__INIT;

    reply.code = rc;
    reply.text = (char *)(uintptr_t)text;
    if (job != NULL && rc == 0) {
        reply.ca_pem = job->ca_pem;
        reply.cert_pem = job->cert_pem != NULL ? job->cert_pem : reply.text;
        reply.cluster = (char *)(uintptr_t)job->cluster;
        reply.made = job->made;
    }
    env.body_case = EDGED__ENVELOPE__BODY_INIT_REPLY;
    env.init_reply = &reply;
    (void)io_send(peer, &env, NULL);
}

/* The certificates on the disk are in force from here on. */
static int begin(struct coordinator *c, const struct authority_job *job,
                 struct err *err)
{
    int rc = 0;

    c->authority.renew_at_s = job->renew_at_s;
    c->authority.has_key = true;
    if (!c->authority.is_made) {
        rc = c->authority.tls->apply(c->authority.tls->arg, err);
        c->authority.is_made = rc == 0;
    }
    return rc;
}

static void finish_init(struct authority_job *job)
{
    if (job->rc == 0) {
        job->rc = begin(job->c, job, &job->err);
    }
    if (job->rc == 0 && job->made) {
        log_event(job->c->log, LOG_INFO, "authority.made", "cluster=%s",
                  job->cluster);
    }
    if (job->peer != NULL) {
        reply_init(job->peer, job->rc, job->rc < 0 ? job->err.text : "", job);
    }
}

void authority_on_init(struct coordinator *c, struct io_peer *peer,
                       struct msg *msg)
{
    const Edged__Init *init = msg->env->init;
    const char *cluster =
        init->name[0] != '\0' ? init->name : c->authority.cluster;
    struct authority_job *job = NULL;
    struct err err;
    int rc = 0;

    if (c->insecure || c->authority.tls == NULL) {
        rc = authority_check(c, &err);
    } else if (!pki_name_ok(cluster)) {
        rc = err_set(&err, EDGE_EINVAL, "\"%.80s\" is not a name", cluster);
    }
    if (rc == 0) {
        rc = authority_job_new(c, peer, &job, &err);
    }
    if (rc == 0) {
        rc = authority_job_csr(job, &init->csr, &err);
    }
    if (rc < 0) {
        reply_init(peer, rc, err.text, NULL);
        authority_job_free(job);
        return;
    }
    (void)snprintf(job->cluster, sizeof(job->cluster), "%s", cluster);
    job->ttl_ms = authority_cert_ttl_ms(c);
    authority_job_start(job, run_init, finish_init);
}

/* ---- the coordinator's own ----------------------------------------------- */

static void run_own(struct authority_job *job)
{
    struct coordinator *c = job->c;
    struct pki_set set = {0};

    job->rc = authority_load(c, &set, &job->err);
    if (job->rc == 0) {
        job->rc = issue_own(&set, job->ttl_ms, &job->err);
    }
    if (job->rc == 0) {
        job->rc = pki_save_cert(c->folder, c->authority.store_flags,
                                set.cert_pem, &job->err);
    }
    if (job->rc == 0) {
        job->rc = note_own(job, &set);
    }
    pki_set_deinit(&set);
}

static void finish_own(struct authority_job *job)
{
    struct coordinator *c = job->c;

    c->authority.is_renewing = false;
    if (job->rc == 0) {
        c->authority.renew_at_s = job->renew_at_s;
        job->rc = c->authority.tls->apply(c->authority.tls->arg, &job->err);
    }
    log_event(c->log, job->rc < 0 ? LOG_ERROR : LOG_INFO, "authority.renewed",
              "rc=%s why=\"%s\"", err_name(job->rc),
              job->rc < 0 ? job->err.text : "");
}

void authority_tick(struct coordinator *c)
{
    struct authority *a = &c->authority;
    struct authority_job *job;
    struct err err;

    if (!a->is_made || !a->has_key || a->is_renewing ||
        authority_now_s() < a->renew_at_s ||
        io_now_ms(c->io) < a->renew_after_ms) {
        return;
    }
    if (authority_job_new(c, NULL, &job, &err) == 0) {
        a->is_renewing = true;
        job->ttl_ms = authority_cert_ttl_ms(c);
        a->renew_after_ms = io_now_ms(c->io) + RENEW_AGAIN_MS;
        authority_job_start(job, run_own, finish_own);
    }
}

/* The file that was deployed last of those that say so comes before the
 * command line. */
static uint64_t ttl_of(const struct coordinator *c, bool of_token)
{
    uint64_t newest_ms = 0;
    uint64_t ttl_ms =
        of_token ? c->authority.token_ttl_ms : c->authority.cert_ttl_ms;

    list_each(&c->deployments, it, after)
    {
        const struct deployment *d = list_entry(it, struct deployment, link);
        uint64_t says_ms = 0;

        if (d->cluster != NULL) {
            says_ms = of_token ? d->cluster->security.token_ttl_ms
                               : d->cluster->security.cert_ttl_ms;
        }
        if (says_ms > 0 && d->deployed_at_ms >= newest_ms) {
            newest_ms = d->deployed_at_ms;
            ttl_ms = says_ms;
        }
    }
    return ttl_ms;
}

uint64_t authority_token_ttl_ms(const struct coordinator *c)
{
    return ttl_of(c, true);
}

uint64_t authority_cert_ttl_ms(const struct coordinator *c)
{
    return ttl_of(c, false);
}

void coordinator_listens(struct coordinator *c, const char *host, int port)
{
    bool is_any = strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;

    (void)snprintf(c->authority.host, sizeof(c->authority.host), "%s",
                   is_any ? "" : host);
    c->authority.port = port;
}

static int note_made(struct coordinator *c, struct pki_set *set,
                     struct err *err)
{
    struct pki_cert cert;
    int rc = pki_read(set->cert_pem, &cert, err);

    c->authority.has_key = set->ca_key_pem != NULL;
    if (rc == 0) {
        c->authority.renew_at_s = pki_renew_at_s(&cert);
        c->authority.denied = mem_array(struct digest, LIMIT_DENIED);
        rc = c->authority.denied == NULL
                 ? err_set(err, EDGE_ENOMEM, "out of memory")
                 : state_load_denied(c->state, authority_now_s(),
                                     c->authority.denied,
                                     &c->authority.n_denied, err);
    }
    if (rc == 0) { /* a crash may have come between the one and the other */
        rc = pki_save_denied(c->folder, c->authority.store_flags,
                             c->authority.denied, c->authority.n_denied, err);
    }
    c->authority.is_made = rc == 0;
    return rc;
}

int authority_start(struct coordinator *c, struct err *err)
{
    struct pki_set set = {0};
    int rc = 0;

    if (c->insecure || c->authority.tls == NULL) {
        return 0;
    }
    rc = pki_load(c->folder, &set, err);
    if (rc == 0) {
        rc = note_made(c, &set, err);
    }
    if (rc == 0) {
        rc = c->authority.tls->apply(c->authority.tls->arg, err);
    }
    pki_set_deinit(&set);
    if (rc == EDGE_ENOENT) {
        log_event(c->log, LOG_WARN, "authority.none",
                  "next=\"edgectl init\" why=\"no certificates yet\"");
        rc = 0;
    }
    return rc;
}

#include "daemon/enrol.h"

#include "base/limits.h"
#include "base/mem.h"
#include "net/io_uv.h"
#include "net/tls.h"
#include "pki/folder.h"
#include "pki/token.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

struct enrolment {
    const struct enrol_config *config;
    struct token token;
    struct io_uv *uv;
    struct io *io;
    struct io_peer *peer;
    struct io_timer limit;
    size_t at; /* the address that is tried */
    uint8_t *csr;
    size_t csr_size;
    struct pki_set set; /* its key, then all of it */
    int rc;             /* 1: not known yet */
    struct err err;
};

static void end(struct enrolment *e, int rc)
{
    e->rc = rc;
    io_uv_stop(e->uv);
}

/* ---- one address after the other ----------------------------------------- */

static void dial(struct enrolment *e);

static void next(struct enrolment *e)
{
    if (e->peer != NULL) {
        io_undial(e->peer);
        e->peer = NULL;
    }
    e->at++;
    dial(e);
}

static void on_limit(struct io_timer *timer)
{
    struct enrolment *e = container_of(timer, struct enrolment, limit);
    const struct token_host *host = &e->token.hosts[e->at];

    (void)err_set(&e->err, EDGE_EUNREACHABLE,
                  "the coordinator at %s port %d did not answer within %d s",
                  host->host, host->port, ENROL_MS / 1000);
    next(e);
}

static void dial(struct enrolment *e)
{
    const struct token_host *host = &e->token.hosts[e->at];

    if (e->at == e->token.n_hosts) {
        struct err last = e->err;

        end(e, err_set(&e->err, EDGE_EUNREACHABLE,
                       "%.300s. Does it run, and can this board reach it? "
                       "There:  systemctl status edge-coordinator",
                       last.text));
        return;
    }
    io_timer_start(e->io, &e->limit, ENROL_MS);
    if (io_dial(e->io, NULL, host->host, host->port, &e->peer, &e->err) < 0) {
        e->peer = NULL;
        next(e);
    }
}

/* A wrong fingerprint is final: the next address would not be better. */
static void on_refused(void *arg, struct io_peer *peer, int rc, const char *why)
{
    struct enrolment *e = arg;
    const struct token_host *host = &e->token.hosts[e->at];

    (void)peer;
    (void)err_set(&e->err, rc, "the coordinator at %s port %d: %s", host->host,
                  host->port, why);
    if (rc == EDGE_EREFUSED || rc == EDGE_EUNSUPPORTED) {
        end(e, rc);
    } else {
        next(e);
    }
}

/* ---- asking -------------------------------------------------------------- */

static void on_up(void *arg, struct io_peer *peer)
{
    struct enrolment *e = arg;
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Enrol enrol = EDGED__ENROL__INIT;
    int rc;

    enrol.secret.data = e->token.secret;
    enrol.secret.len = sizeof(e->token.secret);
    enrol.name = (char *)(uintptr_t)e->config->name;
    enrol.csr.data = e->csr;
    enrol.csr.len = e->csr_size;
    enrol.port = (uint32_t)e->config->port;
    enrol.host = (char *)(uintptr_t)e->config->host;
    env.body_case = EDGED__ENVELOPE__BODY_ENROL;
    env.enrol = &enrol;
    rc = io_send(peer, &env, NULL);
    if (rc < 0) {
        end(e, err_set(&e->err, rc, "cannot ask the coordinator: %s",
                       err_text(rc)));
    }
}

static void on_down(void *arg, struct io_peer *peer, int rc, const char *why)
{
    struct enrolment *e = arg;

    (void)peer;
    end(e, err_set(&e->err, rc, "the coordinator hung up: %s", why));
}

static int take(struct enrolment *e, const Edged__EnrolReply *reply)
{
    struct pki_cert cert;
    struct pki_cert ca;
    int rc;

    if (reply->code < 0) {
        return err_set(&e->err, reply->code, "%s", reply->text);
    }
    e->set.ca_pem = mem_strdup(reply->ca_pem);
    e->set.cert_pem = mem_strdup(reply->cert_pem);
    if (e->set.ca_pem == NULL || e->set.cert_pem == NULL) {
        return err_set(&e->err, EDGE_ENOMEM, "out of memory");
    }
    rc = pki_check_set(e->set.ca_pem, e->set.cert_pem, e->set.key_pem, &e->err);
    if (rc == 0) {
        rc = pki_read(e->set.ca_pem, &ca, &e->err);
    }
    if (rc == 0) {
        rc = pki_read(e->set.cert_pem, &cert, &e->err);
    }
    if (rc == 0 &&
        (!digest_equal(&ca.fingerprint, &e->token.fingerprint) ||
         cert.role != PKI_NODE || strcmp(cert.name, e->config->name) != 0)) {
        rc = err_set(&e->err, EDGE_EPROTO,
                     "the coordinator sent a certificate that was not asked "
                     "for");
    }
    return rc;
}

static void on_message(void *arg, struct io_peer *peer, struct msg *msg)
{
    struct enrolment *e = arg;

    (void)peer;
    if (msg->env->body_case == EDGED__ENVELOPE__BODY_ENROL_REPLY) {
        end(e, take(e, msg->env->enrol_reply));
    }
}

/* ---- all of it ----------------------------------------------------------- */

static int talk(struct enrolment *e, struct tls *tls)
{
    static const struct io_events events = {.on_up = on_up,
                                            .on_down = on_down,
                                            .on_message = on_message,
                                            .on_refused = on_refused};
    struct io_identity identity = {.role = EDGED__ROLE__ROLE_NONE,
                                   .name = e->config->name,
                                   .cluster = "",
                                   .version = e->config->version};
    int rc;

    (void)!getrandom(&identity.instance, sizeof(identity.instance), 0);
    rc = io_uv_new(&identity, NULL, &e->uv, &e->err);
    if (rc < 0) {
        return rc;
    }
    e->io = io_uv_io(e->uv);
    io_uv_secure(e->uv, tls, 0);
    io_uv_on(e->uv, &events, e);
    io_timer_init(&e->limit, on_limit);
    e->rc = 1;
    dial(e);
    if (e->rc > 0) {
        io_uv_run(e->uv);
    }
    io_uv_free(e->uv);
    return e->rc;
}

static int prepare(struct enrolment *e, const char *line, struct tls **tls)
{
    const char *cluster = e->config->cluster;
    int rc = token_read(line, &e->token, &e->err);

    if (rc == 0 && e->config->port == 0) {
        rc = err_set(&e->err, EDGE_EINVAL,
                     "the coordinator is to dial this node, but any free port "
                     "was asked for. Say which:  edged --port PORT");
    }
    if (rc == 0 && cluster[0] != '\0' &&
        strcmp(cluster, e->token.cluster) != 0) {
        rc = err_set(&e->err, EDGE_EREFUSED,
                     "the token is for cluster \"%s\", but this daemon was "
                     "started for cluster \"%s\". Make one there:  edgectl -c "
                     "%s token create",
                     e->token.cluster, cluster, cluster);
    }
    if (rc == 0) {
        rc = pki_make_key(&e->set.key_pem, &e->err);
    }
    if (rc == 0) {
        rc = pki_make_csr(e->set.key_pem, e->config->name, &e->csr,
                          &e->csr_size, &e->err);
    }
    return rc < 0 ? rc
                  : tls_new_joiner(e->token.fingerprint.bytes, tls, &e->err);
}

int enrol(const struct enrol_config *config, const char *line, struct err *err)
{
    struct enrolment *e = mem_new(struct enrolment);
    struct tls *tls = NULL;
    int rc;

    if (e == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    e->config = config;
    rc = prepare(e, line, &tls);
    if (rc == 0) {
        rc = talk(e, tls);
    }
    if (rc == 0) {
        rc = pki_save(config->folder, 0, &e->set, &e->err);
    }
    if (rc < 0) {
        (void)err_set(err, rc, "%s", e->err.text);
    }
    tls_free(tls);
    token_forget(&e->token);
    pki_set_deinit(&e->set);
    mem_free(e->csr);
    mem_free(e);
    return rc;
}

/*
 * Who is a member: the cluster's authority, tokens, certificates, revocation.
 * What blocks (signing, state.db, files) runs as a job on the disk strand; its
 * key is read from the disk there and stays nowhere else.
 *
 *   Init          makes the authority, once         authority.c
 *   TokenRequest  a secret good for one board       tokens.c
 *   Enrol         token + request -> certificate    enrol.c
 *   Renew         the same key for another while    enrol.c
 *   Revoke        its key is refused from now on    denied.c
 */
#ifndef EDGE_COORDINATOR_AUTHORITY_H
#define EDGE_COORDINATOR_AUTHORITY_H

#include "coordinator/parts.h"
#include "pki/folder.h"
#include "pki/token.h"

struct authority_job {
    struct io_work work;
    struct list link; /* in c->authority.jobs */
    struct coordinator *c;
    struct io_peer *peer; /* who asked; NULL: nobody, or gone */
    bool of_stranger;
    /* On the disk strand, then on the loop. */
    void (*run)(struct authority_job *job);
    void (*finish)(struct authority_job *job);
    int rc;
    struct err err;
    /* In. */
    char name[LIMIT_NAME + 1];
    char host[256];
    int port;
    struct token token; /* and out, without its line */
    uint8_t *csr;       /* owned */
    size_t csr_size;
    bool has_spki;
    struct digest spki;
    uint64_t ttl_ms;
    /* Out. */
    char *ca_pem;
    char *cert_pem;
    char cluster[LIMIT_NAME + 1];
    char line[TOKEN_LINE];
    bool made;
    int64_t renew_at_s;
    struct digest *denied;
    size_t n_denied;
};

/* `peer` may be NULL. EDGE_EBUSY, EDGE_ENOMEM. */
int authority_job_new(struct coordinator *c, struct io_peer *peer,
                      struct authority_job **out, struct err *err);
/* run() on the disk strand, then finish() on the loop, then it is freed; from
 * finish() it may be started again. */
void authority_job_start(struct authority_job *job,
                         void (*run)(struct authority_job *job),
                         void (*finish)(struct authority_job *job));
void authority_job_free(struct authority_job *job); /* NULL is fine */
/* Copies a request; EDGE_ENOMEM. */
int authority_job_csr(struct authority_job *job, const ProtobufCBinaryData *csr,
                      struct err *err);
/* EDGE_EREFUSED where there is no authority, with what to do. */
int authority_check(const struct coordinator *c, struct err *err);
/* The cluster's certificates with the authority's key, which is not
 * everywhere. For the disk strand. */
int authority_load(const struct coordinator *c, struct pki_set *set,
                   struct err *err);
/* Wall clock. */
int64_t authority_now_s(void);
/* The list of what is refused has changed: read it, use it, tell the nodes. */
void authority_deny(struct coordinator *c);
/* Of the deployment that says so, or of the command line. */
uint64_t authority_token_ttl_ms(const struct coordinator *c);
uint64_t authority_cert_ttl_ms(const struct coordinator *c);
void authority_result(struct io_peer *peer, int rc, const char *text);

/* ---- state_members.c ----------------------------------------------------- */

int state_put_token(struct state *state, const struct digest *hash,
                    int64_t now_s, int64_t expires_s, struct err *err);

struct state_admit {
    struct digest hash; /* of the token's secret */
    struct digest spki;
    struct state_node node;
    int64_t now_s;
    int64_t not_after_s;
};
/* EDGE_ENOENT: nobody has made it here. */
int state_knows_token(struct state *state, const struct digest *hash,
                      struct err *err);
/* Whether the token is good for it, without using it. EDGE_ENOENT: nobody has
 * made it; EDGE_EREFUSED with the reason. */
int state_may_admit(struct state *state, const struct state_admit *admit,
                    struct err *err);
/* The same; then uses up the token and keeps the node and its certificate, in
 * one go; other certificates of that name are denied. */
int state_admit(struct state *state, const struct state_admit *admit,
                struct err *err);
/* EDGE_EREFUSED: the key is denied. */
int state_may_renew(struct state *state, const struct digest *spki,
                    struct err *err);
/* A certificate was issued to a node, or to STATE_CLIENT and a name. */
#define STATE_CLIENT "client/"
int state_put_cert(struct state *state, const struct digest *spki,
                   const char *node, int64_t not_after_s, struct err *err);
/* Denies every certificate of a node or client, and `spki` (may be NULL), until
 * `until_s` if it is not known; *n is how many. EDGE_ETOOBIG: no more can be
 * denied now. */
int state_deny(struct state *state, const char *node, const struct digest *spki,
               int64_t now_s, int64_t until_s, size_t *n, struct err *err);
/* It has had certificates, and all of them are denied. */
bool state_is_denied(struct state *state, const char *node);
/* Those that have expired among them while there is room: the clock may have
 * been wrong. Latest first. */
int state_load_denied(struct state *state, int64_t now_s,
                      struct digest denied[LIMIT_DENIED], size_t *n,
                      struct err *err);

#endif

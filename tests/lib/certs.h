/*
 * A cluster's authority for tests, and TLS contexts of its certificates.
 */
#ifndef EDGE_TESTS_CERTS_H
#define EDGE_TESTS_CERTS_H

#include "net/tls.h"
#include "pki/pki.h"

#include <stdint.h>

#define CERTS_DAY (24 * 3600)

struct certs {
    char *key_pem; /* of the authority */
    char *ca_pem;
};

void certs_init(struct certs *certs, const char *cluster);
void certs_deinit(struct certs *certs);

/* One certificate and its key; for mem_free(). Valid from a minute before
 * now + `from_s`, for `ttl_s`. */
void certs_make(const struct certs *certs, enum pki_role role, const char *name,
                int64_t from_s, int64_t ttl_s, char **cert_pem, char **key_pem);
/* A context of it. */
struct tls *certs_tls_at(const struct certs *certs, enum pki_role role,
                         const char *name, int64_t from_s, int64_t ttl_s);
/* Valid for a day from now. */
struct tls *certs_tls(const struct certs *certs, enum pki_role role,
                      const char *name);
enum pki_role certs_role(Edged__Role role);
/* The SHA-256 of the authority's certificate, as in a token. */
void certs_fingerprint(const struct certs *certs, uint8_t out[TLS_DIGEST]);

#endif

/*
 * TLS 1.3 for the connections of one io: certificates of one CA at both ends,
 * P-256, no tickets, no early data; ChaCha20 first where the CPU has no AES.
 * The only door to libssl (the files tls*.c).
 *
 * Whom a certificate is for says its one subjectAltName URI:
 * edged://node/NAME, edged://coordinator, edged://client or
 * edged://client/NAME. A context belongs to its loop's thread and must outlive
 * the io that it was given to (io_uv_secure()).
 */
#ifndef EDGE_NET_TLS_H
#define EDGE_NET_TLS_H

#include "base/err.h"
#include "base/limits.h"
#include "wire/msg.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_DIGEST 32 /* bytes of a SHA-256 */

struct tls;

/* PEM text, borrowed during the call. */
struct tls_material {
    const char *ca_pem; /* the cluster's CA, the only one trusted */
    const char *cert_pem;
    const char *key_pem;
};

/* Who a peer is by its certificate. */
struct tls_identity {
    Edged__Role role;          /* ROLE_NONE: it showed none (a joiner) */
    char name[LIMIT_NAME + 1]; /* "": the certificate names none */
    uint8_t spki[TLS_DIGEST];  /* of its SubjectPublicKeyInfo */
};

/* A context. The certificate must be of that CA and fit the key; one that has
 * expired or is not valid yet is accepted here, for its owner may renew it. */
int tls_new(const struct tls_material *material, struct tls **out,
            struct err *err);

/* For `edged join`: dials only, shows no certificate, and accepts whoever
 * proves to be edged://coordinator by a chain that ends in the CA certificate
 * of this SHA-256 (of its DER form). */
int tls_new_joiner(const uint8_t ca_sha256[TLS_DIGEST], struct tls **out,
                   struct err *err);

/* For later handshakes; what is connected stays as it is. On failure nothing
 * has changed. */
int tls_renew(struct tls *tls, const struct tls_material *material,
              struct err *err);

/* The certificates of these keys (SHA-256 of SubjectPublicKeyInfo), and no
 * others, are refused from now on; an io closes their connections soon after.
 * EDGE_ETOOBIG above LIMIT_DENIED, EDGE_ENOMEM. */
int tls_deny(struct tls *tls, const uint8_t (*spki)[TLS_DIGEST], size_t n);
bool tls_denies(const struct tls *tls, const uint8_t spki[TLS_DIGEST]);

/* This end's own certificate; ROLE_NONE for a joiner. */
const struct tls_identity *tls_self(const struct tls *tls);

void tls_free(struct tls *tls);

/* ---- the files ----------------------------------------------------------- */

/* Reads FOLDER/tls/ca.pem, cert.pem, key.pem (0600) and, if it is there,
 * denied (hexadecimal digests, one a line). EDGE_ENOENT with the command that
 * makes them if there are none. */
int tls_open(const char *folder, struct tls **out, struct err *err);
/* Reads them again: tls_renew() and tls_deny(). */
int tls_reopen(struct tls *tls, const char *folder, struct err *err);

#endif

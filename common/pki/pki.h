/*
 * The cluster's certificates: one authority (P-256), keys that are made where
 * they are used, requests, and certificates that say a role and a name in a
 * URI: edged://node/NAME, edged://coordinator, edged://client/NAME.
 *
 * Pure but for chance: times are arguments (seconds since 1970, 64 bits, as
 * boards of 32 bits live beyond 2038), files are pki/folder.h. Texts are PEM,
 * for mem_free(); a private key's is for pki_forget(). With net/tls.c this is
 * the only door to OpenSSL's X.509.
 */
#ifndef EDGE_PKI_PKI_H
#define EDGE_PKI_PKI_H

#include "base/err.h"
#include "base/limits.h"
#include "base/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum pki_role { PKI_NONE, PKI_CA, PKI_COORDINATOR, PKI_NODE, PKI_CLIENT };

struct pki_cert {
    enum pki_role role;        /* PKI_NONE: not one of this project's */
    char name[LIMIT_NAME + 1]; /* of a node or client; of a CA: the cluster */
    int64_t not_before_s;
    int64_t not_after_s;
    struct digest spki;        /* SHA-256 of its public key's DER form */
    struct digest fingerprint; /* SHA-256 of all of it */
};

struct pki_issue {
    enum pki_role role; /* node, coordinator or client */
    const char *name;
    int64_t now_s;
    int64_t ttl_s;
};

int pki_make_key(char **key_pem, struct err *err);
/* Erases it first. NULL is fine. */
void pki_forget(char *key_pem);

int pki_make_ca(const char *key_pem, const char *cluster, int64_t now_s,
                char **ca_pem, struct err *err);

/* A request (DER, for mem_free()) for `name`, signed with the key. */
int pki_make_csr(const char *key_pem, const char *name, uint8_t **csr,
                 size_t *size, struct err *err);
/* EDGE_EINVAL unless it is a request of a P-256 key, signed by it, for one
 * proper name, which goes to `name`; `spki` as in pki_cert. */
int pki_check_csr(const uint8_t *csr, size_t size, char name[LIMIT_NAME + 1],
                  struct digest *spki, struct err *err);

/* A certificate for the key of a checked request, backdated by a minute for
 * clocks that are a little behind. */
int pki_issue(const char *ca_pem, const char *ca_key_pem, const uint8_t *csr,
              size_t size, const struct pki_issue *issue, char **cert_pem,
              struct err *err);

int pki_read(const char *pem, struct pki_cert *cert, struct err *err);
/* EDGE_EINVAL with the reason unless the authority has signed `cert_pem` and
 * its public key is that of `key_pem`. Says nothing about times. */
int pki_check_set(const char *ca_pem, const char *cert_pem, const char *key_pem,
                  struct err *err);

/* The time at which two thirds of its life are over. */
int64_t pki_renew_at_s(const struct pki_cert *cert);

/* "4b:91:c2:0d:..." the first 8 bytes, for people; returns `out`. */
#define PKI_SHORT 24
const char *pki_short(const struct digest *fingerprint, char out[PKI_SHORT]);

/* [A-Za-z0-9][A-Za-z0-9._-]{0,63} */
bool pki_name_ok(const char *name);

#endif

#include "tests/lib/certs.h"

#include "base/mem.h"
#include "tests/lib/unit.h"

#include <string.h>
#include <time.h>

static void must(int rc, const struct err *err)
{
    if (rc < 0) {
        fail_msg("%s", err->text);
    }
}

void certs_init(struct certs *certs, const char *cluster)
{
    struct err err;

    must(pki_make_key(&certs->key_pem, &err), &err);
    must(pki_make_ca(certs->key_pem, cluster, time(NULL) - 10 * 365 * CERTS_DAY,
                     &certs->ca_pem, &err),
         &err);
}

void certs_deinit(struct certs *certs)
{
    mem_free(certs->key_pem);
    mem_free(certs->ca_pem);
}

void certs_make(const struct certs *certs, enum pki_role role, const char *name,
                int64_t from_s, int64_t ttl_s, char **cert_pem, char **key_pem)
{
    struct pki_issue issue = {.role = role,
                              .name = name,
                              .now_s = time(NULL) + from_s,
                              .ttl_s = ttl_s};
    uint8_t *csr;
    size_t size;
    struct err err;

    must(pki_make_key(key_pem, &err), &err);
    must(pki_make_csr(*key_pem, name, &csr, &size, &err), &err);
    must(pki_issue(certs->ca_pem, certs->key_pem, csr, size, &issue, cert_pem,
                   &err),
         &err);
    mem_free(csr);
}

struct tls *certs_tls_at(const struct certs *certs, enum pki_role role,
                         const char *name, int64_t from_s, int64_t ttl_s)
{
    struct tls_material material = {.ca_pem = certs->ca_pem};
    struct tls *tls;
    char *cert;
    char *key;
    struct err err;

    certs_make(certs, role, name, from_s, ttl_s, &cert, &key);
    material.cert_pem = cert;
    material.key_pem = key;
    must(tls_new(&material, &tls, &err), &err);
    mem_free(cert);
    mem_free(key);
    return tls;
}

struct tls *certs_tls(const struct certs *certs, enum pki_role role,
                      const char *name)
{
    return certs_tls_at(certs, role, name, 0, CERTS_DAY);
}

enum pki_role certs_role(Edged__Role role)
{
    switch (role) {
    case EDGED__ROLE__ROLE_COORDINATOR: return PKI_COORDINATOR;
    case EDGED__ROLE__ROLE_CLIENT: return PKI_CLIENT;
    case EDGED__ROLE__ROLE_NODE:
    case EDGED__ROLE__ROLE_NONE:
    default: return PKI_NODE;
    }
}

void certs_fingerprint(const struct certs *certs, uint8_t out[TLS_DIGEST])
{
    struct pki_cert ca;
    struct err err;

    must(pki_read(certs->ca_pem, &ca, &err), &err);
    memcpy(out, ca.fingerprint.bytes, TLS_DIGEST);
}

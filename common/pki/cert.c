/* The authority, and what it issues. */
#include "pki/pki_inner.h"

#include "base/bytes.h"
#include "base/mem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#define CA_DAYS 7305    /* 20 years */
#define BACKDATE_S 60   /* for clocks that are a little behind */
#define SERIAL_BYTES 16 /* random: nobody counts */
#define CA_PREFIX "edged cluster "
#define URI_NODE "edged://node/"
#define URI_CLIENT "edged://client"
#define URI_COORDINATOR "edged://coordinator"
#define DAY_S 86400

/* ---- parts of a certificate ---------------------------------------------- */

static bool set_serial(X509 *cert)
{
    unsigned char bytes[SERIAL_BYTES];
    BIGNUM *number = NULL;
    bool ok = RAND_bytes(bytes, sizeof(bytes)) == 1;

    bytes[0] &= 0x7f;
    if (ok) {
        number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    }
    ok = number != NULL &&
         BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
    BN_free(number);
    return ok;
}

/* In days and seconds apart: a time_t of 32 bits ends in 2038. */
static bool set_times(X509 *cert, int64_t now_s, int64_t life_s)
{
    time_t now = (time_t)now_s;

    return X509_set_version(cert, X509_VERSION_3) == 1 &&
           ASN1_TIME_adj(X509_getm_notBefore(cert), now, 0, -BACKDATE_S) !=
               NULL &&
           ASN1_TIME_adj(X509_getm_notAfter(cert), now, (int)(life_s / DAY_S),
                         (long)(life_s % DAY_S)) != NULL;
}

static bool add(X509 *cert, X509 *ca, int nid, const char *value)
{
    X509_EXTENSION *extension;
    X509V3_CTX ctx;
    bool ok;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, ca, cert, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    ok = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return ok;
}

/* Names are of characters that mean nothing to OpenSSL's little language. */
static bool add_uri(X509 *cert, X509 *ca, const struct pki_issue *issue)
{
    char text[LIMIT_NAME + 40];

    switch (issue->role) {
    case PKI_NODE:
        (void)snprintf(text, sizeof(text), "URI:" URI_NODE "%s", issue->name);
        break;
    case PKI_CLIENT:
        (void)snprintf(text, sizeof(text), "URI:" URI_CLIENT "/%s",
                       issue->name);
        break;
    case PKI_COORDINATOR:
        (void)snprintf(text, sizeof(text), "URI:" URI_COORDINATOR);
        break;
    case PKI_NONE:
    case PKI_CA:
    default: return false;
    }
    return add(cert, ca, NID_subject_alt_name, text);
}

static int cert_text(X509 *cert, char **pem, struct err *err)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;

    if (bio == NULL || PEM_write_bio_X509(bio, cert) != 1) {
        (void)BIO_free(bio);
        return pki_fail(err, EDGE_ENOMEM, "cannot write a certificate");
    }
    text = pki_text_of(bio);
    if (text == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    *pem = text;
    return 0;
}

/* ---- making -------------------------------------------------------------- */

static bool fill_ca(X509 *ca, EVP_PKEY *key, const char *cluster, int64_t now_s)
{
    char name[sizeof(CA_PREFIX) + LIMIT_NAME];

    (void)snprintf(name, sizeof(name), CA_PREFIX "%s", cluster);
    return set_serial(ca) && set_times(ca, now_s, (int64_t)CA_DAYS * DAY_S) &&
           pki_set_name(X509_get_subject_name(ca), name) &&
           X509_set_issuer_name(ca, X509_get_subject_name(ca)) == 1 &&
           X509_set_pubkey(ca, key) == 1 &&
           add(ca, ca, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
           add(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign") &&
           add(ca, ca, NID_subject_key_identifier, "hash") &&
           X509_sign(ca, key, EVP_sha256()) > 0;
}

int pki_make_ca(const char *key_pem, const char *cluster, int64_t now_s,
                char **ca_pem, struct err *err)
{
    EVP_PKEY *key = NULL;
    X509 *ca = NULL;
    int rc;

    if (!pki_name_ok(cluster)) {
        return err_set(err, EDGE_EINVAL, "\"%s\" is not a name", cluster);
    }
    rc = pki_key_from(key_pem, &key, err);
    if (rc < 0) {
        return rc;
    }
    ca = X509_new();
    rc = ca == NULL || !fill_ca(ca, key, cluster, now_s)
             ? pki_fail(err, EDGE_ENOMEM, "cannot make the cluster's authority")
             : cert_text(ca, ca_pem, err);
    X509_free(ca);
    EVP_PKEY_free(key);
    return rc;
}

static bool fill(X509 *cert, X509 *ca, X509_REQ *req,
                 const struct pki_issue *issue)
{
    return set_serial(cert) && set_times(cert, issue->now_s, issue->ttl_s) &&
           pki_set_name(X509_get_subject_name(cert), issue->name) &&
           X509_set_issuer_name(cert, X509_get_subject_name(ca)) == 1 &&
           X509_set_pubkey(cert, X509_REQ_get0_pubkey(req)) == 1 &&
           add(cert, ca, NID_basic_constraints, "critical,CA:FALSE") &&
           add(cert, ca, NID_key_usage, "critical,digitalSignature") &&
           add(cert, ca, NID_ext_key_usage, "serverAuth,clientAuth") &&
           add(cert, ca, NID_authority_key_identifier, "keyid") &&
           add_uri(cert, ca, issue);
}

int pki_issue(const char *ca_pem, const char *ca_key_pem, const uint8_t *csr,
              size_t size, const struct pki_issue *issue, char **cert_pem,
              struct err *err)
{
    EVP_PKEY *key = NULL;
    X509_REQ *req = NULL;
    X509 *cert = NULL;
    X509 *ca = NULL;
    int rc = pki_cert_from(ca_pem, &ca, err);

    if (rc == 0) {
        rc = pki_key_from(ca_key_pem, &key, err);
    }
    if (rc == 0) {
        rc = pki_csr_from(csr, size, &req, err);
    }
    if (rc < 0) {
        goto out;
    }
    cert = X509_new();
    if (!pki_name_ok(issue->name) || cert == NULL ||
        !fill(cert, ca, req, issue) ||
        X509_sign(cert, key, EVP_sha256()) <= 0) {
        rc = pki_fail(err, EDGE_EINVAL, "cannot issue a certificate");
    } else {
        rc = cert_text(cert, cert_pem, err);
    }
out:
    X509_free(cert);
    X509_REQ_free(req);
    EVP_PKEY_free(key);
    X509_free(ca);
    return rc;
}

/* ---- reading ------------------------------------------------------------- */

/* Days since 1970 of a day in the Gregorian calendar; no time_t, see above. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t shifted = month <= 2 ? year - 1 : year;
    int64_t era = shifted / 400;
    int64_t of_era = shifted - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
           719468;
}

static bool seconds_of(const ASN1_TIME *time, int64_t *seconds)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(time, &tm) != 1) {
        return false;
    }
    *seconds = days_of(tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday) * DAY_S +
               tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec;
    return true;
}

static bool after(const char *text, const char *prefix, const char **rest)
{
    size_t n = strlen(prefix);

    if (strncmp(text, prefix, n) != 0) {
        return false;
    }
    *rest = text + n;
    return true;
}

static enum pki_role role_of(const char *uri, char name[LIMIT_NAME + 1])
{
    enum pki_role role = PKI_NONE;
    const char *rest = "";

    if (strcmp(uri, URI_COORDINATOR) == 0) {
        return PKI_COORDINATOR;
    }
    if (after(uri, URI_NODE, &rest)) {
        role = PKI_NODE;
    } else if (strcmp(uri, URI_CLIENT) == 0) {
        return PKI_CLIENT;
    } else if (after(uri, URI_CLIENT "/", &rest)) {
        role = PKI_CLIENT;
    }
    if (role == PKI_NONE || !pki_name_ok(rest)) {
        return PKI_NONE;
    }
    memcpy(name, rest, strlen(rest) + 1);
    return role;
}

/* The one URI of its alternative names; two would be two roles. */
static void read_role(X509 *x509, struct pki_cert *cert)
{
    GENERAL_NAMES *names =
        X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
    char text[LIMIT_NAME + 40];

    if (names != NULL && sk_GENERAL_NAME_num(names) == 1) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, 0);
        const ASN1_STRING *uri =
            name->type == GEN_URI ? name->d.uniformResourceIdentifier : NULL;
        int n = uri != NULL ? ASN1_STRING_length(uri) : 0;

        if (n > 0 && (size_t)n < sizeof(text)) {
            memcpy(text, ASN1_STRING_get0_data(uri), (size_t)n);
            text[n] = '\0';
            cert->role = strlen(text) == (size_t)n ? role_of(text, cert->name)
                                                   : PKI_NONE;
        }
    }
    GENERAL_NAMES_free(names);
}

static void read_ca_name(X509 *x509, struct pki_cert *cert)
{
    char text[sizeof(CA_PREFIX) + LIMIT_NAME] = "";
    const char *name = "";

    (void)X509_NAME_get_text_by_NID(X509_get_subject_name(x509), NID_commonName,
                                    text, sizeof(text));
    if (after(text, CA_PREFIX, &name) && pki_name_ok(name)) {
        cert->role = PKI_CA;
        memcpy(cert->name, name, strlen(name) + 1);
    }
}

int pki_read(const char *pem, struct pki_cert *cert, struct err *err)
{
    unsigned size = sizeof(cert->fingerprint.bytes);
    X509 *x509;
    int rc = pki_cert_from(pem, &x509, err);

    if (rc < 0) {
        return rc;
    }
    memset(cert, 0, sizeof(*cert));
    if (!seconds_of(X509_get0_notBefore(x509), &cert->not_before_s) ||
        !seconds_of(X509_get0_notAfter(x509), &cert->not_after_s) ||
        !pki_spki(X509_get_X509_PUBKEY(x509), &cert->spki) ||
        X509_digest(x509, EVP_sha256(), cert->fingerprint.bytes, &size) != 1) {
        rc = pki_fail(err, EDGE_EINVAL, "a certificate that cannot be read");
    } else if (X509_check_ca(x509) == 1) {
        read_ca_name(x509, cert);
    } else {
        read_role(x509, cert);
    }
    ERR_clear_error(); /* of extensions that are not there */
    X509_free(x509);
    return rc;
}

int pki_check_set(const char *ca_pem, const char *cert_pem, const char *key_pem,
                  struct err *err)
{
    EVP_PKEY *key = NULL;
    X509 *cert = NULL;
    X509 *ca = NULL;
    int rc = pki_cert_from(ca_pem, &ca, err);

    if (rc == 0) {
        rc = pki_cert_from(cert_pem, &cert, err);
    }
    if (rc == 0) {
        rc = pki_key_from(key_pem, &key, err);
    }
    if (rc == 0 && X509_verify(cert, X509_get0_pubkey(ca)) != 1) {
        rc = pki_fail(err, EDGE_EINVAL,
                      "the certificate is not one of this cluster's authority");
    } else if (rc == 0 && X509_check_private_key(cert, key) != 1) {
        rc = pki_fail(err, EDGE_EINVAL,
                      "the certificate is of another private key");
    }
    X509_free(cert);
    X509_free(ca);
    EVP_PKEY_free(key);
    return rc;
}

int64_t pki_renew_at_s(const struct pki_cert *cert)
{
    return cert->not_before_s +
           (cert->not_after_s - cert->not_before_s) / 3 * 2;
}

const char *pki_short(const struct digest *fingerprint, char out[PKI_SHORT])
{
    char hex[DIGEST_HEX];

    digest_hex(fingerprint, hex);
    for (size_t i = 0; i < 8; i++) {
        (void)snprintf(out + 3 * i, PKI_SHORT - 3 * i, "%.2s%s", hex + 2 * i,
                       i < 7 ? ":" : "");
    }
    return out;
}

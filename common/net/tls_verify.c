/*
 * Whether a certificate is accepted: of our CA (or, to join, of the CA that a
 * token names), within its time, with a role, and not revoked.
 */
#include "net/tls_inner.h"
#include "wire/convert.h"

#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <string.h>

bool tls_cert_digest(X509 *cert, uint8_t digest[TLS_DIGEST])
{
    unsigned size = TLS_DIGEST;

    return X509_digest(cert, EVP_sha256(), digest, &size) == 1;
}

time_t tls_time(const ASN1_TIME *time)
{
    struct tm tm;

    return ASN1_TIME_to_tm(time, &tm) == 1 ? timegm(&tm) : 0;
}

/* ---- who it is ----------------------------------------------------------- */

static bool read_spki(X509 *cert, uint8_t digest[TLS_DIGEST])
{
    unsigned char *der = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    bool ok = size > 0 && EVP_Digest(der, (size_t)size, digest, NULL,
                                     EVP_sha256(), NULL) == 1;

    OPENSSL_free(der);
    return ok;
}

/* The rest of `text` after `start`, or NULL. */
static const char *after(const char *text, const char *start)
{
    size_t n = strlen(start);

    return strncmp(text, start, n) == 0 ? text + n : NULL;
}

static bool set_name(struct tls_identity *id, Edged__Role role,
                     const char *name)
{
    id->role = role;
    if (name[0] != '\0' && !convert_name_ok(name)) {
        return false;
    }
    memcpy(id->name, name, strlen(name) + 1);
    return true;
}

static bool read_uri(const char *uri, struct tls_identity *id)
{
    const char *name = after(uri, "edged://node/");

    if (name != NULL) {
        return name[0] != '\0' && set_name(id, EDGED__ROLE__ROLE_NODE, name);
    }
    if (strcmp(uri, "edged://coordinator") == 0) {
        return set_name(id, EDGED__ROLE__ROLE_COORDINATOR, "");
    }
    if (strcmp(uri, "edged://client") == 0) {
        return set_name(id, EDGED__ROLE__ROLE_CLIENT, "");
    }
    name = after(uri, "edged://client/");
    return name != NULL && name[0] != '\0' &&
           set_name(id, EDGED__ROLE__ROLE_CLIENT, name);
}

/* A URI as text, unless a NUL hides in it. */
static const char *uri_of(const GENERAL_NAME *name)
{
    const ASN1_STRING *uri = name->d.uniformResourceIdentifier;
    const char *text = (const char *)ASN1_STRING_get0_data(uri);

    return memchr(text, '\0', (size_t)ASN1_STRING_length(uri)) == NULL ? text
                                                                       : NULL;
}

static bool read_names(const GENERAL_NAMES *names, struct tls_identity *id)
{
    int n = 0;

    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        const char *uri;

        if (name->type != GEN_URI) {
            continue;
        }
        uri = uri_of(name);
        if (++n > 1 || uri == NULL || !read_uri(uri, id)) {
            return false;
        }
    }
    return n == 1;
}

bool tls_read_identity(X509 *cert, struct tls_identity *id)
{
    GENERAL_NAMES *names =
        X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    bool ok = false;

    *id = (struct tls_identity){0};
    if (names != NULL) {
        ok = read_names(names, id) && read_spki(cert, id->spki);
    }
    GENERAL_NAMES_free(names);
    return ok;
}

/* ---- whether it is accepted ---------------------------------------------- */

/* Who joins knows its CA by the digest in the token: it is trusted if it came
 * along. Returns a list of it, or NULL. */
static struct stack_st_X509 *trust_by_digest(const struct tls *tls,
                                             X509_STORE_CTX *chain)
{
    struct stack_st_X509 *sent = X509_STORE_CTX_get0_untrusted(chain);
    struct stack_st_X509 *trusted = sk_X509_new_null();
    uint8_t digest[TLS_DIGEST];

    for (int i = 0; trusted != NULL && i < sk_X509_num(sent); i++) {
        X509 *cert = sk_X509_value(sent, i);

        if (tls_cert_digest(cert, digest) &&
            memcmp(digest, tls->ca, TLS_DIGEST) == 0) {
            (void)sk_X509_push(trusted, cert); /* not there: not trusted */
        }
    }
    if (trusted != NULL) {
        X509_STORE_CTX_set0_trusted_stack(chain, trusted);
    }
    return trusted;
}

static int verify_chain(const struct tls *tls, X509_STORE_CTX *chain)
{
    struct stack_st_X509 *trusted = NULL;
    int ok;

    if (tls->joiner) {
        trusted = trust_by_digest(tls, chain);
        if (trusted == NULL) {
            X509_STORE_CTX_set_error(chain, X509_V_ERR_OUT_OF_MEM);
            return 0;
        }
    }
    ok = X509_verify_cert(chain) == 1;
    sk_X509_free(trusted);
    return ok;
}

/* The error says which alert the other end gets. */
static int verify_identity(struct tls_peer *peer, X509_STORE_CTX *chain)
{
    struct tls_identity id;

    if (!tls_read_identity(X509_STORE_CTX_get0_cert(chain), &id) ||
        (peer->tls->joiner && id.role != EDGED__ROLE__ROLE_COORDINATOR)) {
        X509_STORE_CTX_set_error(chain, X509_V_ERR_CERT_REJECTED);
        return 0;
    }
    if (tls_denies(peer->tls, id.spki)) {
        X509_STORE_CTX_set_error(chain, X509_V_ERR_CERT_REVOKED);
        return 0;
    }
    peer->id = id;
    return 1;
}

int tls_verify(X509_STORE_CTX *chain, void *arg)
{
    SSL *ssl =
        X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_peer *peer = SSL_get_app_data(ssl);

    if (verify_chain(arg, chain) == 1 && verify_identity(peer, chain) == 1) {
        return 1;
    }
    (void)tls_say_refused(peer, chain);
    return 0;
}

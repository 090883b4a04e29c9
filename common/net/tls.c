#include "net/tls.h"

#include "base/mem.h"
#include "net/tls_inner.h"
#include "net/tls_stream.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/auxv.h>

#define SUITES_AES                                   \
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:" \
    "TLS_CHACHA20_POLY1305_SHA256"
#define SUITES_CHACHA                                      \
    "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:" \
    "TLS_AES_256_GCM_SHA384"

/* What tls_material says, parsed. */
struct parsed {
    X509 *ca;
    X509 *cert;
    EVP_PKEY *key;
};

static int ssl_error(struct err *err, const char *what)
{
    unsigned long code = ERR_get_error();
    const char *reason = ERR_reason_error_string(code);

    ERR_clear_error();
    return err_set(err, EDGE_EINVAL, "%s: %s", what,
                   reason != NULL ? reason : "it cannot be read");
}

/* ---- reading the material ------------------------------------------------ */

/* A key with a password is not for a daemon; never ask a terminal. */
static int no_password(char *text, int size, int writing, void *arg)
{
    (void)text;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

static int read_cert(const char *pem, const char *what, X509 **out,
                     struct err *err)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);

    ERR_clear_error();
    *out = bio != NULL ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;
    BIO_free(bio);
    return *out != NULL ? 0 : ssl_error(err, what);
}

static int read_key(const char *pem, EVP_PKEY **out, struct err *err)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    char group[32] = "";

    ERR_clear_error();
    *out = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL)
                       : NULL;
    BIO_free(bio);
    if (*out == NULL) {
        return ssl_error(err, "the private key");
    }
    if (EVP_PKEY_get_group_name(*out, group, sizeof(group), NULL) != 1 ||
        strcmp(group, "prime256v1") != 0) {
        return err_set(err, EDGE_EINVAL, "the private key is not of P-256");
    }
    return 0;
}

static void parsed_deinit(struct parsed *parsed)
{
    X509_free(parsed->ca);
    X509_free(parsed->cert);
    EVP_PKEY_free(parsed->key);
}

/* Of our CA? When is not asked: an owner may renew what has expired. */
static bool is_of(X509 *cert, X509 *ca)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *chain = X509_STORE_CTX_new();
    bool ok = store != NULL && chain != NULL &&
              X509_STORE_add_cert(store, ca) == 1 &&
              X509_STORE_CTX_init(chain, store, cert, NULL) == 1;

    if (ok) {
        X509_STORE_CTX_set_flags(chain, X509_V_FLAG_NO_CHECK_TIME);
        ok = X509_verify_cert(chain) == 1;
    }
    X509_STORE_CTX_free(chain);
    X509_STORE_free(store);
    ERR_clear_error();
    return ok;
}

static int parse(const struct tls_material *m, struct parsed *parsed,
                 struct err *err)
{
    int rc = read_cert(m->ca_pem, "the CA's certificate", &parsed->ca, err);

    if (rc == 0) {
        rc = read_cert(m->cert_pem, "the certificate", &parsed->cert, err);
    }
    if (rc == 0) {
        rc = read_key(m->key_pem, &parsed->key, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (X509_check_private_key(parsed->cert, parsed->key) != 1) {
        ERR_clear_error();
        return err_set(err, EDGE_EINVAL,
                       "the private key is not that of the certificate");
    }
    return is_of(parsed->cert, parsed->ca)
               ? 0
               : err_set(err, EDGE_EINVAL,
                         "the certificate is not of the cluster's CA");
}

/* ---- an SSL_CTX ---------------------------------------------------------- */

static bool has_aes(void)
{
#if defined(__x86_64__) || defined(__i386__)
    return __builtin_cpu_supports("aes") != 0;
#elif defined(__aarch64__)
    return (getauxval(AT_HWCAP) & 1 << 3) != 0; /* HWCAP_AES */
#elif defined(__arm__)
    return (getauxval(AT_HWCAP2) & 1) != 0; /* HWCAP2_AES */
#else
    return false;
#endif
}

/* A server takes the ciphers in its own order, but ChaCha20 if the client has
 * that first: then the client is a board without AES. */
static bool set_rules(SSL_CTX *ctx)
{
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION |
                                       SSL_OP_NO_RENEGOTIATION |
                                       SSL_OP_CIPHER_SERVER_PREFERENCE |
                                       SSL_OP_PRIORITIZE_CHACHA);
    (void)SSL_CTX_clear_options(ctx, SSL_OP_ENABLE_MIDDLEBOX_COMPAT);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS |
                                    SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_max_cert_list(ctx, TLS_CHAIN_BYTES);
    SSL_CTX_set_verify_depth(ctx, 0); /* none between a leaf and the CA */
    return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
           SSL_CTX_set_num_tickets(ctx, 0) == 1 &&
           SSL_CTX_set_max_early_data(ctx, 0) == 1 &&
           SSL_CTX_set_ciphersuites(ctx, has_aes() ? SUITES_AES
                                                   : SUITES_CHACHA) == 1 &&
           SSL_CTX_set1_groups_list(ctx, "P-256") == 1 &&
           SSL_CTX_set1_sigalgs_list(ctx, "ECDSA+SHA256") == 1;
}

static SSL_CTX *ctx_new(struct tls *tls)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());

    if (ctx == NULL) {
        return NULL;
    }
    if (!set_rules(ctx)) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                       NULL);
    SSL_CTX_set_cert_verify_callback(ctx, tls_verify, tls);
    return ctx;
}

/* The CA goes along: who joins knows it by its digest alone, and one of
 * another cluster is told which it met. */
static bool use(SSL_CTX *ctx, const struct parsed *parsed)
{
    return SSL_CTX_use_certificate(ctx, parsed->cert) == 1 &&
           SSL_CTX_use_PrivateKey(ctx, parsed->key) == 1 &&
           SSL_CTX_add1_chain_cert(ctx, parsed->ca) == 1 &&
           X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), parsed->ca) == 1;
}

/* ---- a context ----------------------------------------------------------- */

static struct tls *tls_alloc(struct err *err)
{
    struct tls *tls = mem_new(struct tls);

    /* What a machine's openssl.cnf says is not for us. */
    (void)OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL);
    if (tls != NULL) {
        tls->bio = tls_stream_bio();
    }
    if (tls == NULL || tls->bio == NULL) {
        mem_free(tls);
        (void)err_set(err, EDGE_ENOMEM, "no memory for TLS");
        return NULL;
    }
    return tls;
}

static int install(struct tls *tls, const struct parsed *parsed,
                   struct err *err)
{
    struct tls_identity self;
    SSL_CTX *ctx;

    if (!tls_read_identity(parsed->cert, &self)) {
        return err_set(err, EDGE_EINVAL,
                       "the certificate has no subjectAltName of the form "
                       "URI:edged://node/NAME, edged://coordinator or "
                       "edged://client");
    }
    ctx = ctx_new(tls);
    if (ctx == NULL || !use(ctx, parsed) ||
        !tls_cert_digest(parsed->ca, tls->ca)) {
        SSL_CTX_free(ctx);
        return ssl_error(err, "TLS cannot be set up");
    }
    SSL_CTX_free(tls->ctx);
    tls->ctx = ctx;
    tls->self = self;
    tls->not_before = tls_time(X509_get0_notBefore(parsed->cert));
    tls->not_after = tls_time(X509_get0_notAfter(parsed->cert));
    return 0;
}

int tls_renew(struct tls *tls, const struct tls_material *material,
              struct err *err)
{
    struct parsed parsed = {0};
    int rc = parse(material, &parsed, err);

    if (rc == 0) {
        rc = install(tls, &parsed, err);
    }
    parsed_deinit(&parsed);
    return rc;
}

int tls_new(const struct tls_material *material, struct tls **out,
            struct err *err)
{
    struct tls *tls = tls_alloc(err);
    int rc;

    if (tls == NULL) {
        return EDGE_ENOMEM;
    }
    rc = tls_renew(tls, material, err);
    if (rc < 0) {
        tls_free(tls);
        return rc;
    }
    *out = tls;
    return 0;
}

int tls_new_joiner(const uint8_t ca_sha256[TLS_DIGEST], struct tls **out,
                   struct err *err)
{
    struct tls *tls = tls_alloc(err);

    if (tls == NULL) {
        return EDGE_ENOMEM;
    }
    tls->joiner = true;
    memcpy(tls->ca, ca_sha256, TLS_DIGEST);
    tls->ctx = ctx_new(tls);
    if (tls->ctx == NULL) {
        tls_free(tls);
        return ssl_error(err, "TLS cannot be set up");
    }
    *out = tls;
    return 0;
}

const struct tls_identity *tls_self(const struct tls *tls)
{
    return &tls->self;
}

void tls_free(struct tls *tls)
{
    if (tls == NULL) {
        return;
    }
    SSL_CTX_free(tls->ctx);
    BIO_meth_free(tls->bio);
    mem_free(tls->denied);
    mem_free(tls);
}

/* ---- who is refused ------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, TLS_DIGEST);
}

int tls_deny(struct tls *tls, const uint8_t (*spki)[TLS_DIGEST], size_t n)
{
    uint8_t(*denied)[TLS_DIGEST] = NULL;

    if (n > LIMIT_DENIED) {
        return EDGE_ETOOBIG;
    }
    if (n > 0) {
        denied = mem_dup(spki, n * TLS_DIGEST);
        if (denied == NULL) {
            return EDGE_ENOMEM;
        }
        qsort(denied, n, TLS_DIGEST, compare);
    }
    mem_free(tls->denied);
    tls->denied = denied;
    tls->n_denied = n;
    return 0;
}

bool tls_denies(const struct tls *tls, const uint8_t spki[TLS_DIGEST])
{
    return tls->n_denied > 0 && bsearch(spki, tls->denied, tls->n_denied,
                                        TLS_DIGEST, compare) != NULL;
}

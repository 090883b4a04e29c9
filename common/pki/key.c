/* Keys and requests. */
#include "pki/pki_inner.h"

#include "base/mem.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#define CSR_BYTES KIB(4)

int pki_fail(struct err *err, int rc, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *why = code != 0 ? ERR_reason_error_string(code) : NULL;

    ERR_clear_error();
    return err_set(err, rc, "%s%s%s", what, why != NULL ? ": " : "",
                   why != NULL ? why : "");
}

char *pki_text_of(BIO *bio)
{
    char *data = NULL;
    long size = BIO_get_mem_data(bio, &data);
    char *text = size >= 0 ? mem_resize(NULL, (size_t)size + 1, 1) : NULL;

    if (text != NULL) {
        memcpy(text, data, (size_t)size);
        text[size] = '\0';
    }
    if (data != NULL) {
        OPENSSL_cleanse(data, (size_t)size); /* it may be a private key */
    }
    (void)BIO_free(bio);
    return text;
}

/* No key of this project has a password: OpenSSL shall not ask a terminal. */
static int no_password(char *out, int size, int writing, void *arg)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)arg;
    return -1;
}

int pki_key_from(const char *pem, EVP_PKEY **key, struct err *err)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);

    *key = bio != NULL ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL)
                       : NULL;
    (void)BIO_free(bio);
    return *key != NULL
               ? 0
               : pki_fail(err, EDGE_EINVAL, "not a private key in PEM");
}

int pki_cert_from(const char *pem, X509 **cert, struct err *err)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);

    *cert =
        bio != NULL ? PEM_read_bio_X509(bio, NULL, no_password, NULL) : NULL;
    (void)BIO_free(bio);
    return *cert != NULL
               ? 0
               : pki_fail(err, EDGE_EINVAL, "not a certificate in PEM");
}

int pki_make_key(char **key_pem, struct err *err)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    int rc = 0;

    if (key == NULL || bio == NULL ||
        PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1) {
        rc = pki_fail(err, EDGE_ENOMEM, "cannot make a key");
        (void)BIO_free(bio);
    } else {
        text = pki_text_of(bio);
        rc = text == NULL ? err_set(err, EDGE_ENOMEM, "out of memory") : 0;
    }
    EVP_PKEY_free(key);
    if (rc == 0) {
        *key_pem = text;
    }
    return rc;
}

void pki_forget(char *key_pem)
{
    if (key_pem != NULL) {
        OPENSSL_cleanse(key_pem, strlen(key_pem));
    }
    mem_free(key_pem);
}

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9');
}

bool pki_name_ok(const char *name)
{
    size_t n = strlen(name);

    if (n == 0 || n > LIMIT_NAME || !is_letter_or_digit(name[0])) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!is_letter_or_digit(name[i]) && strchr("._-", name[i]) == NULL) {
            return false;
        }
    }
    return true;
}

bool pki_set_name(X509_NAME *name, const char *common)
{
    return X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_ASC,
                                      (const unsigned char *)common, -1, -1,
                                      0) == 1;
}

bool pki_spki(X509_PUBKEY *key, struct digest *spki)
{
    unsigned char *der = NULL;
    int n = key != NULL ? i2d_X509_PUBKEY(key, &der) : -1;

    if (n <= 0) {
        return false;
    }
    digest_of(der, (size_t)n, spki);
    OPENSSL_free(der);
    return true;
}

/* ---- requests ------------------------------------------------------------ */

static X509_REQ *fill_csr(EVP_PKEY *key, const char *name)
{
    X509_REQ *req = X509_REQ_new();

    if (req == NULL || X509_REQ_set_version(req, X509_REQ_VERSION_1) != 1 ||
        !pki_set_name(X509_REQ_get_subject_name(req), name) ||
        X509_REQ_set_pubkey(req, key) != 1 ||
        X509_REQ_sign(req, key, EVP_sha256()) <= 0) {
        X509_REQ_free(req);
        return NULL;
    }
    return req;
}

int pki_make_csr(const char *key_pem, const char *name, uint8_t **csr,
                 size_t *size, struct err *err)
{
    EVP_PKEY *key = NULL;
    X509_REQ *req = NULL;
    unsigned char *der = NULL;
    int n = -1;
    int rc;

    if (!pki_name_ok(name)) {
        return err_set(err, EDGE_EINVAL, "\"%s\" is not a name", name);
    }
    rc = pki_key_from(key_pem, &key, err);
    if (rc < 0) {
        return rc;
    }
    req = fill_csr(key, name);
    n = req != NULL ? i2d_X509_REQ(req, &der) : -1;
    if (n <= 0) {
        rc = pki_fail(err, EDGE_ENOMEM, "cannot make a certificate request");
        goto out;
    }
    *csr = mem_dup(der, (size_t)n);
    *size = (size_t)n;
    if (*csr == NULL) {
        rc = err_set(err, EDGE_ENOMEM, "out of memory");
    }
out:
    OPENSSL_free(der);
    X509_REQ_free(req);
    EVP_PKEY_free(key);
    return rc;
}

int pki_csr_from(const uint8_t *csr, size_t size, X509_REQ **req,
                 struct err *err)
{
    const unsigned char *at = csr;

    *req = size > 0 && size <= CSR_BYTES ? d2i_X509_REQ(NULL, &at, (long)size)
                                         : NULL;
    if (*req != NULL && at == csr + size) {
        return 0;
    }
    X509_REQ_free(*req);
    *req = NULL;
    return pki_fail(err, EDGE_EINVAL, "not a certificate request");
}

static bool is_p256(EVP_PKEY *key)
{
    char group[32] = "";

    return key != NULL && EVP_PKEY_is_a(key, "EC") &&
           EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
           strcmp(group, SN_X9_62_prime256v1) == 0;
}

static bool read_common_name(X509_NAME *from, char name[LIMIT_NAME + 1])
{
    int at = X509_NAME_get_index_by_NID(from, NID_commonName, -1);
    const ASN1_STRING *text =
        at >= 0 ? X509_NAME_ENTRY_get_data(X509_NAME_get_entry(from, at))
                : NULL;
    int n = text != NULL ? ASN1_STRING_length(text) : 0;

    if (n <= 0 || n > LIMIT_NAME ||
        X509_NAME_get_index_by_NID(from, NID_commonName, at) >= 0) {
        return false;
    }
    memcpy(name, ASN1_STRING_get0_data(text), (size_t)n);
    name[n] = '\0';
    return strlen(name) == (size_t)n && pki_name_ok(name);
}

int pki_check_csr(const uint8_t *csr, size_t size, char name[LIMIT_NAME + 1],
                  struct digest *spki, struct err *err)
{
    X509_REQ *req;
    int rc = pki_csr_from(csr, size, &req, err);
    EVP_PKEY *key;

    if (rc < 0) {
        return rc;
    }
    key = X509_REQ_get0_pubkey(req);
    if (!is_p256(key)) {
        rc = pki_fail(err, EDGE_EINVAL, "a key that is not of P-256");
    } else if (X509_REQ_verify(req, key) != 1) {
        rc = pki_fail(err, EDGE_EINVAL,
                      "a certificate request that its key has not signed");
    } else if (!read_common_name(X509_REQ_get_subject_name(req), name)) {
        rc = pki_fail(err, EDGE_EINVAL,
                      "a certificate request without a proper name");
    } else if (!pki_spki(X509_REQ_get_X509_PUBKEY(req), spki)) {
        rc = pki_fail(err, EDGE_EINVAL, "a key that cannot be written");
    }
    X509_REQ_free(req);
    return rc;
}

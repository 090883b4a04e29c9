/*
 * TLS contexts: what material they take, who a certificate says that it is,
 * and the files of a state folder.
 */
#include "net/tls.h"

#include "base/mem.h"
#include "net/tls_inner.h"
#include "tests/lib/certs.h"
#include "tests/lib/heap.h"
#include "tests/lib/tmp.h"
#include "tests/lib/unit.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    struct certs certs;
    struct tmp tmp;
    char *cert;
    char *key;
};

static int set_up(void **state)
{
    struct fixture *f = mem_new(struct fixture);

    assert_non_null(f);
    certs_init(&f->certs, "home");
    certs_make(&f->certs, PKI_NODE, "anna", 0, CERTS_DAY, &f->cert, &f->key);
    tmp_init(&f->tmp);
    assert_int_equal(mkdir(tmp_path(&f->tmp, "tls"), 0700), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    heap_heal();
    certs_deinit(&f->certs);
    mem_free(f->cert);
    mem_free(f->key);
    tmp_deinit(&f->tmp);
    mem_free(f);
    return 0;
}

static void refused(const char *ca, const char *cert, const char *key,
                    const char *words)
{
    struct tls_material material = {ca, cert, key};
    struct tls *tls = NULL;
    struct err err;

    assert_int_equal(tls_new(&material, &tls, &err), EDGE_EINVAL);
    if (strstr(err.text, words) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err.text, words);
    }
    assert_null(tls);
}

/* ---- material ------------------------------------------------------------ */

static void test_what_does_not_belong_together_is_refused(void **state)
{
    struct fixture *f = *state;
    struct certs others;
    char *cert;
    char *key;

    certs_init(&others, "home");
    certs_make(&others, PKI_NODE, "anna", 0, CERTS_DAY, &cert, &key);
    refused(f->certs.ca_pem, f->cert, key,
            "the private key is not that of the certificate");
    refused(f->certs.ca_pem, cert, key,
            "the certificate is not of the cluster's CA");
    refused(f->certs.ca_pem, "", f->key, "the certificate: ");
    refused("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            f->cert, f->key, "the CA's certificate: ");
    refused(f->certs.ca_pem, f->cert, "no key", "the private key: ");
    mem_free(cert);
    mem_free(key);
    certs_deinit(&others);
}

static char *pem_of_key(EVP_PKEY *key, const EVP_CIPHER *cipher)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text;
    long n;

    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(
                         bio, key, cipher, cipher != NULL ? "secret" : NULL,
                         cipher != NULL ? 6 : 0, NULL, NULL),
                     1);
    n = BIO_get_mem_data(bio, &text);
    text = mem_printf("%.*s", (int)n, text);
    BIO_free(bio);
    return text;
}

static void test_only_plain_keys_of_p256(void **state)
{
    struct fixture *f = *state;
    EVP_PKEY *key = EVP_EC_gen("P-384");
    char *text = pem_of_key(key, NULL);
    char *locked = pem_of_key(key, EVP_aes_128_cbc());

    refused(f->certs.ca_pem, f->cert, text, "the private key is not of P-256");
    refused(f->certs.ca_pem, f->cert, locked, "the private key: ");
    mem_free(text);
    mem_free(locked);
    EVP_PKEY_free(key);
}

static void test_an_expired_certificate_makes_a_context(void **state)
{
    struct fixture *f = *state;
    struct tls *tls =
        certs_tls_at(&f->certs, PKI_NODE, "old", -3 * CERTS_DAY, CERTS_DAY);

    assert_string_equal(tls_self(tls)->name, "old");
    tls_free(tls);
}

static int make_context(void *arg)
{
    struct fixture *f = arg;
    struct tls_material material = {f->certs.ca_pem, f->cert, f->key};
    struct tls *tls = NULL;
    struct err err;
    int rc = tls_new(&material, &tls, &err);

    tls_free(tls);
    return rc;
}

static void test_without_memory_there_is_none(void **state)
{
    (void)heap_each(make_context, *state);
}

/* ---- who a certificate says that it is ----------------------------------- */

/* A certificate with this subjectAltName, "" for none; self-signed. */
static X509 *cert_with(const char *names)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();

    assert_int_equal(X509_set_version(cert, 2), 1);
    assert_int_equal(X509_set_pubkey(cert, key), 1);
    if (names[0] != '\0') {
        X509_EXTENSION *ext =
            X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);

        assert_non_null(ext);
        assert_int_equal(X509_add_ext(cert, ext, -1), 1);
        X509_EXTENSION_free(ext);
    }
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    EVP_PKEY_free(key);
    return cert;
}

static void test_identities(void **state)
{
    static const struct {
        const char *names;
        Edged__Role role; /* ROLE_NONE: none can be read */
        const char *name;
    } rows[] = {
        {"URI:edged://node/pi-3", EDGED__ROLE__ROLE_NODE, "pi-3"},
        {"URI:edged://coordinator", EDGED__ROLE__ROLE_COORDINATOR, ""},
        {"URI:edged://client", EDGED__ROLE__ROLE_CLIENT, ""},
        {"URI:edged://client/ann", EDGED__ROLE__ROLE_CLIENT, "ann"},
        {"DNS:pi-3,URI:edged://node/pi-3", EDGED__ROLE__ROLE_NODE, "pi-3"},
        {"", EDGED__ROLE__ROLE_NONE, ""},
        {"DNS:pi-3", EDGED__ROLE__ROLE_NONE, ""},
        {"URI:edged://node/", EDGED__ROLE__ROLE_NONE, ""},
        {"URI:edged://node/../x", EDGED__ROLE__ROLE_NONE, ""},
        {"URI:edged://node/a b", EDGED__ROLE__ROLE_NONE, ""},
        {"URI:edged://client/", EDGED__ROLE__ROLE_NONE, ""},
        {"URI:edged://coordinator/x", EDGED__ROLE__ROLE_NONE, ""},
        {"URI:edged://coordinatorx", EDGED__ROLE__ROLE_NONE, ""},
        {"URI:https://node/pi-3", EDGED__ROLE__ROLE_NONE, ""},
        {"URI:edged://node/a,URI:edged://coordinator", EDGED__ROLE__ROLE_NONE,
         ""},
        {"URI:edged://node/a,URI:http://b", EDGED__ROLE__ROLE_NONE, ""},
        {"URI:edged://node/"
         "0123456789012345678901234567890123456789012345678901234567890123",
         EDGED__ROLE__ROLE_NODE,
         "0123456789012345678901234567890123456789012345678901234567890123"},
        {"URI:edged://node/"
         "01234567890123456789012345678901234567890123456789012345678901234",
         EDGED__ROLE__ROLE_NONE, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        X509 *cert = cert_with(rows[i].names);
        struct tls_identity id;
        bool ok = tls_read_identity(cert, &id);

        if (ok != (rows[i].role != EDGED__ROLE__ROLE_NONE)) {
            fail_msg("%s: %d", rows[i].names, ok);
        }
        if (ok) {
            assert_int_equal(id.role, rows[i].role);
            assert_string_equal(id.name, rows[i].name);
        }
        X509_free(cert);
    }
}

/* "edged://node/a\0b": the part before must not count. */
static void test_a_nul_in_a_uri_is_refused(void **state)
{
    static const char uri[] = "edged://node/a\0b";
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *text = ASN1_IA5STRING_new();
    struct tls_identity id;
    X509 *cert = cert_with("");

    (void)state;
    assert_int_equal(ASN1_STRING_set(text, uri, sizeof(uri) - 1), 1);
    GENERAL_NAME_set0_value(name, GEN_URI, text);
    assert_true(sk_GENERAL_NAME_push(names, name) > 0);
    assert_int_equal(X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0),
                     1);
    assert_false(tls_read_identity(cert, &id));
    GENERAL_NAMES_free(names);
    X509_free(cert);
}

/* Another reading of the same digest: that of the authority that made it. */
static void test_the_key_s_digest_is_that_of_pki(void **state)
{
    struct fixture *f = *state;
    struct tls_material material = {f->certs.ca_pem, f->cert, f->key};
    struct pki_cert cert;
    struct tls *tls;
    struct err err;

    assert_int_equal(pki_read(f->cert, &cert, &err), 0);
    assert_int_equal(tls_new(&material, &tls, &err), 0);
    assert_memory_equal(tls_self(tls)->spki, cert.spki.bytes, TLS_DIGEST);
    tls_free(tls);
}

/* ---- files --------------------------------------------------------------- */

static void put(struct fixture *f, const char *name, const char *text,
                mode_t mode)
{
    char path[32];
    const char *full;

    (void)snprintf(path, sizeof(path), "tls/%s", name);
    full = tmp_write(&f->tmp, path, text, strlen(text));
    assert_int_equal(chmod(full, mode), 0);
}

static void put_all(struct fixture *f)
{
    put(f, "ca.pem", f->certs.ca_pem, 0644);
    put(f, "cert.pem", f->cert, 0644);
    put(f, "key.pem", f->key, 0600);
}

static int open_folder(struct fixture *f, struct tls **tls, struct err *err)
{
    return tls_open(f->tmp.path, tls, err);
}

static void test_a_folder_is_opened(void **state)
{
    struct fixture *f = *state;
    struct tls *tls;
    struct err err;

    put_all(f);
    if (open_folder(f, &tls, &err) < 0) {
        fail_msg("%s", err.text);
    }
    assert_string_equal(tls_self(tls)->name, "anna");
    tls_free(tls);
}

static void test_a_missing_file_is_not_found(void **state)
{
    struct fixture *f = *state;
    struct tls *tls;
    struct err err;

    assert_int_equal(open_folder(f, &tls, &err), EDGE_ENOENT);
    assert_non_null(strstr(err.text, "tls/ca.pem: No such file"));
    put_all(f);
    assert_int_equal(unlink(tmp_path(&f->tmp, "tls/key.pem")), 0);
    assert_int_equal(open_folder(f, &tls, &err), EDGE_ENOENT);
    assert_non_null(strstr(err.text, "tls/key.pem: No such file"));
}

static void test_a_key_for_everybody_is_refused(void **state)
{
    struct fixture *f = *state;
    struct tls *tls;
    struct err err;

    put_all(f);
    assert_int_equal(chmod(tmp_path(&f->tmp, "tls/key.pem"), 0640), 0);
    assert_int_equal(open_folder(f, &tls, &err), EDGE_EREFUSED);
    assert_non_null(strstr(err.text, "chmod 600"));
}

static void test_a_link_is_not_followed(void **state)
{
    struct fixture *f = *state;
    char target[TMP_PATH];
    struct tls *tls;
    struct err err;

    put_all(f);
    put(f, "elsewhere", f->key, 0600);
    (void)snprintf(target, sizeof(target), "%s",
                   tmp_path(&f->tmp, "tls/elsewhere"));
    assert_int_equal(unlink(tmp_path(&f->tmp, "tls/key.pem")), 0);
    assert_int_equal(symlink(target, tmp_path(&f->tmp, "tls/key.pem")), 0);
    assert_true(open_folder(f, &tls, &err) < 0);
}

static void test_the_list_of_the_revoked(void **state)
{
    static const char good[] =
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
        "\n"
        "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";
    static const char *const bad[] = {
        "00", "zz\n",
        "000102030405060708090A0B0C0D0E0F101112131415161718191a1b1c1d1e1f\n",
        "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f00"};
    struct fixture *f = *state;
    uint8_t digest[TLS_DIGEST];
    struct tls *tls;
    struct err err;

    put_all(f);
    put(f, "denied", good, 0644);
    assert_int_equal(open_folder(f, &tls, &err), 0);
    for (size_t i = 0; i < TLS_DIGEST; i++) {
        digest[i] = (uint8_t)i;
    }
    assert_true(tls_denies(tls, digest));
    digest[31] = 0;
    assert_false(tls_denies(tls, digest));
    memset(digest, 0xff, sizeof(digest));
    assert_true(tls_denies(tls, digest));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct tls *other;

        put(f, "denied", bad[i], 0644);
        assert_int_equal(open_folder(f, &other, &err), EDGE_EINVAL);
        assert_int_equal(tls_reopen(tls, f->tmp.path, &err), EDGE_EINVAL);
        assert_true(tls_denies(tls, digest)); /* the list before stands */
    }
    assert_int_equal(unlink(tmp_path(&f->tmp, "tls/denied")), 0);
    assert_int_equal(tls_reopen(tls, f->tmp.path, &err), 0);
    assert_false(tls_denies(tls, digest));
    tls_free(tls);
}

static void test_a_folder_is_read_again(void **state)
{
    struct fixture *f = *state;
    struct tls *tls;
    struct err err;
    char *cert;
    char *key;

    put_all(f);
    assert_int_equal(open_folder(f, &tls, &err), 0);
    certs_make(&f->certs, PKI_NODE, "otto", 0, CERTS_DAY, &cert, &key);
    put(f, "cert.pem", cert, 0644);
    assert_int_equal(tls_reopen(tls, f->tmp.path, &err), EDGE_EINVAL);
    assert_string_equal(tls_self(tls)->name, "anna");
    put(f, "key.pem", key, 0600);
    assert_int_equal(tls_reopen(tls, f->tmp.path, &err), 0);
    assert_string_equal(tls_self(tls)->name, "otto");
    tls_free(tls);
    mem_free(cert);
    mem_free(key);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_what_does_not_belong_together_is_refused),
        TEST(test_only_plain_keys_of_p256),
        TEST(test_an_expired_certificate_makes_a_context),
        TEST(test_without_memory_there_is_none),
        TEST(test_identities),
        TEST(test_a_nul_in_a_uri_is_refused),
        TEST(test_the_key_s_digest_is_that_of_pki),
        TEST(test_a_folder_is_opened),
        TEST(test_a_missing_file_is_not_found),
        TEST(test_a_key_for_everybody_is_refused),
        TEST(test_a_link_is_not_followed),
        TEST(test_the_list_of_the_revoked),
        TEST(test_a_folder_is_read_again),
    };

    return cmocka_run_group_tests_name("tls", tests, NULL, NULL);
}

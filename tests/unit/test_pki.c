/* The cluster's authority, requests and certificates. */
#include "base/mem.h"
#include "pki/pki.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>

#define NOW 1900000000 /* 2030 */
#define DAY 86400

struct fixture {
    char *ca_key;
    char *ca;
    char *key;
    uint8_t *csr;
    size_t csr_size;
    struct err err;
};

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    assert_int_equal(pki_make_key(&f->ca_key, &f->err), 0);
    assert_int_equal(pki_make_ca(f->ca_key, "home", NOW, &f->ca, &f->err), 0);
    assert_int_equal(pki_make_key(&f->key, &f->err), 0);
    assert_int_equal(
        pki_make_csr(f->key, "pi-1", &f->csr, &f->csr_size, &f->err), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    pki_forget(f->ca_key);
    pki_forget(f->key);
    mem_free(f->ca);
    mem_free(f->csr);
    test_free(f);
    return 0;
}

static char *issue(struct fixture *f, enum pki_role role, const char *name,
                   int64_t ttl_s)
{
    struct pki_issue what = {role, name, NOW, ttl_s};
    char *pem = NULL;

    if (pki_issue(f->ca, f->ca_key, f->csr, f->csr_size, &what, &pem, &f->err) <
        0) {
        fail_msg("%s", f->err.text);
    }
    return pem;
}

static struct pki_cert read_it(const char *pem)
{
    struct pki_cert cert;
    struct err err;

    if (pki_read(pem, &cert, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return cert;
}

static void ca_says_its_cluster_and_lives_long(void **state)
{
    struct fixture *f = *state;
    struct pki_cert ca = read_it(f->ca);

    assert_int_equal(ca.role, PKI_CA);
    assert_string_equal(ca.name, "home");
    assert_int_equal(ca.not_before_s, NOW - 60);
    assert_true(ca.not_after_s >= NOW + 20ll * 365 * DAY);
}

static void certificate_says_role_name_and_times(void **state)
{
    struct fixture *f = *state;
    char *pem = issue(f, PKI_NODE, "pi-1", 30 * DAY);
    struct pki_cert cert = read_it(pem);

    assert_int_equal(cert.role, PKI_NODE);
    assert_string_equal(cert.name, "pi-1");
    assert_int_equal(cert.not_before_s, NOW - 60);
    assert_int_equal(cert.not_after_s, NOW + 30 * DAY);
    assert_int_equal(pki_check_set(f->ca, pem, f->key, &f->err), 0);
    mem_free(pem);
}

static void every_role_has_its_uri(void **state)
{
    struct fixture *f = *state;
    char *coordinator = issue(f, PKI_COORDINATOR, "coordinator", DAY);
    char *client = issue(f, PKI_CLIENT, "ann", DAY);

    assert_int_equal(read_it(coordinator).role, PKI_COORDINATOR);
    assert_int_equal(read_it(client).role, PKI_CLIENT);
    assert_string_equal(read_it(client).name, "ann");
    mem_free(coordinator);
    mem_free(client);
}

static void renewal_keeps_the_key_and_is_due_at_two_thirds(void **state)
{
    struct fixture *f = *state;
    char *a = issue(f, PKI_NODE, "pi-1", 90);
    char *b = issue(f, PKI_NODE, "pi-1", 90);
    struct pki_cert first = read_it(a);
    struct pki_cert second = read_it(b);

    assert_true(digest_equal(&first.spki, &second.spki));
    assert_false(digest_equal(&first.fingerprint, &second.fingerprint));
    assert_int_equal(pki_renew_at_s(&first), NOW - 60 + 100);
    mem_free(a);
    mem_free(b);
}

static void request_says_name_and_key(void **state)
{
    struct fixture *f = *state;
    char name[LIMIT_NAME + 1];
    struct digest spki;
    char *pem = issue(f, PKI_NODE, "pi-1", DAY);
    struct pki_cert cert = read_it(pem);

    assert_int_equal(pki_check_csr(f->csr, f->csr_size, name, &spki, &f->err),
                     0);
    assert_string_equal(name, "pi-1");
    assert_true(digest_equal(&spki, &cert.spki));
    mem_free(pem);
}

/* Every byte of a request is signed or is the signature. */
static void changed_request_is_refused(void **state)
{
    struct fixture *f = *state;
    char name[LIMIT_NAME + 1];
    struct digest spki;

    for (size_t i = 0; i < f->csr_size; i++) {
        f->csr[i] ^= 1;
        assert_int_equal(
            pki_check_csr(f->csr, f->csr_size, name, &spki, &f->err),
            EDGE_EINVAL);
        f->csr[i] ^= 1;
    }
    assert_int_equal(
        pki_check_csr(f->csr, f->csr_size - 1, name, &spki, &f->err),
        EDGE_EINVAL);
    assert_int_equal(pki_check_csr(f->csr, 0, name, &spki, &f->err),
                     EDGE_EINVAL);
}

static void improper_names_are_refused(void **state)
{
    static const char *const names[] = {"",     ".a",       "a/b", "a b",
                                        "a,CA", "a\nURI:x", "-a",  "\xc3\xa4"};
    struct fixture *f = *state;
    uint8_t *csr;
    size_t size;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct pki_issue what = {PKI_NODE, names[i], NOW, DAY};
        char *pem;

        assert_int_equal(pki_make_csr(f->key, names[i], &csr, &size, &f->err),
                         EDGE_EINVAL);
        assert_int_equal(pki_issue(f->ca, f->ca_key, f->csr, f->csr_size, &what,
                                   &pem, &f->err),
                         EDGE_EINVAL);
    }
}

static void set_of_two_clusters_is_refused(void **state)
{
    struct fixture *f = *state;
    char *pem = issue(f, PKI_NODE, "pi-1", DAY);
    char *other_key = NULL;
    char *other_ca = NULL;

    assert_int_equal(pki_make_key(&other_key, &f->err), 0);
    assert_int_equal(pki_make_ca(other_key, "home", NOW, &other_ca, &f->err),
                     0);
    assert_int_equal(pki_check_set(other_ca, pem, f->key, &f->err),
                     EDGE_EINVAL);
    assert_non_null(strstr(f->err.text, "authority"));
    assert_int_equal(pki_check_set(f->ca, pem, other_key, &f->err),
                     EDGE_EINVAL);
    assert_non_null(strstr(f->err.text, "another private key"));
    assert_int_equal(pki_check_set(f->ca, "junk", f->key, &f->err),
                     EDGE_EINVAL);
    pki_forget(other_key);
    mem_free(other_ca);
    mem_free(pem);
}

static void fingerprint_is_short_for_people(void **state)
{
    struct digest digest = {{0x4b, 0x91, 0xc2, 0x0d, 1, 2, 3, 4}};
    char text[PKI_SHORT];

    (void)state;
    assert_string_equal(pki_short(&digest, text), "4b:91:c2:0d:01:02:03:04");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(ca_says_its_cluster_and_lives_long),
        TEST(certificate_says_role_name_and_times),
        TEST(every_role_has_its_uri),
        TEST(renewal_keeps_the_key_and_is_due_at_two_thirds),
        TEST(request_says_name_and_key),
        TEST(changed_request_is_refused),
        TEST(improper_names_are_refused),
        TEST(set_of_two_clusters_is_refused),
        TEST(fingerprint_is_short_for_people),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Certificates and keys on the disk. */
#include "base/mem.h"
#include "pki/folder.h"
#include "tests/lib/tmp.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    struct tmp tmp;
    struct pki_set set;
    struct err err;
};

static void make(struct pki_set *set, const char *name)
{
    struct pki_issue what = {PKI_NODE, name, 1900000000, 86400};
    uint8_t *csr;
    size_t size;

    assert_int_equal(pki_make_key(&set->ca_key_pem, NULL), 0);
    assert_int_equal(
        pki_make_ca(set->ca_key_pem, "home", 1900000000, &set->ca_pem, NULL),
        0);
    assert_int_equal(pki_make_key(&set->key_pem, NULL), 0);
    assert_int_equal(pki_make_csr(set->key_pem, name, &csr, &size, NULL), 0);
    assert_int_equal(pki_issue(set->ca_pem, set->ca_key_pem, csr, size, &what,
                               &set->cert_pem, NULL),
                     0);
    mem_free(csr);
}

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    tmp_init(&f->tmp);
    make(&f->set, "pi-1");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    pki_set_deinit(&f->set);
    tmp_deinit(&f->tmp);
    test_free(f);
    return 0;
}

static void save(struct fixture *f, const struct pki_set *set)
{
    if (pki_save(f->tmp.path, STORE_NO_SYNC, set, &f->err) < 0) {
        fail_msg("%s", f->err.text);
    }
}

static mode_t mode_of(struct fixture *f, const char *name)
{
    struct stat st;

    assert_int_equal(stat(tmp_path(&f->tmp, name), &st), 0);
    return st.st_mode & 0777;
}

static void saved_is_loaded_and_private(void **state)
{
    struct fixture *f = *state;
    struct pki_set got;

    save(f, &f->set);
    assert_int_equal(pki_load(f->tmp.path, &got, &f->err), 0);
    assert_string_equal(got.ca_pem, f->set.ca_pem);
    assert_string_equal(got.cert_pem, f->set.cert_pem);
    assert_string_equal(got.key_pem, f->set.key_pem);
    assert_string_equal(got.ca_key_pem, f->set.ca_key_pem);
    assert_int_equal(mode_of(f, "tls"), 0700);
    assert_int_equal(mode_of(f, "tls/key.pem"), 0600);
    assert_int_equal(mode_of(f, "tls/ca-key.pem"), 0600);
    pki_set_deinit(&got);
}

static void nothing_there_is_enoent(void **state)
{
    struct fixture *f = *state;
    struct pki_set got;

    assert_int_equal(pki_load(f->tmp.path, &got, &f->err), EDGE_ENOENT);
}

static void second_membership_takes_the_place_of_the_first(void **state)
{
    struct fixture *f = *state;
    struct pki_set second = {0};
    struct pki_set got;

    make(&second, "pi-2");
    mem_free(second.ca_key_pem);
    second.ca_key_pem = NULL;
    save(f, &f->set);
    save(f, &second);
    assert_int_equal(pki_load(f->tmp.path, &got, &f->err), 0);
    assert_string_equal(got.ca_pem, second.ca_pem);
    assert_null(got.ca_key_pem); /* nothing of the old one stays */
    assert_int_not_equal(access(tmp_path(&f->tmp, "tls.new"), F_OK), 0);
    pki_set_deinit(&got);
    pki_set_deinit(&second);
}

/* Where the file system exchanges nothing, two renames do: a cut between them
 * leaves tls.old alone. */
static void cut_between_two_renames_is_taken_back(void **state)
{
    struct fixture *f = *state;
    struct pki_set got;
    char from[TMP_PATH];

    save(f, &f->set);
    (void)snprintf(from, sizeof(from), "%s", tmp_path(&f->tmp, "tls"));
    assert_int_equal(rename(from, tmp_path(&f->tmp, "tls.old")), 0);
    assert_int_equal(pki_load(f->tmp.path, &got, &f->err), 0);
    pki_set_deinit(&got);
}

static void mixture_is_corrupt(void **state)
{
    struct fixture *f = *state;
    struct pki_set other = {0};
    struct pki_set got;

    make(&other, "pi-1");
    save(f, &f->set);
    assert_int_equal(
        pki_save_cert(f->tmp.path, STORE_NO_SYNC, other.cert_pem, &f->err), 0);
    assert_int_equal(pki_load(f->tmp.path, &got, &f->err), EDGE_ECORRUPT);
    assert_int_equal(unlink(tmp_path(&f->tmp, "tls/cert.pem")), 0);
    assert_int_equal(pki_load(f->tmp.path, &got, &f->err), EDGE_ECORRUPT);
    pki_set_deinit(&other);
}

static void link_in_a_key_s_place_is_not_followed(void **state)
{
    struct fixture *f = *state;
    struct pki_set got;
    char to[TMP_PATH];

    save(f, &f->set);
    (void)snprintf(to, sizeof(to), "%s", tmp_path(&f->tmp, "elsewhere"));
    assert_int_equal(rename(tmp_path(&f->tmp, "tls/key.pem"), to), 0);
    assert_int_equal(symlink(to, tmp_path(&f->tmp, "tls/key.pem")), 0);
    assert_int_equal(pki_load(f->tmp.path, &got, &f->err), EDGE_ECORRUPT);
}

static void denied_is_a_line_each(void **state)
{
    struct fixture *f = *state;
    struct digest two[2] = {{{0xab}}, {{0xcd}}};
    char text[3 * DIGEST_HEX] = "";
    FILE *in;

    save(f, &f->set);
    assert_int_equal(
        pki_save_denied(f->tmp.path, STORE_NO_SYNC, two, 2, &f->err), 0);
    in = fopen(tmp_path(&f->tmp, "tls/denied"), "re");
    assert_non_null(in);
    assert_int_equal(fread(text, 1, sizeof(text), in), 2 * DIGEST_HEX);
    assert_int_equal(text[0], 'a');
    assert_int_equal(text[DIGEST_HEX], 'c');
    assert_int_equal(text[2 * DIGEST_HEX - 1], '\n');
    (void)fclose(in);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(saved_is_loaded_and_private),
        TEST(nothing_there_is_enoent),
        TEST(second_membership_takes_the_place_of_the_first),
        TEST(cut_between_two_renames_is_taken_back),
        TEST(mixture_is_corrupt),
        TEST(link_in_a_key_s_place_is_not_followed),
        TEST(denied_is_a_line_each),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

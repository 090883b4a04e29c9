/* Join tokens: what is written is read, and nothing else is. */
#include "pki/token.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>

static struct token sample(void)
{
    struct token token = {.cluster = "home",
                          .hosts = {{"pi-1.local", 7434}, {"fd00::1", 65535}},
                          .n_hosts = 2};

    for (size_t i = 0; i < 32; i++) {
        token.secret[i] = (uint8_t)(i * 37);
        token.fingerprint.bytes[i] = (uint8_t)(255 - i);
    }
    return token;
}

static void written_is_read(void **state)
{
    struct token token = sample();
    struct token got;
    char line[TOKEN_LINE];
    struct err err;

    (void)state;
    assert_int_equal(token_write(&token, line, &err), 0);
    assert_null(strpbrk(line, " \t\n"));
    assert_int_equal(token_read(line, &got, &err), 0);
    assert_memory_equal(got.secret, token.secret, 32);
    assert_true(digest_equal(&got.fingerprint, &token.fingerprint));
    assert_string_equal(got.cluster, "home");
    assert_int_equal(got.n_hosts, 2);
    assert_string_equal(got.hosts[0].host, "pi-1.local");
    assert_int_equal(got.hosts[0].port, 7434);
    assert_string_equal(got.hosts[1].host, "fd00::1");
    assert_int_equal(got.hosts[1].port, 65535);
}

static void blanks_around_do_not_matter(void **state)
{
    struct token token = sample();
    struct token got;
    char line[TOKEN_LINE];
    char padded[TOKEN_LINE + 8];
    struct err err;

    (void)state;
    assert_int_equal(token_write(&token, line, &err), 0);
    (void)snprintf(padded, sizeof(padded), " \t%s\r\n", line);
    assert_int_equal(token_read(padded, &got, &err), 0);
}

/* The checksum sees a line that was cut, and any one letter that is wrong. */
static void changed_line_is_refused(void **state)
{
    struct token token = sample();
    struct token got;
    char line[TOKEN_LINE];
    struct err err;
    size_t n;

    (void)state;
    assert_int_equal(token_write(&token, line, &err), 0);
    n = strlen(line);
    for (size_t i = 0; i < n; i++) {
        char was = line[i];

        line[i] = was == 'x' ? 'y' : 'x';
        assert_int_equal(token_read(line, &got, &err), EDGE_EINVAL);
        line[i] = was;
    }
    while (n-- > 0) {
        line[n] = '\0';
        assert_int_equal(token_read(line, &got, &err), EDGE_EINVAL);
    }
}

static void what_is_no_address_is_not_written(void **state)
{
    static const struct token_host hosts[] = {
        {"", 1},    {"a/b", 1}, {"a,b", 1},   {"a b", 1},     {"[::1]", 1},
        {"a\n", 1}, {"a", 0},   {"a", 65536}, {"\xc3\xa4", 1}};
    struct token token = sample();
    char line[TOKEN_LINE];
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
        token.hosts[1] = hosts[i];
        assert_int_equal(token_write(&token, line, &err), EDGE_EINVAL);
    }
    token.n_hosts = 0;
    assert_int_equal(token_write(&token, line, &err), EDGE_EINVAL);
}

static void longest_token_fits(void **state)
{
    struct token token = sample();
    struct token got;
    char line[TOKEN_LINE];
    struct err err;

    (void)state;
    token.n_hosts = TOKEN_HOSTS;
    memset(token.cluster, 'c', LIMIT_NAME);
    token.cluster[LIMIT_NAME] = '\0';
    for (size_t i = 0; i < TOKEN_HOSTS; i++) {
        memset(token.hosts[i].host, 'h', TOKEN_HOST - 1);
        token.hosts[i].host[TOKEN_HOST - 1] = '\0';
        token.hosts[i].port = 65535;
    }
    assert_int_equal(token_write(&token, line, &err), 0);
    assert_int_equal(token_read(line, &got, &err), 0);
    assert_int_equal(got.n_hosts, TOKEN_HOSTS);
}

static void secrets_differ_and_hash_alike(void **state)
{
    struct digest a;
    struct digest b;
    uint8_t one[32];
    uint8_t two[32];
    struct err err;

    (void)state;
    assert_int_equal(token_make_secret(one, &err), 0);
    assert_int_equal(token_make_secret(two, &err), 0);
    assert_memory_not_equal(one, two, 32);
    token_hash(one, &a);
    token_hash(one, &b);
    assert_true(token_hash_equal(&a, &b));
    token_hash(two, &b);
    assert_false(token_hash_equal(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(written_is_read),
        cmocka_unit_test(blanks_around_do_not_matter),
        cmocka_unit_test(changed_line_is_refused),
        cmocka_unit_test(what_is_no_address_is_not_written),
        cmocka_unit_test(longest_token_fits),
        cmocka_unit_test(secrets_differ_and_hash_alike),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What is revoked stays so, and what is a member stays one. */
#include "base/mem.h"
#include "tests/lib/joinery.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- renewal ------------------------------------------------------------- */

static void renewal_needs_the_key_and_no_token(void **state)
{
    struct joinery *f = *state;
    struct io_fake_peer *peer;
    struct digest spki;
    struct token good;

    (void)joinery_init(f);
    good = joinery_token(f);
    spki = joinery_spki_of(joinery_enrol(f, &good)->cert_pem);
    peer = joinery_node(f, &spki);
    assert_int_equal(joinery_renew(f, peer)->code, 0);
    assert_int_equal(joinery_renew(f, peer)->code, 0);
    peer->base.spki[0] ^= 1; /* the connection is of another key */
    assert_int_equal(joinery_renew(f, peer)->code, EDGE_EREFUSED);
    assert_non_null(strstr(joinery_renew(f, peer)->text, "needs a token"));
}

/* ---- revocation ---------------------------------------------------------- */

static struct digest join_and_revoke(struct joinery *f)
{
    struct token good;
    struct digest spki;

    (void)joinery_init(f);
    good = joinery_token(f);
    spki = joinery_spki_of(joinery_enrol(f, &good)->cert_pem);
    assert_int_equal(joinery_revoke(f, "pi-1")->code, 0);
    assert_true(joinery_file_denies(f, &spki));
    return spki;
}

static void revoked_is_denied_and_not_dialed(void **state)
{
    struct joinery *f = *state;
    struct digest spki = join_and_revoke(f);

    assert_null(io_fake_find(&f->fake, "pi-1"));
    assert_int_equal(joinery_renew(f, joinery_node(f, &spki))->code,
                     EDGE_EREFUSED);
    joinery_restart(f);
    assert_true(joinery_file_denies(f, &spki));
    assert_null(io_fake_find(&f->fake, "pi-1"));
}

static void revoking_nobody_says_so(void **state)
{
    struct joinery *f = *state;

    (void)joinery_init(f);
    assert_int_equal(joinery_revoke(f, "pi-9")->code, EDGE_ENOENT);
    assert_non_null(strstr(joinery_revoke(f, "pi-9")->text, "edgectl nodes"));
    assert_int_equal(joinery_revoke(f, "../x")->code, EDGE_EINVAL);
}

/* A crash came between state.db and the list that TLS reads. */
static void the_list_is_written_again_at_the_start(void **state)
{
    struct joinery *f = *state;
    struct digest spki = join_and_revoke(f);
    char path[TMP_PATH];

    (void)snprintf(path, sizeof(path), "%s/tls/denied",
                   tmp_path(&f->tmp, "head"));
    assert_int_equal(unlink(path), 0);
    joinery_restart(f);
    assert_true(joinery_file_denies(f, &spki));
}

/* What was issued for 30 days is denied for as long, whatever cert_ttl is. */
static void a_shorter_life_lets_nobody_in_again(void **state)
{
    struct joinery *f = *state;
    struct digest denied[LIMIT_DENIED];
    struct digest spki;
    struct token good;
    size_t n = 0;

    (void)joinery_init(f);
    good = joinery_token(f);
    spki = joinery_spki_of(joinery_enrol(f, &good)->cert_pem);
    f->cert_ttl_ms = 60000;
    joinery_restart(f);
    assert_int_equal(joinery_renew(f, joinery_node(f, &spki))->code, 0);
    assert_int_equal(joinery_revoke(f, "pi-1")->code, 0);
    for (int i = 0; i < LIMIT_CERTS; i++) { /* so that the old ones go */
        struct digest other = {{1, (uint8_t)i, (uint8_t)(i >> 8)}};

        assert_int_equal(state_put_cert(f->c->state, &other, "x",
                                        authority_now_s() + 20 * 86400,
                                        &f->err),
                         0);
    }
    assert_int_equal(state_load_denied(f->c->state,
                                       authority_now_s() + 10 * 86400, denied,
                                       &n, &f->err),
                     0);
    assert_int_equal(n, 1);
    assert_true(digest_equal(&denied[0], &spki));
}

/* A board without a clock of its own, or a wrong one for a day. */
static void a_clock_that_is_years_ahead_lets_nobody_in(void **state)
{
    struct joinery *f = *state;
    struct digest spki = join_and_revoke(f);
    struct digest denied[LIMIT_DENIED];
    size_t n = 0;

    assert_int_equal(state_load_denied(f->c->state,
                                       authority_now_s() + 3650ll * 86400,
                                       denied, &n, &f->err),
                     0);
    assert_int_equal(n, 1);
    assert_true(digest_equal(&denied[0], &spki));
}

static void a_full_list_refuses_and_drops_nobody(void **state)
{
    struct joinery *f = *state;
    struct token good;
    size_t n;

    (void)joinery_init(f);
    good = joinery_token(f);
    assert_int_equal(joinery_enrol(f, &good)->code, 0);
    for (int i = 0; i < LIMIT_DENIED; i++) {
        struct digest one = {{2, (uint8_t)i, (uint8_t)(i >> 8)}};
        char name[32];

        (void)snprintf(name, sizeof(name), "x%d", i);
        assert_int_equal(state_deny(f->c->state, name, &one, authority_now_s(),
                                    authority_now_s() + 86400, &n, &f->err),
                         0);
    }
    assert_int_equal(joinery_revoke(f, "pi-1")->code, EDGE_ETOOBIG);
    assert_non_null(members_find(f->c, "pi-1"));
}

static void a_client_can_be_revoked(void **state)
{
    struct joinery *f = *state;
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Init say = EDGED__INIT__INIT;
    struct digest spki;

    say.csr.data = f->csr; /* of a user called pi-1 */
    say.csr.len = f->csr_size;
    env.body_case = EDGED__ENVELOPE__BODY_INIT;
    env.init = &say;
    io_fake_receive(f->client, &env, NULL);
    (void)io_fake_work(&f->fake);
    spki = joinery_spki_of(
        io_fake_last(f->client, EDGED__ENVELOPE__BODY_INIT_REPLY)
            ->env->init_reply->cert_pem);
    assert_int_equal(joinery_revoke(f, "pi-1")->code, 0);
    assert_true(joinery_file_denies(f, &spki));
}

/* ---- its own ------------------------------------------------------------- */

static void without_its_key_it_starts_and_signs_nothing(void **state)
{
    struct joinery *f = *state;
    char path[TMP_PATH];

    (void)joinery_init(f);
    (void)snprintf(path, sizeof(path), "%s/tls/ca-key.pem",
                   tmp_path(&f->tmp, "head"));
    assert_int_equal(unlink(path), 0);
    joinery_restart(f);
    assert_int_equal(joinery_ask_token(f, 0)->code, EDGE_EREFUSED);
    assert_non_null(strstr(joinery_ask_token(f, 0)->text, "ca-key.pem"));
}

/* A minute and two thirds of 15 s are over at once. */
static void its_own_certificate_is_renewed(void **state)
{
    struct joinery *f = *state;
    unsigned before;

    f->cert_ttl_ms = 15000;
    joinery_restart(f);
    (void)joinery_init(f);
    before = f->n_applied;
    io_fake_run_for(&f->fake, BEAT_MS * 2);
    (void)io_fake_work(&f->fake);
    assert_int_equal(f->n_applied, before + 1);
    io_fake_run_for(&f->fake, BEAT_MS * 2); /* not again and again */
    (void)io_fake_work(&f->fake);
    assert_int_equal(f->n_applied, before + 1);
}

int main(void)
{
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, joinery_set_up, joinery_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(renewal_needs_the_key_and_no_token),
        TEST(revoked_is_denied_and_not_dialed),
        TEST(revoking_nobody_says_so),
        TEST(the_list_is_written_again_at_the_start),
        TEST(a_shorter_life_lets_nobody_in_again),
        TEST(a_clock_that_is_years_ahead_lets_nobody_in),
        TEST(a_full_list_refuses_and_drops_nobody),
        TEST(a_client_can_be_revoked),
        TEST(without_its_key_it_starts_and_signs_nothing),
        TEST(its_own_certificate_is_renewed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Membership at the coordinator: who gets a certificate, who does not, and what
 * it costs. The test plays the boards. */
#include "base/mem.h"
#include "tests/lib/joinery.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- init and tokens ----------------------------------------------------- */

static void nothing_is_given_before_init(void **state)
{
    struct joinery *f = *state;
    struct token none = {.secret = {0}};

    assert_int_equal(joinery_ask_token(f, 0)->code, EDGE_EREFUSED);
    assert_non_null(strstr(joinery_ask_token(f, 0)->text, "edgectl init"));
    assert_int_equal(joinery_enrol(f, &none)->code, EDGE_EREFUSED);
    assert_int_equal(f->n_applied, 0);
}

static void init_makes_it_once(void **state)
{
    struct joinery *f = *state;
    char ca[4096];

    assert_true(joinery_init(f)->made);
    (void)snprintf(ca, sizeof(ca), "%s", joinery_init(f)->ca_pem);
    assert_false(joinery_init(f)->made);
    joinery_restart(f);
    assert_false(joinery_init(f)->made);
    assert_string_equal(joinery_init(f)->ca_pem, ca);
}

/* Where it cannot listen, for example. */
static void init_that_fails_is_said_and_may_be_repeated(void **state)
{
    struct joinery *f = *state;

    f->apply_rc = EDGE_EIO;
    assert_int_equal(joinery_init(f)->code, EDGE_EIO);
    assert_int_equal(joinery_ask_token(f, 0)->code, EDGE_EREFUSED);
    f->apply_rc = 0;
    assert_int_equal(joinery_init(f)->code, 0);
    assert_int_equal(joinery_ask_token(f, 0)->code, 0);
}

static void token_is_kept_as_a_hash_alone(void **state)
{
    struct joinery *f = *state;
    char command[2 * TMP_PATH];
    struct token got;
    char *db;
    size_t size;
    FILE *in;

    (void)joinery_init(f);
    got = joinery_token(f);
    (void)snprintf(command, sizeof(command), "%s/state.db-wal",
                   tmp_path(&f->tmp, "head"));
    in = fopen(command, "re");
    assert_non_null(in);
    db = test_calloc(1, MIB(1));
    size = fread(db, 1, MIB(1), in);
    (void)fclose(in);
    assert_null(memmem(db, size, got.secret, sizeof(got.secret)));
    test_free(db);
}

static void lives_of_tokens_have_bounds(void **state)
{
    struct joinery *f = *state;

    (void)joinery_init(f);
    assert_int_equal(joinery_ask_token(f, 999)->code, EDGE_EINVAL);
    assert_int_equal(joinery_ask_token(f, 8 * DAY_MS)->code, EDGE_EINVAL);
    assert_int_equal(joinery_ask_token(f, 1000)->code, 0);
}

static void tokens_of_a_day_have_a_bound(void **state)
{
    struct joinery *f = *state;

    (void)joinery_init(f);
    for (int i = 0; i < LIMIT_TOKENS; i++) {
        assert_int_equal(joinery_ask_token(f, 0)->code, 0);
        io_fake_forget(f->client);
    }
    assert_int_equal(joinery_ask_token(f, 0)->code, EDGE_EBUSY);
}

/* ---- enrolment ----------------------------------------------------------- */

static void a_good_token_makes_a_member(void **state)
{
    struct joinery *f = *state;
    const Edged__EnrolReply *reply;
    struct token good;

    (void)joinery_init(f);
    good = joinery_token(f);
    reply = joinery_enrol(f, &good);
    assert_int_equal(reply->code, 0);
    assert_string_equal(reply->cluster, "home");
    assert_int_equal(
        pki_check_set(reply->ca_pem, reply->cert_pem, f->key, &f->err), 0);
    assert_non_null(io_fake_find(&f->fake, "pi-1")); /* it is dialed */
    assert_string_equal(io_fake_find(&f->fake, "pi-1")->host, "10.0.0.7");
}

/* Its answer was lost: the same key may ask again, another may not, and the
 * same key gets no second name. */
static void a_token_is_for_one_key_and_one_name(void **state)
{
    struct joinery *f = *state;
    struct io_fake_peer *peer;
    struct token good;
    uint8_t *csr;
    size_t size;
    char *key;

    (void)joinery_init(f);
    good = joinery_token(f);
    assert_int_equal(joinery_enrol(f, &good)->code, 0);
    assert_int_equal(joinery_enrol(f, &good)->code, 0);

    assert_int_equal(pki_make_csr(f->key, "pi-2", &csr, &size, &f->err), 0);
    peer = joinery_stranger(f, "10.0.0.7");
    joinery_say_enrol(peer, &good, "pi-2", csr, size);
    assert_int_equal(joinery_reply_to(f, peer)->code, EDGE_EREFUSED);
    assert_null(io_fake_find(&f->fake, "pi-2"));
    mem_free(csr);

    assert_int_equal(pki_make_key(&key, &f->err), 0);
    assert_int_equal(pki_make_csr(key, "pi-1", &csr, &size, &f->err), 0);
    peer = joinery_stranger(f, "10.0.0.8");
    joinery_say_enrol(peer, &good, "pi-1", csr, size);
    assert_int_equal(joinery_reply_to(f, peer)->code, EDGE_EREFUSED);
    assert_non_null(strstr(joinery_reply_to(f, peer)->text, "used already"));
    assert_true(peer->hung_up);
    pki_forget(key);
    mem_free(csr);
}

static void who_has_no_token_learns_and_changes_nothing(void **state)
{
    struct joinery *f = *state;
    struct token good;
    struct token bad;

    (void)joinery_init(f);
    good = joinery_token(f);
    bad = good;
    bad.secret[31] ^= 1;
    assert_int_equal(joinery_enrol(f, &good)->code, 0);
    io_fake_find(&f->fake, "pi-1")->base.up = true;
    for (int i = 0; i < 3; i++) {
        const Edged__EnrolReply *reply = joinery_enrol(f, &bad);

        assert_int_equal(reply->code, EDGE_ENOENT);
        assert_non_null(strstr(reply->text, "edgectl token create"));
        assert_string_equal(reply->cert_pem, "");
        assert_string_equal(reply->ca_pem, "");
    }
}

static uint64_t written(const struct joinery *f)
{
    struct stat st;
    char path[TMP_PATH + 16];

    (void)snprintf(path, sizeof(path), "%s/state.db-wal",
                   tmp_path(&((struct joinery *)(uintptr_t)f)->tmp, "head"));
    assert_int_equal(stat(path, &st), 0);
    return (uint64_t)st.st_size;
}

/* Nothing is written, no event is pushed out, and no job waits. */
static void ten_thousand_bad_tokens_cost_little(void **state)
{
    struct joinery *f = *state;
    struct token bad = {.secret = {7}};
    uint64_t n_events;
    uint64_t size;

    (void)joinery_init(f);
    (void)joinery_token(f);
    size = written(f);
    n_events = f->c->events.n;
    for (int i = 0; i < 10000; i++) {
        struct io_fake_peer *peer = joinery_stranger(f, "10.0.0.66");

        memcpy(bad.secret, &i, sizeof(i));
        joinery_say_enrol(peer, &bad, "evil", f->csr, f->csr_size);
        assert_int_equal(joinery_reply_to(f, peer)->code, EDGE_ENOENT);
        assert_true(peer->hung_up);
        io_fake_drop(peer);
    }
    assert_int_equal(written(f), size);
    assert_int_equal(f->c->events.n, n_events);
    assert_true(list_is_empty(&f->c->authority.jobs));
    assert_null(members_find(f->c, "evil"));
}

/* Those who ask and go leave their jobs behind; members still get theirs. */
static void strangers_cannot_take_all_the_jobs(void **state)
{
    struct joinery *f = *state;
    struct token bad = {.secret = {7}};
    struct io_fake_peer *peer = NULL;

    (void)joinery_init(f);
    for (int i = 0; i < LIMIT_ENROLS; i++) {
        peer = joinery_stranger(f, "10.0.0.66");
        joinery_say_enrol(peer, &bad, "evil", f->csr, f->csr_size);
        authority_peer_gone(f->c, &peer->base);
        io_fake_drop(peer);
    }
    peer = joinery_stranger(f, "10.0.0.66");
    joinery_say_enrol(peer, &bad, "evil", f->csr, f->csr_size);
    assert_int_equal(io_fake_last(peer, EDGED__ENVELOPE__BODY_ENROL_REPLY)
                         ->env->enrol_reply->code,
                     EDGE_EBUSY);
    assert_int_equal(joinery_ask_token(f, 0)->code, 0);
}

static void one_enrol_on_a_connection(void **state)
{
    struct joinery *f = *state;
    struct io_fake_peer *peer = joinery_stranger(f, "10.0.0.7");
    struct token good;

    (void)joinery_init(f);
    good = joinery_token(f);
    joinery_say_enrol(peer, &good, "pi-1", f->csr, f->csr_size);
    joinery_say_enrol(peer, &good, "pi-1", f->csr, f->csr_size);
    assert_int_equal(io_fake_last(peer, EDGED__ENVELOPE__BODY_ENROL_REPLY)
                         ->env->enrol_reply->code,
                     EDGE_EBUSY);
    assert_true(peer->hung_up);
}

/* With a good token, as only then anybody looks at the request. */
static void odd_requests_are_refused(void **state)
{
    struct joinery *f = *state;
    uint8_t *large = test_calloc(1, KIB(60));
    struct {
        const char *name;
        const uint8_t *csr;
        size_t size;
        int rc;
    } cases[] = {
        {"pi-1", (const uint8_t *)"junk", 4, EDGE_EINVAL},
        {"pi-1", NULL, 0, EDGE_EINVAL},
        {"pi-1", large, KIB(60), EDGE_EINVAL},
        {"pi-1", f->csr, f->csr_size - 1, EDGE_EINVAL},
        {"pi-2", f->csr, f->csr_size, EDGE_EREFUSED}, /* another name in it */
        {"../etc", f->csr, f->csr_size, EDGE_EPROTO},
        {"", f->csr, f->csr_size, EDGE_EPROTO},
    };
    struct token good;

    (void)joinery_init(f);
    good = joinery_token(f);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct io_fake_peer *peer = joinery_stranger(f, "10.0.0.7");

        joinery_say_enrol(peer, &good, cases[i].name, cases[i].csr,
                          cases[i].size);
        assert_int_equal(joinery_reply_to(f, peer)->code, cases[i].rc);
        assert_true(peer->hung_up);
    }
    assert_int_equal(joinery_enrol(f, &good)->code, 0); /* it was not used up */
    test_free(large);
}

static void a_second_board_of_a_name_is_refused(void **state)
{
    struct joinery *f = *state;
    struct member *m;
    struct token good;

    (void)joinery_init(f);
    good = joinery_token(f);
    assert_int_equal(joinery_enrol(f, &good)->code, 0);
    m = members_find(f->c, "pi-1");
    m->peer->up = true;
    m->beaten = true;
    joinery_enrol_other(f, "pi-1", "10.0.0.8", EDGE_EEXIST, "at 10.0.0.7");
    joinery_enrol_other(f, "pi-1", "10.0.0.7", 0,
                        ""); /* the same board, set up anew */
}

int main(void)
{
#define TEST(name) \
    cmocka_unit_test_setup_teardown(name, joinery_set_up, joinery_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_given_before_init),
        TEST(init_makes_it_once),
        TEST(init_that_fails_is_said_and_may_be_repeated),
        TEST(token_is_kept_as_a_hash_alone),
        TEST(lives_of_tokens_have_bounds),
        TEST(tokens_of_a_day_have_a_bound),
        TEST(a_good_token_makes_a_member),
        TEST(a_token_is_for_one_key_and_one_name),
        TEST(who_has_no_token_learns_and_changes_nothing),
        TEST(ten_thousand_bad_tokens_cost_little),
        TEST(strangers_cannot_take_all_the_jobs),
        TEST(one_enrol_on_a_connection),
        TEST(odd_requests_are_refused),
        TEST(a_second_board_of_a_name_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

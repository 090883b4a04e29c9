/* A daemon's membership: joining, renewal, who is refused. The test plays the
 * coordinator, `edged join`, and what enrolment gives. */
#include "daemon/member.h"

#include "base/mem.h"
#include "pki/folder.h"
#include "tests/lib/io_fake.h"
#include "tests/lib/tmp.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct fixture {
    struct io_fake fake;
    struct tmp tmp;
    struct board board;
    struct daemon_tls tls;
    struct daemon *d;
    struct io_fake_peer *coordinator;
    struct io_fake_peer *asker;
    struct pki_set set; /* with the authority's key */
    char folder[TMP_PATH];
    char token[64]; /* that was used last */
    unsigned n_applied;
    int apply_rc;
    int enrol_rc;
    struct err err;
};

static int apply(void *arg, struct err *err)
{
    struct fixture *f = arg;

    f->n_applied++;
    return f->apply_rc == 0 ? 0 : err_set(err, f->apply_rc, "it is a test");
}

/* A certificate for `key_pem` of that node, good for `ttl_s`. */
static char *issue(struct fixture *f, const char *key_pem, const char *name,
                   int64_t ttl_s)
{
    struct pki_issue what = {PKI_NODE, name, (int64_t)time(NULL), ttl_s};
    char *pem = NULL;
    uint8_t *csr;
    size_t size;

    assert_int_equal(pki_make_csr(key_pem, name, &csr, &size, &f->err), 0);
    assert_int_equal(pki_issue(f->set.ca_pem, f->set.ca_key_pem, csr, size,
                               &what, &pem, &f->err),
                     0);
    mem_free(csr);
    return pem;
}

static void save(struct fixture *f, int64_t ttl_s)
{
    struct pki_set set = f->set;

    set.ca_key_pem = NULL;
    set.cert_pem = issue(f, set.key_pem, "n0", ttl_s);
    assert_int_equal(pki_save(f->folder, STORE_NO_SYNC, &set, &f->err), 0);
    mem_free(set.cert_pem);
}

static int enrol(void *arg, const char *token, struct err *err)
{
    struct fixture *f = arg;

    (void)snprintf(f->token, sizeof(f->token), "%s", token);
    if (f->enrol_rc < 0) {
        return err_set(err, f->enrol_rc, "that token was used already");
    }
    save(f, 30 * 86400);
    return 0;
}

static struct io_fake_peer *connect(struct fixture *f, const char *name,
                                    Edged__Role role)
{
    struct io_fake_peer *peer = io_fake_peer(&f->fake, name, role);

    peer->base.secure = true;
    f->fake.io.events.on_up(f->fake.io.arg, &peer->base);
    return peer;
}

static void start(struct fixture *f, bool secure)
{
    struct daemon_config config = {.name = "n0",
                                   .folder = f->folder,
                                   .memory_budget = MIB(64),
                                   .store_flags = STORE_NO_SYNC,
                                   .board = &f->board,
                                   .tls = secure ? &f->tls : NULL};

    io_fake_init(&f->fake);
    assert_int_equal(daemon_new(&f->fake.io, &config, &f->d, &f->err), 0);
    daemon_start(f->d);
}

static void run(struct fixture *f, uint64_t ms)
{
    for (uint64_t at = 0; at < ms; at += BEAT_MS) {
        io_fake_run_for(&f->fake, BEAT_MS);
        (void)io_fake_work(&f->fake);
    }
}

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    tmp_init(&f->tmp);
    f->tls = (struct daemon_tls){f, apply, enrol};
    f->board.free_bytes = (uint64_t)1 << 32;
    (void)snprintf(f->folder, sizeof(f->folder), "%s",
                   tmp_path(&f->tmp, "state"));
    assert_int_equal(pki_make_key(&f->set.ca_key_pem, &f->err), 0);
    assert_int_equal(pki_make_ca(f->set.ca_key_pem, "home", (int64_t)time(NULL),
                                 &f->set.ca_pem, &f->err),
                     0);
    assert_int_equal(pki_make_key(&f->set.key_pem, &f->err), 0);
    start(f, true);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    daemon_free(f->d);
    io_fake_deinit(&f->fake);
    pki_set_deinit(&f->set);
    tmp_deinit(&f->tmp);
    test_free(f);
    return 0;
}

/* A member since before, whose certificate is good for so long. */
static void be_member(struct fixture *f, int64_t ttl_s)
{
    daemon_free(f->d);
    io_fake_deinit(&f->fake);
    save(f, ttl_s);
    start(f, true);
    (void)io_fake_work(&f->fake);
    f->coordinator = connect(f, "coordinator", EDGED__ROLE__ROLE_COORDINATOR);
}

/* ---- joining ------------------------------------------------------------- */

static void say_join(struct fixture *f)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Join say = EDGED__JOIN__INIT;

    f->asker = connect(f, "edged-join", EDGED__ROLE__ROLE_CLIENT);
    say.token = (char *)(uintptr_t) "edged1/secret";
    env.body_case = EDGED__ENVELOPE__BODY_JOIN;
    env.join = &say;
    io_fake_receive(f->asker, &env, NULL);
}

static const Edged__Result *result(struct fixture *f)
{
    const struct msg *msg =
        io_fake_last(f->asker, EDGED__ENVELOPE__BODY_RESULT);

    return msg != NULL ? msg->env->result : NULL;
}

static void a_token_makes_it_a_member_while_it_runs(void **state)
{
    struct fixture *f = *state;

    (void)io_fake_work(&f->fake);
    say_join(f);
    assert_null(result(f));
    (void)io_fake_work(&f->fake);
    assert_int_equal(result(f)->code, 0);
    assert_string_equal(result(f)->text, "n0");
    assert_string_equal(f->token, "edged1/secret");
    assert_int_equal(f->n_applied, 1);
    assert_null(f->d->member.job);
}

static void why_it_was_refused_is_passed_on(void **state)
{
    struct fixture *f = *state;

    (void)io_fake_work(&f->fake);
    f->enrol_rc = EDGE_EREFUSED;
    say_join(f);
    (void)io_fake_work(&f->fake);
    assert_int_equal(result(f)->code, EDGE_EREFUSED);
    assert_non_null(strstr(result(f)->text, "used already"));
    assert_int_equal(f->n_applied, 0);
    f->enrol_rc = 0;
    say_join(f);
    (void)io_fake_work(&f->fake);
    assert_int_equal(result(f)->code, 0);
}

static void one_join_at_a_time(void **state)
{
    struct fixture *f = *state;

    (void)io_fake_work(&f->fake);
    say_join(f);
    say_join(f);
    assert_int_equal(result(f)->code, EDGE_EBUSY);
    (void)io_fake_work(&f->fake);
}

static void who_asked_may_have_gone(void **state)
{
    struct fixture *f = *state;

    (void)io_fake_work(&f->fake);
    say_join(f);
    member_peer_gone(f->d, &f->asker->base);
    io_fake_drop(f->asker);
    (void)io_fake_work(&f->fake);
    assert_int_equal(f->n_applied, 1);
}

static void a_new_membership_ends_the_old_connection(void **state)
{
    struct fixture *f = *state;

    be_member(f, 86400);
    say_join(f);
    (void)io_fake_work(&f->fake);
    assert_int_equal(result(f)->code, 0);
    assert_true(f->coordinator->hung_up);
}

static void in_plain_text_there_is_nothing_to_join(void **state)
{
    struct fixture *f = *state;

    daemon_free(f->d);
    io_fake_deinit(&f->fake);
    start(f, false);
    say_join(f);
    assert_int_equal(result(f)->code, EDGE_EREFUSED);
    assert_non_null(strstr(result(f)->text, "--insecure"));
}

/* ---- renewal ------------------------------------------------------------- */

static size_t n_asked(const struct fixture *f)
{
    return io_fake_count(f->coordinator, EDGED__ENVELOPE__BODY_RENEW);
}

static void give(struct fixture *f, int rc, char *pem)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__EnrolReply say = EDGED__ENROL_REPLY__INIT;

    say.code = rc;
    say.text = (char *)(uintptr_t) "no";
    say.cert_pem = pem != NULL ? pem : say.text;
    env.body_case = EDGED__ENVELOPE__BODY_ENROL_REPLY;
    env.enrol_reply = &say;
    io_fake_receive(f->coordinator, &env, NULL);
    (void)io_fake_work(&f->fake);
    mem_free(pem);
}

static void a_fresh_certificate_is_not_renewed(void **state)
{
    struct fixture *f = *state;

    be_member(f, 86400);
    run(f, 2 * BEAT_MS);
    assert_int_equal(n_asked(f), 0);
}

/* A minute, which is backdated, and two thirds of 15 s are over at once. */
static void an_old_certificate_is_renewed_with_its_key(void **state)
{
    struct fixture *f = *state;
    char *key_before;
    struct pki_set now;

    be_member(f, 15);
    key_before = mem_strdup(f->set.key_pem);
    run(f, 2 * BEAT_MS);
    assert_int_equal(n_asked(f), 1);
    give(f, 0, issue(f, f->set.key_pem, "n0", 86400));
    assert_int_equal(f->n_applied, 1);
    assert_int_equal(pki_load(f->folder, &now, &f->err), 0);
    assert_string_equal(now.key_pem, key_before);
    run(f, RENEW_AGAIN_MS + 2 * BEAT_MS);
    assert_int_equal(n_asked(f), 1);
    pki_set_deinit(&now);
    pki_forget(key_before);
}

static void no_answer_is_asked_again(void **state)
{
    struct fixture *f = *state;

    be_member(f, 15);
    run(f, RENEW_AGAIN_MS + 4 * BEAT_MS);
    assert_int_equal(n_asked(f), 2);
}

static void a_refusal_is_not_repeated_all_the_time(void **state)
{
    struct fixture *f = *state;

    be_member(f, 15);
    run(f, 2 * BEAT_MS);
    give(f, EDGE_EREFUSED, NULL);
    run(f, RENEW_AGAIN_MS + 4 * BEAT_MS);
    assert_int_equal(n_asked(f), 1);
    assert_int_equal(f->n_applied, 0);
}

/* Of another key, of another name, of no authority of ours, of nothing. */
static void what_is_not_its_own_is_not_kept(void **state)
{
    struct fixture *f = *state;
    struct pki_set now;
    char *other;

    be_member(f, 15);
    run(f, 2 * BEAT_MS);
    assert_int_equal(pki_make_key(&other, &f->err), 0);
    give(f, 0, issue(f, other, "n0", 86400));
    give(f, 0, issue(f, f->set.key_pem, "n1", 86400));
    give(f, 0, mem_strdup("-----BEGIN CERTIFICATE-----\nAAAA\n"));
    give(f, 0, mem_strdup(""));
    assert_int_equal(f->n_applied, 0);
    assert_int_equal(pki_load(f->folder, &now, &f->err), 0);
    pki_set_deinit(&now);
    pki_forget(other);
}

/* ---- who is refused ------------------------------------------------------ */

static void say_denied(struct fixture *f, size_t n, uint8_t first)
{
    ProtobufCBinaryData list[LIMIT_DENIED + 1];
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Denied say = EDGED__DENIED__INIT;
    struct digest one = {{first}};

    for (size_t i = 0; i < n; i++) {
        list[i].data = one.bytes;
        list[i].len = sizeof(one.bytes);
    }
    say.spki = list;
    say.n_spki = n;
    env.body_case = EDGED__ENVELOPE__BODY_DENIED;
    env.denied = &say;
    io_fake_receive(f->coordinator, &env, NULL);
}

static long size_of_list(const struct fixture *f)
{
    char path[TMP_PATH + 16];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s/tls/denied", f->folder);
    return stat(path, &st) == 0 ? (long)st.st_size : -1;
}

static void the_list_is_kept_and_used_once(void **state)
{
    struct fixture *f = *state;

    be_member(f, 86400);
    say_denied(f, 2, 1);
    (void)io_fake_work(&f->fake);
    assert_int_equal(size_of_list(f), 2 * DIGEST_HEX);
    assert_int_equal(f->n_applied, 1);
    say_denied(f, 2, 1);
    (void)io_fake_work(&f->fake);
    assert_int_equal(f->n_applied, 1); /* nothing new */
    say_denied(f, 0, 0);
    (void)io_fake_work(&f->fake);
    assert_int_equal(size_of_list(f), 0);
    assert_int_equal(f->n_applied, 2);
}

/* The disk strand may be busy with weights when it comes. */
static void a_list_before_the_certificate_was_read_counts(void **state)
{
    struct fixture *f = *state;

    daemon_free(f->d);
    io_fake_deinit(&f->fake);
    save(f, 86400);
    start(f, true);
    f->coordinator = connect(f, "coordinator", EDGED__ROLE__ROLE_COORDINATOR);
    say_denied(f, 1, 1);
    say_denied(f, 2, 2); /* the newer of two that wait */
    (void)io_fake_work(&f->fake);
    assert_int_equal(size_of_list(f), 2 * DIGEST_HEX);
    assert_int_equal(f->n_applied, 1);
}

static void a_list_that_was_not_put_in_force_is_taken_again(void **state)
{
    struct fixture *f = *state;

    be_member(f, 86400);
    f->apply_rc = EDGE_EIO;
    say_denied(f, 1, 1);
    (void)io_fake_work(&f->fake);
    f->apply_rc = 0;
    say_denied(f, 1, 1);
    (void)io_fake_work(&f->fake);
    assert_int_equal(f->n_applied, 2);
}

static void too_long_a_list_ends_the_connection(void **state)
{
    struct fixture *f = *state;

    be_member(f, 86400);
    say_denied(f, LIMIT_DENIED + 1, 1);
    assert_true(f->coordinator->hung_up);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_token_makes_it_a_member_while_it_runs),
        TEST(why_it_was_refused_is_passed_on),
        TEST(one_join_at_a_time),
        TEST(who_asked_may_have_gone),
        TEST(a_new_membership_ends_the_old_connection),
        TEST(in_plain_text_there_is_nothing_to_join),
        TEST(a_fresh_certificate_is_not_renewed),
        TEST(an_old_certificate_is_renewed_with_its_key),
        TEST(no_answer_is_asked_again),
        TEST(a_refusal_is_not_repeated_all_the_time),
        TEST(what_is_not_its_own_is_not_kept),
        TEST(the_list_is_kept_and_used_once),
        TEST(a_list_before_the_certificate_was_read_counts),
        TEST(a_list_that_was_not_put_in_force_is_taken_again),
        TEST(too_long_a_list_ends_the_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Two ends over real sockets, each with the certificate that a test gives it:
 * who gets in, who does not, and what each of them is told.
 */
#include "base/mem.h"
#include "net/hub.h"
#include "net/io_uv.h"
#include "net/io_uv_inner.h"
#include "tests/lib/certs.h"
#include "tests/lib/io_end.h"
#include "tests/lib/unit.h"

#include <string.h>

#define CONTEXTS 8
#define LARGEST_MS 120000 /* with TSan, beside others */

struct fixture {
    struct io_world *world;
    struct certs ours;
    struct certs theirs;
    struct end a; /* dials */
    struct end b;
    struct tls *contexts[CONTEXTS];
    int n;
};

static int set_up(void **state)
{
    struct fixture *f = mem_new(struct fixture);

    assert_non_null(f);
    f->world = io_world_uv();
    certs_init(&f->ours, "home");
    certs_init(&f->theirs, "home");
    end_start(&f->a, f->world, "anna");
    end_start(&f->b, f->world, "bert");
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    end_kill(&f->a);
    end_kill(&f->b);
    f->world->ops->free(f->world);
    while (f->n > 0) {
        tls_free(f->contexts[--f->n]);
    }
    certs_deinit(&f->ours);
    certs_deinit(&f->theirs);
    mem_free(f);
    return 0;
}

/* From now on the end uses this context, which the fixture frees. */
static struct tls *wear(struct fixture *f, struct end *end, struct tls *tls)
{
    assert_true(f->n < CONTEXTS);
    f->contexts[f->n++] = tls;
    io_uv_secure(io_uv_of(end->io), tls, 0);
    return tls;
}

static struct tls *node(struct fixture *f, struct end *end)
{
    return wear(f, end, certs_tls(&f->ours, PKI_NODE, end->id.name));
}

static struct io_peer *connect_both(struct fixture *f)
{
    struct io_peer *peer = end_dial(&f->a, &f->b, "bert");

    end_until(&f->a, ups, 1, 2000);
    end_until(&f->b, ups, 1, 2000);
    return peer;
}

/* a dials b and is refused with these words in its reason. */
static void expect_refused(struct fixture *f, int rc, const char *const *words)
{
    end_dial(&f->a, &f->b, "bert");
    end_until(&f->a, refusals, 1, 2000);
    for (; *words != NULL; words++) {
        if (strstr(f->a.why, *words) == NULL) {
            fail_msg("\"%s\" does not say \"%s\"", f->a.why, *words);
        }
    }
    assert_int_equal(f->a.rc, rc);
    assert_int_equal(f->a.ups, 0);
    end_run_for(&f->b, 50);
    assert_int_equal(f->b.ups, f->b.downs); /* not even for a moment, or over */
    assert_int_equal(f->b.messages, 0);
}

#define REFUSED(f, rc, ...) \
    expect_refused((f), (rc), (const char *const[]){__VA_ARGS__, NULL})

/* ---- who gets in --------------------------------------------------------- */

static void test_two_nodes_of_a_cluster(void **state)
{
    struct fixture *f = *state;
    struct tls *a = node(f, &f->a);
    struct tls *b = node(f, &f->b);
    struct io_peer *peer = connect_both(f);

    assert_true(peer->secure);
    assert_true(f->b.peer->secure);
    assert_memory_equal(peer->spki, tls_self(b)->spki, TLS_DIGEST);
    assert_memory_equal(f->b.peer->spki, tls_self(a)->spki, TLS_DIGEST);
    assert_string_equal(tls_self(a)->name, "anna");
    assert_int_equal(tls_self(a)->role, EDGED__ROLE__ROLE_NODE);
    assert_string_equal(f->b.peer->host, "127.0.0.1");
    assert_string_equal(peer->host, "");
}

static void test_payloads_have_no_checksum_of_their_own(void **state)
{
    struct fixture *f = *state;
    struct io_peer *peer;

    (void)node(f, &f->a);
    (void)node(f, &f->b);
    peer = connect_both(f);
    assert_int_equal(end_send_data(&f->a, peer, 1, 100000), 0);
    end_until_messages(&f->b, 1, 2000);
    assert_int_equal(f->b.crc_field, 0);
    assert_int_equal(f->b.payload_crc, end_data_crc(0, 1, 100000));
}

static void test_the_largest_payloads_pass_each_other(void **state)
{
    struct fixture *f = *state;
    /* Made before: who does not read meanwhile is hung up on after 3 s. */
    struct blob *first = end_data(1, LIMIT_PAYLOAD);
    struct blob *second = end_data(2, LIMIT_PAYLOAD);

    (void)node(f, &f->a);
    (void)node(f, &f->b);
    assert_int_equal(end_send_blob(&f->a, connect_both(f), 1, first), 0);
    assert_int_equal(end_send_blob(&f->b, f->b.peer, 2, second), 0);
    end_until_messages(&f->a, 1, LARGEST_MS);
    end_until_messages(&f->b, 1, LARGEST_MS);
    assert_int_equal(f->b.payload_crc, end_data_crc(0, 1, LIMIT_PAYLOAD));
    assert_int_equal(f->a.payload_crc, end_data_crc(0, 2, LIMIT_PAYLOAD));
}

static void test_any_address_may_be_listened_on(void **state)
{
    struct fixture *f = *state;
    struct err err;
    int port;

    (void)node(f, &f->b);
    assert_int_equal(io_uv_listen(io_uv_of(f->b.io), "0.0.0.0", 0, &port, &err),
                     0);
}

static void test_without_certificate_or_flag_there_is_no_tcp(void **state)
{
    struct fixture *f = *state;
    struct io_peer *peer;
    struct err err;

    io_uv_secure(io_uv_of(f->a.io), NULL, 0);
    assert_int_equal(
        io_uv_listen(io_uv_of(f->a.io), "127.0.0.1", 0, NULL, &err),
        EDGE_EREFUSED);
    assert_non_null(strstr(err.text, "--insecure"));
    assert_non_null(strstr(err.text, "edgectl init"));
    assert_int_equal(
        io_dial(f->a.io, "bert", "127.0.0.1", f->b.port, &peer, &err),
        EDGE_EREFUSED);
}

/* ---- certificates that are refused --------------------------------------- */

static void test_another_cluster(void **state)
{
    struct fixture *f = *state;

    (void)node(f, &f->a);
    (void)wear(f, &f->b, certs_tls(&f->theirs, PKI_NODE, "bert"));
    REFUSED(f, EDGE_EREFUSED,
            "bert presents a certificate of another cluster (CA ",
            ".., expected ",
            "..). If the card was re-used: edgectl token create | ssh bert "
            "sudo edged join -");
}

static void test_an_expired_answer(void **state)
{
    struct fixture *f = *state;

    (void)node(f, &f->a);
    (void)wear(
        f, &f->b,
        certs_tls_at(&f->ours, PKI_NODE, "bert", -2 * CERTS_DAY, CERTS_DAY));
    REFUSED(f, EDGE_EREFUSED, "the certificate of bert expired on 20",
            "here it is 20", "ssh bert sudo edged join -");
}

static void test_an_expired_dialer(void **state)
{
    struct fixture *f = *state;

    (void)wear(
        f, &f->a,
        certs_tls_at(&f->ours, PKI_NODE, "anna", -2 * CERTS_DAY, CERTS_DAY));
    (void)node(f, &f->b);
    REFUSED(f, EDGE_EREFUSED,
            "the other end says that this end's certificate has expired; it "
            "is valid until 20",
            "ssh anna sudo edged join -");
}

static void test_an_answer_that_is_not_valid_yet(void **state)
{
    struct fixture *f = *state;

    (void)node(f, &f->a);
    (void)wear(f, &f->b,
               certs_tls_at(&f->ours, PKI_NODE, "bert", CERTS_DAY, CERTS_DAY));
    REFUSED(f, EDGE_EREFUSED, "the clock of this board (20",
            "is before the notBefore of the certificate of bert (20");
}

static void test_a_dialer_that_is_not_valid_yet(void **state)
{
    struct fixture *f = *state;

    (void)wear(f, &f->a,
               certs_tls_at(&f->ours, PKI_NODE, "anna", CERTS_DAY, CERTS_DAY));
    (void)node(f, &f->b);
    REFUSED(f, EDGE_EREFUSED,
            "does not accept this end's certificate, which is valid from 20",
            "look at its clock first");
}

static void test_another_name(void **state)
{
    struct fixture *f = *state;

    (void)wear(f, &f->a, certs_tls(&f->ours, PKI_NODE, "otto"));
    (void)node(f, &f->b);
    REFUSED(f, EDGE_EREFUSED,
            "anna calls itself so, but its certificate is that of otto. If "
            "the board was renamed: edgectl token create | ssh anna sudo edged "
            "join -");
}

static void test_an_answer_of_another_name(void **state)
{
    struct fixture *f = *state;

    (void)node(f, &f->a);
    (void)wear(f, &f->b, certs_tls(&f->ours, PKI_NODE, "otto"));
    REFUSED(f, EDGE_EREFUSED,
            "bert calls itself so, but its certificate is that of otto");
}

static void test_another_role(void **state)
{
    struct fixture *f = *state;

    (void)wear(f, &f->a, certs_tls(&f->ours, PKI_CLIENT, "anna"));
    (void)node(f, &f->b);
    REFUSED(f, EDGE_EREFUSED,
            "anna says that it is a node, but its certificate is that of a "
            "client");
}

static void test_a_node_is_not_the_coordinator(void **state)
{
    struct fixture *f = *state;

    f->a.id.role = EDGED__ROLE__ROLE_COORDINATOR;
    (void)node(f, &f->a);
    (void)node(f, &f->b);
    REFUSED(f, EDGE_EREFUSED,
            "anna says that it is a coordinator, but its certificate is that "
            "of a node");
}

static void test_no_client_comes_to_a_node(void **state)
{
    struct fixture *f = *state;

    f->a.id.role = EDGED__ROLE__ROLE_CLIENT;
    (void)wear(f, &f->a, certs_tls(&f->ours, PKI_CLIENT, "anna"));
    (void)node(f, &f->b);
    REFUSED(f, EDGE_EREFUSED, "a client is not accepted on this socket");
}

static void test_a_client_comes_to_the_coordinator(void **state)
{
    struct fixture *f = *state;

    f->a.id.role = EDGED__ROLE__ROLE_CLIENT;
    f->b.id.role = EDGED__ROLE__ROLE_COORDINATOR;
    (void)wear(f, &f->a, certs_tls(&f->ours, PKI_CLIENT, "anna"));
    (void)wear(f, &f->b, certs_tls(&f->ours, PKI_COORDINATOR, "bert"));
    (void)connect_both(f);
    assert_int_equal(f->b.peer->role, EDGED__ROLE__ROLE_CLIENT);
}

/* ---- revoked ------------------------------------------------------------- */

static void test_a_revoked_dialer(void **state)
{
    struct fixture *f = *state;
    struct tls *a = node(f, &f->a);
    struct tls *b = node(f, &f->b);

    assert_int_equal(tls_deny(b, &tls_self(a)->spki, 1), 0);
    REFUSED(f, EDGE_EREFUSED,
            "the other end says that this end's certificate is revoked");
}

static void test_a_revoked_answer(void **state)
{
    struct fixture *f = *state;
    struct tls *a = node(f, &f->a);
    struct tls *b = node(f, &f->b);

    assert_int_equal(tls_deny(a, &tls_self(b)->spki, 1), 0);
    REFUSED(f, EDGE_EREFUSED,
            "the certificate of bert is revoked. To let it come back: edgectl "
            "token create | ssh bert sudo edged join -");
}

static void test_revoked_while_connected(void **state)
{
    struct fixture *f = *state;
    struct tls *a = node(f, &f->a);
    struct tls *b = node(f, &f->b);

    (void)connect_both(f);
    assert_int_equal(tls_deny(b, &tls_self(a)->spki, 1), 0);
    end_until(&f->a, downs, 1, 2000);
    end_until(&f->b, downs, 1, 2000);
    assert_string_equal(f->a.why, "its certificate was revoked");
    end_until(&f->a, refusals, 1, 2000); /* and does not come back */
    assert_int_equal(tls_deny(b, NULL, 0), 0);
    end_until(&f->a, ups, 2, 8000);
}

static void test_the_list_replaces_the_one_before(void **state)
{
    struct fixture *f = *state;
    struct tls *a = node(f, &f->a);
    struct tls *b = node(f, &f->b);
    uint8_t others[3][TLS_DIGEST] = {{3}, {1}, {2}};

    assert_int_equal(tls_deny(b, &tls_self(a)->spki, 1), 0);
    assert_int_equal(tls_deny(b, (const uint8_t(*)[TLS_DIGEST])others, 3), 0);
    assert_false(tls_denies(b, tls_self(a)->spki));
    for (int i = 0; i < 3; i++) {
        assert_true(tls_denies(b, others[i]));
    }
    assert_int_equal(
        tls_deny(b, (const uint8_t(*)[TLS_DIGEST])others, LIMIT_DENIED + 1),
        EDGE_ETOOBIG);
    assert_true(tls_denies(b, others[0]));
    (void)connect_both(f);
}

/* ---- renewed ------------------------------------------------------------- */

static void renew(struct fixture *f, struct tls *tls, const char *name)
{
    struct tls_material material = {.ca_pem = f->ours.ca_pem};
    struct err err;
    char *cert;
    char *key;

    certs_make(&f->ours, PKI_NODE, name, 0, CERTS_DAY, &cert, &key);
    material.cert_pem = cert;
    material.key_pem = key;
    if (tls_renew(tls, &material, &err) < 0) {
        fail_msg("%s", err.text);
    }
    mem_free(cert);
    mem_free(key);
}

static void test_a_renewed_certificate_is_used(void **state)
{
    struct fixture *f = *state;
    struct tls *b;

    (void)node(f, &f->a);
    b = wear(
        f, &f->b,
        certs_tls_at(&f->ours, PKI_NODE, "bert", -2 * CERTS_DAY, CERTS_DAY));
    REFUSED(f, EDGE_EREFUSED, "the certificate of bert expired on");
    renew(f, b, "bert");
    end_until(&f->a, ups, 1, 8000); /* by itself */
}

static void test_renewing_leaves_what_is_connected(void **state)
{
    struct fixture *f = *state;
    struct tls *a = node(f, &f->a);
    struct tls *b = node(f, &f->b);
    struct io_peer *peer = connect_both(f);
    uint8_t before[TLS_DIGEST];

    memcpy(before, tls_self(b)->spki, sizeof(before));
    renew(f, a, "anna");
    renew(f, b, "bert");
    assert_memory_not_equal(before, tls_self(b)->spki, sizeof(before));
    assert_int_equal(end_send_data(&f->a, peer, 1, 100000), 0);
    end_until_messages(&f->b, 1, 2000);
    assert_int_equal(f->a.downs + f->b.downs, 0);
    assert_memory_equal(peer->spki, before, sizeof(before));
}

static void test_a_bad_renewal_changes_nothing(void **state)
{
    struct fixture *f = *state;
    struct tls *a = node(f, &f->a);
    struct tls_material material = {.ca_pem = f->ours.ca_pem,
                                    .cert_pem = f->ours.ca_pem,
                                    .key_pem = f->ours.key_pem};
    struct err err;

    (void)node(f, &f->b);
    assert_int_equal(tls_renew(a, &material, &err), EDGE_EINVAL);
    assert_non_null(strstr(err.text, "has no subjectAltName"));
    assert_string_equal(tls_self(a)->name, "anna");
    (void)connect_both(f);
}

/* ---- joining ------------------------------------------------------------- */

static struct tls *joiner(struct fixture *f, struct end *end,
                          const struct certs *of)
{
    uint8_t digest[TLS_DIGEST];
    struct tls *tls;
    struct err err;

    certs_fingerprint(of, digest);
    if (tls_new_joiner(digest, &tls, &err) < 0) {
        fail_msg("%s", err.text);
    }
    end->id.role = EDGED__ROLE__ROLE_NONE;
    return wear(f, end, tls);
}

static void open_to_joiners(struct fixture *f)
{
    f->b.id.role = EDGED__ROLE__ROLE_COORDINATOR;
    io_uv_secure(io_uv_of(f->b.io),
                 wear(f, &f->b, certs_tls(&f->ours, PKI_COORDINATOR, "bert")),
                 IO_UV_JOINERS);
}

static void test_a_joiner_comes_as_a_stranger(void **state)
{
    struct fixture *f = *state;
    struct io_peer *peer;

    (void)joiner(f, &f->a, &f->ours);
    open_to_joiners(f);
    peer = connect_both(f);
    assert_int_equal(peer->role, EDGED__ROLE__ROLE_COORDINATOR);
    assert_int_equal(f->b.peer->role, EDGED__ROLE__ROLE_NONE);
    assert_int_equal(hub_of(f->b.io)->n_strangers, 1);
    assert_int_equal(end_send_ack(&f->a, peer, 7), 0); /* small: arrives */
    end_until_messages(&f->b, 1, 2000);
    assert_int_equal(end_send_data(&f->a, peer, 8, 1), 0); /* a payload */
    end_until(&f->b, downs, 1, 2000);
    assert_int_equal(f->b.messages, 1);
    assert_int_equal(hub_of(f->b.io)->n_strangers, 0);
}

static void test_a_joiner_has_little_time(void **state)
{
    struct fixture *f = *state;

    (void)joiner(f, &f->a, &f->ours);
    open_to_joiners(f);
    hub_of(f->b.io)->limits.join_ms = 300;
    (void)connect_both(f);
    end_until(&f->a, downs, 1, 3000);
    assert_string_equal(f->a.why, "to join took too long");
}

static void test_a_joiner_knows_its_cluster(void **state)
{
    struct fixture *f = *state;

    (void)joiner(f, &f->a, &f->theirs);
    open_to_joiners(f);
    REFUSED(f, EDGE_EREFUSED,
            "the coordinator there is of another cluster than the token (CA ");
}

static void test_a_joiner_wants_the_coordinator(void **state)
{
    struct fixture *f = *state;

    (void)joiner(f, &f->a, &f->ours);
    (void)node(f, &f->b);
    REFUSED(f, EDGE_EREFUSED,
            "who answers there is not the coordinator: its certificate is for "
            "another role");
}

static void test_joiners_come_only_where_they_may(void **state)
{
    struct fixture *f = *state;

    (void)joiner(f, &f->a, &f->ours);
    f->b.id.role = EDGED__ROLE__ROLE_COORDINATOR;
    (void)wear(f, &f->b, certs_tls(&f->ours, PKI_COORDINATOR, "bert"));
    REFUSED(f, EDGE_EREFUSED,
            "the other end wants a certificate, and this end has none: "
            "edgectl token create");
}

static void test_who_has_a_certificate_is_no_joiner(void **state)
{
    struct fixture *f = *state;

    f->a.id.role = EDGED__ROLE__ROLE_NONE;
    (void)node(f, &f->a);
    open_to_joiners(f);
    REFUSED(f, EDGE_EREFUSED,
            "anna says that it is a stranger, but its certificate is that of "
            "a node");
}

/* ---- TLS meets plain text ------------------------------------------------ */

static void test_plain_text_meets_tls(void **state)
{
    struct fixture *f = *state;

    (void)node(f, &f->b);
    REFUSED(f, EDGE_EREFUSED,
            "this port speaks TLS, and the other end began in plain text");
}

static void test_tls_meets_plain_text(void **state)
{
    struct fixture *f = *state;

    (void)node(f, &f->a);
    REFUSED(f, EDGE_EREFUSED,
            "the other end answers in plain text, and this one speaks TLS "
            "only");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_two_nodes_of_a_cluster),
        TEST(test_payloads_have_no_checksum_of_their_own),
        TEST(test_the_largest_payloads_pass_each_other),
        TEST(test_any_address_may_be_listened_on),
        TEST(test_without_certificate_or_flag_there_is_no_tcp),
        TEST(test_another_cluster),
        TEST(test_an_expired_answer),
        TEST(test_an_expired_dialer),
        TEST(test_an_answer_that_is_not_valid_yet),
        TEST(test_a_dialer_that_is_not_valid_yet),
        TEST(test_another_name),
        TEST(test_an_answer_of_another_name),
        TEST(test_another_role),
        TEST(test_a_node_is_not_the_coordinator),
        TEST(test_no_client_comes_to_a_node),
        TEST(test_a_client_comes_to_the_coordinator),
        TEST(test_a_revoked_dialer),
        TEST(test_a_revoked_answer),
        TEST(test_revoked_while_connected),
        TEST(test_the_list_replaces_the_one_before),
        TEST(test_a_renewed_certificate_is_used),
        TEST(test_renewing_leaves_what_is_connected),
        TEST(test_a_bad_renewal_changes_nothing),
        TEST(test_a_joiner_comes_as_a_stranger),
        TEST(test_a_joiner_has_little_time),
        TEST(test_a_joiner_knows_its_cluster),
        TEST(test_a_joiner_wants_the_coordinator),
        TEST(test_joiners_come_only_where_they_may),
        TEST(test_who_has_a_certificate_is_no_joiner),
        TEST(test_plain_text_meets_tls),
        TEST(test_tls_meets_plain_text),
    };

    return cmocka_run_group_tests_name("tls ends", tests, NULL, NULL);
}

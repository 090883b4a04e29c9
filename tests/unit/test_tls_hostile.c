/*
 * A node that speaks TLS, and raw sockets against it: no certificate, another
 * one's, old versions, plain text, slow, silent.
 */
#include "base/mem.h"
#include "net/io_uv.h"
#include "net/io_uv_inner.h"
#include "net/tls_inner.h"
#include "tests/lib/certs.h"
#include "tests/lib/io_end.h"
#include "tests/lib/tls_hello.h"
#include "tests/lib/unit.h"
#include "wire/frame.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct fixture {
    struct io_world *world;
    struct certs ours;
    struct certs theirs;
    struct tls *tls;
    struct end node;
    int fd;
    SSL_CTX *ctx;
    SSL *ssl; /* the client's, over fd or over memory */
    int rc;   /* of the last SSL call, and why */
    int code;
    unsigned long error;
    uint8_t got[4096];
    size_t got_size;
};

static struct hub_limits *limits(struct fixture *f)
{
    return &hub_of(f->node.io)->limits;
}

static int connect_to(const struct fixture *f)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)f->node.port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(
        connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static int set_up(void **state)
{
    struct fixture *f = mem_new(struct fixture);

    assert_non_null(f);
    f->world = io_world_uv();
    certs_init(&f->ours, "home");
    certs_init(&f->theirs, "home");
    end_start(&f->node, f->world, "bert");
    f->tls = certs_tls(&f->ours, PKI_NODE, "bert");
    io_uv_secure(io_uv_of(f->node.io), f->tls, 0);
    f->fd = connect_to(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    SSL_free(f->ssl);
    SSL_CTX_free(f->ctx);
    end_kill(&f->node);
    f->world->ops->free(f->world);
    tls_free(f->tls);
    certs_deinit(&f->ours);
    certs_deinit(&f->theirs);
    (void)close(f->fd);
    mem_free(f);
    return 0;
}

/* ---- a client ------------------------------------------------------------ */

static void use_certificate(struct fixture *f, const struct certs *certs,
                            const char *name)
{
    char *cert_pem;
    char *key_pem;
    BIO *cert;
    BIO *key;
    X509 *x509;
    EVP_PKEY *pkey;

    certs_make(certs, PKI_NODE, name, 0, CERTS_DAY, &cert_pem, &key_pem);
    cert = BIO_new_mem_buf(cert_pem, -1);
    key = BIO_new_mem_buf(key_pem, -1);
    x509 = PEM_read_bio_X509(cert, NULL, NULL, NULL);
    pkey = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);
    assert_int_equal(SSL_CTX_use_certificate(f->ctx, x509), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(f->ctx, pkey), 1);
    X509_free(x509);
    EVP_PKEY_free(pkey);
    BIO_free(cert);
    BIO_free(key);
    mem_free(cert_pem);
    mem_free(key_pem);
}

/* It verifies nothing: what the node thinks of it is what counts. */
static void client(struct fixture *f, int version, const struct certs *certs)
{
    f->ctx = SSL_CTX_new(TLS_client_method());
    assert_int_equal(SSL_CTX_set_max_proto_version(f->ctx, version), 1);
    if (certs != NULL) {
        use_certificate(f, certs, "mallory");
    }
    f->ssl = SSL_new(f->ctx);
    SSL_set_connect_state(f->ssl);
    assert_int_equal(SSL_set_fd(f->ssl, f->fd), 1);
}

static bool settle(struct fixture *f, int rc)
{
    f->rc = rc;
    f->code = SSL_get_error(f->ssl, rc);
    f->error = ERR_peek_error();
    return f->code != SSL_ERROR_WANT_READ && f->code != SSL_ERROR_WANT_WRITE;
}

static bool shook(void *arg)
{
    struct fixture *f = arg;

    ERR_clear_error();
    return settle(f, SSL_do_handshake(f->ssl));
}

static bool read_some(void *arg)
{
    struct fixture *f = arg;

    ERR_clear_error();
    return settle(f, SSL_read(f->ssl, f->got, sizeof(f->got)));
}

static void shake(struct fixture *f)
{
    assert_true(f->world->ops->run(f->world, shook, f, 3000));
}

static void expect_alert(struct fixture *f, int alert)
{
    assert_true(f->world->ops->run(f->world, read_some, f, 3000));
    assert_true(f->rc <= 0);
    assert_int_equal(ERR_GET_REASON(f->error), SSL_AD_REASON_OFFSET + alert);
    assert_int_equal(f->node.ups, 0);
}

/* Reads what comes without TLS; true at the end. */
static bool drained(void *arg)
{
    struct fixture *f = arg;

    for (;;) {
        ssize_t n =
            read(f->fd, f->got + f->got_size, sizeof(f->got) - f->got_size);

        if (n > 0) {
            f->got_size += (size_t)n;
        } else {
            return n == 0 || errno != EAGAIN;
        }
    }
}

static void expect_end(struct fixture *f)
{
    assert_true(f->world->ops->run(f->world, drained, f, 4000));
}

static bool has_no_connection(void *arg)
{
    const struct fixture *f = arg;

    return list_is_empty(&hub_of(f->node.io)->conns);
}

/* Nothing of it is left. */
static void expect_gone(struct fixture *f)
{
    assert_true(f->world->ops->run(f->world, has_no_connection, f, 4000));
    assert_int_equal(hub_of(f->node.io)->n_strangers, 0);
    assert_int_equal(f->node.ups, 0);
}

/* The bytes of a frame with this Hello. */
static size_t hello_frame(uint8_t out[512], const char *name)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Hello hello = EDGED__HELLO__INIT;
    uint8_t *head;
    size_t size;

    hello.major = FRAME_MAJOR;
    hello.role = EDGED__ROLE__ROLE_NODE;
    hello.name = (char *)(uintptr_t)name;
    hello.cluster = "home";
    hello.version = "0";
    env.body_case = EDGED__ENVELOPE__BODY_HELLO;
    env.hello = &hello;
    assert_int_equal(msg_pack(&env, 0, 0, &head, &size), 0);
    frame_header_write(out, (uint32_t)size, 0);
    memcpy(out + FRAME_HEADER, head, size);
    mem_free(head);
    return FRAME_HEADER + size;
}

static void say(struct fixture *f, const void *bytes, size_t size)
{
    assert_int_equal(SSL_write(f->ssl, bytes, (int)size), (int)size);
}

static void become_known(struct fixture *f)
{
    uint8_t frame[512];

    client(f, TLS1_3_VERSION, &f->ours);
    shake(f);
    assert_int_equal(f->rc, 1);
    say(f, frame, hello_frame(frame, "mallory"));
    end_until(&f->node, ups, 1, 2000);
}

/* ---- refused ------------------------------------------------------------- */

static void test_no_certificate(void **state)
{
    struct fixture *f = *state;

    client(f, TLS1_3_VERSION, NULL);
    shake(f);
    assert_int_equal(f->rc, 1); /* in TLS 1.3 the client thinks so */
    expect_alert(f, 116);
    (void)shutdown(f->fd, SHUT_RDWR);
    expect_gone(f);
}

static void test_a_certificate_of_another_ca(void **state)
{
    struct fixture *f = *state;

    client(f, TLS1_3_VERSION, &f->theirs);
    shake(f);
    expect_alert(f, SSL_AD_UNKNOWN_CA);
    (void)shutdown(f->fd, SHUT_RDWR);
    expect_gone(f);
}

static void test_old_versions(void **state)
{
    struct fixture *f = *state;

    client(f, TLS1_2_VERSION, &f->ours);
    shake(f);
    assert_true(f->rc <= 0);
    assert_int_equal(ERR_GET_REASON(f->error),
                     SSL_AD_REASON_OFFSET + SSL_AD_PROTOCOL_VERSION);
    (void)shutdown(f->fd, SHUT_RDWR);
    expect_gone(f);
}

static void test_other_curves_and_keys_are_not_spoken(void **state)
{
    struct fixture *f = *state;

    client(f, TLS1_3_VERSION, &f->ours);
    assert_int_equal(SSL_set1_groups_list(f->ssl, "X25519"), 1);
    shake(f);
    assert_true(f->rc <= 0);
    assert_int_equal(ERR_GET_REASON(f->error),
                     SSL_AD_REASON_OFFSET + SSL_AD_HANDSHAKE_FAILURE);
    (void)shutdown(f->fd, SHUT_RDWR);
    expect_gone(f);
}

static void test_no_ticket_is_given(void **state)
{
    struct fixture *f = *state;

    become_known(f);
    (void)f->world->ops->run(f->world, read_some, f, 200); /* its Hello */
    assert_false(SSL_SESSION_has_ticket(SSL_get_session(f->ssl)));
    assert_int_equal(SSL_SESSION_get_max_early_data(SSL_get_session(f->ssl)),
                     0);
}

static void test_plain_text_is_answered_in_plain_text(void **state)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    struct fixture *f = *state;

    assert_int_equal(send(f->fd, text, sizeof(text) - 1, MSG_NOSIGNAL),
                     sizeof(text) - 1);
    expect_end(f);
    assert_memory_equal(f->got, "EDG1", 4);
    assert_non_null(memmem(f->got, f->got_size, "this port speaks TLS", 20));
}

static void test_junk_that_looks_like_tls(void **state)
{
    struct fixture *f = *state;
    uint8_t junk[64] = {0x16, 0x03, 0x01, 0x00, 0x3b, 0x01, 0xff};

    assert_int_equal(send(f->fd, junk, sizeof(junk), MSG_NOSIGNAL),
                     sizeof(junk));
    expect_end(f);
    assert_true(f->got_size > 0 && f->got[0] == 0x15); /* an alert */
    (void)shutdown(f->fd, SHUT_RDWR);
    expect_gone(f);
}

/* ---- slow ---------------------------------------------------------------- */

static void test_a_handshake_byte_by_byte_takes_too_long(void **state)
{
    struct fixture *f = *state;
    uint64_t before_us = io_now_us(f->node.io);
    uint8_t hello[2048];
    size_t size = tls_hello(hello, sizeof(hello));

    limits(f)->hello_ms = 500;
    for (size_t i = 0; i < size && !drained(f); i++) {
        (void)send(f->fd, hello + i, 1, MSG_NOSIGNAL);
        end_run_for(&f->node, 50);
        assert_true(io_now_us(f->node.io) - before_us < 10000000);
    }
    expect_end(f);
    expect_gone(f);
}

static void test_a_handshake_without_hello_takes_too_long(void **state)
{
    struct fixture *f = *state;

    limits(f)->hello_ms = 500;
    client(f, TLS1_3_VERSION, &f->ours);
    shake(f);
    assert_int_equal(f->rc, 1);
    expect_end(f);
    expect_gone(f);
}

/* The bytes of the client's SSL reach the node one at a time. */
static bool trickle(void *arg)
{
    struct fixture *f = arg;
    BIO *out = SSL_get_wbio(f->ssl);
    BIO *in = SSL_get_rbio(f->ssl);
    uint8_t bytes[4096];
    ssize_t n;

    (void)SSL_do_handshake(f->ssl);
    if (BIO_read(out, bytes, 1) == 1) {
        assert_int_equal(send(f->fd, bytes, 1, MSG_NOSIGNAL), 1);
    }
    n = read(f->fd, bytes, sizeof(bytes));
    if (n > 0) {
        (void)BIO_write(in, bytes, (int)n);
    }
    return f->node.ups > 0;
}

static void test_single_bytes_are_put_together(void **state)
{
    struct fixture *f = *state;
    uint8_t frame[512];
    size_t size = hello_frame(frame, "mallory");
    int one = 1;

    client(f, TLS1_3_VERSION, &f->ours);
    (void)setsockopt(f->fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &one,
                     sizeof(one));
    SSL_set_bio(f->ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    for (int i = 0; i < 100000 && !SSL_is_init_finished(f->ssl); i++) {
        (void)trickle(f);
        end_run_for(&f->node, 0);
    }
    assert_true(SSL_is_init_finished(f->ssl));
    say(f, frame, size);
    assert_true(f->world->ops->run(f->world, trickle, f, 20000));
    assert_string_equal(f->node.peer->name, "mallory");
}

static void test_a_record_that_does_not_end(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[100] = {0x17, 0x03, 0x03, 0x40, 0x00}; /* of 16 KiB */

    become_known(f);
    limits(f)->frame_ms = 500;
    assert_int_equal(send(f->fd, bytes, sizeof(bytes), MSG_NOSIGNAL),
                     sizeof(bytes));
    end_until(&f->node, downs, 1, 4000);
    assert_string_equal(f->node.why, "a frame took too long");
}

static size_t ack_frame(uint8_t out[512])
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Ack ack = EDGED__ACK__INIT;
    uint8_t *head;
    size_t size;

    ack.request = 1;
    env.body_case = EDGED__ENVELOPE__BODY_ACK;
    env.ack = &ack;
    assert_int_equal(msg_pack(&env, 0, 0, &head, &size), 0);
    frame_header_write(out, (uint32_t)size, 0);
    memcpy(out + FRAME_HEADER, head, size);
    mem_free(head);
    return FRAME_HEADER + size;
}

/* On a slow link something is always under way; what counts is that records
 * come to their ends. */
static void test_records_that_end_are_not_late(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[1024];
    uint8_t frame[512];
    size_t size = ack_frame(frame);
    BIO *out = BIO_new(BIO_s_mem());
    int n;

    become_known(f);
    limits(f)->frame_ms = 500;
    SSL_set0_wbio(f->ssl, out);
    for (int i = 0; i < 30; i++) {
        say(f, frame, size);
        n = (int)BIO_pending(out) - 10; /* the end of it comes with the next */
        assert_int_equal(BIO_read(out, bytes, n), n);
        assert_int_equal(send(f->fd, bytes, (size_t)n, MSG_NOSIGNAL), n);
        end_run_for(&f->node, 50);
        assert_int_equal(f->node.downs, 0);
    }
    assert_int_equal(f->node.messages, 29);
}

static void test_who_does_not_read_is_closed(void **state)
{
    struct fixture *f = *state;

    become_known(f);
    limits(f)->stuck_ms = 500;
    while (end_send_data(&f->node, f->node.peer, 1, MIB(1)) == 0) {
    }
    assert_true(f->node.peer->queued <= LIMIT_WRITE_QUEUE + TLS_OUT + KIB(256));
    end_until(&f->node, downs, 1, 4000);
    assert_int_equal(f->node.rc, EDGE_ETIMEOUT);
    assert_string_equal(f->node.why, "nothing can be written to it");
}

static void test_a_flipped_bit_ends_it(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[40] = {0x17, 0x03, 0x03, 0x00, 0x23}; /* a wrong MAC */

    become_known(f);
    assert_int_equal(send(f->fd, bytes, sizeof(bytes), MSG_NOSIGNAL),
                     sizeof(bytes));
    end_until(&f->node, downs, 1, 2000);
    assert_int_equal(f->node.rc, EDGE_EPROTO);
    assert_int_equal(f->node.messages, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_no_certificate),
        TEST(test_a_certificate_of_another_ca),
        TEST(test_old_versions),
        TEST(test_other_curves_and_keys_are_not_spoken),
        TEST(test_no_ticket_is_given),
        TEST(test_plain_text_is_answered_in_plain_text),
        TEST(test_junk_that_looks_like_tls),
        TEST(test_a_handshake_byte_by_byte_takes_too_long),
        TEST(test_a_handshake_without_hello_takes_too_long),
        TEST(test_single_bytes_are_put_together),
        TEST(test_a_record_that_does_not_end),
        TEST(test_records_that_end_are_not_late),
        TEST(test_who_does_not_read_is_closed),
        TEST(test_a_flipped_bit_ends_it),
    };

    return cmocka_run_group_tests_name("tls hostile", tests, NULL, NULL);
}

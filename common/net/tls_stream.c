#include "net/tls_stream.h"

#include "base/mem.h"
#include "net/tls_stream_inner.h"

#include <openssl/err.h>
#include <string.h>

static struct tls_stream *of_socket(struct stream *socket)
{
    return socket->owner;
}

/* ---- between the SSL and the socket -------------------------------------- */

static int bio_read(BIO *bio, char *to, size_t size, size_t *n)
{
    struct tls_stream *s = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (s->in_n == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    *n = size < s->in_n ? size : s->in_n;
    memcpy(to, s->in, *n);
    s->in += *n;
    s->in_n -= *n;
    return 1;
}

/* There is room: everything is flushed before the SSL gets the next word. */
static int bio_write(BIO *bio, const char *from, size_t size, size_t *n)
{
    struct tls_stream *s = BIO_get_data(bio);
    struct tls *tls = s->tls;

    BIO_clear_retry_flags(bio);
    if (size > sizeof(tls->out) - tls->out_n) {
        return 0;
    }
    memcpy(tls->out + tls->out_n, from, size);
    tls->out_n += size;
    *n = size;
    return 1;
}

static long bio_control(BIO *bio, int command, long number, void *arg)
{
    (void)bio;
    (void)number;
    (void)arg;
    return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *tls_stream_bio(void)
{
    BIO_METHOD *bio = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "edged stream");

    if (bio != NULL && (BIO_meth_set_read_ex(bio, bio_read) != 1 ||
                        BIO_meth_set_write_ex(bio, bio_write) != 1 ||
                        BIO_meth_set_ctrl(bio, bio_control) != 1)) {
        BIO_meth_free(bio);
        bio = NULL;
    }
    return bio;
}

/* ---- beginning ----------------------------------------------------------- */

static int start_session(struct tls_stream *s)
{
    struct tls_session *session = mem_new(struct tls_session);
    BIO *bio = NULL;

    if (session != NULL) {
        session->peer.tls = s->tls;
        session->ssl = SSL_new(s->tls->ctx);
        bio = BIO_new(s->tls->bio);
    }
    if (bio == NULL || session->ssl == NULL) {
        BIO_free(bio);
        tls_session_free(session);
        return EDGE_ENOMEM;
    }
    BIO_set_data(bio, s);
    BIO_set_init(bio, 1);
    SSL_set_bio(session->ssl, bio, bio);
    SSL_set_app_data(session->ssl, &session->peer);
    if (s->joiners) {
        SSL_set_verify(session->ssl, SSL_VERIFY_PEER, NULL);
    }
    if (s->dialed) {
        SSL_set_connect_state(session->ssl);
    } else {
        SSL_set_accept_state(session->ssl);
    }
    s->session = session;
    s->state = TLS_SHAKING;
    return 0;
}

static void shake(struct tls_stream *s)
{
    int rc;

    ERR_clear_error();
    rc = SSL_do_handshake(s->session->ssl);
    if (rc != 1) {
        (void)tls_wants_more(s, rc);
        return;
    }
    if (tls_flush(s) < 0) {
        return;
    }
    s->state = TLS_OPEN;
    s->base.identity = &s->session->peer.id;
    if (s->dialed) {
        s->base.events->on_connected(&s->base);
    }
}

/* ---- reading ------------------------------------------------------------- */

/* Until what came is read, or the connection is closed from inside. */
static void read_plain(struct tls_stream *s)
{
    while (s->state == TLS_OPEN) {
        size_t size;
        size_t n;
        uint8_t *room = s->base.events->room(&s->base, &size);
        int rc;

        ERR_clear_error();
        rc = SSL_read_ex(s->session->ssl, room, size, &n);
        if (rc != 1) {
            if (tls_wants_more(s, rc)) {
                s->base.partial = SSL_has_pending(s->session->ssl) != 0;
            }
            return;
        }
        s->base.wholes++;
        s->base.events->on_bytes(&s->base, room, n);
    }
}

/* Content types of records: change_cipher_spec .. application_data. */
static bool begins_record(uint8_t byte)
{
    return byte >= 0x14 && byte <= 0x17;
}

/* The first byte tells who speaks TLS. False: this one does not. */
static bool speaks_tls(struct tls_stream *s, uint8_t first)
{
    if (s->heard || begins_record(first)) {
        s->heard = true;
        return true;
    }
    if (s->dialed) {
        tls_end(s, EDGE_EREFUSED,
                "the other end answers in plain text, and this one speaks TLS "
                "only: it was started with --insecure, or is no edged");
        return false;
    }
    s->plain = true;
    tls_refuse(
        s, EDGE_EREFUSED,
        "this port speaks TLS, and the other end began in plain text: give "
        "it a certificate (edgectl token create | ssh HOST sudo edged join "
        "-)");
    return false;
}

static void on_socket_connected(struct stream *socket)
{
    struct tls_stream *s = of_socket(socket);
    int rc = start_session(s);

    if (rc < 0) {
        tls_end(s, rc, err_text(rc));
        return;
    }
    shake(s);
}

static uint8_t *on_socket_room(struct stream *socket, size_t *size)
{
    struct tls *tls = of_socket(socket)->tls;

    *size = sizeof(tls->in);
    return tls->in;
}

static void on_socket_bytes(struct stream *socket, const uint8_t *at, size_t n)
{
    struct tls_stream *s = of_socket(socket);
    int rc = 0;

    if (s->state >= TLS_REFUSED || !speaks_tls(s, at[0])) {
        return;
    }
    if (s->state == TLS_SILENT) {
        rc = start_session(s);
    }
    if (rc < 0) {
        tls_end(s, rc, err_text(rc));
        return;
    }
    s->in = at;
    s->in_n = n;
    if (s->state == TLS_SHAKING) {
        shake(s);
    }
    read_plain(s);
    s->in_n = 0;
}

static void on_socket_end(struct stream *socket, int rc, const char *why)
{
    struct tls_stream *s = of_socket(socket);

    tls_end(s, rc,
            s->state == TLS_SHAKING && rc == EDGE_ECLOSED
                ? "closed by the other end in the middle of the TLS handshake"
                : why);
}

static void on_socket_closed(struct stream *socket)
{
    struct tls_stream *s = of_socket(socket);

    tls_drop_queue(s);
    s->base.events->on_closed(&s->base);
    tls_session_free(s->session);
    mem_free(s);
}

const struct stream_events tls_stream_socket_events = {
    .on_connected = on_socket_connected,
    .room = on_socket_room,
    .on_bytes = on_socket_bytes,
    .on_end = on_socket_end,
    .on_refused = on_socket_end, /* a socket refuses nobody */
    .on_closed = on_socket_closed,
};

/* ---- making one ---------------------------------------------------------- */

static struct tls_stream *stream_new(struct tls *tls)
{
    struct tls_stream *s = mem_new(struct tls_stream);

    if (s != NULL) {
        s->base.ops = &tls_stream_ops;
        s->base.secure = true;
        s->tls = tls;
        list_init(&s->queue);
    }
    return s;
}

int tls_stream_accept(struct tls *tls, struct stream *socket, bool joiners,
                      struct stream **out)
{
    struct tls_stream *s = stream_new(tls);

    if (s == NULL) {
        return EDGE_ENOMEM;
    }
    s->joiners = joiners;
    s->base.counted = socket->counted;
    memcpy(s->base.from, socket->from, sizeof(s->base.from));
    tls_stream_set_socket(&s->base, socket);
    socket->events = &tls_stream_socket_events;
    socket->owner = s;
    *out = &s->base;
    return 0;
}

int tls_stream_new(struct tls *tls, const struct stream_events *events,
                   void *owner, struct stream **out)
{
    struct tls_stream *s = stream_new(tls);

    if (s == NULL) {
        return EDGE_ENOMEM;
    }
    s->dialed = true;
    s->base.events = events;
    s->base.owner = owner;
    *out = &s->base;
    return 0;
}

void tls_stream_set_socket(struct stream *stream, struct stream *socket)
{
    tls_stream_of(stream)->socket = socket;
}

void tls_stream_drop(struct stream *stream)
{
    mem_free(tls_stream_of(stream));
}

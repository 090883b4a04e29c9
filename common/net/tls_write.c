#include "base/mem.h"
#include "net/tls_stream_inner.h"

#include <openssl/err.h>
#include <string.h>

/* What TLS itself has to say, unread: alerts, answers to key updates. */
#define UNREAD_MAX KIB(256)

/* A write that is not encrypted to its end yet. */
struct queued {
    struct list link;
    struct iovec parts[STREAM_PARTS];
    int n;
    stream_done done;
    void *arg;
};

/* Encrypted bytes that the socket did not take at once. */
struct rest {
    struct tls_stream *stream;
    uint8_t bytes[];
};

static const struct tls_stream *of_const(const struct stream *base)
{
    return (const struct tls_stream *)(const void *)base;
}

/* ---- encrypted bytes to the socket ----------------------------------------
 */

void tls_session_free(struct tls_session *session)
{
    if (session != NULL) {
        SSL_free(session->ssl);
        mem_free(session);
    }
}

void tls_end(struct tls_stream *s, int rc, const char *why)
{
    if (s->state != TLS_CLOSING) {
        s->base.events->on_end(&s->base, rc, why);
    }
}

static void pump(struct tls_stream *s);

static void on_rest_gone(void *arg)
{
    struct rest *rest = arg;
    struct tls_stream *s = rest->stream;

    mem_free(rest);
    s->rests--;
    if (s->rests == 0) {
        pump(s);
    }
}

static int keep_rest(struct tls_stream *s, const uint8_t *bytes, size_t n)
{
    struct rest *rest = NULL;
    struct iovec part;
    int rc = EDGE_ENOMEM;

    if (stream_pending(s->socket) + n > UNREAD_MAX) {
        tls_end(s, EDGE_EBUSY, "it does not read what TLS has to say");
        return EDGE_ECLOSED;
    }
    rest = mem_zalloc(1, sizeof(*rest) + n);
    if (rest != NULL) {
        rest->stream = s;
        memcpy(rest->bytes, bytes, n);
        part = (struct iovec){rest->bytes, n};
        rc = stream_write(s->socket, &part, 1, on_rest_gone, rest);
    }
    if (rc < 0) {
        mem_free(rest);
        tls_end(s, rc, err_text(rc)); /* a hole in what was encrypted */
        return EDGE_ECLOSED;
    }
    s->rests++;
    return 0;
}

/* What the SSL wrote goes to the socket. EDGE_ECLOSED: it is told already. */
int tls_flush(struct tls_stream *s)
{
    struct iovec part = {s->tls->out, s->tls->out_n};
    ssize_t n;

    s->tls->out_n = 0;
    if (part.iov_len == 0) {
        return 0;
    }
    n = stream_try(s->socket, &part, 1);
    if (n < 0 || s->state == TLS_CLOSING) {
        return EDGE_ECLOSED;
    }
    return (size_t)n == part.iov_len
               ? 0
               : keep_rest(s, s->tls->out + n, part.iov_len - (size_t)n);
}

/* ---- failing ------------------------------------------------------------- */

/* Nothing large is kept for one that is refused. */
void tls_refuse(struct tls_stream *s, int rc, const char *why)
{
    s->state = TLS_REFUSED;
    tls_session_free(s->session);
    s->session = NULL;
    s->base.events->on_refused(&s->base, rc, why);
}

/* The SSL is of no use any more. */
static void fail(struct tls_stream *s)
{
    const struct tls_peer *peer = &s->session->peer;
    char why[TLS_WHY];
    bool told;
    int rc = tls_say_failed(s->tls, why, &told);

    if (peer->rc < 0) { /* our own no says more than the queue of errors */
        rc = peer->rc;
        (void)memcpy(why, peer->why, sizeof(why));
    }
    if (tls_flush(s) < 0) {
        return;
    }
    if (told || s->state != TLS_SHAKING) {
        tls_end(s, rc, why);
    } else {
        tls_refuse(s, rc, why);
    }
}

/* After a call that did not succeed: true if it only wants more bytes. */
bool tls_wants_more(struct tls_stream *s, int result)
{
    int code = SSL_get_error(s->session->ssl, result);

    if (code == SSL_ERROR_WANT_READ) {
        return tls_flush(s) == 0;
    }
    if (code == SSL_ERROR_ZERO_RETURN) {
        if (tls_flush(s) == 0) {
            tls_end(s, EDGE_ECLOSED, "closed by the other end");
        }
    } else {
        fail(s);
    }
    return false;
}

/* ---- writing ------------------------------------------------------------- */

/* The next piece of the parts, at most a record: in place if it is large, or
 * else gathered, so that a header and its head share a record. */
static const uint8_t *next_piece(struct tls *tls, const struct iovec *parts,
                                 int n, size_t *size)
{
    *size = 0;
    if (parts->iov_len >= TLS_RECORD) {
        *size = TLS_RECORD;
        return parts->iov_base;
    }
    for (int i = 0; i < n && *size < TLS_RECORD; i++) {
        size_t room = TLS_RECORD - *size;
        size_t part = parts[i].iov_len < room ? parts[i].iov_len : room;

        if (part > 0) {
            memcpy(tls->gather + *size, parts[i].iov_base, part);
        }
        *size += part;
    }
    return tls->gather;
}

static void skip(struct iovec **parts, int *n, size_t size)
{
    while (*n > 0 && size >= (*parts)->iov_len) {
        size -= (*parts)->iov_len;
        (*parts)++;
        (*n)--;
    }
    if (size > 0) {
        (*parts)->iov_base = (uint8_t *)(*parts)->iov_base + size;
        (*parts)->iov_len -= size;
    }
}

/* Encrypts a batch at most and gives it to the socket; moves the parts on.
 * The plain bytes, or EDGE_ECLOSED. */
static ssize_t write_batch(struct tls_stream *s, struct iovec **parts, int *n)
{
    size_t total = 0;

    for (int i = 0; i<TLS_OUT_RECORDS && * n> 0; i++) {
        size_t size;
        const uint8_t *piece = next_piece(s->tls, *parts, *n, &size);
        size_t written = 0;
        int rc;

        if (size == 0) {
            skip(parts, n, 0);
            break;
        }
        ERR_clear_error();
        rc = SSL_write_ex(s->session->ssl, piece, size, &written);
        if (rc != 1) {
            fail(s);
            return EDGE_ECLOSED;
        }
        skip(parts, n, written);
        total += written;
    }
    return tls_flush(s) < 0 ? EDGE_ECLOSED : (ssize_t)total;
}

static ssize_t tls_try(struct stream *base, const struct iovec *parts, int n)
{
    struct tls_stream *s = tls_stream_of(base);
    struct iovec copy[STREAM_PARTS];
    struct iovec *at = copy;
    ssize_t total = 0;

    if (s->state == TLS_REFUSED && s->plain) {
        return stream_try(s->socket, parts, n);
    }
    if (s->state != TLS_OPEN || s->finishing) {
        return EDGE_ECLOSED;
    }
    assert(n <= STREAM_PARTS);
    memcpy(copy, parts, (size_t)n * sizeof(*parts));
    while (n > 0 && s->rests == 0 && list_is_empty(&s->queue)) {
        ssize_t size = write_batch(s, &at, &n);

        if (size < 0) {
            return EDGE_ECLOSED;
        }
        total += size;
    }
    return total;
}

static size_t size_of(const struct iovec *parts, int n)
{
    size_t size = 0;

    for (int i = 0; i < n; i++) {
        size += parts[i].iov_len;
    }
    return size;
}

static int tls_queue(struct stream *base, const struct iovec *parts, int n,
                     stream_done done, void *arg)
{
    struct tls_stream *s = tls_stream_of(base);
    struct queued *queued;

    if (s->state == TLS_REFUSED && s->plain) {
        return stream_write(s->socket, parts, n, done, arg);
    }
    if (s->state != TLS_OPEN || s->finishing) {
        return EDGE_ECLOSED;
    }
    assert(n <= STREAM_PARTS);
    /* Only what the socket did not take waits, and it tells when it goes on. */
    assert(s->rests > 0 || !list_is_empty(&s->queue));
    queued = mem_new(struct queued);
    if (queued == NULL) {
        return EDGE_ENOMEM;
    }
    memcpy(queued->parts, parts, (size_t)n * sizeof(*parts));
    queued->n = n;
    queued->done = done;
    queued->arg = arg;
    list_init(&queued->link);
    list_push(&s->queue, &queued->link);
    s->waiting += size_of(parts, n);
    return 0;
}

static void release(struct queued *queued)
{
    list_unlink(&queued->link);
    queued->done(queued->arg);
    mem_free(queued);
}

/* false: the stream has ended. */
static bool write_queued(struct tls_stream *s, struct queued *queued)
{
    struct iovec *at = queued->parts;
    int n = queued->n;
    ssize_t size = write_batch(s, &at, &n);

    if (size < 0) {
        return false;
    }
    s->waiting -= (size_t)size;
    memmove(queued->parts, at, (size_t)n * sizeof(*at));
    queued->n = n;
    if (n == 0) {
        release(queued);
    }
    return true;
}

/* Everything is said: close_notify, then the socket's own end. */
static int finish_now(struct tls_stream *s)
{
    ERR_clear_error();
    (void)SSL_shutdown(s->session->ssl);
    ERR_clear_error();
    return tls_flush(s) < 0 ? EDGE_ECLOSED : stream_finish(s->socket);
}

static void pump(struct tls_stream *s)
{
    while (s->state == TLS_OPEN && s->rests == 0 && !list_is_empty(&s->queue)) {
        if (!write_queued(s, list_entry(s->queue.next, struct queued, link))) {
            return;
        }
    }
    if (s->state == TLS_OPEN && s->finishing && list_is_empty(&s->queue)) {
        int rc = finish_now(s);

        if (rc < 0) {
            tls_end(s, rc, err_text(rc));
        }
    }
}

static size_t tls_pending(const struct stream *base)
{
    const struct tls_stream *s = of_const(base);

    return s->waiting + (s->socket != NULL ? stream_pending(s->socket) : 0);
}

static int tls_finish(struct stream *base)
{
    struct tls_stream *s = tls_stream_of(base);

    if (s->state == TLS_REFUSED) {
        return stream_finish(s->socket);
    }
    if (s->state != TLS_OPEN || s->finishing) {
        return EDGE_ECLOSED;
    }
    s->finishing = true;
    return list_is_empty(&s->queue) ? finish_now(s) : 0;
}

void tls_drop_queue(struct tls_stream *s)
{
    list_each(&s->queue, it, after)
    {
        release(list_entry(it, struct queued, link));
    }
}

static void tls_close(struct stream *base)
{
    struct tls_stream *s = tls_stream_of(base);

    if (s->state != TLS_CLOSING) {
        s->state = TLS_CLOSING;
        stream_close(s->socket);
    }
}

static void tls_spoil(struct stream *base)
{
    if (tls_stream_of(base)->socket != NULL) {
        stream_spoil(tls_stream_of(base)->socket);
    }
}

const struct stream_ops tls_stream_ops = {
    .try_write = tls_try,
    .write = tls_queue,
    .pending = tls_pending,
    .finish = tls_finish,
    .close = tls_close,
    .spoil = tls_spoil,
};

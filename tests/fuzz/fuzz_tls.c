/*
 * Any bytes as what comes to a port that speaks TLS, before anybody is known.
 * The first byte of the input says in which pieces they come, and whether
 * those without a certificate may come.
 */
#include "base/mem.h"
#include "net/tls_stream.h"
#include "pki/pki.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

/* ---- a socket that takes a part of what is written ------------------------
 */

struct fake {
    struct stream base; /* first */
    unsigned tries;
    stream_done done; /* of a write that waits */
    void *arg;
    size_t waiting;
    bool closed;
};

static struct fake *of(struct stream *base)
{
    return (struct fake *)(void *)base;
}

static ssize_t fake_try(struct stream *base, const struct iovec *parts, int n)
{
    struct fake *fake = of(base);

    require(!fake->closed && n == 1);
    return ++fake->tries % 3 == 0 || fake->waiting > 0
               ? 0
               : (ssize_t)parts[0].iov_len;
}

static int fake_write(struct stream *base, const struct iovec *parts, int n,
                      stream_done done, void *arg)
{
    struct fake *fake = of(base);

    require(!fake->closed && n == 1);
    if (fake->done != NULL) {
        return EDGE_ENOMEM; /* one may wait here */
    }
    fake->done = done;
    fake->arg = arg;
    fake->waiting = parts[0].iov_len;
    return 0;
}

static void fake_take(struct fake *fake)
{
    stream_done done = fake->done;

    fake->done = NULL;
    fake->waiting = 0;
    if (done != NULL) {
        done(fake->arg);
    }
}

static size_t fake_pending(const struct stream *base)
{
    return ((const struct fake *)(const void *)base)->waiting;
}

static int fake_finish(struct stream *base)
{
    (void)base;
    return 0;
}

static void fake_close(struct stream *base)
{
    require(!of(base)->closed);
    of(base)->closed = true;
}

static const struct stream_ops ops = {
    .try_write = fake_try,
    .write = fake_write,
    .pending = fake_pending,
    .finish = fake_finish,
    .close = fake_close,
};

/* ---- what a connection would do ------------------------------------------ */

struct upper {
    uint8_t room[256];
    bool refused;
    bool ended;
};

static void on_connected(struct stream *stream)
{
    (void)stream;
    abort(); /* it was accepted */
}

static uint8_t *on_room(struct stream *stream, size_t *size)
{
    struct upper *upper = stream->owner;

    require(stream->identity != NULL);
    *size = sizeof(upper->room);
    return upper->room;
}

static void on_bytes(struct stream *stream, const uint8_t *at, size_t n)
{
    require(stream->identity != NULL && at != NULL && n > 0);
}

static void on_end(struct stream *stream, int rc, const char *why)
{
    struct upper *upper = stream->owner;

    require(rc < 0 && why[0] != '\0');
    upper->ended = true;
    stream_close(stream);
}

static void on_refused(struct stream *stream, int rc, const char *why)
{
    struct upper *upper = stream->owner;
    struct iovec part = {upper->room, 20};

    require(rc < 0 && why[0] != '\0' && !upper->refused);
    upper->refused = true;
    (void)stream_try(stream, &part, 1); /* a Goodbye */
    (void)stream_finish(stream);
}

static void on_closed(struct stream *stream)
{
    (void)stream;
}

static const struct stream_events events = {
    .on_connected = on_connected,
    .room = on_room,
    .on_bytes = on_bytes,
    .on_end = on_end,
    .on_refused = on_refused,
    .on_closed = on_closed,
};

/* ---- one run --------------------------------------------------------------
 */

static struct tls *context(void)
{
    struct pki_issue issue = {.role = PKI_NODE,
                              .name = "node",
                              .now_s = time(NULL),
                              .ttl_s = 100 * 24 * 3600};
    struct tls_material material = {0};
    struct tls *tls = NULL;
    char *ca_key = NULL;
    char *ca = NULL;
    char *key = NULL;
    char *cert = NULL;
    uint8_t *csr = NULL;
    size_t size = 0;

    require(pki_make_key(&ca_key, NULL) == 0);
    require(pki_make_ca(ca_key, "fuzz", issue.now_s, &ca, NULL) == 0);
    require(pki_make_key(&key, NULL) == 0);
    require(pki_make_csr(key, "node", &csr, &size, NULL) == 0);
    require(pki_issue(ca, ca_key, csr, size, &issue, &cert, NULL) == 0);
    material = (struct tls_material){ca, cert, key};
    require(tls_new(&material, &tls, NULL) == 0);
    mem_free(ca_key);
    mem_free(ca);
    mem_free(key);
    mem_free(cert);
    mem_free(csr);
    return tls;
}

static void feed(struct fake *fake, const uint8_t *data, size_t size,
                 size_t piece)
{
    while (size > 0 && !fake->closed) {
        size_t room;
        uint8_t *to = fake->base.events->room(&fake->base, &room);
        size_t n = size < piece ? size : piece;

        n = n < room ? n : room;
        memcpy(to, data, n);
        fake->base.events->on_bytes(&fake->base, to, n);
        data += n;
        size -= n;
        if (!fake->closed) {
            fake_take(fake);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t pieces[] = {1, 7, 300, 16384};
    static struct tls *tls; /* for all runs */
    struct upper upper = {.refused = false};
    struct fake fake = {.base = {.ops = &ops}};
    struct stream *stream;

    if (tls == NULL) {
        tls = context();
    }
    if (size < 1) {
        return 0;
    }
    require(tls_stream_accept(tls, &fake.base, (data[0] & 4) != 0, &stream) ==
            0);
    stream->events = &events;
    stream->owner = &upper;
    feed(&fake, data + 1, size - 1, pieces[data[0] & 3]);
    if (!fake.closed) {
        fake.base.events->on_end(&fake.base, EDGE_ECLOSED, "closed");
    }
    fake_take(&fake);
    fake.base.events->on_closed(&fake.base);
    return 0;
}

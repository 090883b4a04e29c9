/*
 * One byte stream, bytes in and bytes out, as connections see it: a socket on
 * libuv (stream_uv.h), in simulated time, or TLS over one of them
 * (tls_stream.h). A stream belongs to its maker and frees itself after
 * on_closed.
 */
#ifndef EDGE_NET_STREAM_H
#define EDGE_NET_STREAM_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct stream;

struct stream_events {
    void (*on_connected)(struct stream *stream); /* opened ones only */
    /* Where the next bytes go: *size > 0 bytes at the returned pointer. */
    uint8_t *(*room)(struct stream *stream, size_t *size);
    void (*on_bytes)(struct stream *stream, const uint8_t *at, size_t n);
    /* The other end closed, or reading, writing or connecting failed. The
     * stream is still to be closed; may come more than once, and from inside
     * stream_try(). */
    void (*on_end)(struct stream *stream, int rc, const char *why);
    /* This end does not go on with the other one, which is still to be told:
     * what may be written goes out, and the stream is to be finished. */
    void (*on_refused)(struct stream *stream, int rc, const char *why);
    /* After stream_close(): the last call. */
    void (*on_closed)(struct stream *stream);
};

/* Called once for each stream_write() that returned 0: the bytes are written,
 * or the stream was closed. */
typedef void (*stream_done)(void *arg);

struct stream_ops {
    ssize_t (*try_write)(struct stream *stream, const struct iovec *parts,
                         int n);
    int (*write)(struct stream *stream, const struct iovec *parts, int n,
                 stream_done done, void *arg);
    size_t (*pending)(const struct stream *stream);
    int (*finish)(struct stream *stream);
    void (*close)(struct stream *stream);
    void (*spoil)(struct stream *stream); /* may be NULL */
};

struct tls_identity;

struct stream {
    const struct stream_ops *ops;
    const struct stream_events *events;
    void *owner;
    bool local;  /* a Unix socket */
    bool secure; /* TLS: its bytes need no checksum */
    /* TLS, from its handshake on: who the other end is. */
    const struct tls_identity *identity;
    /* TLS: records that came to their ends, and whether another has begun. */
    uint64_t wholes;
    bool partial;
    bool counted;     /* accepted from another machine */
    uint8_t from[16]; /* accepted over TCP: the address, in IPv6's form */
};

#define STREAM_PARTS 4 /* the most of one write */

/* Writes what goes out at once: its size, 0 if that is nothing or other bytes
 * wait already, EDGE_ECLOSED if the connection is broken. */
static inline ssize_t stream_try(struct stream *stream,
                                 const struct iovec *parts, int n)
{
    return stream->ops->try_write(stream, parts, n);
}

/* Queues what a stream_try() just before did not take: at most STREAM_PARTS
 * parts, which stay where they are until done(arg). */
static inline int stream_write(struct stream *stream, const struct iovec *parts,
                               int n, stream_done done, void *arg)
{
    return stream->ops->write(stream, parts, n, done, arg);
}

/* Bytes that wait. */
static inline size_t stream_pending(const struct stream *stream)
{
    return stream->ops->pending(stream);
}

/* No more writes; the other end sees the end after those that wait. */
static inline int stream_finish(struct stream *stream)
{
    return stream->ops->finish(stream);
}

static inline void stream_close(struct stream *stream)
{
    stream->ops->close(stream);
}

/* A bit of the next write will be wrong on the wire, below every checksum and
 * TLS: a fault on purpose (fault.h). */
static inline void stream_spoil(struct stream *stream)
{
    if (stream->ops->spoil != NULL) {
        stream->ops->spoil(stream);
    }
}

#endif

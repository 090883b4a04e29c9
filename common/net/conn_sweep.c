/*
 * The deadlines of a connection, looked at a few times a second.
 */
#include "net/conn.h"

#include "base/failpoint.h"
#include "net/fault.h"
#include "net/tls.h"

/* In all, not since its last byte: a byte now and then does not help. */
static bool frame_is_late(const struct conn *conn)
{
    const struct hub_limits *limits = &conn->hub->limits;
    uint64_t size = conn->reader.at == FRAME_AT_HEADER
                        ? 0
                        : (uint64_t)conn->reader.header.head_size +
                              conn->reader.header.payload_size;
    uint64_t ms = size * 1000 / limits->frame_rate;

    if (ms < limits->frame_ms) {
        ms = limits->frame_ms;
    }
    return conn->frame_us > 0 &&
           conn->hub->clock_us - conn->frame_us > ms * 1000;
}

static bool write_is_stuck(struct conn *conn)
{
    size_t pending = stream_pending(conn->stream);
    uint64_t sent = conn->outbox.written - pending;

    if (pending == 0 || sent != conn->sent) {
        conn->progress_us = conn->hub->clock_us;
    }
    conn->sent = sent;
    return conn->hub->clock_us - conn->progress_us >
           conn->hub->limits.stuck_ms * 1000;
}

/* Its owner hears of its end; the socket stays until the fault is over. */
static void sweep_cut(struct conn *conn)
{
    if (conn->owner != NULL) {
        conn->owner->on_gone(conn, conn->was_up, conn->rc, conn->why);
        conn_forget(conn);
    }
    if (!fault_is_mute(conn)) {
        conn_break(conn, conn->rc, conn->why);
    }
}

/* A TLS record has as long as a frame; it is smaller. On a slow link one is
 * under way at every look, but not the same one. */
static bool record_is_late(struct conn *conn)
{
    if (!conn->stream->partial) {
        conn->partial_us = 0;
    } else if (conn->partial_us == 0 || conn->wholes != conn->stream->wholes) {
        conn->partial_us = conn->hub->clock_us;
    }
    conn->wholes = conn->stream->wholes;
    return conn->partial_us > 0 && conn->hub->clock_us - conn->partial_us >
                                       conn->hub->limits.frame_ms * 1000;
}

static bool is_revoked(const struct conn *conn)
{
    const struct tls_identity *id = conn->stream->identity;

    return id != NULL && tls_denies(conn->hub->tls, id->spki);
}

static void sweep_up(struct conn *conn, uint64_t ms)
{
    if (is_revoked(conn)) {
        conn_leave(conn, EDGE_EREFUSED, "its certificate was revoked");
    } else if (!conn->dialed && !conn->known &&
               ms > conn->hub->limits.join_ms) {
        conn_leave(conn, EDGE_ETIMEOUT, "to join took too long");
    } else if (write_is_stuck(conn)) {
        conn_break(conn, EDGE_ETIMEOUT, "nothing can be written to it");
    } else if (frame_is_late(conn) || record_is_late(conn)) {
        conn_leave(conn, EDGE_ETIMEOUT, "a frame took too long");
    }
}

void conn_sweep(struct conn *conn)
{
    const struct hub_limits *limits = &conn->hub->limits;
    uint64_t ms = (conn->hub->clock_us - conn->since_us) / 1000;

    switch (conn->state) {
    case CONN_CONNECTING:
        if (ms > limits->hello_ms) {
            conn_break(conn, EDGE_ETIMEOUT, "no answer to the dial");
        }
        break;
    case CONN_HELLO:
        if (ms > limits->hello_ms && !DEFENCE_OFF("auth-deadline")) {
            conn_leave(conn, EDGE_ETIMEOUT, "no Hello came in time");
        }
        break;
    case CONN_UP: sweep_up(conn, ms); break;
    case CONN_LEAVING:
        if (ms > limits->leave_ms) {
            conn_break(conn, EDGE_ECLOSED, "left");
        }
        break;
    case CONN_CUT: sweep_cut(conn); break;
    case CONN_CLOSING:
    default: break;
    }
}

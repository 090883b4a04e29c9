/*
 * One framed connection, from the first byte to the last: Hello both ways,
 * messages, Goodbye. It owns itself: made by conn_accept() or conn_dial(), it
 * frees itself after its end, having told its owner by on_gone.
 *
 *   CONNECTING -> HELLO -> UP -> LEAVING -> CLOSING -> gone
 *        |          |      |                  ^
 *        +----------+------+----> CUT --------+
 *
 * CONNECTING  dialed: no answer from the socket yet
 * HELLO       the other end's Hello is awaited; it gets HELLO_MS and small
 *             limits. A dialed end says its own at once, an accepting one
 *             only when it accepted the other's.
 * UP          messages both ways. One without a certificate (a joiner) stays
 *             a stranger: small limits, JOIN_MS in all
 * LEAVING     Goodbye was said; what comes in is dropped until the other end
 *             closes too, for at most a second
 * CUT         given up while a fault on purpose cuts it off (fault.h): the
 *             socket stays open without a word until the fault is over
 * CLOSING     the socket is being closed
 */
#ifndef EDGE_NET_CONN_H
#define EDGE_NET_CONN_H

#include "net/hello.h"
#include "net/hub.h"
#include "net/outbox.h"
#include "wire/frame.h"

struct conn;

/* None is called from inside a conn_ function. */
struct conn_owner {
    /* 0, or a negative code and a sentence, which becomes the Goodbye. */
    int (*check)(struct conn *conn, const Edged__Hello *hello, struct err *err);
    void (*on_up)(struct conn *conn, const Edged__Hello *hello);
    void (*on_message)(struct conn *conn, struct msg *msg);
    /* The last call; `was_up`: on_up was called. */
    void (*on_gone)(struct conn *conn, bool was_up, int rc, const char *why);
};

enum conn_state {
    CONN_CONNECTING,
    CONN_HELLO,
    CONN_UP,
    CONN_LEAVING,
    CONN_CUT,
    CONN_CLOSING
};

struct conn {
    struct stream *stream;
    struct hub *hub;
    struct list link;               /* in hub->conns, oldest first */
    const struct conn_owner *owner; /* NULL: forgotten */
    struct io_peer *peer;           /* the owner's; its `queued` is kept */
    const char *expects;            /* dialed; the owner's */
    enum conn_state state;
    bool dialed;
    bool was_up;
    bool is_cut; /* a fault on purpose has made it silent for good */
    bool known;  /* its Hello was accepted, and it has a certificate if TLS */
    struct frame_reader reader;
    struct outbox outbox;
    uint64_t began_us;    /* the frame that is coming in began, real time */
    uint64_t frame_us;    /* the same on the sweep's clock; 0: none comes */
    uint64_t partial_us;  /* the same for a TLS record, and ... */
    uint64_t wholes;      /* ... how many had ended then */
    uint64_t since_us;    /* in this state, on the sweep's clock */
    uint64_t received;    /* bytes of whole frames that were not lost */
    uint64_t frame_bytes; /* of the frame that is coming in */
    uint64_t progress_us; /* bytes went out, on the sweep's clock */
    uint64_t sent;        /* bytes gone out at the last sweep */
    int rc;               /* why it ends */
    char why[HELLO_WHY];
};

/* Accepted, and of nobody known: the hub has few places for such. */
bool conn_is_stranger(const struct conn *conn);

/* Of a stream that was accepted; NULL: out of memory, and it is closed. */
struct conn *conn_accept(struct hub *hub, struct stream *stream,
                         const struct conn_owner *owner);
/* To host:port, expecting `expects` (NULL: anybody), which the owner keeps as
 * long as it is one. On success on_gone comes, whatever is. */
int conn_dial(struct hub *hub, const char *host, int port, unsigned attempt,
              const struct conn_owner *owner, struct io_peer *peer,
              const char *expects, struct conn **conn);

/* For hello.h. */
struct hello_side conn_side(const struct conn *conn);
/* As io_send(). */
int conn_send(struct conn *conn, const Edged__Envelope *env,
              const struct io_payload *payload);
/* Goodbye, then close. */
void conn_leave(struct conn *conn, int rc, const char *why);
/* Close at once. */
void conn_break(struct conn *conn, int rc, const char *why);
/* The owner is no more: nothing is told to it. */
void conn_forget(struct conn *conn);
/* Closes a stream that has no connection. */
void conn_close_orphan(struct hub *hub, struct stream *stream);
/* Looks at the deadlines, and whether its certificate was revoked; a few
 * times a second. */
void conn_sweep(struct conn *conn);

#endif

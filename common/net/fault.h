/*
 * Faults on purpose, on the connections of one io: frames that vanish or are
 * spoiled, peers that cannot be reached. The program puts a filter into
 * io.filter and takes it out again; without one a connection does no more
 * than look at that pointer.
 *
 * A cut looks like a cut cable: no frame, no connect, no Hello, and no end
 * either. A connection that this end gives up meanwhile stays open without a
 * word until the cut is over (CONN_CUT). Messages about faults themselves
 * pass, so that one can be ended over a connection that still stands.
 */
#ifndef EDGE_NET_FAULT_H
#define EDGE_NET_FAULT_H

#include "net/io.h"

struct conn;

enum fault_fate { FAULT_PASS, FAULT_LOSE, FAULT_SPOIL };

struct fault_filter {
    /* Of a frame to (`out`) or from `peer`; "": it has not said its name. */
    enum fault_fate (*frame)(struct fault_filter *filter, const char *peer,
                             bool out);
    /* Nothing at all gets to (`out`) or from `peer`. */
    bool (*is_cut)(struct fault_filter *filter, const char *peer, bool out);
};

/* As outbox_send(), through the filter that there is. */
int fault_send(struct conn *conn, const Edged__Envelope *env,
               const struct io_payload *payload);
/* True: the message that came in is to be forgotten. */
bool fault_loses(struct conn *conn, const struct msg *msg);
/* True: this end says nothing any more, not even that it closes. */
bool fault_is_mute(const struct conn *conn);
/* True: dialing `peer` ("": anybody) leads nowhere. */
bool fault_is_unreachable(const struct io *io, const char *peer);

#endif

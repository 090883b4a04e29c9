#include "net/fault.h"

#include "net/conn.h"

static const char *name_of(const struct conn *conn)
{
    if (conn->peer != NULL) {
        return conn->peer->name;
    }
    return conn->expects != NULL ? conn->expects : "";
}

static bool is_about_faults(Edged__Envelope__BodyCase kind)
{
    return kind >= EDGED__ENVELOPE__BODY_FAULT &&
           kind <= EDGED__ENVELOPE__BODY_FAULT_LIST;
}

int fault_send(struct conn *conn, const Edged__Envelope *env,
               const struct io_payload *payload)
{
    struct fault_filter *filter = conn->hub->io.filter;
    enum fault_fate fate = is_about_faults(env->body_case)
                               ? FAULT_PASS
                               : filter->frame(filter, name_of(conn), true);

    if (fate == FAULT_LOSE) {
        return 0; /* as if it were on its way */
    }
    if (fate == FAULT_SPOIL) {
        stream_spoil(conn->stream);
    }
    return outbox_send(&conn->outbox, env, payload);
}

/* Neither end of a cable that is cut one way only gets a connection up. */
bool fault_is_unreachable(const struct io *io, const char *peer)
{
    struct fault_filter *filter = io->filter;

    return filter != NULL && (filter->is_cut(filter, peer, true) ||
                              filter->is_cut(filter, peer, false));
}

bool fault_loses(struct conn *conn, const struct msg *msg)
{
    struct fault_filter *filter = conn->hub->io.filter;
    const Edged__Envelope *env = msg->env;

    if (filter == NULL || is_about_faults(env->body_case)) {
        return false;
    }
    if (env->body_case == EDGED__ENVELOPE__BODY_HELLO) {
        if (fault_is_unreachable(&conn->hub->io, env->hello->name)) {
            conn->is_cut = true;
        }
        return conn->is_cut;
    }
    return filter->frame(filter, name_of(conn), false) == FAULT_LOSE;
}

bool fault_is_mute(const struct conn *conn)
{
    struct fault_filter *filter = conn->hub->io.filter;

    return filter != NULL && !conn->hub->muted &&
           (conn->is_cut || filter->is_cut(filter, name_of(conn), true));
}

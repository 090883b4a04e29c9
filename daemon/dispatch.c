/* Message kind -> handler, and who may say it: the only switch on kinds. */
#include "daemon/train.h"

#include "relay/logs.h"

struct row {
    Edged__Envelope__BodyCase kind;
    unsigned roles; /* bits 1 << role */
    void (*handle)(struct daemon *d, struct io_peer *peer, struct msg *msg);
};

#define FROM_COORDINATOR (1u << EDGED__ROLE__ROLE_COORDINATOR)
#define FROM_CLIENT (1u << EDGED__ROLE__ROLE_CLIENT)
#define FROM_NODE (1u << EDGED__ROLE__ROLE_NODE)

static void on_ack(struct daemon *d, struct io_peer *peer, struct msg *msg)
{
    (void)peer;
    relay_on_ack(&d->relay, msg->env->ack);
}

static void on_nack(struct daemon *d, struct io_peer *peer, struct msg *msg)
{
    struct relay_node *node = route_node_of(d, peer);

    if (node != NULL) {
        relay_on_nack(&d->relay, node, msg->env->nack);
    }
}

static void on_computed(struct daemon *d, struct io_peer *peer, struct msg *msg)
{
    relay_on_computed(&d->relay, route_node_of(d, peer), msg->env->computed);
    exits_on_computed(d, msg->env->computed);
}

static void on_log_request(struct daemon *d, struct io_peer *peer,
                           struct msg *msg)
{
    relay_log_reply(d->log, peer, msg->env->log_request);
}

static void on_chunk(struct daemon *d, struct io_peer *peer, struct msg *msg)
{
    intake_on_chunk(&d->intake, peer, msg);
}

static const struct row rows[] = {
    {EDGED__ENVELOPE__BODY_DATA, FROM_COORDINATOR | FROM_NODE, run_on_data},
    {EDGED__ENVELOPE__BODY_ACK, FROM_COORDINATOR | FROM_NODE, on_ack},
    {EDGED__ENVELOPE__BODY_NACK, FROM_COORDINATOR | FROM_NODE, on_nack},
    {EDGED__ENVELOPE__BODY_PROBE, FROM_COORDINATOR, probe_on_probe},
    {EDGED__ENVELOPE__BODY_COMPUTED, FROM_NODE, on_computed},
    {EDGED__ENVELOPE__BODY_CANCEL, FROM_COORDINATOR | FROM_NODE, run_on_cancel},
    {EDGED__ENVELOPE__BODY_BEAT, FROM_COORDINATOR | FROM_NODE, beat_on_beat},
    {EDGED__ENVELOPE__BODY_INSTALL, FROM_COORDINATOR, install_on_install},
    {EDGED__ENVELOPE__BODY_CHUNK, FROM_COORDINATOR, on_chunk},
    {EDGED__ENVELOPE__BODY_RETIRE, FROM_COORDINATOR, install_on_retire},
    {EDGED__ENVELOPE__BODY_EPOCHS, FROM_COORDINATOR, install_on_epochs},
    {EDGED__ENVELOPE__BODY_LEAVE, FROM_COORDINATOR, leave_on_leave},
    {EDGED__ENVELOPE__BODY_LOG_REQUEST, FROM_COORDINATOR, on_log_request},
    {EDGED__ENVELOPE__BODY_FAULT, FROM_COORDINATOR, fault_on_fault},
    {EDGED__ENVELOPE__BODY_FAULT_CLEAR, FROM_COORDINATOR, fault_on_clear},
    {EDGED__ENVELOPE__BODY_MEASURE, FROM_COORDINATOR, measure_on_measure},
    {EDGED__ENVELOPE__BODY_MEASURE_LINK, FROM_COORDINATOR, link_on_measure},
    {EDGED__ENVELOPE__BODY_BURST, FROM_COORDINATOR | FROM_NODE, link_on_burst},
    {EDGED__ENVELOPE__BODY_BURST_ACK, FROM_NODE, link_on_ack},
    {EDGED__ENVELOPE__BODY_JOIN, FROM_CLIENT, member_on_join},
    {EDGED__ENVELOPE__BODY_ENROL_REPLY, FROM_COORDINATOR, member_on_reply},
    {EDGED__ENVELOPE__BODY_DENIED, FROM_COORDINATOR, member_on_denied},
    {EDGED__ENVELOPE__BODY_STEP, FROM_COORDINATOR, train_on_step},
    {EDGED__ENVELOPE__BODY_FLOW, FROM_NODE, train_on_flow},
    {EDGED__ENVELOPE__BODY_REDUCE, FROM_NODE, train_on_reduce},
    {EDGED__ENVELOPE__BODY_CHUNK_ACK, FROM_COORDINATOR, train_on_ack},
};

void daemon_on_message(void *arg, struct io_peer *peer, struct msg *msg)
{
    struct daemon *d = arg;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].kind != msg->env->body_case) {
            continue;
        }
        if ((rows[i].roles & 1u << peer->role) == 0) {
            break;
        }
        rows[i].handle(d, peer, msg);
        return;
    }
    log_event(d->log, LOG_WARN, "dispatch.refused", "peer=%s kind=%s",
              peer->name, msg_kind_name(msg->env->body_case));
    io_hang_up(peer, EDGE_EPROTO, "a message that your role may not send");
}

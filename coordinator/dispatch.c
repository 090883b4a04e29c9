/* Message kind -> handler, and who may say it: the only switch on kinds. */
#include "coordinator/parts.h"
#include "coordinator/train/train.h"

struct row {
    Edged__Envelope__BodyCase kind;
    unsigned roles; /* bits 1 << role */
    void (*handle)(struct coordinator *c, struct io_peer *peer,
                   struct msg *msg);
};

#define FROM_NODE (1u << EDGED__ROLE__ROLE_NODE)
#define FROM_STRANGER (1u << EDGED__ROLE__ROLE_NONE)
#define FROM_CLIENT (1u << EDGED__ROLE__ROLE_CLIENT)

static void on_ack(struct coordinator *c, struct io_peer *peer, struct msg *msg)
{
    (void)peer;
    relay_on_ack(&c->relay, msg->env->ack);
}

static void on_nack(struct coordinator *c, struct io_peer *peer,
                    struct msg *msg)
{
    struct member *m = members_of(c, peer);

    if (m != NULL) {
        relay_on_nack(&c->relay, m->node, msg->env->nack);
    }
}

static void on_computed(struct coordinator *c, struct io_peer *peer,
                        struct msg *msg)
{
    struct member *m = members_of(c, peer);

    if (m != NULL) {
        relay_on_computed(&c->relay, m->node, msg->env->computed);
    }
}

/* A node takes back an output: it is here, and acknowledged, or it is not. */
static void on_cancel(struct coordinator *c, struct io_peer *peer,
                      struct msg *msg)
{
    (void)c;
    (void)peer;
    (void)msg;
}

static void on_chunk(struct coordinator *c, struct io_peer *peer,
                     struct msg *msg)
{
    intake_on_chunk(&c->intake, peer, msg);
    train_on_piece(c, peer);
}

static const struct row rows[] = {
    {EDGED__ENVELOPE__BODY_DATA, FROM_NODE, gateway_on_data},
    {EDGED__ENVELOPE__BODY_DATA, FROM_CLIENT, client_on_data},
    {EDGED__ENVELOPE__BODY_ACK, FROM_NODE, on_ack},
    {EDGED__ENVELOPE__BODY_NACK, FROM_NODE, on_nack},
    {EDGED__ENVELOPE__BODY_COMPUTED, FROM_NODE, on_computed},
    {EDGED__ENVELOPE__BODY_CANCEL, FROM_NODE, on_cancel},
    {EDGED__ENVELOPE__BODY_PROBE_REPLY, FROM_NODE, probe_on_reply},
    {EDGED__ENVELOPE__BODY_BEAT, FROM_NODE, watch_on_beat},
    {EDGED__ENVELOPE__BODY_NEED, FROM_NODE, seat_on_need},
    {EDGED__ENVELOPE__BODY_READY, FROM_NODE, seat_on_ready},
    {EDGED__ENVELOPE__BODY_FAILED, FROM_NODE, seat_on_failed},
    {EDGED__ENVELOPE__BODY_CHUNK_ACK, FROM_NODE, push_on_ack},
    {EDGED__ENVELOPE__BODY_LOG_REPLY, FROM_NODE, admin_on_log_reply},
    {EDGED__ENVELOPE__BODY_MEASURED, FROM_NODE, profile_on_measured},
    {EDGED__ENVELOPE__BODY_LINK_MEASURED, FROM_NODE, profile_on_link},
    {EDGED__ENVELOPE__BODY_BURST_ACK, FROM_NODE, profile_on_burst_ack},
    {EDGED__ENVELOPE__BODY_STEPPED, FROM_NODE, train_on_stepped},
    {EDGED__ENVELOPE__BODY_SAVED, FROM_NODE, train_on_saved},
    {EDGED__ENVELOPE__BODY_CHUNK, FROM_NODE, on_chunk},
    {EDGED__ENVELOPE__BODY_TRAIN, FROM_CLIENT, train_on_request},
    {EDGED__ENVELOPE__BODY_PROFILE_REQUEST, FROM_CLIENT, profile_on_request},
    {EDGED__ENVELOPE__BODY_CHUNK, FROM_CLIENT | FROM_NODE, on_chunk},
    {EDGED__ENVELOPE__BODY_DEPLOY, FROM_CLIENT, rollout_on_deploy},
    {EDGED__ENVELOPE__BODY_UNDEPLOY, FROM_CLIENT, admin_on_undeploy},
    {EDGED__ENVELOPE__BODY_MODEL_REQUEST, FROM_CLIENT, admin_on_model},
    {EDGED__ENVELOPE__BODY_PLACEMENT_REQUEST, FROM_CLIENT, files_on_placement},
    {EDGED__ENVELOPE__BODY_FILE_REQUEST, FROM_CLIENT, files_on_file},
    {EDGED__ENVELOPE__BODY_STATUS_REQUEST, FROM_CLIENT, status_on_request},
    {EDGED__ENVELOPE__BODY_LOG_REQUEST, FROM_CLIENT, admin_on_logs},
    {EDGED__ENVELOPE__BODY_NODE_REQUEST, FROM_CLIENT, nodes_on_request},
    {EDGED__ENVELOPE__BODY_WATCH, FROM_CLIENT, ticks_on_watch},
    {EDGED__ENVELOPE__BODY_EVENTS_REQUEST, FROM_CLIENT, events_on_request},
    {EDGED__ENVELOPE__BODY_FAULT, FROM_CLIENT, faults_on_fault},
    {EDGED__ENVELOPE__BODY_FAULT_CLEAR, FROM_CLIENT, faults_on_clear},
    {EDGED__ENVELOPE__BODY_FAULT_QUERY, FROM_CLIENT, faults_on_query},
    {EDGED__ENVELOPE__BODY_FAULT_REPLY, FROM_NODE, faults_on_reply},
    {EDGED__ENVELOPE__BODY_FAULT_LIST, FROM_NODE, faults_on_list},
    {EDGED__ENVELOPE__BODY_ENROL, FROM_STRANGER, authority_on_enrol},
    {EDGED__ENVELOPE__BODY_RENEW, FROM_NODE, authority_on_renew},
    {EDGED__ENVELOPE__BODY_INIT, FROM_CLIENT, authority_on_init},
    {EDGED__ENVELOPE__BODY_TOKEN_REQUEST, FROM_CLIENT, authority_on_token},
    {EDGED__ENVELOPE__BODY_REVOKE, FROM_CLIENT, authority_on_revoke},
};

void coordinator_on_message(void *arg, struct io_peer *peer, struct msg *msg)
{
    struct coordinator *c = arg;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].kind == msg->env->body_case &&
            (rows[i].roles & 1u << peer->role) != 0) {
            rows[i].handle(c, peer, msg);
            return;
        }
    }
    log_event(c->log, LOG_WARN, "dispatch.refused", "peer=%s kind=%s",
              peer->name, msg_kind_name(msg->env->body_case));
    io_hang_up(peer, EDGE_EPROTO, "a message that your role may not send");
}

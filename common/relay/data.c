#include "relay/inner.h"

#include "base/mem.h"
#include "codec/coded.h"
#include "wire/convert.h"

#include <string.h>

static void hop_copy_name(char out[LIMIT_NAME + 1], const char *name)
{
    size_t n = strnlen(name, LIMIT_NAME);

    memcpy(out, name, n);
    out[n] = '\0';
}

int relay_hops_read(Edged__Hop *const *from, size_t n, struct relay_hop **hops,
                    size_t *n_hops)
{
    struct relay_hop *made;

    if (n > LIMIT_HOPS) {
        return EDGE_EPROTO;
    }
    made = mem_array(struct relay_hop, n);
    if (made == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        hop_copy_name(made[i].node, from[i]->node);
        hop_copy_name(made[i].shard, from[i]->shard);
        made[i].compute_us = from[i]->compute_us;
        made[i].queue_us = from[i]->queue_us;
        made[i].wire_us = from[i]->wire_us;
    }
    *hops = made;
    *n_hops = n;
    return 0;
}

/* No payload came: right for a tensor without elements and for no other. */
static int empty_tensor(struct tensor *t, struct err *err)
{
    struct shape shape = t->shape;

    if (tensor_count(t) != 0) {
        return err_set(err, EDGE_EPROTO, "Data without its values");
    }
    return tensor_init(t, t->dtype, &shape);
}

/* Values that are still in their coded form: what they are of is checked, not
 * they. Nothing is asked for that the payload does not have. */
static int coded_tensor(const Edged__TensorMeta *from, struct blob *payload,
                        struct tensor *t, struct err *err)
{
    int rc = convert_meta_in(from, NULL, t, err);

    if (rc < 0) {
        return rc;
    }
    if (payload == NULL || t->dtype != DTYPE_F32 ||
        !coded_may_be(from->codec, payload->size, &t->shape)) {
        return err_set(err, EDGE_EPROTO,
                       "%zu bytes that are no tensor in codec %u",
                       payload != NULL ? payload->size : 0, from->codec);
    }
    t->blob = blob_ref(payload);
    t->data = payload->data;
    return 0;
}

static int tensor_in(const Edged__TensorMeta *from, struct blob *payload,
                     struct tensor *t, struct err *err)
{
    int rc;

    if (from->codec != 0) {
        return coded_tensor(from, payload, t, err);
    }
    rc = convert_meta_in(from, payload, t, err);
    return rc == 0 && t->blob == NULL ? empty_tensor(t, err) : rc;
}

int relay_data_read(struct io *io, const struct msg *msg,
                    struct relay_data *data, struct err *err)
{
    const Edged__Data *from = msg->env->data;
    struct relay_data made = {
        .request = from->request,
        .epoch = from->epoch,
        .shard = from->shard,
        .port = from->port,
        .from = from->from,
        .attempt = from->attempt,
    };
    bool is_bare = from->tensor == NULL && msg->payload == NULL &&
                   (from->at_us != 0 || from->absent != 0);
    int rc = 0;

    if ((from->tensor == NULL && !is_bare) || from->port >= LIMIT_PORTS) {
        return err_set(err, EDGE_EPROTO, "Data without a tensor, or port %u",
                       from->port);
    }
    if (from->left_ms > 0) {
        made.deadline_us = io_now_us(io) + (uint64_t)from->left_ms * 1000;
    }
    if (is_bare) {
        made.at_us = from->at_us;
    } else {
        rc = tensor_in(from->tensor, msg->payload, &made.tensor, err);
        made.codec = from->tensor->codec;
    }
    if (rc < 0) {
        return rc;
    }
    relay_views_read(from, &made.views);
    rc = relay_hops_read(from->hops, from->n_hops, &made.hops, &made.n_hops);
    if (rc < 0) {
        tensor_deinit(&made.tensor);
        return err_set(err, rc, "Data with %zu hops", from->n_hops);
    }
    *data = made;
    return 0;
}

void relay_data_deinit(struct relay_data *data)
{
    tensor_deinit(&data->tensor);
    mem_free(data->hops);
    data->hops = NULL;
    data->n_hops = 0;
}

/* Milliseconds that are left, at least 1: 0 on the wire means no deadline. */
static uint32_t left_ms(struct io *io, uint64_t deadline_us)
{
    uint64_t now = io_now_us(io);

    if (deadline_us == 0) {
        return 0;
    }
    return deadline_us > now + 1000 ? (uint32_t)((deadline_us - now) / 1000)
                                    : 1;
}

static void hop_fill(Edged__Hop *to, const struct relay_hop *from)
{
    edged__hop__init(to);
    to->node = (char *)(uintptr_t)from->node;
    to->shard = (char *)(uintptr_t)from->shard;
    to->compute_us = from->compute_us;
    to->queue_us = from->queue_us;
    to->wire_us = from->wire_us;
}

static struct io_payload payload_of(const struct relay_part *part)
{
    struct blob *blob = part->tensor.blob;

    if (part->tensor.dtype == DTYPE_NONE) {
        return (struct io_payload){.blob = NULL};
    }
    if (part->codec != 0) {
        return (struct io_payload){.blob = blob, .size = blob->size};
    }
    return (struct io_payload){
        .blob = blob,
        .size = tensor_bytes(&part->tensor),
        .offset = (size_t)((const uint8_t *)part->tensor.data - blob->data),
    };
}

static void count_sent(const struct hold *hold, const struct relay_part *part,
                       size_t size)
{
    if (hold->sent != NULL && size > 0) {
        hold->sent->bytes += size;
        hold->sent->plain += tensor_bytes(&part->tensor);
    }
}

int relay_data_send(struct io_peer *peer, const struct hold *hold,
                    const struct relay_part *part)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Data data = EDGED__DATA__INIT;
    Edged__TensorMeta meta = EDGED__TENSOR_META__INIT;
    Edged__Hop hops[LIMIT_HOPS];
    Edged__Hop *hop_list[LIMIT_HOPS];
    int64_t dims[LIMIT_RANK];
    struct io_payload payload = payload_of(part);
    struct relay_views_list list;
    struct relay_views before;
    int rc;

    data.request = hold->request;
    data.epoch = hold->epoch;
    data.shard = hold->shard;
    data.port = part->port;
    data.from = hold->from;
    data.attempt = hold->attempt;
    data.left_ms = left_ms(peer->io, hold->deadline_us);
    for (size_t i = 0; i < hold->n_hops && i < LIMIT_HOPS; i++) {
        hop_fill(&hops[i], &hold->hops[i]);
        hop_list[i] = &hops[i];
    }
    data.hops = hop_list;
    data.n_hops = hold->n_hops < LIMIT_HOPS ? hold->n_hops : LIMIT_HOPS;
    if (part->tensor.dtype == DTYPE_NONE) {
        data.at_us = hold->at_us;
    } else {
        convert_meta_out(part->tensor.dtype, &part->tensor.shape, &meta, dims);
        meta.codec = part->codec;
        data.tensor = &meta;
    }
    env.body_case = EDGED__ENVELOPE__BODY_DATA;
    env.data = &data;
    if (hold->views != NULL) {
        before = *hold->views;
        relay_views_fill(hold->views, &list, &data);
    }
    if (hold->views != NULL && hold->own_view > 0) {
        relay_views_count(hold, &list, &env, payload.size);
    }
    rc = io_send(peer, &env, payload.size > 0 ? &payload : NULL);
    if (rc == 0) {
        count_sent(hold, part, payload.size);
    } else if (hold->views != NULL) {
        *hold->views = before; /* nothing was sent */
    }
    return rc;
}

static void ack_fill(Edged__Ack *ack, const struct relay_key *key)
{
    edged__ack__init(ack);
    ack->request = key->request;
    ack->epoch = key->epoch;
    ack->shard = key->shard;
    ack->from = key->from;
}

static void computed_fill(Edged__Computed *computed,
                          const struct relay_key *key)
{
    edged__computed__init(computed);
    computed->request = key->request;
    computed->epoch = key->epoch;
    computed->shard = key->shard;
    computed->from = key->from;
}

static void nack_fill(Edged__Nack *nack, const struct relay_key *key, int code,
                      const char *text)
{
    edged__nack__init(nack);
    nack->request = key->request;
    nack->epoch = key->epoch;
    nack->shard = key->shard;
    nack->from = key->from;
    nack->code = code;
    nack->text = (char *)(uintptr_t)text;
}

int relay_ack_send(struct io_peer *peer, const struct relay_key *key)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Ack ack;

    ack_fill(&ack, key);
    env.body_case = EDGED__ENVELOPE__BODY_ACK;
    env.ack = &ack;
    return io_send(peer, &env, NULL);
}

int relay_computed_send(struct io_peer *peer, const struct relay_key *key,
                        uint32_t passed, uint32_t absent)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Computed computed;

    computed_fill(&computed, key);
    computed.passed = passed;
    computed.absent = absent;
    env.body_case = EDGED__ENVELOPE__BODY_COMPUTED;
    env.computed = &computed;
    return io_send(peer, &env, NULL);
}

int relay_cancel_send(struct io_peer *peer, const struct relay_key *key)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Cancel cancel = EDGED__CANCEL__INIT;

    cancel.request = key->request;
    cancel.epoch = key->epoch;
    cancel.shard = key->shard;
    cancel.from = key->from;
    env.body_case = EDGED__ENVELOPE__BODY_CANCEL;
    env.cancel = &cancel;
    return io_send(peer, &env, NULL);
}

int relay_nack_send(struct io_peer *peer, const struct relay_key *key, int code,
                    const char *text)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Nack nack;

    nack_fill(&nack, key, code, text);
    env.body_case = EDGED__ENVELOPE__BODY_NACK;
    env.nack = &nack;
    return io_send(peer, &env, NULL);
}

void relay_ack_local(struct relay *relay, const struct relay_key *key)
{
    Edged__Ack ack;

    ack_fill(&ack, key);
    relay_on_ack(relay, &ack);
}

void relay_computed_local(struct relay *relay, const struct relay_node *self,
                          const struct relay_key *key)
{
    Edged__Computed computed;

    computed_fill(&computed, key);
    relay_on_computed(relay, self, &computed);
}

void relay_nack_local(struct relay *relay, struct relay_node *self,
                      const struct relay_key *key, int code, const char *text)
{
    Edged__Nack nack;

    nack_fill(&nack, key, code, text);
    relay_on_nack(relay, self, &nack);
}

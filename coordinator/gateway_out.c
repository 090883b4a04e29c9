/* Outputs of requests, from the shards that make them. */
#include "coordinator/gateway_inner.h"

#include "base/mem.h"

#include <string.h>

static struct request *find(struct coordinator *c, uint64_t id)
{
    list_each(&c->requests, it, after)
    {
        struct request *r = list_entry(it, struct request, link);

        if (r->id == id) {
            return r;
        }
    }
    return NULL;
}

/* A node may be of another mind about the model; clients must not be. */
static bool is_right_kind(const struct request *r,
                          const struct relay_data *data)
{
    const Edged__TensorMeta *want =
        r->placement->spec->outputs[data->port]->tensor;
    const struct shape *got = &data->tensor.shape;
    bool fits = data->codec == 0 && /* answers are exact */
                want->dtype == (uint32_t)data->tensor.dtype &&
                want->n_dims == (size_t)got->rank;

    for (size_t i = 0; fits && i < want->n_dims; i++) {
        fits = got->dims[i] <= want->dims[i]; /* some depend on the data */
    }
    return fits;
}

static void take_output(struct request *r, struct relay_data *data)
{
    if (r->outputs[data->port].dtype != DTYPE_NONE) {
        return; /* a repeated hop */
    }
    r->outputs[data->port] = tensor_ref(&data->tensor);
    r->n_have++;
    views_take(r, data);
    if (r->hops == NULL || data->n_hops > r->n_hops) {
        mem_free(r->hops);
        r->hops = data->hops;
        r->n_hops = data->n_hops;
        data->hops = NULL;
        data->n_hops = 0;
    }
}

/* One Ack stands for all outputs that a shard sends: it must not come while
 * one of them may still be lost with its connection. */
static bool are_all_here(const struct request *r, uint32_t from)
{
    const Edged__Placement *spec = r->placement->spec;

    for (size_t i = 0; i < spec->n_shards; i++) {
        const Edged__Shard *shard = spec->shards[i];

        for (size_t k = 0; shard->id == from && k < shard->n_links; k++) {
            const Edged__Link *link = shard->links[k];

            if (link->to_shard == 0 && link->to_port < r->n_outputs &&
                r->outputs[link->to_port].dtype == DTYPE_NONE) {
                return false;
            }
        }
    }
    return true;
}

static void on_output(struct request *r, struct io_peer *peer,
                      struct relay_data *data)
{
    struct relay_key key = {data->request, data->epoch, data->shard,
                            data->from};

    take_output(r, data);
    if (are_all_here(r, data->from)) {
        (void)relay_ack_send(peer, &key); /* lost: it is sent again */
    }
    if (r->n_have == r->n_outputs) {
        request_finish(r, 0, "");
    }
}

void gateway_on_data(struct coordinator *c, struct io_peer *peer,
                     struct msg *msg)
{
    struct relay_data data;
    struct relay_key key;
    struct request *r;
    struct err err;
    int rc = relay_data_read(c->io, msg, &data, &err);

    if (rc < 0) {
        io_hang_up(peer, rc, err.text);
        return;
    }
    key = (struct relay_key){data.request, data.epoch, data.shard, data.from};
    r = find(c, data.request);
    if (data.shard != 0 || (r != NULL && data.port >= r->n_outputs)) {
        (void)relay_nack_send(peer, &key, EDGE_EINVAL,
                              "the gateway has no such port");
    } else if (r == NULL) {
        (void)relay_ack_send(peer, &key);
    } else if (!is_right_kind(r, &data)) {
        (void)relay_ack_send(peer, &key);
        request_finish(r, EDGE_ECORRUPT,
                       "a device answered with another type or shape");
    } else {
        on_output(r, peer, &data);
    }
    relay_data_deinit(&data);
}

/*
 * Requests to a model of several views, each of a board of its own. A board
 * that is known not to be there is not waited for: the others' Data says so
 * (`absent`). Where the model needs all of its views, they are.
 */
#include "coordinator/gateway_inner.h"

static const Edged__Place *place_of(const Edged__Placement *spec,
                                    uint32_t shard)
{
    for (size_t i = 0; i < spec->n_places; i++) {
        if (spec->places[i]->shard == shard) {
            return spec->places[i];
        }
    }
    return NULL;
}

static bool is_there(const struct placement *p, const Edged__Place *place,
                     bool or_suspect)
{
    for (size_t i = 0; i < place->n_nodes; i++) {
        const struct relay_node *node =
            relay_find(&p->c->relay, place->nodes[i]);

        if (node != NULL && node->up && !node->leaving &&
            (or_suspect || !node->suspect) &&
            relay_is_ready(node, p->epoch, place->shard)) {
            return true;
        }
    }
    return false;
}

static uint32_t find_lost(const struct placement *p, bool or_suspect)
{
    uint32_t lost = 0;

    for (size_t i = 0; i < p->spec->n_entries; i++) {
        const Edged__Link *link = p->spec->entries[i];
        const Edged__Place *place = place_of(p->spec, link->to_shard);

        if (place != NULL && !is_there(p, place, or_suspect)) {
            lost |= UINT32_C(1) << link->port;
        }
    }
    return lost;
}

static uint32_t all_of(const struct placement *p)
{
    return (UINT32_C(1) << p->spec->n_inputs) - 1;
}

/* A suspect may be well and we be cut off: where nobody else is, it is asked.
 */
int views_look(struct request *r, const struct placement *p)
{
    uint32_t all = all_of(p);
    uint32_t absent = r->without;

    if (!p->spec->may_lack) {
        return r->without != 0 ? EDGE_EINVAL : 0;
    }
    absent |= find_lost(p, false);
    if (absent == all) {
        absent = r->without | find_lost(p, true);
    }
    r->views.absent = absent;
    return absent == all ? EDGE_EUNAVAILABLE : 0;
}

bool views_is_absent(const struct request *r, uint32_t input)
{
    return input < LIMIT_PORTS && (r->views.absent >> input & 1) != 0;
}

static const Edged__Exit *exit_of(const Edged__Placement *spec, uint32_t shard)
{
    for (size_t i = 0; i < spec->n_shards; i++) {
        if (spec->shards[i]->id == shard) {
            return spec->shards[i]->exit;
        }
    }
    return NULL;
}

void views_take(struct request *r, const struct relay_data *data)
{
    const Edged__Placement *spec = r->placement->spec;

    r->left_at = exit_of(spec, data->from);
    if (spec->may_lack) {
        r->views.absent = data->views.absent & all_of(r->placement);
    }
    r->views.confidence = data->views.confidence;
    for (size_t i = 0; i < LIMIT_PORTS; i++) {
        r->views.bytes[i] = data->views.bytes[i];
        r->views.heads[i] = data->views.heads[i];
    }
}

void views_count(struct counts *counts, const struct answer *answer)
{
    uint32_t exit = answer->exit != NULL && answer->exit->number < LIMIT_PORTS
                        ? answer->exit->number
                        : 0;

    counts->by_exit[exit]++;
    counts->incomplete += answer->views->absent != 0;
    for (size_t i = 0; i < LIMIT_PORTS; i++) {
        counts->view_bytes[i] += answer->views->bytes[i];
        counts->view_heads[i] += answer->views->heads[i];
        counts->view_samples[i] += answer->views->bytes[i] > 0;
    }
}

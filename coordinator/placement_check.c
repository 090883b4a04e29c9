/*
 * Whether a placement fits together: each number that leads somewhere leads
 * to something that is there. It comes from the planner, or from state.db,
 * which another program may have written.
 */
#include "coordinator/parts.h"

#include "base/mem.h"
#include "codec/coded.h"
#include "wire/convert.h"

#include <math.h>
#include <string.h>

static const Edged__Shard *shard_of(const Edged__Placement *spec, uint32_t id)
{
    for (size_t i = 0; i < spec->n_shards; i++) {
        if (spec->shards[i]->id == id) {
            return spec->shards[i];
        }
    }
    return NULL;
}

static bool is_blob(const Edged__BlobRef *ref)
{
    struct digest digest;

    return ref != NULL && convert_digest_in(&ref->digest, &digest, NULL) == 0;
}

/* There may be none (`golden: none`). */
static bool is_golden(const Edged__Placement *spec)
{
    if (spec->golden_input == NULL || spec->golden_output == NULL) {
        return spec->golden_input == NULL && spec->golden_output == NULL;
    }
    return is_blob(spec->golden_input) && is_blob(spec->golden_output);
}

/* The model's own ports have none. */
static bool is_plain(Edged__Port *const *ports, size_t n)
{
    bool fine = true;

    for (size_t i = 0; i < n && fine; i++) {
        fine = ports[i]->tensor->codec == 0;
    }
    return fine;
}

static bool are_ports(Edged__Port *const *ports, size_t n)
{
    bool fine = n > 0 && n <= LIMIT_PORTS;

    for (size_t i = 0; i < n && fine; i++) {
        struct tensor t;

        fine = convert_meta_in(ports[i]->tensor, NULL, &t, NULL) == 0;
    }
    return fine;
}

/* What a link writes is what its other end expects; the gateway expects
 * values as they are. */
static bool is_codec(const Edged__Link *link, const Edged__Shard *to)
{
    struct codec codec;

    if (link->codec == 0) {
        return true;
    }
    return to != NULL && coded_from(link->codec, link->keep, &codec) == 0 &&
           to->inputs[link->to_port]->tensor != NULL &&
           to->inputs[link->to_port]->tensor->codec == link->codec;
}

/* Shard 0 is the gateway, whose inputs are the model's outputs. */
static bool is_link(const Edged__Placement *spec, const Edged__Link *link,
                    size_t n_ports)
{
    const Edged__Shard *to = shard_of(spec, link->to_shard);

    if (link->port >= n_ports || (link->to_shard != 0 && to == NULL)) {
        return false;
    }
    return link->to_port < (to != NULL ? to->n_inputs : spec->n_outputs) &&
           is_codec(link, to);
}

static bool is_shard(const Edged__Placement *spec, const Edged__Shard *shard)
{
    bool fine = shard->id != 0 && shard_of(spec, shard->id) == shard &&
                convert_name_ok(shard->name) && is_blob(shard->model) &&
                are_ports(shard->inputs, shard->n_inputs) &&
                are_ports(shard->outputs, shard->n_outputs);

    for (size_t i = 0; i < shard->n_weights && fine; i++) {
        fine = is_blob(shard->weights[i]);
    }
    for (size_t i = 0; i < shard->n_links && fine; i++) {
        fine = is_link(spec, shard->links[i], shard->n_outputs);
    }
    return fine;
}

static bool is_place(const Edged__Placement *spec, size_t i)
{
    const Edged__Place *place = spec->places[i];
    bool fine = shard_of(spec, place->shard) != NULL && place->n_nodes > 0 &&
                place->n_nodes <= LIMIT_REPLICAS;

    for (size_t k = 0; k < i && fine; k++) {
        fine = spec->places[k]->shard != place->shard;
    }
    return fine;
}

/* Two values for one input of one shard would race. */
static bool is_entered_before(const Edged__Placement *spec, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (spec->entries[k]->to_shard == spec->entries[i]->to_shard &&
            spec->entries[k]->to_port == spec->entries[i]->to_port) {
            return true;
        }
    }
    return false;
}

static bool are_entries(const Edged__Placement *spec)
{
    bool fine = spec->n_entries > 0 &&
                spec->n_entries <= (size_t)LIMIT_PORTS * LIMIT_SHARDS;

    for (size_t i = 0; i < spec->n_entries && fine; i++) {
        fine = spec->entries[i]->to_shard != 0 &&
               is_link(spec, spec->entries[i], spec->n_inputs) &&
               !is_entered_before(spec, i);
    }
    return fine;
}

Edged__Placement *placement_copy(const Edged__Placement *from)
{
    size_t size = edged__placement__get_packed_size(from);
    uint8_t *bytes = mem_resize(NULL, size, 1);
    Edged__Placement *spec = NULL;

    if (bytes != NULL) {
        (void)edged__placement__pack(from, bytes);
        spec = edged__placement__unpack(NULL, size, bytes);
    }
    mem_free(bytes);
    return spec;
}

double placement_scale(const Edged__Placement *spec, const char *node)
{
    for (size_t i = 0; i < spec->n_scales; i++) {
        if (strcmp(spec->scales[i]->node, node) == 0) {
            double factor = spec->scales[i]->factor; /* may be of state.db */

            return isfinite(factor) && factor > 0 ? factor : 0;
        }
    }
    return 0;
}

bool placement_is_planned_on(const Edged__Placement *spec, size_t i,
                             const char *node)
{
    const Edged__StageText *text = spec->texts[i];
    size_t k = 0;

    while (k < text->n_nodes && strcmp(text->nodes[k], node) != 0) {
        k++;
    }
    return k < text->n_nodes;
}

bool placement_is_as_planned(const Edged__Placement *spec, size_t i)
{
    const Edged__Place *place = spec->places[i];
    size_t firm =
        place->spares < place->n_nodes ? place->n_nodes - place->spares : 0;

    if (firm == 0 || firm != spec->texts[i]->n_nodes) {
        return false;
    }
    for (size_t k = 0; k < firm; k++) {
        if (!placement_is_planned_on(spec, i, place->nodes[k])) {
            return false;
        }
    }
    return true;
}

int placement_check(const Edged__Placement *spec, struct err *err)
{
    bool fine =
        spec->epoch != 0 && spec->n_shards > 0 &&
        spec->n_shards <= LIMIT_SHARDS && spec->n_places == spec->n_shards &&
        spec->n_texts == spec->n_shards && spec->queue <= LIMIT_SHARD_QUEUE &&
        are_ports(spec->inputs, spec->n_inputs) &&
        are_ports(spec->outputs, spec->n_outputs) &&
        is_plain(spec->inputs, spec->n_inputs) &&
        is_plain(spec->outputs, spec->n_outputs) && is_golden(spec) &&
        are_entries(spec);

    for (size_t i = 0; i < spec->n_shards && fine; i++) {
        fine = is_shard(spec, spec->shards[i]) && is_place(spec, i);
    }
    return fine ? 0
                : err_set(err, EDGE_ECORRUPT,
                          "a placement of %zu shards that does not fit "
                          "together",
                          spec->n_shards);
}

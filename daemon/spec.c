/* An Install message made into our own structs, every number checked. */
#include "daemon/train.h"

#include "base/mem.h"
#include "wire/convert.h"

#include <string.h>

void spec_free(struct epoch *epoch)
{
    if (epoch == NULL) {
        return;
    }
    for (size_t i = 0; i < epoch->n_shards; i++) {
        struct hosted *shard = &epoch->shards[i];

        share_release(epoch, i);
        train_free(shard->train);
        sense_free(shard);
        mem_free(shard->gather);
        mem_free(shard->blobs);
        mem_free(shard->links);
        mem_free(shard->coders);
    }
    mem_free(epoch->shards);
    mem_free(epoch->lacks);
    mem_free(epoch->neighbours);
    mem_free(epoch->message);
    msg_free_alone(epoch->recipes);
    mem_free(epoch);
}

static int read_blobs(const Edged__Shard *from, struct hosted *shard,
                      struct err *err)
{
    shard->blobs = mem_array(struct digest, from->n_weights);
    if (shard->blobs == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < from->n_weights; i++) {
        int rc =
            convert_digest_in(&from->weights[i]->digest, &shard->blobs[i], err);

        if (rc < 0) {
            return rc;
        }
    }
    shard->n_blobs = from->n_weights;
    if (from->model == NULL) {
        return err_set(err, EDGE_EPROTO, "a shard without a model");
    }
    return convert_digest_in(&from->model->digest, &shard->model, err);
}

/* Two values for one input of one shard would race. */
static bool is_taken(const struct hosted *shard, size_t n,
                     const Edged__Link *link)
{
    for (size_t i = 0; i < n; i++) {
        if (shard->links[i].to_shard == link->to_shard &&
            shard->links[i].to_port == link->to_port) {
            return true;
        }
    }
    return false;
}

/* Links that want the same form of the same output share it. */
static int read_coder(struct hosted *shard, const Edged__Link *link,
                      uint32_t *coder, struct err *err)
{
    struct codec codec;
    size_t i = 0;

    if (link->to_shard == 0 ||
        coded_from(link->codec, link->keep, &codec) < 0) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "shard %s: its link to %u asks for codec %u, which "
                       "this edged does not know there",
                       shard->name, link->to_shard, link->codec);
    }
    while (i < shard->n_coders &&
           (shard->coders[i].port != link->port ||
            codec_id(&shard->coders[i].codec) != link->codec ||
            coded_keep(&shard->coders[i].codec) != link->keep)) {
        i++;
    }
    if (i == shard->n_coders) {
        shard->coders[shard->n_coders++] = (struct coder){link->port, codec};
    }
    *coder = (uint32_t)i + 1;
    return 0;
}

static int read_links(const Edged__Shard *from, struct hosted *shard,
                      struct err *err)
{
    shard->links = mem_array(struct link_out, from->n_links);
    shard->coders = mem_array(struct coder, from->n_links);
    if (shard->links == NULL || shard->coders == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < from->n_links; i++) {
        const Edged__Link *link = from->links[i];

        if (link->port >= from->n_outputs || link->to_port >= LIMIT_PORTS ||
            link->to_shard == from->id || is_taken(shard, i, link)) {
            return err_set(err, EDGE_EPROTO,
                           "shard %u has a link from output %u to %u of %u",
                           from->id, link->port, link->to_port, link->to_shard);
        }
        shard->n_links = i + 1;
        shard->links[i] = (struct link_out){
            .port = link->port,
            .to_shard = link->to_shard,
            .to_port = link->to_port,
        };
        if (link->codec != 0) {
            int rc = read_coder(shard, link, &shard->links[i].coder, err);

            if (rc < 0) {
                return rc;
            }
        }
    }
    return 0;
}

/* Before anything comes in it: what could not be read is refused here. */
static int read_inputs(const Edged__Shard *from, struct hosted *shard,
                       struct err *err)
{
    for (size_t i = 0; i < from->n_inputs; i++) {
        const Edged__Port *port = from->inputs[i];
        struct codec codec;

        shard->comes_in[i] = port->tensor != NULL ? port->tensor->codec : 0;
        if (codec_from_id(shard->comes_in[i], &codec) < 0) {
            return err_set(err, EDGE_EUNSUPPORTED,
                           "shard %s: its input \"%.100s\" comes in codec %u, "
                           "which this edged does not know",
                           shard->name, port->name, shard->comes_in[i]);
        }
    }
    return 0;
}

static int read_shard(struct epoch *epoch, const Edged__Shard *from,
                      struct hosted *shard, struct err *err)
{
    int rc;

    list_init(&shard->runs);
    shard->epoch = epoch;
    shard->id = from->id;
    if (from->id == 0 || !convert_name_ok(from->name) || from->n_inputs == 0 ||
        from->n_inputs > LIMIT_PORTS || from->n_outputs == 0 ||
        from->n_outputs > LIMIT_PORTS || from->n_links == 0 ||
        from->n_links > (size_t)LIMIT_PORTS * LIMIT_SHARDS) {
        return err_set(err, EDGE_EPROTO, "shard %u is not well formed",
                       from->id);
    }
    memcpy(shard->name, from->name, strlen(from->name));
    shard->n_inputs = from->n_inputs;
    shard->n_outputs = from->n_outputs;
    if (!mem_add(from->weight_bytes, from->arena_bytes, &shard->bytes)) {
        return err_set(err, EDGE_EPROTO, "shard %u: its size overflows",
                       from->id);
    }
    rc = read_blobs(from, shard, err);
    if (rc == 0) {
        rc = read_inputs(from, shard, err);
    }
    rc = rc < 0 ? rc : read_links(from, shard, err);
    rc = rc < 0 ? rc : views_read(from, shard, err);
    rc = rc < 0 ? rc : sense_read(from, shard, err);
    return rc < 0 ? rc : exits_read(from, shard, err);
}

static const Edged__Place *place_of(const Edged__Install *from, uint32_t shard)
{
    for (size_t i = 0; i < from->n_places; i++) {
        if (from->places[i]->shard == shard) {
            return from->places[i];
        }
    }
    return NULL;
}

/* The last `spares` nodes of a place are its spares. */
static bool is_spare_on(const Edged__Place *place, const char *node)
{
    for (size_t i = place->n_nodes - place->spares; i < place->n_nodes; i++) {
        if (strcmp(place->nodes[i], node) == 0) {
            return true;
        }
    }
    return false;
}

static int check_places(const Edged__Install *from, struct err *err)
{
    for (size_t i = 0; i < from->n_places; i++) {
        const Edged__Place *place = from->places[i];
        bool fine = place->shard != 0 && place->n_nodes > 0 &&
                    place->n_nodes <= LIMIT_REPLICAS &&
                    place->spares < place->n_nodes &&
                    place_of(from, place->shard) == place;

        for (size_t k = 0; fine && k < place->n_nodes; k++) {
            fine = convert_name_ok(place->nodes[k]);
        }
        if (!fine) {
            return err_set(err, EDGE_EPROTO,
                           "the place of shard %u is not well formed",
                           place->shard);
        }
    }
    for (size_t i = 0; i < from->n_nodes; i++) {
        if (!convert_name_ok(from->nodes[i]->name)) {
            return err_set(err, EDGE_EPROTO, "a node without a name");
        }
    }
    return 0;
}

/* Once all shards are read: each once, and each link leads somewhere. */
static int check_shards(struct epoch *epoch, const Edged__Install *from,
                        struct err *err)
{
    for (size_t i = 0; i < epoch->n_shards; i++) {
        struct hosted *shard = &epoch->shards[i];
        const Edged__Place *place = place_of(from, shard->id);

        if (install_shard(epoch, shard->id) != shard) {
            return err_set(err, EDGE_EPROTO, "shard %u comes twice", shard->id);
        }
        shard->is_spare =
            place != NULL && is_spare_on(place, epoch->daemon->name);
        for (size_t k = 0; k < shard->n_links; k++) {
            uint32_t to = shard->links[k].to_shard;

            if (to != 0 && place_of(from, to) == NULL) {
                return err_set(err, EDGE_EPROTO,
                               "shard %u has a link to %u, which is nowhere",
                               shard->id, to);
            }
        }
    }
    return 0;
}

/* What it says, without the addresses. */
static uint8_t *pack_core(const Edged__Install *from, size_t *size)
{
    Edged__Install core = *from;
    uint8_t *bytes;

    core.n_nodes = 0;
    *size = edged__install__get_packed_size(&core);
    bytes = mem_resize(NULL, *size, 1);
    if (bytes != NULL) {
        (void)edged__install__pack(&core, bytes);
    }
    return bytes;
}

bool spec_is_same(const struct epoch *epoch, const Edged__Install *from)
{
    Edged__Install *kept = NULL;
    int rc =
        msg_unpack_alone(&edged__install__descriptor, epoch->message,
                         epoch->message_size, LIMIT_KEPT_UNPACK, &kept, NULL);
    size_t size_a = 0;
    size_t size_b = 0;
    uint8_t *a = rc == 0 ? pack_core(kept, &size_a) : NULL;
    uint8_t *b = pack_core(from, &size_b);
    /* Out of memory: nothing is torn down for that. */
    bool same = a == NULL || b == NULL ||
                (size_a == size_b && memcmp(a, b, size_a) == 0);

    mem_free(a);
    mem_free(b);
    msg_free_alone(kept);
    return same;
}

static int keep_message(struct epoch *epoch, const Edged__Install *from)
{
    epoch->message_size = edged__install__get_packed_size(from);
    epoch->message = mem_resize(NULL, epoch->message_size, 1);
    if (epoch->message == NULL) {
        return EDGE_ENOMEM;
    }
    (void)edged__install__pack(from, epoch->message);
    return 0;
}

static int read_shards(struct epoch *epoch, const Edged__Install *from,
                       struct err *err)
{
    int rc;

    epoch->shards = mem_array(struct hosted, from->n_shards);
    if (epoch->shards == NULL || keep_message(epoch, from) < 0) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    epoch->n_shards = from->n_shards;
    for (size_t i = 0; i < from->n_shards; i++) {
        rc = read_shard(epoch, from->shards[i], &epoch->shards[i], err);
        if (rc < 0) {
            return rc;
        }
    }
    rc = check_shards(epoch, from, err);
    return rc == 0 ? train_read(epoch, from, err) : rc;
}

static int fill(struct epoch *epoch, const Edged__Install *from,
                struct err *err)
{
    int rc;

    if (from->epoch == 0 || !convert_name_ok(from->deployment) ||
        from->n_shards == 0 || from->n_shards > LIMIT_SHARDS ||
        from->n_places > LIMIT_SHARDS || from->n_nodes > LIMIT_NODES ||
        from->queue > LIMIT_SHARD_QUEUE) {
        return err_set(err, EDGE_EPROTO, "Install is not well formed");
    }
    epoch->number = from->epoch;
    epoch->policy = relay_policy_read(from->queue, from->routing);
    memcpy(epoch->deployment, from->deployment, strlen(from->deployment));
    rc = check_places(from, err);
    return rc < 0 ? rc : read_shards(epoch, from, err);
}

int spec_read(struct daemon *d, const Edged__Install *from,
              struct epoch **epoch, struct err *err)
{
    struct epoch *made = mem_new(struct epoch);
    int rc;

    if (made == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    made->daemon = d;
    list_init(&made->link);
    rc = fill(made, from, err);
    if (rc < 0) {
        spec_free(made);
        return rc;
    }
    *epoch = made;
    return 0;
}

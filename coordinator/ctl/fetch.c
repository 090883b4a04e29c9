#include "coordinator/ctl/fetch.h"

#include "base/mem.h"
#include "onnx/import.h"
#include "wire/convert.h"

#include <string.h>

#define ANSWER_MS 60000

int fetch_placement(struct client *client, const char *deployment,
                    struct msg *msg, Edged__Placement **spec, struct err *err)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__PlacementRequest request = EDGED__PLACEMENT_REQUEST__INIT;
    const Edged__PlacementReply *reply;
    int rc;

    request.deployment = (char *)(uintptr_t)deployment;
    env.body_case = EDGED__ENVELOPE__BODY_PLACEMENT_REQUEST;
    env.placement_request = &request;
    rc = client_send(client, &env, NULL, 0, err);
    if (rc == 0) {
        rc = client_expect(client, ANSWER_MS,
                           EDGED__ENVELOPE__BODY_PLACEMENT_REPLY, msg, err);
    }
    if (rc < 0) {
        msg->env = NULL;
        return rc;
    }
    reply = msg->env->placement_reply;
    if (reply->code < 0) {
        return err_set(err, reply->code, "%s", reply->text);
    }
    if (msg->payload == NULL) {
        return err_set(err, EDGE_EPROTO, "a placement without its bytes");
    }
    return msg_unpack_alone(&edged__placement__descriptor, msg->payload->data,
                            msg->payload->size, LIMIT_KEPT_UNPACK, spec, err);
}

/* ---- files --------------------------------------------------------------- */

static int ask_piece(struct client *client, const struct digest *digest,
                     uint64_t offset, struct msg *msg, struct err *err)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__FileRequest request = EDGED__FILE_REQUEST__INIT;
    int rc;

    request.digest = convert_digest_out(digest);
    request.offset = offset;
    env.body_case = EDGED__ENVELOPE__BODY_FILE_REQUEST;
    env.file_request = &request;
    rc = client_send(client, &env, NULL, 0, err);
    if (rc == 0) {
        rc = client_receive(client, ANSWER_MS, msg, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (msg->env->body_case == EDGED__ENVELOPE__BODY_CHUNK_ACK) {
        rc = err_set(err, EDGE_ENOENT, "the coordinator: %s",
                     msg->env->chunk_ack->text);
    } else if (msg->env->body_case != EDGED__ENVELOPE__BODY_CHUNK ||
               msg->env->chunk->blob == NULL ||
               msg->env->chunk->offset != offset) {
        rc = err_set(err, EDGE_EPROTO, "the coordinator sent something else");
    }
    if (rc < 0) {
        msg_deinit(msg);
    }
    return rc;
}

/* Appends a piece; the first says how large all of it is. */
static int take_piece(const struct msg *msg, struct blob **blob, size_t *at,
                      struct err *err)
{
    uint64_t size = msg->env->chunk->blob->size;
    size_t n = msg->payload != NULL ? msg->payload->size : 0;

    if (*blob == NULL) {
        *blob = size <= SIZE_MAX / 2 ? blob_new((size_t)size) : NULL;
        if (*blob == NULL) {
            return err_set(err, EDGE_ENOMEM,
                           "no memory for a file of %llu "
                           "bytes",
                           (unsigned long long)size);
        }
    }
    if (size != (*blob)->size || n > size - *at || (n == 0 && size > *at)) {
        return err_set(err, EDGE_EPROTO, "a piece that does not fit its file");
    }
    if (n > 0) {
        memcpy((*blob)->data + *at, msg->payload->data, n);
    }
    *at += n;
    return 0;
}

int fetch_file(struct client *client, const struct digest *digest,
               struct blob **out, struct err *err)
{
    struct blob *blob = NULL;
    struct digest found;
    size_t at = 0;
    int rc = 0;

    while (rc == 0 && (blob == NULL || at < blob->size)) {
        struct msg msg;

        rc = ask_piece(client, digest, at, &msg, err);
        if (rc == 0) {
            rc = take_piece(&msg, &blob, &at, err);
            msg_deinit(&msg);
        }
    }
    if (rc == 0) {
        digest_of(blob->data, blob->size, &found);
        rc = digest_equal(&found, digest)
                 ? 0
                 : err_set(err, EDGE_ECORRUPT,
                           "the coordinator sent a damaged file");
    }
    if (rc < 0) {
        blob_unref(blob);
        return rc;
    }
    *out = blob;
    return 0;
}

/* ---- shards -------------------------------------------------------------- */

struct source { /* of external data */
    struct client *client;
};

static int open_external(void *arg, const char *location, struct blob **blob,
                         struct err *err)
{
    const struct source *source = arg;
    struct digest digest;

    if (!digest_parse(location, &digest)) {
        return err_set(err, EDGE_ECORRUPT, "\"%s\" is not a digest", location);
    }
    return fetch_file(source->client, &digest, blob, err);
}

static int fetch_shard(struct client *client, const Edged__Shard *shard,
                       struct graph **graph, struct err *err)
{
    struct source source = {client};
    struct blob *model = NULL;
    struct digest digest;
    int rc = shard->model == NULL
                 ? err_set(err, EDGE_EPROTO, "a shard without a model")
                 : convert_digest_in(&shard->model->digest, &digest, err);

    if (rc == 0) {
        rc = fetch_file(client, &digest, &model, err);
    }
    if (rc == 0) {
        rc =
            import_blob(model, shard->name, open_external, &source, graph, err);
    }
    blob_unref(model);
    return rc;
}

/* Its place among the shards; those that are none are outside. */
static int index_of(const Edged__Placement *spec, uint32_t id)
{
    for (size_t i = 0; i < spec->n_shards; i++) {
        if (spec->shards[i]->id == id) {
            return (int)i;
        }
    }
    return CHAIN_OUTSIDE;
}

/* To the gateway all answers are one output; here each has a place. */
static size_t port_of(const Edged__Placement *spec, int from,
                      const Edged__Link *link)
{
    const Edged__Exit *exit = from >= 0 ? spec->shards[from]->exit : NULL;

    return link->to_shard == 0 && exit != NULL ? exit->number : link->to_port;
}

static int add_link(const Edged__Placement *spec, int from,
                    const Edged__Link *link, struct chain_link *out,
                    struct err *err)
{
    *out = (struct chain_link){.from = from,
                               .to = index_of(spec, link->to_shard),
                               .from_port = link->port,
                               .to_port = port_of(spec, from, link)};
    if (link->codec != 0 &&
        coded_from(link->codec, link->keep, &out->codec) < 0) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "codec %u, which this edgectl does not know",
                       link->codec);
    }
    return 0;
}

static int list_links(const Edged__Placement *spec, struct chain_link **links,
                      size_t *n_links, struct err *err)
{
    size_t n = spec->n_entries;
    int rc = 0;

    for (size_t i = 0; i < spec->n_shards; i++) {
        n += spec->shards[i]->n_links;
    }
    *links = mem_array(struct chain_link, n);
    if (*links == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    *n_links = 0;
    for (size_t i = 0; i < spec->n_entries && rc == 0; i++) {
        rc = add_link(spec, CHAIN_OUTSIDE, spec->entries[i],
                      &(*links)[(*n_links)++], err);
    }
    for (size_t i = 0; i < spec->n_shards; i++) {
        const Edged__Shard *shard = spec->shards[i];

        for (size_t k = 0; k < shard->n_links && rc == 0; k++) {
            rc = add_link(spec, (int)i, shard->links[k],
                          &(*links)[(*n_links)++], err);
        }
    }
    return rc;
}

int fetch_chain(struct client *client, const Edged__Placement *spec,
                struct chain **chain, struct chain_link **links,
                size_t *n_links, struct err *err)
{
    struct graph **shards = mem_array(struct graph *, spec->n_shards);
    int rc = shards == NULL ? err_set(err, EDGE_ENOMEM, "out of memory")
                            : list_links(spec, links, n_links, err);

    for (size_t i = 0; i < spec->n_shards && rc == 0; i++) {
        rc = fetch_shard(client, spec->shards[i], &shards[i], err);
    }
    if (rc == 0) {
        rc = chain_make(shards, spec->n_shards, *links, *n_links, chain, err);
    }
    for (size_t i = 0; shards != NULL && i < spec->n_shards; i++) {
        graph_free(shards[i]);
    }
    mem_free(shards);
    return rc;
}

/* What deployments are made of: placements, and the files of the store. */
#include "coordinator/parts.h"
#include "coordinator/rollout.h"
#include "coordinator/train/trainer.h"

#include "base/mem.h"
#include "wire/convert.h"

static void refuse_placement(struct io_peer *peer, int rc, const char *text)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__PlacementReply reply = EDGED__PLACEMENT_REPLY__INIT;

    reply.code = rc;
    reply.text = (char *)(uintptr_t)text;
    env.body_case = EDGED__ENVELOPE__BODY_PLACEMENT_REPLY;
    env.placement_reply = &reply;
    (void)io_send(peer, &env, NULL);
}

static int send_placement(struct io_peer *peer, const struct deployment *d)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__PlacementReply reply = EDGED__PLACEMENT_REPLY__INIT;
    const Edged__Placement *spec = d->current->spec;
    size_t size = edged__placement__get_packed_size(spec);
    struct blob *packed = blob_new(size);
    struct io_payload payload = {.blob = packed, .size = size};
    int rc;

    if (packed == NULL) {
        return EDGE_ENOMEM;
    }
    (void)edged__placement__pack(spec, packed->data);
    reply.deployment = (char *)(uintptr_t)d->name;
    reply.model_name = (char *)(uintptr_t)d->model_name;
    env.body_case = EDGED__ENVELOPE__BODY_PLACEMENT_REPLY;
    env.placement_reply = &reply;
    rc = io_send(peer, &env, &payload);
    blob_unref(packed);
    return rc;
}

void files_on_placement(struct coordinator *c, struct io_peer *peer,
                        struct msg *msg)
{
    struct deployment *d;
    struct err err;
    int rc =
        deployments_find(c, msg->env->placement_request->deployment, &d, &err);

    if (rc == 0) {
        rc = send_placement(peer, d);
        if (rc < 0) {
            (void)err_set(&err, rc, "%s", err_text(rc));
        }
    }
    if (rc < 0) {
        refuse_placement(peer, rc, err.text);
    }
}

static int send_piece(struct coordinator *c, struct io_peer *peer,
                      const Edged__FileRequest *request, struct err *err)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Chunk chunk = EDGED__CHUNK__INIT;
    Edged__BlobRef ref = EDGED__BLOB_REF__INIT;
    struct io_payload payload = {.offset = (size_t)request->offset};
    struct digest digest;
    int rc = convert_digest_in(&request->digest, &digest, err);

    if (rc == 0) {
        rc = store_map(c->store, &digest, false, &payload.blob, err);
    }
    if (rc < 0) {
        return rc;
    }
    ref.digest = request->digest;
    ref.size = payload.blob->size;
    chunk.blob = &ref;
    chunk.offset = request->offset;
    if (request->offset < ref.size) {
        payload.size = ref.size - request->offset < LIMIT_CHUNK
                           ? (size_t)(ref.size - request->offset)
                           : LIMIT_CHUNK;
    }
    env.body_case = EDGED__ENVELOPE__BODY_CHUNK;
    env.chunk = &chunk;
    rc = io_send(peer, &env, payload.size > 0 ? &payload : NULL);
    blob_unref(payload.blob);
    return rc < 0 ? err_set(err, rc, "%s", err_text(rc)) : 0;
}

void files_on_file(struct coordinator *c, struct io_peer *peer, struct msg *msg)
{
    const Edged__FileRequest *request = msg->env->file_request;
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__ChunkAck ack = EDGED__CHUNK_ACK__INIT;
    struct err err;
    int rc = send_piece(c, peer, request, &err);

    if (rc < 0) {
        ack.digest = request->digest;
        ack.code = rc;
        ack.text = err.text;
        env.body_case = EDGED__ENVELOPE__BODY_CHUNK_ACK;
        env.chunk_ack = &ack;
        (void)io_send(peer, &env, NULL);
    }
}

/* ---- those that must stay ------------------------------------------------ */

static void name_spec(struct sweep *sweep, const Edged__Placement *spec)
{
    if (spec == NULL) {
        return;
    }
    for (size_t i = 0; i < spec->n_shards; i++) {
        const Edged__Shard *shard = spec->shards[i];

        sweep_keep_ref(sweep, shard->model);
        for (size_t k = 0; k < shard->n_weights; k++) {
            sweep_keep_ref(sweep, shard->weights[k]);
        }
        sweep_keep_recipe(sweep, shard->recipe);
    }
    sweep_keep_ref(sweep, spec->golden_input);
    sweep_keep_ref(sweep, spec->golden_output);
    sweep_keep_bytes(sweep, &spec->model);
    sweep_keep_bytes(sweep, &spec->calibration);
}

/* What its planning makes meanwhile is young. */
static void name_rollout(struct sweep *sweep, const struct rollout *r)
{
    sweep_keep(sweep, &r->yaml);
    sweep_keep(sweep, &r->model);
    sweep_keep(sweep, &r->labels);
    sweep_keep(sweep, &r->calibration);
    name_spec(sweep, r->spec);
}

static void name_point(struct sweep *sweep, const Edged__KeptCheckpoint *point)
{
    for (size_t i = 0; point != NULL && i < point->n_states; i++) {
        sweep_keep_ref(sweep, point->states[i]);
    }
}

static void name_training(struct sweep *sweep, const struct trainer *t)
{
    const Edged__KeptTraining *kept = t->kept;

    if (trainer_has_strand(t)) {
        sweep_not_now(sweep); /* it is the strand's to read and to write */
        return;
    }
    if (kept != NULL) {
        sweep_keep_bytes(sweep, &kept->yaml);
        sweep_keep_bytes(sweep, &kept->model);
        sweep_keep_ref(sweep, kept->train);
        sweep_keep_ref(sweep, kept->test);
        sweep_keep_ref(sweep, kept->result);
        name_spec(sweep, kept->plan);
        for (size_t i = 0; i < kept->n_checkpoints; i++) {
            name_point(sweep, kept->checkpoints[i]);
        }
    }
    name_point(sweep, t->saving);
    name_spec(sweep, t->spec);
}

void files_name(void *coordinator, struct sweep *sweep)
{
    struct coordinator *c = coordinator;

    list_each(&c->deployments, it, after)
    {
        const struct deployment *d = list_entry(it, struct deployment, link);

        sweep_keep(sweep, &d->yaml);
        sweep_keep(sweep, &d->model);
        sweep_keep(sweep, &d->labels);
    }
    list_each(&c->placements, at, next)
    {
        name_spec(sweep, list_entry(at, struct placement, link)->spec);
    }
    list_each(&c->rollouts, one, then)
    {
        name_rollout(sweep, list_entry(one, struct rollout, link));
    }
    list_each(&c->trainers, other, rest)
    {
        name_training(sweep, list_entry(other, struct trainer, link));
    }
}

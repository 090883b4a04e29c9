#include "tests/lib/fleet_client.h"

#include "relay/relay.h"
#include "tests/lib/unit.h"
#include "wire/convert.h"

#include <stdio.h>
#include <string.h>

/* ---- inference ----------------------------------------------------------- */

static struct fleet_ask *find(struct fleet_client *client, uint64_t number)
{
    list_each(&client->asks, it, after)
    {
        struct fleet_ask *ask = list_entry(it, struct fleet_ask, link);

        if (ask->number == number) {
            return ask;
        }
    }
    return NULL;
}

static void end_ask(struct fleet_ask *ask, int rc, const char *text)
{
    struct tensor outputs[FLEET_PORTS];

    list_unlink(&ask->link);
    ask->rc = rc;
    (void)snprintf(ask->text, sizeof(ask->text), "%s", text);
    memcpy(outputs, ask->outputs, sizeof(outputs));
    ask->done(ask); /* it may be gone, or ask again */
    for (size_t i = 0; i < FLEET_PORTS; i++) {
        tensor_deinit(&outputs[i]);
    }
}

int fleet_ask(struct fleet_client *client, const char *deployment,
              const struct fleet_model *model, uint32_t deadline_ms,
              struct fleet_ask *ask)
{
    int rc = 0;

    ask->client = client;
    ask->number = client->next++;
    memset(ask->outputs, 0, sizeof(ask->outputs));
    ask->n_outputs = 0;
    for (size_t i = 0; i < model->graph->n_inputs && rc == 0; i++) {
        const struct tensor *t = &model->inputs[ask->set][i];
        Edged__Envelope env = EDGED__ENVELOPE__INIT;
        Edged__Data data = EDGED__DATA__INIT;
        Edged__TensorMeta meta = EDGED__TENSOR_META__INIT;
        int64_t dims[LIMIT_RANK];
        struct io_payload payload = {t->blob, 0, tensor_bytes(t)};

        data.request = ask->number;
        data.port = (uint32_t)i;
        data.left_ms = deadline_ms;
        data.deployment = (char *)(uintptr_t)deployment;
        convert_meta_out(t->dtype, &t->shape, &meta, dims);
        data.tensor = &meta;
        env.body_case = EDGED__ENVELOPE__BODY_DATA;
        env.data = &data;
        rc = io_send(client->peer, &env, &payload);
    }
    if (rc == 0) {
        list_init(&ask->link);
        list_push(&client->asks, &ask->link);
    }
    return rc;
}

static void on_data(struct fleet_client *client, struct msg *msg)
{
    struct relay_data data;
    struct fleet_ask *ask;
    struct err err;

    assert_int_equal(relay_data_read(client->io, msg, &data, &err), 0);
    ask = find(client, data.request);
    if (ask == NULL || data.port >= FLEET_PORTS ||
        ask->outputs[data.port].blob != NULL) {
        client->strays++;
    } else {
        ask->outputs[data.port] = tensor_ref(&data.tensor);
        ask->n_outputs++;
    }
    relay_data_deinit(&data);
}

static void on_answer(struct fleet_client *client, const Edged__Answer *answer)
{
    struct fleet_ask *ask = find(client, answer->request);

    if (ask == NULL) {
        client->strays++;
    } else {
        end_ask(ask, answer->code, answer->text);
    }
}

/* ---- deploy -------------------------------------------------------------- */

static struct fleet_deploy *deploy_of(struct fleet_client *client)
{
    return list_is_empty(&client->deploys)
               ? NULL
               : list_entry(client->deploys.next, struct fleet_deploy, link);
}

/* A piece of the file; of no bytes: asks how much is there. */
static int send_chunk(struct fleet_deploy *deploy, uint64_t offset, size_t size)
{
    struct blob *file = deploy->files[deploy->file];
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Chunk chunk = EDGED__CHUNK__INIT;
    Edged__BlobRef ref = EDGED__BLOB_REF__INIT;
    struct io_payload payload = {file, offset, size};

    ref.digest = convert_digest_out(&deploy->digests[deploy->file]);
    ref.size = file->size;
    chunk.blob = &ref;
    chunk.offset = offset;
    env.body_case = EDGED__ENVELOPE__BODY_CHUNK;
    env.chunk = &chunk;
    return io_send(deploy->client->peer, &env, size > 0 ? &payload : NULL);
}

static int send_deploy(struct fleet_deploy *deploy)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Deploy message = EDGED__DEPLOY__INIT;
    char yaml_name[] = "cluster.yaml";
    char model_name[] = "m.onnx";

    message.yaml = convert_digest_out(&deploy->digests[0]);
    message.model = convert_digest_out(&deploy->digests[1]);
    message.yaml_name = yaml_name;
    message.model_name = model_name;
    message.dry_run = deploy->dry_run;
    env.body_case = EDGED__ENVELOPE__BODY_DEPLOY;
    env.deploy = &message;
    return io_send(deploy->client->peer, &env, NULL);
}

static int next_file(struct fleet_deploy *deploy)
{
    return deploy->file < 2 ? send_chunk(deploy, 0, 0) : send_deploy(deploy);
}

int fleet_deploy(struct fleet_client *client, struct fleet_deploy *deploy)
{
    int rc;

    assert_null(deploy_of(client));
    deploy->client = client;
    deploy->file = 0;
    deploy->n_progress = 0;
    for (size_t i = 0; i < 2; i++) {
        digest_of(deploy->files[i]->data, deploy->files[i]->size,
                  &deploy->digests[i]);
    }
    rc = next_file(deploy);
    if (rc == 0) {
        list_init(&deploy->link);
        list_push(&client->deploys, &deploy->link);
    }
    return rc;
}

static void end_deploy(struct fleet_deploy *deploy, int rc, const char *text)
{
    list_unlink(&deploy->link);
    deploy->rc = rc;
    (void)snprintf(deploy->text, sizeof(deploy->text), "%s", text);
    deploy->done(deploy);
}

static void on_chunk_ack(struct fleet_client *client,
                         const Edged__ChunkAck *ack)
{
    struct fleet_deploy *deploy = deploy_of(client);
    struct blob *file;
    uint64_t left;
    int rc;

    if (deploy == NULL || deploy->file == 2) {
        client->strays++;
        return;
    }
    file = deploy->files[deploy->file];
    if (ack->code < 0) {
        end_deploy(deploy, ack->code, ack->text);
        return;
    }
    left = file->size - ack->received;
    if (left == 0) {
        deploy->file++;
        rc = next_file(deploy);
    } else {
        rc = send_chunk(deploy, ack->received,
                        left < LIMIT_CHUNK ? left : LIMIT_CHUNK);
    }
    if (rc < 0) {
        end_deploy(deploy, rc, "cannot send");
    }
}

static void on_deploy_reply(struct fleet_client *client,
                            const Edged__DeployReply *reply)
{
    struct fleet_deploy *deploy = deploy_of(client);

    if (deploy == NULL) {
        client->strays++;
        return;
    }
    deploy->pushed = reply->pushed_bytes;
    deploy->generation = reply->generation;
    end_deploy(deploy, reply->code, reply->text);
}

/* ---- undeploy ------------------------------------------------------------ */

int fleet_undeploy(struct fleet_client *client, const char *deployment,
                   struct fleet_undeploy *undeploy)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Undeploy message = EDGED__UNDEPLOY__INIT;
    int rc;

    message.deployment = (char *)(uintptr_t)deployment;
    env.body_case = EDGED__ENVELOPE__BODY_UNDEPLOY;
    env.undeploy = &message;
    rc = io_send(client->peer, &env, NULL);
    if (rc == 0) {
        list_init(&undeploy->link);
        list_push(&client->undeploys, &undeploy->link);
    }
    return rc;
}

static void end_undeploy(struct fleet_client *client, int rc, const char *text)
{
    struct fleet_undeploy *undeploy;

    if (list_is_empty(&client->undeploys)) {
        client->strays++;
        return;
    }
    undeploy = list_entry(client->undeploys.next, struct fleet_undeploy, link);
    list_unlink(&undeploy->link);
    undeploy->rc = rc;
    (void)snprintf(undeploy->text, sizeof(undeploy->text), "%s", text);
    undeploy->done(undeploy);
}

/* ---- profile ------------------------------------------------------------- */

int fleet_profile(struct fleet_client *client, const char *deployment,
                  struct fleet_profile *profile)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__ProfileRequest message = EDGED__PROFILE_REQUEST__INIT;
    int rc;

    message.deployment = (char *)(uintptr_t)deployment;
    message.fresh = profile->fresh;
    env.body_case = EDGED__ENVELOPE__BODY_PROFILE_REQUEST;
    env.profile_request = &message;
    rc = io_send(client->peer, &env, NULL);
    if (rc == 0) {
        client->profile = profile;
    }
    return rc;
}

static void on_profile_row(struct fleet_client *client,
                           const Edged__ProfileRow *row)
{
    struct fleet_profile *profile = client->profile;

    if (profile == NULL) {
        client->strays++;
    } else if (row->board != NULL) {
        profile->n_boards++;
        profile->n_whole += row->board->n_ops > 0 &&
                            row->board->n_measured == row->board->n_ops;
        profile->total_s += row->board->total_s;
    } else {
        profile->n_links++;
    }
}

static void end_profile(struct fleet_client *client, int rc, const char *text)
{
    struct fleet_profile *profile = client->profile;

    if (profile == NULL) {
        client->strays++;
        return;
    }
    client->profile = NULL;
    profile->rc = rc;
    (void)snprintf(profile->text, sizeof(profile->text), "%s", text);
    profile->done(profile);
}

/* ---- life ---------------------------------------------------------------- */

static void on_message(void *arg, struct io_peer *peer, struct msg *msg)
{
    struct fleet_client *client = arg;
    const Edged__Envelope *env = msg->env;

    (void)peer;
    switch (env->body_case) {
    case EDGED__ENVELOPE__BODY_DATA: on_data(client, msg); break;
    case EDGED__ENVELOPE__BODY_ANSWER: on_answer(client, env->answer); break;
    case EDGED__ENVELOPE__BODY_CHUNK_ACK:
        on_chunk_ack(client, env->chunk_ack);
        break;
    case EDGED__ENVELOPE__BODY_PROGRESS:
        if (deploy_of(client) != NULL) {
            deploy_of(client)->n_progress++;
        }
        break;
    case EDGED__ENVELOPE__BODY_DEPLOY_REPLY:
        on_deploy_reply(client, env->deploy_reply);
        break;
    case EDGED__ENVELOPE__BODY_RESULT:
        end_undeploy(client, env->result->code, env->result->text);
        break;
    case EDGED__ENVELOPE__BODY_PROFILE_ROW:
        on_profile_row(client, env->profile_row);
        break;
    case EDGED__ENVELOPE__BODY_PROFILE_REPLY:
        end_profile(client, env->profile_reply->code, env->profile_reply->text);
        break;
    default: client->strays++; break;
    }
}

static void on_up(void *arg, struct io_peer *peer)
{
    struct fleet_client *client = arg;

    (void)peer;
    if (client->on_up != NULL) {
        client->on_up(client);
    }
}

static void on_down(void *arg, struct io_peer *peer, int rc, const char *why)
{
    struct fleet_client *client = arg;

    (void)peer;
    (void)rc;
    while (!list_is_empty(&client->asks)) {
        end_ask(list_entry(client->asks.next, struct fleet_ask, link),
                EDGE_ECLOSED, why);
    }
    while (deploy_of(client) != NULL) {
        end_deploy(deploy_of(client), EDGE_ECLOSED, why);
    }
    while (!list_is_empty(&client->undeploys)) {
        end_undeploy(client, EDGE_ECLOSED, why);
    }
    if (client->profile != NULL) {
        end_profile(client, EDGE_ECLOSED, why);
    }
}

void fleet_client_init(struct fleet_client *client, struct fleet *fleet,
                       const char *name)
{
    static const struct io_events events = {
        .on_up = on_up,
        .on_down = on_down,
        .on_message = on_message,
    };
    struct err err;

    memset(client, 0, sizeof(*client));
    client->fleet = fleet;
    client->next = 1;
    (void)snprintf(client->name, sizeof(client->name), "%s", name);
    list_init(&client->asks);
    list_init(&client->deploys);
    list_init(&client->undeploys);
    client->id = (struct io_identity){
        .role = EDGED__ROLE__ROLE_CLIENT,
        .name = client->name,
        .instance = sim_random(fleet->sim, UINT64_MAX),
        .version = "test",
    };
    client->io = sim_node(fleet->sim, &client->id, "127.0.0.1", 0, NULL);
    assert_non_null(client->io);
    client->io->events = events;
    client->io->arg = client;
    assert_int_equal(
        io_dial(client->io, NULL, FLEET_SOCKET, 0, &client->peer, &err), 0);
}

void fleet_client_deinit(struct fleet_client *client)
{
    sim_kill(client->io);
    on_down(client, client->peer, 0, "the client ends");
}

bool fleet_client_is_up(const struct fleet_client *client)
{
    return client->peer->up;
}

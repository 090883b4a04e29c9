#include "tests/lib/desk.h"

#include "base/mem.h"
#include "graph/infer.h"
#include "onnx/export.h"
#include "tests/lib/model.h"
#include "tests/lib/unit.h"
#include "wire/convert.h"

#include <stdio.h>
#include <string.h>

static void must(int rc, const struct err *err)
{
    if (rc < 0) {
        fail_msg("%s", err->text);
    }
}

/* ---- life ---------------------------------------------------------------- */

static void make_model(struct desk *d)
{
    struct graph *g = graph_new("g");
    struct err err;
    int x = model_input(g, "x", DTYPE_F32, DIMS(DESK_SIZE));
    int one = model_f32(g, "one", 1, 0, DIMS(DESK_SIZE));
    int two = model_f32(g, "two", 2, 0, DIMS(DESK_SIZE));

    model_output(g, model_op(g, OP_ADD, "y", IN(x, one)));
    if (d->n_outputs == 2) {
        model_output(g, model_op(g, OP_MUL, "z", IN(x, two)));
    }
    must(infer_graph(g, &err), &err);
    must(export_file(g, tmp_path(&d->tmp, "m.onnx"), &err), &err);
    must(blob_read(tmp_path(&d->tmp, "m.onnx"), MIB(1), &d->model, &err), &err);
    graph_free(g);
}

static void start(struct desk *d)
{
    struct coordinator_config config = {
        .folder = tmp_path(&d->tmp, "head"),
        .store_flags = STORE_NO_SYNC,
        .insecure = true,
    };
    struct err err;

    must(coordinator_new(&d->fake.io, &config, &d->c, &err), &err);
    must(coordinator_start(d->c, &err), &err);
}

struct io_fake_peer *desk_client(struct desk *d)
{
    struct io_fake_peer *client =
        io_fake_peer(&d->fake, "edgectl", EDGED__ROLE__ROLE_CLIENT);

    d->fake.io.events.on_up(d->fake.io.arg, &client->base);
    return client;
}

void desk_init(struct desk *d, size_t n_outputs)
{
    memset(d, 0, sizeof(*d));
    io_fake_init(&d->fake);
    tmp_init(&d->tmp);
    d->n_outputs = n_outputs;
    make_model(d);
    start(d);
    d->client = desk_client(d);
}

void desk_deinit(struct desk *d)
{
    coordinator_free(d->c);
    io_fake_deinit(&d->fake);
    blob_unref(d->model);
    tmp_deinit(&d->tmp);
}

void desk_restart(struct desk *d)
{
    coordinator_free(d->c);
    io_fake_deinit(&d->fake);
    io_fake_init(&d->fake);
    start(d);
    d->client = desk_client(d);
}

/* ---- nodes --------------------------------------------------------------- */

struct io_fake_peer *desk_node(struct desk *d, const char *name)
{
    return io_fake_find(&d->fake, name);
}

void desk_beat(struct desk *d, const char *name, uint32_t epoch)
{
    struct io_fake_peer *node = desk_node(d, name);
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Beat beat = EDGED__BEAT__INIT;
    Edged__ShardLoad load = EDGED__SHARD_LOAD__INIT;
    Edged__ShardLoad *list[] = {&load};
    Edged__Speed speed = EDGED__SPEED__INIT;
    const struct msg *heard = io_fake_last(node, EDGED__ENVELOPE__BODY_BEAT);

    load.epoch = epoch;
    load.shard = 1;
    load.ready = true;
    beat.seq = ++d->beat_seq;
    beat.ack = heard != NULL ? heard->env->beat->seq : 0;
    beat.memory_budget = MIB(100);
    beat.shards = list;
    beat.n_shards = epoch != 0 ? 1 : 0;
    speed.kind = "a board of the desk"; /* as fast as one that is guessed at */
    if (d->rate[name[1] - '0'] > 0) {
        speed.kind = (char *)(uintptr_t)name; /* the like have one speed */
        speed.macs_per_s = d->rate[name[1] - '0'];
        speed.bytes_per_s = speed.macs_per_s;
        speed.run_s = 1e-6;
    }
    beat.speed = d->is_speedless ? NULL : &speed;
    env.body_case = EDGED__ENVELOPE__BODY_BEAT;
    env.beat = &beat;
    io_fake_receive(node, &env, NULL);
}

void desk_up(struct desk *d, const char *name, uint32_t epoch)
{
    struct io_fake_peer *node = desk_node(d, name);

    assert_non_null(node);
    node->base.up = true;
    node->hung_up = false;
    d->fake.io.events.on_up(d->fake.io.arg, &node->base);
    desk_beat(d, name, epoch);
}

void desk_down(struct desk *d, const char *name)
{
    struct io_fake_peer *node = desk_node(d, name);

    node->base.up = false;
    io_fake_forget(node);
    d->fake.io.events.on_down(d->fake.io.arg, &node->base, EDGE_ECLOSED,
                              "the test says so");
}

void desk_ready(struct desk *d, const char *name)
{
    struct io_fake_peer *node = desk_node(d, name);
    const struct msg *install =
        io_fake_last(node, EDGED__ENVELOPE__BODY_INSTALL);
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Ready ready = EDGED__READY__INIT;

    assert_non_null(install);
    ready.epoch = install->env->install->epoch;
    env.body_case = EDGED__ENVELOPE__BODY_READY;
    env.ready = &ready;
    desk_beat(d, name, ready.epoch);
    io_fake_receive(node, &env, NULL);
}

void desk_output(struct desk *d, const char *name, const struct msg *data,
                 uint32_t port, bool wrong)
{
    const Edged__Data *in = data->env->data;
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Data out = EDGED__DATA__INIT;
    struct blob *values = blob_new(data->payload->size);
    const float *x = (const float *)(const void *)data->payload->data;
    float *y = (float *)(void *)values->data;

    for (size_t i = 0; i < DESK_SIZE; i++) {
        y[i] = port == 0 ? x[i] + 1 : x[i] * 2;
    }
    y[0] += wrong ? 1 : 0;
    out.request = in->request;
    out.epoch = in->epoch;
    out.port = port;
    out.from = in->shard;
    out.tensor = in->tensor;
    env.body_case = EDGED__ENVELOPE__BODY_DATA;
    env.data = &out;
    io_fake_receive(desk_node(d, name), &env, values);
    blob_unref(values);
}

bool desk_answer(struct desk *d, const char *name, bool wrong)
{
    struct io_fake_peer *node = desk_node(d, name);

    list_each(&node->sent, it, after)
    {
        struct io_fake_sent *one = list_entry(it, struct io_fake_sent, link);
        Edged__Envelope env = EDGED__ENVELOPE__INIT;
        Edged__Ack ack = EDGED__ACK__INIT;

        if (one->msg.env->body_case != EDGED__ENVELOPE__BODY_DATA) {
            continue;
        }
        list_unlink(it);
        node->n_sent--;
        for (uint32_t port = 0; port < d->n_outputs; port++) {
            desk_output(d, name, &one->msg, port, wrong);
        }
        ack.request = one->msg.env->data->request;
        ack.epoch = one->msg.env->data->epoch;
        ack.shard = one->msg.env->data->shard;
        env.body_case = EDGED__ENVELOPE__BODY_ACK;
        env.ack = &ack;
        io_fake_receive(node, &env, NULL);
        io_fake_free(one);
        return true;
    }
    return false;
}

/* ---- deploys ------------------------------------------------------------- */

void desk_send_blob(struct desk *d, struct io_fake_peer *from,
                    struct blob *file, struct digest *digest)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Chunk chunk = EDGED__CHUNK__INIT;
    Edged__BlobRef ref = EDGED__BLOB_REF__INIT;

    digest_of(file->data, file->size, digest);
    ref.digest = convert_digest_out(digest);
    ref.size = file->size;
    chunk.blob = &ref;
    env.body_case = EDGED__ENVELOPE__BODY_CHUNK;
    env.chunk = &chunk;
    io_fake_receive(from, &env, file);
    (void)io_fake_work(&d->fake);
}

void desk_deploy(struct desk *d, const char *yaml)
{
    struct blob *file = blob_copy(yaml, strlen(yaml));
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Deploy deploy = EDGED__DEPLOY__INIT;
    struct digest digests[2];

    io_fake_forget(d->client);
    desk_send_blob(d, d->client, file, &digests[0]);
    desk_send_blob(d, d->client, d->model, &digests[1]);
    blob_unref(file);
    deploy.yaml = convert_digest_out(&digests[0]);
    deploy.model = convert_digest_out(&digests[1]);
    deploy.yaml_name = (char *)(uintptr_t) "cluster.yaml";
    deploy.model_name = (char *)(uintptr_t) "m.onnx";
    env.body_case = EDGED__ENVELOPE__BODY_DEPLOY;
    env.deploy = &deploy;
    io_fake_receive(d->client, &env, NULL);
}

const Edged__DeployReply *desk_reply(const struct desk *d)
{
    const struct msg *msg =
        io_fake_last(d->client, EDGED__ENVELOPE__BODY_DEPLOY_REPLY);

    return msg != NULL ? msg->env->deploy_reply : NULL;
}

uint32_t desk_whole(struct desk *d, const char *devices)
{
    char yaml[600];
    size_t n = strlen(devices) / 4 + 1; /* "n0, n1" */

    (void)snprintf(yaml, sizeof(yaml),
                   "name: home\nmodel: {file: m.onnx}\nreplicas: %zu\n"
                   "devices:\n",
                   n);
    for (size_t i = 0; i < n; i++) {
        size_t at = strlen(yaml);

        (void)snprintf(yaml + at, sizeof(yaml) - at,
                       "  - {name: %.2s, host: 127.0.0.1, port: 70%.1s}\n",
                       devices + 4 * i, devices + 4 * i + 1);
    }
    desk_deploy(d, yaml);
    for (size_t i = 0; i < n; i++) {
        char name[] = {devices[4 * i], devices[4 * i + 1], '\0'};

        if (!desk_node(d, name)->base.up) {
            desk_up(d, name, 0);
        }
    }
    (void)io_fake_work(&d->fake);
    for (size_t i = 0; i < n; i++) {
        char name[] = {devices[4 * i], devices[4 * i + 1], '\0'};

        desk_ready(d, name);
    }
    for (bool any = true; any;) {
        any = false;
        for (size_t i = 0; i < n; i++) {
            char name[] = {devices[4 * i], devices[4 * i + 1], '\0'};

            any = desk_answer(d, name, false) || any;
        }
    }
    (void)io_fake_work(&d->fake);
    if (desk_reply(d) == NULL || desk_reply(d)->code < 0) {
        fail_msg("deploy: %s",
                 desk_reply(d) != NULL ? desk_reply(d)->text : "no reply");
    }
    return deployments_get(d->c, "home")->current->epoch;
}

/* ---- requests ------------------------------------------------------------ */

void desk_ask(struct desk *d, struct io_fake_peer *client, uint64_t number,
              uint32_t left_ms)
{
    static const float x[DESK_SIZE] = {1, 2, 3, 4};
    struct blob *values = blob_copy(x, sizeof(x));
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Data data = EDGED__DATA__INIT;
    Edged__TensorMeta meta = EDGED__TENSOR_META__INIT;
    int64_t dims[] = {DESK_SIZE};

    (void)d;
    meta.dtype = DTYPE_F32;
    meta.dims = dims;
    meta.n_dims = 1;
    data.request = number;
    data.left_ms = left_ms;
    data.tensor = &meta;
    env.body_case = EDGED__ENVELOPE__BODY_DATA;
    env.data = &data;
    io_fake_receive(client, &env, values);
    blob_unref(values);
}

size_t desk_answers_to(struct io_fake_peer *client, uint64_t number)
{
    size_t n = 0;

    list_each(&client->sent, it, after)
    {
        const Edged__Envelope *env =
            list_entry(it, struct io_fake_sent, link)->msg.env;

        n += env->body_case == EDGED__ENVELOPE__BODY_ANSWER &&
             env->answer->request == number;
    }
    return n;
}

const Edged__Answer *desk_answer_of(struct io_fake_peer *client,
                                    uint64_t number)
{
    list_each(&client->sent, it, after)
    {
        const Edged__Envelope *env =
            list_entry(it, struct io_fake_sent, link)->msg.env;

        if (env->body_case == EDGED__ENVELOPE__BODY_ANSWER &&
            env->answer->request == number) {
            return env->answer;
        }
    }
    return NULL;
}

#include "tests/lib/lone.h"

#include "graph/infer.h"
#include "tests/lib/model.h"
#include "tests/lib/unit.h"
#include "wire/convert.h"

#include <string.h>

static void must(int rc, const struct err *err)
{
    if (rc < 0) {
        fail_msg("%s", err->text);
    }
}

static void make_model(struct lone *l)
{
    struct err err;
    int x;
    int w;

    l->graph = graph_new("g");
    x = model_input(l->graph, "x", DTYPE_F32, DIMS(LONE_SIZE));
    w = model_f32(l->graph, "w", 1, 1, DIMS(LONE_SIZE));
    model_output(l->graph, model_op(l->graph, OP_ADD, "y", IN(x, w)));
    must(infer_graph(l->graph, &err), &err);
    must(export_graph(l->graph, &l->files, &err), &err);
    assert_int_equal(l->files.n_blobs, 1);
    digest_of(l->files.model->data, l->files.model->size, &l->model);
}

static struct io_fake_peer *connect(struct lone *l, const char *name,
                                    Edged__Role role)
{
    struct io_fake_peer *peer = io_fake_peer(&l->fake, name, role);

    l->fake.io.events.on_up(l->fake.io.arg, &peer->base);
    return peer;
}

static void start(struct lone *l)
{
    struct daemon_config config = {
        .name = "n0",
        .folder = tmp_path(&l->tmp, "state"),
        .memory_budget = MIB(64),
        .store_flags = STORE_NO_SYNC,
        .board = &l->board,
    };
    struct err err;

    io_fake_init(&l->fake);
    must(daemon_new(&l->fake.io, &config, &l->daemon, &err), &err);
    daemon_start(l->daemon);
    l->coordinator = connect(l, "coordinator", EDGED__ROLE__ROLE_COORDINATOR);
    l->other = connect(l, "n1", EDGED__ROLE__ROLE_NODE);
    (void)io_fake_work(&l->fake);
}

static void stop(struct lone *l)
{
    daemon_free(l->daemon);
    io_fake_deinit(&l->fake);
}

void lone_init(struct lone *l)
{
    memset(l, 0, sizeof(*l));
    tmp_init(&l->tmp);
    l->board.free_bytes = (uint64_t)1 << 32;
    make_model(l);
    start(l);
}

void lone_deinit(struct lone *l)
{
    stop(l);
    export_deinit(&l->files);
    graph_free(l->graph);
    tmp_deinit(&l->tmp);
}

void lone_restart(struct lone *l)
{
    stop(l);
    start(l);
}

/* ---- an epoch ------------------------------------------------------------ */

static void send_blob(struct lone *l, const struct digest *digest,
                      const void *data, size_t size)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Chunk chunk = EDGED__CHUNK__INIT;
    Edged__BlobRef ref = EDGED__BLOB_REF__INIT;
    struct blob *blob = blob_copy(data, size);

    ref.digest = convert_digest_out(digest);
    ref.size = size;
    chunk.blob = &ref;
    env.body_case = EDGED__ENVELOPE__BODY_CHUNK;
    env.chunk = &chunk;
    io_fake_receive(l->coordinator, &env, blob);
    blob_unref(blob);
    (void)io_fake_work(&l->fake);
}

static void send_install(struct lone *l)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Install install = EDGED__INSTALL__INIT;
    Edged__Shard shard = EDGED__SHARD__INIT;
    Edged__Shard *shards[] = {&shard};
    Edged__BlobRef model = EDGED__BLOB_REF__INIT;
    Edged__BlobRef weights = EDGED__BLOB_REF__INIT;
    Edged__BlobRef *weight_list[] = {&weights};
    Edged__TensorMeta meta = EDGED__TENSOR_META__INIT;
    int64_t dims[] = {LONE_SIZE};
    Edged__Port port = EDGED__PORT__INIT;
    Edged__Port *ports[] = {&port};
    Edged__TensorMeta coded = EDGED__TENSOR_META__INIT;
    Edged__Port input = EDGED__PORT__INIT;
    Edged__Port *inputs[] = {&input};
    Edged__Link link = EDGED__LINK__INIT;
    Edged__Link *links[] = {&link};
    Edged__Place place = EDGED__PLACE__INIT;
    Edged__Place *places[] = {&place};
    char node[] = "n0";
    char *nodes[] = {node};
    char name[] = "s0";
    char deployment[] = "home";

    meta.dtype = DTYPE_F32;
    meta.dims = dims;
    meta.n_dims = 1;
    port.tensor = &meta;
    coded = meta;
    coded.codec = l->comes_in;
    input.tensor = &coded;
    model.digest = convert_digest_out(&l->model);
    model.size = l->files.model->size;
    weights.digest = convert_digest_out(&l->files.blobs[0].digest);
    weights.size = l->files.blobs[0].size;
    shard.id = 1;
    shard.name = name;
    shard.model = &model;
    shard.weights = weight_list, shard.n_weights = 1;
    shard.inputs = inputs, shard.n_inputs = 1;
    shard.outputs = ports, shard.n_outputs = 1;
    shard.links = links, shard.n_links = 1;
    shard.weight_bytes = weights.size;
    place.shard = 1;
    place.name = name;
    place.nodes = nodes, place.n_nodes = 1;
    install.epoch = LONE_EPOCH;
    install.deployment = deployment;
    install.shards = shards, install.n_shards = 1;
    install.places = places, install.n_places = 1;
    env.body_case = EDGED__ENVELOPE__BODY_INSTALL;
    env.install = &install;
    io_fake_receive(l->coordinator, &env, NULL);
}

void lone_install(struct lone *l)
{
    send_install(l);
    send_blob(l, &l->model, l->files.model->data, l->files.model->size);
    send_blob(l, &l->files.blobs[0].digest, l->files.blobs[0].data,
              l->files.blobs[0].size);
    assert_true(lone_is_ready(l));
}

void lone_ask_with(struct lone *l, uint64_t request, uint32_t codec,
                   struct blob *x)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Data data = EDGED__DATA__INIT;
    Edged__TensorMeta meta = EDGED__TENSOR_META__INIT;
    int64_t dims[] = {LONE_SIZE};

    meta.dtype = DTYPE_F32;
    meta.dims = dims;
    meta.n_dims = 1;
    meta.codec = codec;
    data.request = request;
    data.epoch = LONE_EPOCH;
    data.shard = 1;
    data.tensor = &meta;
    env.body_case = EDGED__ENVELOPE__BODY_DATA;
    env.data = &data;
    io_fake_receive(l->coordinator, &env, x);
}

void lone_ask(struct lone *l, uint64_t request)
{
    struct blob *x = blob_new(LONE_SIZE * sizeof(float));

    memset(x->data, 0, x->size);
    lone_ask_with(l, request, 0, x);
    blob_unref(x);
}

bool lone_is_ready(const struct lone *l)
{
    const struct epoch *epoch = install_find(l->daemon, LONE_EPOCH);

    return epoch != NULL && epoch->state == EPOCH_READY;
}

/* A daemon is told to bring up epochs: through a fake io. */
#include "base/mem.h"
#include "daemon/parts.h"
#include "graph/infer.h"
#include "onnx/export.h"
#include "tests/lib/io_fake.h"
#include "tests/lib/model.h"
#include "tests/lib/swept.h"
#include "tests/lib/tmp.h"
#include "tests/lib/unit.h"
#include "wire/convert.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MANY 600

/* An Install of one shard: y = x + 1, from the gateway and back to it. */
struct message {
    Edged__Install install;
    Edged__Shard shards[2];
    Edged__Shard *shard_list[MANY];
    Edged__BlobRef model;
    Edged__BlobRef weights[MANY];
    Edged__BlobRef *weight_list[MANY];
    Edged__Port ports[2];
    Edged__Port *input_list[LIMIT_PORTS + 1];
    Edged__Port *output_list[LIMIT_PORTS + 1];
    Edged__TensorMeta meta;
    int64_t dims[1];
    Edged__Link links[2];
    Edged__Link *link_list[2];
    Edged__Place places[2];
    Edged__Place *place_list[2];
    char *node_list[LIMIT_REPLICAS + 1];
    Edged__NodeAddress address;
    Edged__NodeAddress *address_list[1];
};

struct fixture {
    struct io_fake fake;
    struct tmp tmp;
    struct board board;
    struct daemon *daemon;
    struct io_fake_peer *coordinator;
    struct blob *model;
    struct digest digest;
    struct digest digests[MANY]; /* of blobs that are just a number */
    struct message m;
};

/* ---- the fixture --------------------------------------------------------- */

static void make_model(struct fixture *f)
{
    struct graph *g = graph_new("g");
    struct export files = {0};
    struct err err;
    int x = model_input(g, "x", DTYPE_F32, DIMS(4));
    int one = model_f32(g, "one", 1, 0, DIMS(4));

    model_output(g, model_op(g, OP_ADD, "y", IN(x, one)));
    if (infer_graph(g, &err) < 0 || export_graph(g, &files, &err) < 0) {
        fail_msg("%s", err.text);
    }
    f->model = blob_ref(files.model);
    digest_of(f->model->data, f->model->size, &f->digest);
    export_deinit(&files);
    graph_free(g);
}

static void start(struct fixture *f)
{
    struct daemon_config config = {
        .name = "n0",
        .folder = tmp_path(&f->tmp, "state"),
        .memory_budget = MIB(64),
        .store_flags = STORE_NO_SYNC,
        .board = &f->board,
    };
    struct err err;

    if (daemon_new(&f->fake.io, &config, &f->daemon, &err) < 0) {
        fail_msg("%s", err.text);
    }
    daemon_start(f->daemon);
    f->coordinator =
        io_fake_peer(&f->fake, "coordinator", EDGED__ROLE__ROLE_COORDINATOR);
    f->fake.io.events.on_up(f->fake.io.arg, &f->coordinator->base);
}

static void stop(struct fixture *f)
{
    daemon_free(f->daemon);
    io_fake_deinit(&f->fake);
}

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));

    io_fake_init(&f->fake);
    tmp_init(&f->tmp);
    f->board.free_bytes = (uint64_t)1 << 32;
    make_model(f);
    start(f);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    stop(f);
    blob_unref(f->model);
    tmp_deinit(&f->tmp);
    test_free(f);
    return 0;
}

/* ---- messages ------------------------------------------------------------ */

static void fill_shard(struct fixture *f, struct message *m)
{
    Edged__Shard *shard = &m->shards[0];

    edged__shard__init(shard);
    edged__blob_ref__init(&m->model);
    edged__tensor_meta__init(&m->meta);
    edged__link__init(&m->links[0]);
    m->model.digest = convert_digest_out(&f->digest);
    m->model.size = f->model->size;
    m->meta.dtype = DTYPE_F32;
    m->dims[0] = 4;
    m->meta.dims = m->dims;
    m->meta.n_dims = 1;
    for (size_t i = 0; i <= LIMIT_PORTS; i++) {
        m->input_list[i] = &m->ports[0];
        m->output_list[i] = &m->ports[1];
    }
    for (size_t i = 0; i < 2; i++) {
        edged__port__init(&m->ports[i]);
        m->ports[i].tensor = &m->meta;
        m->link_list[i] = &m->links[i];
    }
    shard->id = 1;
    shard->name = (char *)(uintptr_t) "s0";
    shard->model = &m->model;
    shard->weights = m->weight_list;
    shard->inputs = m->input_list;
    shard->n_inputs = 1;
    shard->outputs = m->output_list;
    shard->n_outputs = 1;
    shard->links = m->link_list;
    shard->n_links = 1;
    shard->weight_bytes = 1000;
    shard->arena_bytes = 1000;
    m->shard_list[0] = shard;
}

static void fill(struct fixture *f)
{
    struct message *m = &f->m;

    memset(m, 0, sizeof(*m));
    edged__install__init(&m->install);
    fill_shard(f, m);
    m->install.epoch = 5;
    m->install.deployment = (char *)(uintptr_t) "home";
    m->install.shards = m->shard_list;
    m->install.n_shards = 1;
    edged__place__init(&m->places[0]);
    m->places[0].shard = 1;
    m->places[0].name = m->shards[0].name;
    m->places[0].nodes = m->node_list;
    m->places[0].n_nodes = 1;
    for (size_t i = 0; i <= LIMIT_REPLICAS; i++) {
        m->node_list[i] = (char *)(uintptr_t) "n0";
    }
    m->place_list[0] = &m->places[0];
    m->place_list[1] = &m->places[1];
    m->install.places = m->place_list;
    m->install.n_places = 1;
    edged__node_address__init(&m->address);
    m->address_list[0] = &m->address;
    m->install.nodes = m->address_list;
}

/* A second shard, on another node, that the first sends to. */
static void add_neighbour(struct fixture *f)
{
    struct message *m = &f->m;

    edged__place__init(&m->places[1]);
    m->places[1].shard = 2;
    m->places[1].name = (char *)(uintptr_t) "s1";
    m->node_list[1] = (char *)(uintptr_t) "n1";
    m->places[1].nodes = &m->node_list[1];
    m->places[1].n_nodes = 1;
    m->install.n_places = 2;
    m->links[0].to_shard = 2;
    m->address.name = m->node_list[1];
    m->address.host = (char *)(uintptr_t) "10.0.0.1";
    m->address.port = 7001;
    m->install.n_nodes = 1;
}

static void send_install(struct fixture *f)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;

    env.body_case = EDGED__ENVELOPE__BODY_INSTALL;
    env.install = &f->m.install;
    io_fake_forget(f->coordinator);
    io_fake_receive(f->coordinator, &env, NULL);
}

static void send_chunk(struct fixture *f, const struct digest *digest,
                       struct blob *blob)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Chunk chunk = EDGED__CHUNK__INIT;
    Edged__BlobRef ref = EDGED__BLOB_REF__INIT;

    ref.digest = convert_digest_out(digest);
    ref.size = blob->size;
    chunk.blob = &ref;
    env.body_case = EDGED__ENVELOPE__BODY_CHUNK;
    env.chunk = &chunk;
    io_fake_receive(f->coordinator, &env, blob);
    (void)io_fake_work(&f->fake);
}

static const Edged__Envelope *last(const struct fixture *f,
                                   Edged__Envelope__BodyCase kind)
{
    const struct msg *msg = io_fake_last(f->coordinator, kind);

    return msg != NULL ? msg->env : NULL;
}

static const Edged__Failed *failed(const struct fixture *f)
{
    const Edged__Envelope *env = last(f, EDGED__ENVELOPE__BODY_FAILED);

    return env != NULL ? env->failed : NULL;
}

static bool is_ready(const struct fixture *f)
{
    return last(f, EDGED__ENVELOPE__BODY_READY) != NULL;
}

/* An epoch that is up. */
static void install(struct fixture *f)
{
    fill(f);
    send_install(f);
    send_chunk(f, &f->digest, f->model);
    assert_true(is_ready(f));
}

static const struct epoch *epoch_of(const struct fixture *f, uint32_t number)
{
    return install_find(f->daemon, number);
}

/* ---- the way up ---------------------------------------------------------- */

static void an_epoch_comes_up(void **state)
{
    struct fixture *f = *state;
    const Edged__Need *need;

    fill(f);
    send_install(f);
    need = last(f, EDGED__ENVELOPE__BODY_NEED)->need;
    assert_int_equal(need->epoch, 5);
    assert_int_equal(need->n_blobs, 1);
    assert_int_equal(need->blobs[0]->size, f->model->size);
    assert_false(is_ready(f));
    send_chunk(f, &f->digest, f->model);
    assert_true(is_ready(f));
    assert_int_equal(epoch_of(f, 5)->state, EPOCH_READY);
}

static void what_is_in_the_store_is_not_asked_for(void **state)
{
    struct fixture *f = *state;

    install(f);
    f->m.install.epoch = 6;
    send_install(f);
    assert_null(last(f, EDGED__ENVELOPE__BODY_NEED));
    (void)io_fake_work(&f->fake);
    assert_true(is_ready(f));
}

static void the_same_again_is_ready_at_once(void **state)
{
    struct fixture *f = *state;
    const struct epoch *epoch;

    install(f);
    epoch = epoch_of(f, 5);
    send_install(f);
    assert_true(is_ready(f));
    assert_false(io_fake_work(&f->fake));
    assert_ptr_equal(epoch_of(f, 5), epoch);
}

static void another_one_of_that_number_takes_its_place(void **state)
{
    struct fixture *f = *state;

    install(f);
    f->m.shards[0].name = (char *)(uintptr_t) "other";
    send_install(f);
    (void)io_fake_work(&f->fake);
    assert_true(is_ready(f));
    assert_string_equal(epoch_of(f, 5)->shards[0].name, "other");
}

static void more_blobs_than_fit_are_asked_for_in_batches(void **state)
{
    struct fixture *f = *state;
    size_t asked;

    fill(f);
    for (uint32_t i = 0; i < MANY; i++) {
        digest_of(&i, sizeof(i), &f->digests[i]);
        edged__blob_ref__init(&f->m.weights[i]);
        f->m.weights[i].digest = convert_digest_out(&f->digests[i]);
        f->m.weights[i].size = sizeof(i);
        f->m.weight_list[i] = &f->m.weights[i];
    }
    f->m.shards[0].n_weights = MANY;
    send_install(f);
    asked = last(f, EDGED__ENVELOPE__BODY_NEED)->need->n_blobs;
    assert_in_range(asked, 100, MANY);
    io_fake_forget(f->coordinator);
    send_chunk(f, &f->digest, f->model);
    for (uint32_t i = 0; i < MANY && !is_ready(f); i++) {
        struct blob *blob = blob_copy(&i, sizeof(i));

        if (i + 2 == asked) {
            assert_null(last(f, EDGED__ENVELOPE__BODY_NEED));
        }
        send_chunk(f, &f->digests[i], blob);
        blob_unref(blob);
    }
    assert_int_equal(io_fake_count(f->coordinator, EDGED__ENVELOPE__BODY_NEED),
                     1);
    assert_int_equal(last(f, EDGED__ENVELOPE__BODY_NEED)->need->n_blobs,
                     MANY + 1 - asked);
    assert_true(is_ready(f));
}

/* Two shards of many blobs each: the list of a Need has its bound. */
static void blobs_of_several_shards_are_bounded_together(void **state)
{
    struct fixture *f = *state;

    fill(f);
    for (uint32_t i = 0; i < MANY; i++) {
        digest_of(&i, sizeof(i), &f->digests[i]);
        edged__blob_ref__init(&f->m.weights[i]);
        f->m.weights[i].digest = convert_digest_out(&f->digests[i]);
        f->m.weight_list[i] = &f->m.weights[i];
    }
    f->m.shards[0].n_weights = 512;
    f->m.shards[1] = f->m.shards[0];
    f->m.shards[1].id = 2;
    f->m.shards[1].weights = &f->m.weight_list[MANY - 80];
    f->m.shards[1].n_weights = 80;
    f->m.shard_list[1] = &f->m.shards[1];
    f->m.install.n_shards = 2;
    send_install(f);
    assert_int_equal(last(f, EDGED__ENVELOPE__BODY_NEED)->need->n_blobs, 512);
}

static void a_neighbour_is_dialed_where_it_is(void **state)
{
    struct fixture *f = *state;
    struct io_fake_peer *peer;

    fill(f);
    add_neighbour(f);
    send_install(f);
    peer = io_fake_find(&f->fake, "n1");
    assert_non_null(peer);
    assert_string_equal(peer->host, "10.0.0.1");
    assert_int_equal(peer->port, 7001);
    f->m.address.port = 7002;
    send_install(f);
    assert_int_equal(io_fake_find(&f->fake, "n1")->port, 7002);
}

static void neighbours_go_with_their_last_epoch(void **state)
{
    struct fixture *f = *state;
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Epochs epochs = EDGED__EPOCHS__INIT;
    uint32_t numbers[] = {6};

    fill(f);
    add_neighbour(f);
    send_install(f);
    f->m.install.epoch = 6;
    send_install(f);
    env.body_case = EDGED__ENVELOPE__BODY_EPOCHS;
    env.epochs = &epochs;
    epochs.epochs = numbers;
    epochs.n_epochs = 1;
    io_fake_receive(f->coordinator, &env, NULL);
    assert_non_null(io_fake_find(&f->fake, "n1"));
    epochs.n_epochs = 0;
    io_fake_receive(f->coordinator, &env, NULL);
    assert_null(io_fake_find(&f->fake, "n1"));
    assert_null(relay_find(&f->daemon->relay, "n1"));
    (void)io_fake_work(&f->fake);
}

/* ---- the end ------------------------------------------------------------- */

static void retire_drops_it_here_and_on_disk(void **state)
{
    struct fixture *f = *state;
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Retire retire = EDGED__RETIRE__INIT;

    install(f);
    assert_int_equal(access(tmp_path(&f->tmp, "state/epochs/5"), F_OK), 0);
    env.body_case = EDGED__ENVELOPE__BODY_RETIRE;
    env.retire = &retire;
    retire.epoch = 5;
    io_fake_receive(f->coordinator, &env, NULL);
    (void)io_fake_work(&f->fake);
    assert_null(epoch_of(f, 5));
    assert_int_not_equal(access(tmp_path(&f->tmp, "state/epochs/5"), F_OK), 0);
    assert_int_equal(beat_memory_used(f->daemon), 0);
}

static void a_restart_brings_it_up_by_itself(void **state)
{
    struct fixture *f = *state;

    install(f);
    stop(f);
    io_fake_init(&f->fake);
    start(f);
    (void)io_fake_work(&f->fake);
    assert_int_equal(epoch_of(f, 5)->state, EPOCH_READY);
}

static void a_torn_file_is_no_epoch(void **state)
{
    struct fixture *f = *state;

    stop(f);
    io_fake_init(&f->fake);
    (void)tmp_write(&f->tmp, "state/epochs/7", "\x08\x07\xff", 3);
    (void)tmp_write(&f->tmp, "state/epochs/9.new", "", 0);
    start(f);
    (void)io_fake_work(&f->fake);
    assert_true(list_is_empty(&f->daemon->epochs));
}

static void damaged_weights_are_told_and_asked_for_again(void **state)
{
    struct fixture *f = *state;
    char path[200];
    char hex[DIGEST_HEX];

    install(f);
    stop(f);
    digest_hex(&f->digest, hex);
    (void)snprintf(path, sizeof(path), "state/blobs/%s", hex);
    (void)tmp_write(&f->tmp, path, "damage", 6);
    io_fake_init(&f->fake);
    start(f);
    (void)io_fake_work(&f->fake);
    assert_int_equal(epoch_of(f, 5)->state, EPOCH_FAILED);
    send_install(f);
    (void)io_fake_work(&f->fake);
    assert_int_equal(last(f, EDGED__ENVELOPE__BODY_NEED)->need->n_blobs, 1);
    send_chunk(f, &f->digest, f->model);
    assert_true(is_ready(f));
}

static void it_may_end_while_it_is_planned(void **state)
{
    struct fixture *f = *state;

    install(f);
    f->m.install.epoch = 6;
    send_install(f); /* its plan waits for the strand */
    daemon_close(f->daemon);
    assert_int_equal(epoch_of(f, 6)->state, EPOCH_PLANNING);
    list_init(&f->fake.work[IO_DISK]); /* the io has stopped */
}

/* ---- refused ------------------------------------------------------------- */

static void does_not_fit(void **state)
{
    struct fixture *f = *state;

    fill(f);
    f->m.shards[0].weight_bytes = MIB(40);
    f->m.shards[0].arena_bytes = MIB(30);
    send_install(f);
    assert_int_equal(failed(f)->code, EDGE_ENOFIT);
    assert_non_null(strstr(failed(f)->text, "n0: its shards need 70 MiB, 64 of "
                                            "64 MiB are free"));
    assert_null(epoch_of(f, 5));
}

static void what_is_there_counts(void **state)
{
    struct fixture *f = *state;

    fill(f);
    f->m.shards[0].weight_bytes = MIB(40);
    send_install(f);
    f->m.install.epoch = 6;
    send_install(f);
    assert_int_equal(failed(f)->code, EDGE_ENOFIT);
    assert_non_null(epoch_of(f, 5));
    assert_null(epoch_of(f, 6));
}

static void a_model_that_is_none(void **state)
{
    struct fixture *f = *state;
    struct blob *garbage = blob_copy("garbage", 7);
    struct digest digest;

    digest_of("garbage", 7, &digest);
    fill(f);
    f->m.model.digest = convert_digest_out(&digest);
    f->m.model.size = 7;
    send_install(f);
    send_chunk(f, &digest, garbage);
    blob_unref(garbage);
    assert_true(failed(f)->code < 0);
    assert_non_null(strstr(failed(f)->text, "shard s0"));
}

static void a_model_of_other_ports(void **state)
{
    struct fixture *f = *state;

    fill(f);
    f->m.shards[0].n_inputs = 2;
    send_install(f);
    send_chunk(f, &f->digest, f->model);
    assert_int_equal(failed(f)->code, EDGE_ECORRUPT);
}

/* Each spoils one field; all but the marked ones are a broken protocol. */
#define BAD(name, ...)                             \
    static void bad_##name(struct message *m)      \
    {                                              \
        static struct digest any;                  \
        char *no_name = (char *)(uintptr_t) "no/"; \
                                                   \
        (void)any;                                 \
        (void)no_name;                             \
        __VA_ARGS__;                               \
    }

BAD(epoch, m->install.epoch = 0)
BAD(deployment, m->install.deployment = no_name)
BAD(no_deployment, m->install.deployment = (char *)(uintptr_t) "")
BAD(no_shards, m->install.n_shards = 0)
BAD(queue, m->install.queue = LIMIT_SHARD_QUEUE + 1)
BAD(shard_id, m->shards[0].id = 0)
BAD(shard_name, m->shards[0].name = no_name)
BAD(no_inputs, m->shards[0].n_inputs = 0)
BAD(many_inputs, m->shards[0].n_inputs = LIMIT_PORTS + 1)
BAD(no_outputs, m->shards[0].n_outputs = 0)
BAD(many_outputs, m->shards[0].n_outputs = LIMIT_PORTS + 1)
BAD(no_links, m->shards[0].n_links = 0)
BAD(link_port, m->links[0].port = 1)
BAD(link_to_port, m->links[0].to_port = LIMIT_PORTS)
BAD(link_to_itself, m->links[0].to_shard = 1)
BAD(link_nowhere, m->links[0].to_shard = 9)
BAD(link_huge, m->links[0].to_shard = UINT32_MAX)
BAD(no_model, m->shards[0].model = NULL)
BAD(model_digest, m->model.digest.len = 31)
BAD(sizes, m->shards[0].weight_bytes = UINT64_MAX)
BAD(place_0, m->places[0].shard = 0)
BAD(place_nobody, m->places[0].n_nodes = 0)
BAD(place_many, m->places[0].n_nodes = LIMIT_REPLICAS + 1)
BAD(place_name, m->node_list[0] = no_name)
BAD(address_name, m->install.n_nodes = 1; m->address.name = no_name)

static void bad_many_shards(struct message *m)
{
    for (size_t i = 0; i < LIMIT_SHARDS + 1; i++) {
        m->shard_list[i] = &m->shards[0];
    }
    m->install.n_shards = LIMIT_SHARDS + 1;
    m->shards[0].inputs[0] = &m->ports[0];
    m->shards[0].n_inputs = 0; /* small enough for a message */
    m->shards[0].n_outputs = 0;
    m->shards[0].n_links = 0;
}

static void bad_twin_shards(struct message *m)
{
    m->shard_list[1] = &m->shards[0];
    m->install.n_shards = 2;
}

static void bad_twin_links(struct message *m)
{
    m->links[1] = m->links[0];
    m->shards[0].n_links = 2;
}

static void bad_twin_places(struct message *m)
{
    m->places[1] = m->places[0];
    m->install.n_places = 2;
}

static void bad_weight_digest(struct message *m)
{
    edged__blob_ref__init(&m->weights[0]);
    m->weight_list[0] = &m->weights[0];
    m->shards[0].n_weights = 1;
}

/* Where the neighbour is, is missing. */
static void bad_no_address(struct message *m)
{
    edged__place__init(&m->places[1]);
    m->places[1].shard = 2;
    m->node_list[1] = (char *)(uintptr_t) "n1";
    m->places[1].nodes = &m->node_list[1];
    m->places[1].n_nodes = 1;
    m->install.n_places = 2;
    m->links[0].to_shard = 2;
}

static void every_field_is_checked(void **state)
{
    static const struct {
        const char *name;
        void (*spoil)(struct message *m);
    } rows[] = {
#define ROW(name) {#name, bad_##name}
        ROW(epoch),        ROW(deployment),   ROW(no_deployment),
        ROW(no_shards),    ROW(queue),        ROW(shard_id),
        ROW(shard_name),   ROW(no_inputs),    ROW(many_inputs),
        ROW(no_outputs),   ROW(many_outputs), ROW(no_links),
        ROW(link_port),    ROW(link_to_port), ROW(link_to_itself),
        ROW(link_nowhere), ROW(link_huge),    ROW(no_model),
        ROW(model_digest), ROW(sizes),        ROW(place_0),
        ROW(place_nobody), ROW(place_many),   ROW(place_name),
        ROW(address_name), ROW(many_shards),  ROW(twin_shards),
        ROW(twin_links),   ROW(twin_places),  ROW(weight_digest),
        ROW(no_address),
#undef ROW
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fill(f);
        rows[i].spoil(&f->m);
        send_install(f);
        if (failed(f) == NULL || failed(f)->code != EDGE_EPROTO ||
            failed(f)->text[0] == '\0') {
            fail_msg("%s: %s", rows[i].name,
                     failed(f) != NULL ? failed(f)->text : "accepted");
        }
        assert_true(list_is_empty(&f->daemon->epochs));
        assert_int_equal(beat_memory_used(f->daemon), 0);
        assert_null(io_fake_find(&f->fake, "n1"));
    }
    install(f); /* it is none the worse */
}

static void an_unknown_codec_is_not_supported(void **state)
{
    struct fixture *f = *state;

    static const struct {
        uint32_t codec;
        uint32_t keep;
        uint32_t to_shard;
        uint32_t input;
        const char *says;
    } rows[] = {
        {77, 0, 2, 0, "shard s0: its link to 2 asks for codec 77"},
        {2, 0, 0, 0, "shard s0: its link to 0 asks for codec 2"},
        {256, 0, 2, 0, "codec 256"}, /* sparse, of which nothing is kept */
        {2, 500, 2, 0, "codec 2"},
        {256, 1000001, 2, 0, "codec 256"},
        {0, 0, 0, 1u << 31, "comes in codec 2147483648"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fill(f);
        f->m.links[0].codec = rows[i].codec;
        f->m.links[0].keep = rows[i].keep;
        f->m.links[0].to_shard = rows[i].to_shard;
        f->m.meta.codec = rows[i].input;
        send_install(f);
        assert_int_equal(failed(f)->code, EDGE_EUNSUPPORTED);
        if (strstr(failed(f)->text, rows[i].says) == NULL) {
            fail_msg("%s: %s", rows[i].says, failed(f)->text);
        }
    }
}

static void a_refused_address_refuses_the_epoch(void **state)
{
    struct fixture *f = *state;

    fill(f);
    add_neighbour(f);
    f->fake.dial_rc = EDGE_EINVAL;
    send_install(f);
    assert_int_equal(failed(f)->code, EDGE_EINVAL);
    assert_true(list_is_empty(&f->daemon->epochs));
    assert_true(list_is_empty(&f->daemon->neighbours));
}

/* ---- one plan for several epochs, and spares ------------------------------
 */

static const struct hosted *shard_of(const struct fixture *f, uint32_t number)
{
    return &epoch_of(f, number)->shards[0];
}

static void retire(struct fixture *f, uint32_t number)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Retire message = EDGED__RETIRE__INIT;

    message.epoch = number;
    env.body_case = EDGED__ENVELOPE__BODY_RETIRE;
    env.retire = &message;
    io_fake_receive(f->coordinator, &env, NULL);
    (void)io_fake_work(&f->fake);
}

static void two_epochs_share_a_shard(void **state)
{
    struct fixture *f = *state;
    uint64_t used;

    install(f);
    used = beat_memory_used(f->daemon);
    f->daemon->memory_budget = used; /* a second one would not fit */
    f->m.install.epoch = 6;
    send_install(f);
    (void)io_fake_work(&f->fake);
    assert_true(is_ready(f));
    assert_ptr_equal(shard_of(f, 5)->plan, shard_of(f, 6)->plan);
    assert_int_equal(beat_memory_used(f->daemon), used);
    retire(f, 5);
    assert_null(epoch_of(f, 5));
    assert_non_null(shard_of(f, 6)->plan);
    assert_int_equal(beat_memory_used(f->daemon), used);
    retire(f, 6);
    assert_int_equal(beat_memory_used(f->daemon), 0);
}

/* Epoch 5 has its shard here as a spare, of another node's. */
static void install_spare(struct fixture *f)
{
    fill(f);
    f->m.node_list[0] = (char *)(uintptr_t) "n1";
    f->m.places[0].n_nodes = 2;
    f->m.places[0].spares = 1;
    send_install(f);
    send_chunk(f, &f->digest, f->model);
    assert_true(is_ready(f));
    assert_true(shard_of(f, 5)->is_spare);
}

/* Another shard, which takes all that there is. */
static void send_another(struct fixture *f, uint32_t epoch, uint32_t spares)
{
    fill(f);
    f->m.install.epoch = epoch;
    f->m.shards[0].n_inputs = 2; /* unlike the one that is there */
    f->m.shards[0].weight_bytes = MIB(64) - 1000;
    f->m.node_list[0] = (char *)(uintptr_t)(spares > 0 ? "n1" : "n0");
    f->m.places[0].n_nodes = 1 + spares;
    f->m.places[0].spares = spares;
    send_install(f);
}

static void a_spare_makes_way_for_what_is_needed(void **state)
{
    struct fixture *f = *state;
    const Edged__Beat *beat;

    install_spare(f);
    send_another(f, 6, 0);
    assert_null(failed(f));
    assert_non_null(epoch_of(f, 6));
    assert_true(shard_of(f, 5)->evicted);
    assert_null(shard_of(f, 5)->plan);
    beat = last(f, EDGED__ENVELOPE__BODY_BEAT)->beat;
    assert_int_equal(beat->shards[0]->epoch, 5);
    assert_false(beat->shards[0]->ready);
    fill(f); /* and asked for again it says what it has: nothing */
    f->m.node_list[0] = (char *)(uintptr_t) "n1";
    f->m.places[0].n_nodes = 2;
    f->m.places[0].spares = 1;
    send_install(f);
    assert_int_equal(last(f, EDGED__ENVELOPE__BODY_READY)->ready->n_shards, 0);
}

static void a_spare_does_not_make_way_for_a_spare(void **state)
{
    struct fixture *f = *state;

    install_spare(f);
    send_another(f, 6, 1);
    assert_int_equal(failed(f)->code, EDGE_ENOFIT);
    assert_false(shard_of(f, 5)->evicted);
}

static void what_is_needed_does_not_make_way(void **state)
{
    struct fixture *f = *state;

    install(f);
    send_another(f, 6, 0);
    assert_int_equal(failed(f)->code, EDGE_ENOFIT);
    assert_false(shard_of(f, 5)->evicted);
}

static void only_the_coordinator_may_install(void **state)
{
    struct fixture *f = *state;
    struct io_fake_peer *node =
        io_fake_peer(&f->fake, "n9", EDGED__ROLE__ROLE_NODE);
    Edged__Envelope env = EDGED__ENVELOPE__INIT;

    f->fake.io.events.on_up(f->fake.io.arg, &node->base);
    fill(f);
    env.body_case = EDGED__ENVELOPE__BODY_INSTALL;
    env.install = &f->m.install;
    io_fake_receive(node, &env, NULL);
    assert_true(node->hung_up);
    assert_true(list_is_empty(&f->daemon->epochs));
}

static void what_epochs_have_stays_in_the_store(void **state)
{
    struct fixture *f = *state;
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Retire retire = EDGED__RETIRE__INIT;
    struct swept swept;

    install(f);
    swept = swept_once(&f->fake, &f->daemon->sweep);
    assert_int_equal(swept.n, 1);
    assert_int_equal(swept.n_gone, 0);
    retire.epoch = 5;
    env.body_case = EDGED__ENVELOPE__BODY_RETIRE;
    env.retire = &retire;
    io_fake_receive(f->coordinator, &env, NULL);
    (void)io_fake_work(&f->fake);
    assert_int_equal(swept_once(&f->fake, &f->daemon->sweep).n_gone, 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(an_epoch_comes_up),
        T(what_is_in_the_store_is_not_asked_for),
        T(the_same_again_is_ready_at_once),
        T(another_one_of_that_number_takes_its_place),
        T(more_blobs_than_fit_are_asked_for_in_batches),
        T(blobs_of_several_shards_are_bounded_together),
        T(a_neighbour_is_dialed_where_it_is),
        T(neighbours_go_with_their_last_epoch),
        T(retire_drops_it_here_and_on_disk),
        T(a_restart_brings_it_up_by_itself),
        T(a_torn_file_is_no_epoch),
        T(damaged_weights_are_told_and_asked_for_again),
        T(it_may_end_while_it_is_planned),
        T(does_not_fit),
        T(what_is_there_counts),
        T(a_model_that_is_none),
        T(a_model_of_other_ports),
        T(every_field_is_checked),
        T(an_unknown_codec_is_not_supported),
        T(a_refused_address_refuses_the_epoch),
        T(two_epochs_share_a_shard),
        T(a_spare_makes_way_for_what_is_needed),
        T(a_spare_does_not_make_way_for_a_spare),
        T(what_is_needed_does_not_make_way),
        T(only_the_coordinator_may_install),
        T(what_epochs_have_stays_in_the_store),
    };
#undef T

    return cmocka_run_group_tests(tests, NULL, NULL);
}

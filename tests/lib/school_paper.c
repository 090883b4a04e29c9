#include "tests/lib/school_inner.h"

#include "codec/coded.h"
#include "tests/lib/unit.h"

#include <stdio.h>

/* ---- Install ------------------------------------------------------------- */

static void set_codec(const char *text, uint32_t *id, uint32_t *keep)
{
    struct codec codec = {0};

    if (text != NULL) {
        assert_int_equal(codec_parse(text, &codec, NULL), 0);
    }
    *id = codec_id(&codec);
    *keep = coded_keep(&codec);
}

static void write_data(struct school *s, struct paper *p, bool images,
                       bool labels, const struct digest test[2])
{
    school_set_ref(s, &s->manifest, &p->data[0]);
    school_set_ref(s, &s->test, &p->data[1]);
    school_set_ref(s, &s->labels, &p->data[2]);
    school_set_ref(s, &s->samples, &p->data[3]);
    school_set_ref(s, &test[0], &p->data[4]);
    school_set_ref(s, &test[1], &p->data[5]);
    for (int i = 0; i < 4; i++) {
        p->data_list[i] = &p->data[2 + i];
    }
    edged__data_spec__init(&p->train);
    p->train.manifest = &p->data[0];
    p->train.files = p->data_list;
    p->train.n_files = images || labels ? 2 : 0;
    p->train.images = images;
    p->train.labels = labels;
    p->train.width = SIDE;
    p->train.height = SIDE;
    p->train.crop = 1;
    p->test = p->train;
    p->test.manifest = &p->data[1];
    p->test.files = p->data_list + 2;
    edged__augment__init(&p->augment);
    p->augment.crop_pad = 2;
    p->augment.flip = true;
    p->train.augment = &p->augment;
}

static void write_recipe(struct school *s, struct paper *p, size_t stage)
{
    Edged__Recipe *r = &p->recipe;

    edged__recipe__init(r);
    r->training = "lesson";
    r->stage = (uint32_t)stage;
    r->stages = (uint32_t)s->ask.stages;
    r->step = s->state_step;
    if (s->state != NULL) {
        school_set_ref(s, &s->state[stage], &p->state);
        r->state = &p->state;
    }
    r->train = &p->train;
    r->test = &p->test;
    edged__loss_spec__init(&p->loss);
    p->loss.scores = "scores";
    p->loss.weight = 1;
    p->losses[0] = &p->loss;
    r->losses = p->losses;
    r->n_losses = stage + 1 == s->ask.stages;
    edged__optimizer_spec__init(&p->optimizer);
    p->optimizer.kind = s->ask.adam ? OPTIM_ADAM : OPTIM_SGD;
    p->optimizer.momentum = 0.9F;
    p->optimizer.beta1 = 0.9F;
    p->optimizer.beta2 = 0.999F;
    p->optimizer.epsilon = 1e-8F;
    p->optimizer.weight_decay = 0.01F;
    r->optimizer = &p->optimizer;
    r->micro_max = s->ask.batch / (uint32_t)s->ask.micros;
    r->slots = s->ask.slots;
    r->one_f_one_b = s->ask.backward_first;
    r->straight = s->ask.straight;
    r->seed = 5;
    r->local = s->ask.local > 0;
    set_codec(s->ask.reduce, &r->reduce_codec, &r->reduce_keep);
    r->sources = p->source_list;
    r->n_sources = stage > 0 ? s->shards[stage]->n_inputs : 0;
    for (size_t i = 0; i < r->n_sources; i++) {
        edged__source__init(&p->sources[i]);
        p->sources[i].port = (uint32_t)i;
        p->sources[i].shard = (uint32_t)stage;
        p->sources[i].link = (uint32_t)i;
        set_codec(s->ask.back, &p->sources[i].back_codec,
                  &p->sources[i].back_keep);
        p->source_list[i] = &p->sources[i];
    }
}

static void write_links(struct school *s, struct paper *p, size_t stage)
{
    bool last = stage + 1 == s->ask.stages;

    p->shard.links = p->link_list;
    p->shard.n_links = s->shards[stage]->n_outputs;
    assert_true(p->shard.n_links <= PORTS);
    for (size_t i = 0; i < p->shard.n_links; i++) {
        Edged__Link *link = &p->links[i];

        edged__link__init(link);
        link->port = (uint32_t)i;
        link->to_port = (uint32_t)i;
        link->to_shard = last ? 0 : (uint32_t)stage + 2;
        if (!last) {
            set_codec(s->ask.codec, &link->codec, &link->keep);
            set_codec(s->ask.back, &link->back_codec, &link->back_keep);
        }
        p->link_list[i] = link;
    }
}

void school_write_shard(struct school *s, struct paper *p, size_t stage,
                        const struct digest test[2])
{
    const struct export *e = &s->exports[stage];
    struct digest model;
    uint32_t keep;

    edged__shard__init(&p->shard);
    edged__port__init(&p->port);
    edged__tensor_meta__init(&p->meta);
    digest_of(e->model->data, e->model->size, &model);
    school_set_ref(s, &model, &p->model);
    for (size_t i = 0; i < e->n_blobs; i++) {
        school_set_ref(s, &e->blobs[i].digest, &p->weights[i]);
        p->weight_list[i] = &p->weights[i];
    }
    (void)snprintf(p->name, sizeof(p->name), "s%zu", stage);
    p->shard.id = (uint32_t)stage + 1;
    p->shard.name = p->name;
    p->shard.model = &p->model;
    p->shard.weights = p->weight_list;
    p->shard.n_weights = e->n_blobs;
    p->meta.dtype = DTYPE_F32;
    if (stage > 0) {
        set_codec(s->ask.codec, &p->meta.codec, &keep);
    }
    p->port.tensor = &p->meta;
    for (size_t i = 0; i < PORTS; i++) {
        p->ports[i] = &p->port;
    }
    p->shard.inputs = p->ports;
    p->shard.n_inputs = s->shards[stage]->n_inputs;
    p->shard.outputs = p->ports;
    p->shard.n_outputs = s->shards[stage]->n_outputs;
    write_links(s, p, stage);
    write_data(s, p, stage == 0, stage + 1 == s->ask.stages, test);
    write_recipe(s, p, stage);
    p->shard.recipe = &p->recipe;
}

void school_send_install(struct school *s, size_t board, struct paper *papers)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Install install = EDGED__INSTALL__INIT;
    Edged__Place places[PIPE_SHARDS];
    Edged__Place *place_list[PIPE_SHARDS];
    char *nodes[PIPE_SHARDS][SCHOOL_BOARDS];
    Edged__NodeAddress addresses[SCHOOL_BOARDS];
    Edged__NodeAddress *address_list[SCHOOL_BOARDS];
    Edged__Shard *shards[PIPE_SHARDS];

    for (size_t i = 0; i < s->ask.stages; i++) {
        bool is_here = false;

        edged__place__init(&places[i]);
        places[i].shard = (uint32_t)i + 1;
        places[i].name = papers[i].name;
        places[i].nodes = nodes[i];
        places[i].n_nodes = s->ask.replicas;
        for (size_t r = 0; r < s->ask.replicas; r++) {
            nodes[i][r] = s->boards[school_board_of(s, i, r)].name;
            is_here = is_here || school_board_of(s, i, r) == board;
        }
        place_list[i] = &places[i];
        if (is_here) {
            shards[install.n_shards++] = &papers[i].shard;
        }
    }
    for (size_t i = 0; i < s->ask.boards; i++) {
        edged__node_address__init(&addresses[i]);
        addresses[i].name = s->boards[i].name;
        addresses[i].host = "127.0.0.1";
        addresses[i].port = PORT + (uint32_t)i;
        address_list[i] = &addresses[i];
    }
    install.epoch = s->epoch;
    install.deployment = "lesson";
    install.shards = shards;
    install.places = place_list;
    install.n_places = s->ask.stages;
    install.nodes = address_list;
    install.n_nodes = s->ask.boards;
    env.body_case = EDGED__ENVELOPE__BODY_INSTALL;
    env.install = &install;
    s->boards[board].ready = install.n_shards == 0;
    if (install.n_shards > 0) {
        assert_int_equal(io_send(s->boards[board].peer, &env, NULL), 0);
    }
}

/* The cluster of a trial: how many boards, which models, where they go. */
#include "tests/lib/trial.h"

#include "base/mem.h"
#include "coordinator/plan/cut.h"
#include "tests/lib/fleet_early.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>

struct text { /* that grows to its bound */
    char bytes[16384];
    size_t n;
};

static void add(struct text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(struct text *text, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(text->bytes + text->n, sizeof(text->bytes) - text->n, format,
                  args);
    va_end(args);
    assert_true(n >= 0 && (size_t)n < sizeof(text->bytes) - text->n);
    text->n += (size_t)n;
}

/* ---- cluster.yaml -------------------------------------------------------- */

static size_t draw_replicas(struct trial *t)
{
    size_t n = t->fleet.n_nodes;

    return t->mild ? 2 + (size_t)trial_random(t, n < 3 ? 1 : 2)
                   : 1 + (size_t)trial_random(t, n < 3 ? n : 3);
}

/* Some of the nodes, at least one. */
static void add_replicas(struct trial *t, struct text *yaml)
{
    size_t n = t->fleet.n_nodes;
    size_t first = (size_t)trial_random(t, n);
    size_t count = draw_replicas(t);

    add(yaml, "    replicas: [");
    for (size_t k = 0; k < count; k++) {
        add(yaml, "%sn%zu", k > 0 ? ", " : "", (first + k) % n);
    }
    add(yaml, "]\n");
}

/* Stages written by hand at random places; several may be on one node.
 * Returns how many cuts there are between them. */
static size_t add_stages(struct trial *t, const struct graph *g,
                         struct text *yaml, int *positions)
{
    size_t most = 1 + (size_t)trial_random(t, 5);
    struct cut *cuts = NULL;
    size_t n_cuts = 0;
    int *order = NULL;
    size_t n_ops = 0;
    size_t made = 0;
    int from = 0;
    struct err err;

    assert_int_equal(cut_candidates(g, &cuts, &n_cuts, &err), 0);
    assert_int_equal(cut_order(g, &order, &n_ops, &err), 0);
    add(yaml, "stages:\n");
    for (size_t i = 0; i <= n_cuts; i++) {
        int at = i < n_cuts ? cuts[i].position : (int)n_ops;
        bool here = i == n_cuts || (made + 1 < most && trial_random(t, 3) == 0);

        if (at <= from || at > (int)n_ops || !here) {
            continue;
        }
        add(yaml, "  - name: part%zu\n    layers: \"%s..%s\"\n", made,
            g->ops[order[from]].name, g->ops[order[at - 1]].name);
        add_replicas(t, yaml);
        from = at;
        positions[made++] = at;
    }
    cut_free(cuts, n_cuts);
    mem_free(order);
    return made - 1;
}

/* ---- codecs -------------------------------------------------------------- */

static void code_models(struct trial_home *home, const int *positions,
                        size_t n_cuts, const char *between, const char *input,
                        bool zstd)
{
    struct codec codecs[2];
    struct err err;

    assert_int_equal(codec_parse(between, &codecs[0], &err), 0);
    assert_int_equal(codec_parse(input, &codecs[1], &err), 0);
    codecs[0].zstd = codecs[0].zstd || zstd;
    codecs[1].zstd = codecs[1].zstd || zstd;
    for (unsigned g = 0; g < TRIAL_GENERATIONS; g++) {
        fleet_model_code(&home->models[g], positions, n_cuts, &codecs[0],
                         &codecs[1]);
    }
}

static bool do_differ(const struct trial_home *home)
{
    bool differ = true;

    for (unsigned a = 1; a < TRIAL_GENERATIONS; a++) {
        for (unsigned b = 0; b < a; b++) {
            differ = differ &&
                     fleet_model_differs(&home->models[a], &home->models[b]);
        }
    }
    return differ;
}

/* One seed in three has codecs on its links: lossy ones where it is known
 * where the model is cut, so that it is known what must be answered. What would
 * not become shorter goes as it is, and of values this small zstd may decide
 * that: it is on or off where codecs round. */
static void add_codecs(struct trial_home *home, struct text *yaml,
                       const int *positions, size_t n_cuts, bool is_pinned)
{
    static const char *const lossy[] = {"q8", "q4/channel+runs",
                                        "sparse:30%+fp16", "fp16+zstd",
                                        "q8+runs+zstd"};
    static const char *const switches[] = {"off", "on", "auto"};
    uint64_t draw = home->trial->seed * UINT64_C(0xd1342543de82ef95);
    const char *between = "fp32+zstd";
    const char *zstd = switches[(draw >> 40) % 3];
    const char *input = (draw >> 56) % 2 == 0 ? "q8" : "fp32+zstd";

    if ((draw >> 60) % 3 != 0) {
        return;
    }
    if (is_pinned) {
        between = lossy[(draw >> 48) % (sizeof(lossy) / sizeof(lossy[0]))];
        zstd = switches[(draw >> 40) % 2];
        code_models(home, positions, n_cuts, between, input,
                    (draw >> 40) % 2 == 1);
    }
    if (!is_pinned || !do_differ(home)) {
        between = input = "fp32+zstd";
        code_models(home, NULL, 0, "fp32", "fp32", false);
    }
    add(yaml, "links: {codec: %s, input: %s, zstd: %s}\n", between, input,
        zstd);
}

/* ---- all of it ----------------------------------------------------------- */

/* The graph as it is cut: what an exit needs alone comes right behind it. */
static size_t add_pinned(struct trial_home *home, struct text *yaml,
                         int *positions)
{
    const struct fleet_model *model = &home->models[0];
    struct graph *g = NULL;
    size_t n;

    if (model->early == 0) {
        return add_stages(home->trial, model->graph, yaml, positions);
    }
    g = fleet_early_arrange(model->graph);
    assert_non_null(g);
    n = add_stages(home->trial, g, yaml, positions);
    graph_free(g);
    return n;
}

static void add_exit(struct trial_home *home, struct text *yaml)
{
    fleet_model_choose(&home->models[0]);
    for (unsigned g = 1; g < TRIAL_GENERATIONS; g++) {
        home->models[g].below = home->models[0].below;
    }
    add(yaml, "exits: [{output: answer%d, entropy: %.12f}]\n",
        home->models[0].early, home->models[0].below);
}

static void write_yaml(struct trial_home *home)
{
    struct trial *t = home->trial;
    static const char *const goals[] = {"latency", "throughput", "memory"};
    struct text yaml = {.n = 0};
    int positions[8];
    size_t n_cuts = 0;
    bool is_pinned;

    add(&yaml, "name: %s\nmodel: {file: m.onnx}\ndevices:\n", home->name);
    for (size_t i = 0; i < t->fleet.n_nodes; i++) {
        add(&yaml, "  - {name: n%zu, host: 127.0.0.1, port: %d}\n", i,
            t->fleet.nodes[i].port);
    }
    is_pinned = trial_random(t, 3) != 0;
    if (is_pinned) {
        n_cuts = add_pinned(home, &yaml, positions);
    } else {
        add(&yaml, "replicas: %zu\ngoal: %s\n", draw_replicas(t),
            goals[trial_random(t, 3)]);
        for (unsigned g = 0; g < TRIAL_GENERATIONS; g++) {
            home->models[g].rounds = true;
        }
    }
    if (home->models[0].early > 0) {
        add_exit(home, &yaml);
        is_pinned = false; /* lossy codecs would need another reference */
    }
    add_codecs(home, &yaml, positions, n_cuts, is_pinned);
    trial_say(t, "%s", yaml.bytes);
    home->yaml = blob_copy(yaml.bytes, yaml.n);
    assert_non_null(home->yaml);
}

/* ---- models -------------------------------------------------------------- */

/* The first models from this seed on that the engine can run. */
static void make_models(struct trial_home *home)
{
    int n_ops = 4 + (int)trial_random(home->trial, 16);
    uint64_t seed = trial_random(home->trial, UINT64_MAX);
    /* Every second seed has an exit; drawn apart, so that others are as ever.
     */
    bool is_early = home->trial->seed * UINT64_C(0xa0761d6478bd642f) >> 33 & 1;
    unsigned made = 0;

    while (made < TRIAL_GENERATIONS) {
        bool fine = (is_early ? fleet_model_make_early : fleet_model_make)(
            &home->models[made], seed, n_ops, made);

        for (unsigned g = 0; fine && g < made; g++) {
            fine = fleet_model_differs(&home->models[g], &home->models[made]);
        }
        made++;
        if (!fine) {
            for (unsigned g = 0; g < made; g++) {
                fleet_model_free(&home->models[g]);
            }
            made = 0;
            seed++;
        }
    }
}

/* ---- the network --------------------------------------------------------- */

static void set_paths(struct trial *t)
{
    struct sim_path path = {.latency_us = 50};

    path.latency_us += trial_random(t, 4) == 0 ? trial_random(t, 20000)
                                               : trial_random(t, 1000);
    path.jitter_us = trial_random(t, path.latency_us + 1);
    path.bytes_per_s = trial_random(t, 2) == 0 ? 1000000 : 100000000;
    if (!t->mild && trial_random(t, 4) == 0) {
        path.loss_permille = (unsigned)trial_random(t, 30);
    }
    sim_set_paths(t->fleet.sim, path);
    if (trial_random(t, 3) == 0) {
        t->fleet.twice_percent = (unsigned)trial_random(t, 30);
        t->fleet.late_percent = (unsigned)trial_random(t, 10);
    }
}

static void init_home(struct trial *t, size_t i)
{
    static const char *const names[TRIAL_HOMES] = {"home", "side"};
    static const char *const admins[TRIAL_HOMES] = {"admin", "admin2"};
    struct trial_home *home = &t->homes[i];

    home->trial = t;
    (void)snprintf(home->name, sizeof(home->name), "%s", names[i]);
    make_models(home);
    write_yaml(home);
    fleet_client_init(&home->admin, &t->fleet, admins[i]);
}

void trial_set_up(struct trial *t)
{
    uint64_t draw = t->seed * UINT64_C(0x9e3779b97f4a7c15);
    size_t n_nodes = 1 + (size_t)(draw >> 61) % 7;

    t->mild = (draw >> 40) % 4 == 0;
    t->tight = !t->mild && (draw >> 44) % 4 == 0;
    n_nodes = t->mild && n_nodes < 2 ? 2 : n_nodes;
    fleet_init(&t->fleet, t->seed, n_nodes, t->verbose);
    t->n_clients = 1 + (size_t)trial_random(t, TRIAL_CLIENTS);
    t->n_homes = trial_random(t, 3) == 0 ? 2 : 1;
    set_paths(t);
    for (size_t i = 0; i < t->n_homes; i++) {
        init_home(t, i);
    }
}

void trial_tear_down(struct trial *t)
{
    t->draining = true;
    for (size_t i = 0; i < t->n_clients; i++) {
        if (t->clients[i].client.io != NULL) {
            fleet_client_deinit(&t->clients[i].client);
        }
    }
    for (size_t i = 0; i < t->n_homes; i++) {
        fleet_client_deinit(&t->homes[i].admin);
    }
    t->hash = sim_hash(t->fleet.sim);
    t->virtual_us = sim_now_us(t->fleet.sim);
    fleet_deinit(&t->fleet);
    for (size_t i = 0; i < t->n_homes; i++) {
        blob_unref(t->homes[i].yaml);
        for (unsigned g = 0; g < TRIAL_GENERATIONS; g++) {
            fleet_model_free(&t->homes[i].models[g]);
        }
    }
}

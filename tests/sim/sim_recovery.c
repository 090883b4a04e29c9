/*
 * The only holder of a stage dies, on simulated time: real code, random
 * models, clusters and moments.
 *
 *   with spares       no request fails, none takes longer than SPARED_MS
 *   without           it is placed again; none fails or takes more than
 *                     AGAIN_MS
 *   nothing is left   callers are told within TOLD_MS, and are answered again
 *                     once the devices are back
 *   in some rounds the coordinator dies as well, in the middle of it
 *
 *   sim_recovery                 seeds 1 .. $SIM_SEEDS / 5, 40 at the most,
 *                                and the control
 *   sim_recovery --seed N [-v]
 *
 * test: timeout=600
 */
#include "coordinator/parts.h"
#include "coordinator/rollout.h"
#include "tests/lib/fleet_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHARE 5 /* of $SIM_SEEDS: it is one kind of fault */
#define SEEDS 40
#define ROUNDS 3
#define ASKS 4
#define SPARED_MS 2500
#define AGAIN_MS 6000 /* 1 s of patience, and 5 s from there */
#define TOLD_MS 3700  /* 3.5 s, and a look every 100 ms */
#define BACK_MS (REDIAL_MAX_MS * 6 / 5) /* then all were dialed again */
#define WHOLE_MS 700000 /* who was lost three times waits 40 s, and so on */
#define REST_MS 60000
#define STEADY_MS 61000 /* up for so long it did not flap */

struct test {
    uint64_t seed;
    struct fleet fleet;
    struct fleet_model model;
    struct blob *yaml;
    bool has_spares;
    struct fleet_client client;
    struct slot {
        struct fleet_ask ask; /* first */
        struct test *test;
        struct io_timer pause;
        uint64_t began_us;
        bool under_way;
    } slots[ASKS];
    struct fleet_deploy deploy;
    bool deployed;
    bool stopped;
    bool may_be_cut;  /* the coordinator dies in this round */
    bool may_be_told; /* nothing is left in this round */
    uint64_t killed_us;
    uint64_t slowest_us;
    uint64_t told_us; /* the latest after the loss, or after asking */
    size_t n_right;
    size_t n_before; /* of them, before the devices were back */
    size_t n_told;
    char why[1400];
};

struct sum {
    size_t passed;
    size_t failed;
    size_t right;
    size_t told;
    uint64_t slowest_us[2]; /* without and with spares */
    uint64_t told_us;
};

static void fail(struct test *t, const char *format, const char *what,
                 uint64_t n)
{
    if (t->why[0] == '\0') {
        (void)snprintf(t->why, sizeof(t->why), format, what,
                       (unsigned long long)n);
    }
}

/* ---- requests ------------------------------------------------------------ */

static void later(struct slot *slot)
{
    io_timer_start(slot->ask.client->io, &slot->pause,
                   20 + sim_random(slot->test->fleet.sim, 80));
}

static void check(struct test *t, struct slot *slot, uint64_t now)
{
    uint64_t since_us =
        slot->began_us > t->killed_us ? slot->began_us : t->killed_us;

    if (slot->ask.rc == 0) {
        t->n_right++;
        if (!fleet_model_gives(&t->model, slot->ask.set, slot->ask.outputs,
                               slot->ask.n_outputs)) {
            fail(t, "%sa wrong answer (%llu)", "", slot->ask.number);
        }
        if (!t->may_be_cut && !t->may_be_told &&
            now - slot->began_us > t->slowest_us) {
            t->slowest_us = now - slot->began_us;
        }
    } else if (t->may_be_told && slot->ask.rc == EDGE_EUNAVAILABLE) {
        t->n_told++;
        t->told_us = now - since_us > t->told_us ? now - since_us : t->told_us;
    } else if (!t->may_be_cut || slot->ask.rc != EDGE_ECLOSED) {
        fail(t, "a request failed: %s (after %llu us)", slot->ask.text,
             now - slot->began_us);
    }
}

static void on_answered(struct fleet_ask *base)
{
    struct slot *slot = (struct slot *)base;
    struct test *t = slot->test;

    slot->under_way = false;
    check(t, slot, sim_now_us(t->fleet.sim));
    later(slot);
}

static void on_pause(struct io_timer *timer)
{
    struct slot *slot = container_of(timer, struct slot, pause);
    struct test *t = slot->test;

    if (t->stopped) {
        return;
    }
    slot->ask.set = (size_t)sim_random(t->fleet.sim, FLEET_INPUTS);
    slot->ask.done = on_answered;
    slot->began_us = sim_now_us(t->fleet.sim);
    slot->under_way =
        fleet_client_is_up(&t->client) &&
        fleet_ask(&t->client, "home", &t->model, 30000, &slot->ask) == 0;
    if (!slot->under_way) {
        later(slot);
    }
}

static void start_asking(struct test *t)
{
    t->stopped = false;
    for (size_t i = 0; i < ASKS; i++) {
        t->slots[i].test = t;
        t->slots[i].ask.client = &t->client;
        io_timer_init(&t->slots[i].pause, on_pause);
        later(&t->slots[i]);
    }
}

static bool is_quiet(void *arg)
{
    const struct test *t = arg;

    for (size_t i = 0; i < ASKS; i++) {
        if (t->slots[i].under_way) {
            return false;
        }
    }
    return true;
}

static void stop_asking(struct test *t)
{
    t->stopped = true;
    if (!fleet_run_until(&t->fleet, is_quiet, t, REST_MS)) {
        fail(t, "%sa request has no answer (%llu)", "", 0);
    }
}

/* ---- what is there ------------------------------------------------------- */

static struct deployment *home(struct test *t)
{
    return t->fleet.coordinator != NULL
               ? deployments_get(t->fleet.coordinator, "home")
               : NULL;
}

static bool is_held(struct test *t, size_t stage, bool spare)
{
    const struct placement *p = home(t)->current;
    const Edged__Place *place = p->spec->places[stage];
    size_t firm = place->n_nodes - place->spares;
    size_t end = spare ? place->n_nodes : firm;

    for (size_t k = spare ? firm : 0; k < end; k++) {
        const struct member *m =
            members_find(t->fleet.coordinator, place->nodes[k]);

        if (m != NULL && members_is_ready(m) &&
            relay_is_ready(m->node, p->epoch, place->shard)) {
            return true;
        }
    }
    return false;
}

/* Where an idle device helps out there are two replicas and no spare. */
static bool is_single(struct test *t, size_t stage)
{
    const Edged__Place *place = home(t)->current->spec->places[stage];

    return place->wanted < 2;
}

/* Every stage has its replica and, where there are to be any, a spare; and
 * nothing is being moved. */
static bool is_whole(void *arg)
{
    struct test *t = arg;
    const struct deployment *d = home(t);
    char text[200];

    if (d == NULL || d->current == NULL || d->rollout != NULL ||
        !fleet_is_ready(&t->fleet, text, sizeof(text))) {
        return false;
    }
    for (size_t i = 0; i < d->current->spec->n_places; i++) {
        if (!is_held(t, i, false) ||
            (t->has_spares && is_single(t, i) && !is_held(t, i, true))) {
            return false;
        }
    }
    return true;
}

static bool is_deployed(void *arg)
{
    return ((struct test *)arg)->deployed;
}

static bool is_up(void *arg)
{
    return fleet_client_is_up(&((struct test *)arg)->client);
}

static void on_deployed(struct fleet_deploy *deploy)
{
    struct test *t = container_of(deploy, struct test, deploy);

    t->deployed = true;
    if (deploy->rc < 0) {
        fail(t, "the deploy fails: %s (%llu)", deploy->text, 0);
    }
}

/* ---- the set-up ---------------------------------------------------------- */

/* With any other goal a model this small would be whole on every node. */
static void write_yaml(struct test *t)
{
    char text[1000];
    size_t n = (size_t)snprintf(
        text, sizeof(text),
        "name: home\nmodel: {file: m.onnx}\ngoal: memory\nspares: %s\n"
        "devices:\n",
        t->has_spares ? "auto" : "none");

    for (size_t i = 0; i < t->fleet.n_nodes; i++) {
        n += (size_t)snprintf(text + n, sizeof(text) - n,
                              "  - {name: n%zu, host: 127.0.0.1, port: %d}\n",
                              i, t->fleet.nodes[i].port);
    }
    t->yaml = blob_copy(text, n);
}

static bool set_up(struct test *t, bool has_spares, bool verbose)
{
    struct sim_path path = {.latency_us = 200, .bytes_per_s = 100000000};
    uint64_t seed;

    fleet_init(&t->fleet, t->seed, 3 + t->seed % 4, verbose);
    path.latency_us += sim_random(t->fleet.sim, 2000);
    path.jitter_us = sim_random(t->fleet.sim, path.latency_us);
    sim_set_paths(t->fleet.sim, path);
    seed = sim_random(t->fleet.sim, UINT64_MAX);
    while (!fleet_model_make(&t->model, seed, 8 + (int)(seed % 12), 0)) {
        seed++;
    }
    t->model.rounds = true;
    t->has_spares = has_spares;
    write_yaml(t);
    fleet_client_init(&t->client, &t->fleet, "c0");
    t->deploy = (struct fleet_deploy){.files = {t->yaml, t->model.file},
                                      .done = on_deployed};
    return fleet_run_until(&t->fleet, is_up, t, REST_MS) &&
           fleet_deploy(&t->client, &t->deploy) == 0 &&
           fleet_run_until(&t->fleet, is_deployed, t, REST_MS) &&
           t->why[0] == '\0';
}

static void tear_down(struct test *t)
{
    fleet_client_deinit(&t->client);
    fleet_deinit(&t->fleet);
    blob_unref(t->yaml);
    fleet_model_free(&t->model);
}

/* ---- rounds -------------------------------------------------------------- */

static size_t holder(struct test *t)
{
    const Edged__Placement *spec = home(t)->current->spec;
    size_t stage = (size_t)sim_random(t->fleet.sim, spec->n_places);

    return (size_t)(spec->places[stage]->nodes[0][1] - '0');
}

static void kill_some(struct test *t, size_t victim)
{
    t->killed_us = sim_now_us(t->fleet.sim);
    for (size_t i = 0; i < t->fleet.n_nodes; i++) {
        if (i == victim || t->may_be_told) {
            fleet_kill_node(&t->fleet, i);
        }
    }
    if (t->may_be_cut) {
        fleet_run_for(&t->fleet, sim_random(t->fleet.sim, 3000));
        fleet_kill_head(&t->fleet);
        fleet_run_for(&t->fleet, 300);
        fleet_start_head(&t->fleet);
    }
}

static void start_all(struct test *t)
{
    for (size_t i = 0; i < t->fleet.n_nodes; i++) {
        if (t->fleet.nodes[i].daemon == NULL) {
            fleet_start_node(&t->fleet, i);
        }
    }
}

static void check_rest(struct test *t)
{
    char text[200] = "";

    if (!fleet_run_until(&t->fleet, is_whole, t, WHOLE_MS)) {
        (void)fleet_is_ready(&t->fleet, text, sizeof(text));
        fail(t, "it does not become whole again: %s (%llu)", text, 0);
    }
}

static bool has_answers(void *arg)
{
    const struct test *t = arg;

    return t->n_right > t->n_before;
}

static void play(struct test *t)
{
    uint64_t kind = sim_random(t->fleet.sim, 4);
    size_t right = t->n_right;

    check_rest(t);
    if (t->why[0] != '\0') {
        return;
    }
    fleet_run_for(&t->fleet, STEADY_MS);
    start_asking(t);
    fleet_run_for(&t->fleet, 1000);
    t->may_be_cut = kind == 0;
    t->may_be_told = kind == 1;
    kill_some(t, holder(t));
    fleet_run_for(&t->fleet, 15000);
    if (!t->may_be_told && t->n_right < right + 40) {
        fail(t, "%sfew answers: %llu", "", t->n_right - right);
    }
    start_all(t);
    t->n_before = t->n_right;
    fleet_run_for(&t->fleet, 3000);
    if (!fleet_run_until(&t->fleet, has_answers, t, BACK_MS)) {
        fail(t, "%sno answer once the devices are back (%llu)", "", 0);
    }
    stop_asking(t);
    t->may_be_cut = false;
    t->may_be_told = false;
}

static void judge(struct test *t, uint64_t limit_ms)
{
    if (t->slowest_us > limit_ms * 1000) {
        fail(t, "%sa request took %llu us", "", t->slowest_us);
    }
    if (t->told_us > (uint64_t)TOLD_MS * 1000) {
        fail(t, "%sa caller was told after %llu us", "", t->told_us);
    }
}

static bool run(struct test *t, uint64_t seed, bool has_spares,
                uint64_t limit_ms, bool verbose)
{
    memset(t, 0, sizeof(*t));
    t->seed = seed;
    if (!set_up(t, has_spares, verbose)) {
        fail(t, "%sit cannot be deployed (%llu)", "", 0);
    }
    for (int i = 0; i < ROUNDS && t->why[0] == '\0'; i++) {
        play(t);
    }
    if (t->why[0] == '\0') {
        check_rest(t);
        judge(t, limit_ms);
    }
    stop_asking(t);
    tear_down(t);
    return t->why[0] == '\0';
}

static void run_seed(const char *program, uint64_t seed, bool verbose,
                     struct sum *sum)
{
    static struct test t; /* large */
    bool has_spares = seed % 2 == 0;

    if (run(&t, seed, has_spares, has_spares ? SPARED_MS : AGAIN_MS, verbose)) {
        sum->passed++;
    } else {
        (void)printf("FAILED seed %llu: %s\n  repeat: %s --seed %llu -v\n",
                     (unsigned long long)seed, t.why, program,
                     (unsigned long long)seed);
        sum->failed++;
    }
    sum->right += t.n_right;
    sum->told += t.n_told;
    sum->told_us = t.told_us > sum->told_us ? t.told_us : sum->told_us;
    if (t.slowest_us > sum->slowest_us[has_spares]) {
        sum->slowest_us[has_spares] = t.slowest_us;
    }
}

/* Without spares the limit of those that have some must be missed. */
static void run_control(struct sum *sum)
{
    static struct test t;

    for (uint64_t seed = 1; seed <= 10; seed++) {
        if (!run(&t, seed, false, 900, false)) {
            (void)printf("control no spares: seed %llu goes red: %s\n",
                         (unsigned long long)seed, t.why);
            sum->passed++;
            return;
        }
    }
    (void)printf("FAILED control no spares: 10 seeds stay green\n");
    sum->failed++;
}

int main(int argc, char **argv)
{
    const char *seeds = getenv("SIM_SEEDS");
    struct sum sum = {0};
    uint64_t last =
        seeds != NULL ? (strtoull(seeds, NULL, 10) + SHARE - 1) / SHARE : SEEDS;
    bool verbose = argc > 3 && strcmp(argv[3], "-v") == 0;

    if (argc > 2 && strcmp(argv[1], "--seed") == 0) {
        run_seed(argv[0], strtoull(argv[2], NULL, 10), verbose, &sum);
    } else {
        for (uint64_t seed = 1; seed <= last && seed <= SEEDS; seed++) {
            run_seed(argv[0], seed, false, &sum);
        }
        run_control(&sum);
    }
    (void)printf("%zu right; slowest %llu ms with spares, %llu ms without; %zu "
                 "told, at the latest after %llu ms\n%zu passed, %zu failed\n",
                 sum.right, (unsigned long long)sum.slowest_us[1] / 1000,
                 (unsigned long long)sum.slowest_us[0] / 1000, sum.told,
                 (unsigned long long)sum.told_us / 1000, sum.passed,
                 sum.failed);
    return sum.failed > 0 || sum.passed == 0;
}

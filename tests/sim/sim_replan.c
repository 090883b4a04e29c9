/*
 * Boards that are not as fast as was predicted, on simulated time: real code,
 * a pipeline over three boards, of which one holds a stage alone.
 *
 *   long     it becomes four times slower for good: the plan moves away from
 *            it once, and requests are as fast as they can be again
 *   short    it does so again and again, but never for a window: nothing moves
 *   trap     any other plan is six times slower than anybody could predict: it
 *            is tried, undone, and not tried again
 *   deploy   somebody deploys while it is planned again: that takes precedence
 *
 *   sim_replan                 seeds 1 .. $SIM_SEEDS / 20, 10 at the most
 *   sim_replan --seed N [-v]
 *
 * test: timeout=600
 */
#include "coordinator/parts.h"
#include "coordinator/rollout.h"
#include "tests/lib/fleet_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHARE 20 /* of $SIM_SEEDS */
#define SEEDS 10
#define NODES 3
#define LAYERS 6
#define WIDTH 256
#define ASKS 2
#define WINDOW_MS 10000
#define PAUSE_MS 20000
#define REST_MS 60000
#define SLOW 4
#define TRAP 6

enum kind { LONG, SHORT, TRAPPED, DEPLOYED, KINDS };

struct test {
    struct fleet fleet; /* first */
    uint64_t seed;
    enum kind kind;
    struct fleet_model model;
    struct blob *yaml;
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
    size_t victim;
    bool is_slow;
    Edged__Placement *first; /* the plan of the deploy */
    uint64_t sum_us;
    size_t n_right;
    char why[1400];
};

static void fail(struct test *t, const char *format, const char *what,
                 uint64_t n)
{
    if (t->why[0] == '\0') {
        (void)snprintf(t->why, sizeof(t->why), format, what,
                       (unsigned long long)n);
    }
}

/* ---- the boards ---------------------------------------------------------- */

static struct deployment *home(struct test *t)
{
    return t->fleet.coordinator != NULL
               ? deployments_get(t->fleet.coordinator, "home")
               : NULL;
}

static bool is_same_place(const Edged__Placement *a, const Edged__Placement *b)
{
    bool same = a->n_places == b->n_places;

    for (size_t i = 0; same && i < a->n_places; i++) {
        same = a->places[i]->n_nodes == b->places[i]->n_nodes &&
               strcmp(a->texts[i]->last, b->texts[i]->last) == 0;
        for (size_t k = 0; same && k < a->places[i]->n_nodes; k++) {
            same = strcmp(a->places[i]->nodes[k], b->places[i]->nodes[k]) == 0;
        }
    }
    return same;
}

/* Without what was measured meanwhile. */
static double predicted_ms(const Edged__Placement *spec, uint32_t shard,
                           const char *node)
{
    double scale = 1;
    double ms = 1;

    for (size_t i = 0; i < spec->n_scales; i++) {
        if (strcmp(spec->scales[i]->node, node) == 0) {
            scale = spec->scales[i]->factor;
        }
    }
    for (size_t i = 0; i < spec->n_places; i++) {
        const Edged__StageText *text = spec->texts[i];

        for (size_t k = 0; spec->places[i]->shard == shard && k < text->n_nodes;
             k++) {
            ms = strcmp(text->nodes[k], node) == 0 ? text->compute_ms[k] : ms;
        }
    }
    return ms / scale;
}

/* What is predicted is what a run takes, unless the test has it otherwise. */
static uint64_t run_us(struct fleet_process *process, uint32_t epoch,
                       uint32_t shard)
{
    struct test *t = (struct test *)process->fleet;
    const struct placement *p =
        t->fleet.coordinator != NULL
            ? placement_find(t->fleet.coordinator, epoch)
            : NULL;
    double ms = p != NULL ? predicted_ms(p->spec, shard, process->name) : 1;

    if (t->is_slow && process == &t->fleet.nodes[t->victim].process) {
        ms *= SLOW;
    }
    if (t->kind == TRAPPED && t->first != NULL && p != NULL &&
        !is_same_place(p->spec, t->first)) {
        ms *= TRAP;
    }
    return (uint64_t)(ms * 1000) + 1;
}

/* ---- requests ------------------------------------------------------------ */

static void later(struct slot *slot)
{
    io_timer_start(slot->ask.client->io, &slot->pause,
                   20 + sim_random(slot->test->fleet.sim, 80));
}

static void on_answered(struct fleet_ask *base)
{
    struct slot *slot = (struct slot *)base;
    struct test *t = slot->test;

    slot->under_way = false;
    if (base->rc < 0) {
        fail(t, "a request failed: %s (%llu)", base->text, base->number);
    } else if (!fleet_model_gives(&t->model, base->set, base->outputs,
                                  base->n_outputs)) {
        fail(t, "%sa wrong answer (%llu)", "", base->number);
    }
    t->n_right++;
    t->sum_us += sim_now_us(t->fleet.sim) - slot->began_us;
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
    bool quiet = true;

    for (size_t i = 0; i < ASKS; i++) {
        quiet = quiet && !t->slots[i].under_way;
    }
    return quiet;
}

static void stop_asking(struct test *t)
{
    t->stopped = true;
    if (!fleet_run_until(&t->fleet, is_quiet, t, REST_MS)) {
        fail(t, "%sa request has no answer (%llu)", "", 0);
    }
}

/* Mean time of a request over so long. */
static double mean_ms(struct test *t, uint64_t ms)
{
    uint64_t sum = t->sum_us;
    size_t n = t->n_right;

    fleet_run_for(&t->fleet, ms);
    if (t->n_right == n) {
        fail(t, "%sno answers within %llu ms", "", ms);
        return 0;
    }
    return (double)(t->sum_us - sum) / 1e3 / (double)(t->n_right - n);
}

/* ---- the set-up ---------------------------------------------------------- */

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

static bool deploy(struct test *t)
{
    t->deployed = false;
    t->deploy = (struct fleet_deploy){.files = {t->yaml, t->model.file},
                                      .done = on_deployed};
    return fleet_deploy(&t->client, &t->deploy) == 0 &&
           fleet_run_until(&t->fleet, is_deployed, t, REST_MS) &&
           t->why[0] == '\0';
}

/* With 1 MiB no board has room for all six layers of 256 KiB. */
static void write_yaml(struct test *t, unsigned mib)
{
    char text[1000];
    size_t n =
        (size_t)snprintf(text, sizeof(text),
                         "name: home\nmodel: {file: m.onnx}\nspares: none\n"
                         "replan: {after: %ums, pause: %ums}\ndevices:\n",
                         WINDOW_MS, PAUSE_MS);

    for (size_t i = 0; i < NODES; i++) {
        n += (size_t)snprintf(text + n, sizeof(text) - n,
                              "  - {name: n%zu, host: 127.0.0.1, port: %d, "
                              "memory: %uMiB}\n",
                              i, t->fleet.nodes[i].port, mib);
    }
    blob_unref(t->yaml);
    t->yaml = blob_copy(text, n);
}

/* Of a stage that nobody else holds. */
static bool find_victim(struct test *t)
{
    const Edged__Placement *spec = home(t)->current->spec;

    t->first = placement_copy(spec);
    for (size_t i = 0; i < spec->n_places; i++) {
        if (spec->places[i]->n_nodes == 1) {
            t->victim = (size_t)(spec->places[i]->nodes[0][1] - '0');
            return spec->n_places > 1;
        }
    }
    return false;
}

static bool set_up(struct test *t, bool verbose)
{
    struct sim_path path = {.latency_us = 200, .bytes_per_s = 100000000};

    fleet_init(&t->fleet, t->seed, NODES, verbose);
    t->fleet.board.macs_per_s = 2e7; /* 3.3 ms a layer */
    t->fleet.run_us = run_us;
    path.latency_us += sim_random(t->fleet.sim, 300);
    sim_set_paths(t->fleet.sim, path);
    if (!fleet_model_make_wide(&t->model, t->seed, LAYERS, WIDTH)) {
        return false;
    }
    write_yaml(t, 1);
    fleet_client_init(&t->client, &t->fleet, "c0");
    return fleet_run_until(&t->fleet, is_up, t, REST_MS) && deploy(t) &&
           find_victim(t);
}

static void tear_down(struct test *t)
{
    fleet_client_deinit(&t->client);
    fleet_deinit(&t->fleet);
    blob_unref(t->yaml);
    fleet_model_free(&t->model);
    if (t->first != NULL) {
        edged__placement__free_unpacked(t->first, NULL);
    }
}

/* ---- what happens -------------------------------------------------------- */

static bool has_moved(void *arg)
{
    return home(arg)->replan.changes > 0;
}

static bool has_gone_back(void *arg)
{
    return home(arg)->replan.rollbacks > 0;
}

static bool is_planning(void *arg)
{
    const struct deployment *d = home(arg);

    return d->rollout != NULL && d->rollout->is_replan;
}

static void expect(struct test *t, uint32_t changes, uint32_t rollbacks)
{
    const struct replan *replan = &home(t)->replan;

    if (replan->changes != changes || replan->rollbacks != rollbacks) {
        char text[500];

        (void)snprintf(text, sizeof(text), "%u changes, %u back (%.300s)",
                       replan->changes, replan->rollbacks, replan->said);
        fail(t, "%s, not %llu", text, changes);
    }
}

static void play_long(struct test *t)
{
    double before = mean_ms(t, 3 * WINDOW_MS);
    double slow;
    double after;

    t->is_slow = true;
    slow = mean_ms(t, WINDOW_MS / 2);
    if (!fleet_run_until(&t->fleet, has_moved, t, 3 * WINDOW_MS)) {
        fail(t, "it does not move: %s (%llu)", home(t)->replan.said, 0);
        return;
    }
    after = mean_ms(t, 3 * WINDOW_MS);
    if (after > (before + slow) / 2) {
        fail(t, "%sa request takes %llu us after it", "",
             (uint64_t)(after * 1000));
    }
    fleet_run_for(&t->fleet, 20 * PAUSE_MS);
    expect(t, 1, 0);
}

static void play_short(struct test *t)
{
    fleet_run_for(&t->fleet, 3 * WINDOW_MS);
    for (int i = 0; i < 30; i++) {
        t->is_slow = true;
        fleet_run_for(&t->fleet, WINDOW_MS / 2);
        t->is_slow = false;
        fleet_run_for(&t->fleet, WINDOW_MS / 2);
    }
    expect(t, 0, 0);
}

static void play_trapped(struct test *t)
{
    fleet_run_for(&t->fleet, 3 * WINDOW_MS);
    t->is_slow = true;
    if (!fleet_run_until(&t->fleet, has_gone_back, t, 6 * WINDOW_MS)) {
        fail(t, "it does not go back: %s (%llu)", home(t)->replan.said, 0);
        return;
    }
    if (!is_same_place(home(t)->current->spec, t->first)) {
        fail(t, "%sit is back at another plan (%llu)", "", 0);
    }
    fleet_run_for(&t->fleet, 7 * PAUSE_MS);
    expect(t, 1, 1);
}

static void play_deployed(struct test *t)
{
    fleet_run_for(&t->fleet, 3 * WINDOW_MS);
    t->is_slow = true;
    if (!fleet_run_until(&t->fleet, is_planning, t, 3 * WINDOW_MS)) {
        fail(t, "it is not planned again: %s (%llu)", home(t)->replan.said, 0);
        return;
    }
    fleet_run_for(&t->fleet, sim_random(t->fleet.sim, 200));
    write_yaml(t, 8); /* what is there now stays until it is in force */
    if (!deploy(t)) {
        fail(t, "%sthe deploy fails (%llu)", "", 0);
    } else if (home(t)->generation != 2) {
        fail(t, "%sgeneration %llu", "", home(t)->generation);
    }
    fleet_run_for(&t->fleet, 3 * WINDOW_MS);
}

static bool run(struct test *t, uint64_t seed, enum kind kind, bool verbose)
{
    static void (*const play[KINDS])(struct test *) = {
        [LONG] = play_long,
        [SHORT] = play_short,
        [TRAPPED] = play_trapped,
        [DEPLOYED] = play_deployed,
    };

    memset(t, 0, sizeof(*t));
    t->seed = seed;
    t->kind = kind;
    if (!set_up(t, verbose)) {
        fail(t, "%sit cannot be deployed as a pipeline (%llu)", "", 0);
    } else {
        start_asking(t);
        play[kind](t);
        stop_asking(t);
    }
    tear_down(t);
    return t->why[0] == '\0';
}

static void run_seed(const char *program, uint64_t seed, bool verbose,
                     size_t sum[2], size_t *right)
{
    static const char *const names[KINDS] = {"long", "short", "trap", "deploy"};
    static struct test t; /* large */

    for (int kind = 0; kind < KINDS; kind++) {
        bool fine = run(&t, seed, (enum kind)kind, verbose);

        sum[fine]++;
        *right += t.n_right;
        if (!fine) {
            (void)printf("FAILED seed %llu, %s: %s\n  repeat: %s --seed %llu "
                         "-v\n",
                         (unsigned long long)seed, names[kind], t.why, program,
                         (unsigned long long)seed);
        }
    }
}

int main(int argc, char **argv)
{
    const char *seeds = getenv("SIM_SEEDS");
    uint64_t last =
        seeds != NULL ? (strtoull(seeds, NULL, 10) + SHARE - 1) / SHARE : SEEDS;
    bool verbose = argc > 3 && strcmp(argv[3], "-v") == 0;
    size_t sum[2] = {0};
    size_t right = 0;

    if (argc > 2 && strcmp(argv[1], "--seed") == 0) {
        run_seed(argv[0], strtoull(argv[2], NULL, 10), verbose, sum, &right);
    } else {
        for (uint64_t seed = 1; seed <= last && seed <= SEEDS; seed++) {
            run_seed(argv[0], seed, false, sum, &right);
        }
    }
    (void)printf("%zu right\n%zu passed, %zu failed\n", right, sum[1], sum[0]);
    return sum[0] > 0 || sum[1] == 0;
}

/*
 * Boards measure the model that they serve, on simulated time: real code,
 * random models and clusters, requests meanwhile, and boards or a coordinator
 * that die in the middle of it.
 *
 *   nobody dies        every op is measured on every board, every link known;
 *                      the same seed gives the same times
 *   a board dies       the others are measured; it is said of that one
 *   the coordinator    the client hears that it is gone; asked again, it
 *                      measures
 *   always             no request fails for it, none takes longer than
 *                      SLOWEST_MS; everything comes to rest
 *
 *   sim_profile                  seeds 1 .. $SIM_SEEDS / 5, 20 at the most
 *   sim_profile --seed N [-v]
 *
 * test: timeout=600
 */
#include "coordinator/parts.h"
#include "tests/lib/fleet_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHARE 5
#define SEEDS 20
#define REST_MS 60000
#define PROFILE_MS 600000
#define SLOWEST_MS 3000

enum trouble { TROUBLE_NONE, TROUBLE_BOARD, TROUBLE_HEAD, TROUBLES };

struct test {
    uint64_t seed;
    enum trouble trouble;
    struct fleet fleet;
    struct fleet_model model;
    struct blob *yaml;
    struct fleet_client client;
    struct fleet_deploy deploy;
    struct fleet_profile profile;
    struct fleet_ask ask;
    struct io_timer pause;
    uint64_t began_us;
    bool under_way; /* the ask */
    bool stopped;
    bool may_fail; /* the coordinator dies */
    bool deployed;
    bool profiled;
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

/* ---- requests meanwhile ---------------------------------------------------
 */

static void on_answered(struct fleet_ask *ask)
{
    struct test *t = container_of(ask, struct test, ask);
    uint64_t us = sim_now_us(t->fleet.sim) - t->began_us;

    t->under_way = false;
    if (ask->rc == 0 &&
        fleet_model_gives(&t->model, ask->set, ask->outputs, ask->n_outputs)) {
        t->n_right++;
        if (us > SLOWEST_MS * 1000 && !t->may_fail) {
            fail(t, "%sa request took %llu us", "", us);
        }
    } else if (!t->may_fail || ask->rc == 0) {
        fail(t, "a request failed: %s (after %llu us)", ask->text, us);
    }
    io_timer_start(t->client.io, &t->pause, 20 + sim_random(t->fleet.sim, 80));
}

static void on_pause(struct io_timer *timer)
{
    struct test *t = container_of(timer, struct test, pause);

    if (t->stopped) {
        return;
    }
    t->ask.set = (size_t)sim_random(t->fleet.sim, FLEET_INPUTS);
    t->ask.client = &t->client;
    t->ask.done = on_answered;
    t->began_us = sim_now_us(t->fleet.sim);
    t->under_way =
        fleet_client_is_up(&t->client) &&
        fleet_ask(&t->client, "home", &t->model, 30000, &t->ask) == 0;
    if (!t->under_way) {
        io_timer_start(t->client.io, &t->pause, 50);
    }
}

static bool is_quiet(void *arg)
{
    return !((struct test *)arg)->under_way;
}

/* ---- the profile ----------------------------------------------------------
 */

static void on_profiled(struct fleet_profile *profile)
{
    container_of(profile, struct test, profile)->profiled = true;
}

static bool is_profiled(void *arg)
{
    return ((struct test *)arg)->profiled;
}

static bool is_up(void *arg)
{
    return fleet_client_is_up(&((struct test *)arg)->client);
}

static bool is_ready(void *arg)
{
    char text[200];

    return fleet_is_ready(&((struct test *)arg)->fleet, text, sizeof(text));
}

static void begin_profile(struct test *t, bool fresh)
{
    t->profiled = false;
    t->profile = (struct fleet_profile){.done = on_profiled, .fresh = fresh};
    if (!fleet_run_until(&t->fleet, is_up, t, REST_MS) ||
        fleet_profile(&t->client, "home", &t->profile) < 0) {
        fail(t, "%sno profile can be asked for (%llu)", "", 0);
        t->profiled = true;
    }
}

static void await_profile(struct test *t)
{
    if (!fleet_run_until(&t->fleet, is_profiled, t, PROFILE_MS)) {
        fail(t, "%sa profile has no end (%llu)", "", 0);
    }
}

static void make_trouble(struct test *t)
{
    fleet_run_for(&t->fleet, sim_random(t->fleet.sim, 400));
    if (t->trouble == TROUBLE_BOARD) {
        fleet_kill_node(&t->fleet, t->fleet.n_nodes - 1);
    } else if (t->trouble == TROUBLE_HEAD) {
        t->may_fail = true;
        fleet_kill_head(&t->fleet);
        fleet_run_for(&t->fleet, 300);
        fleet_start_head(&t->fleet);
    }
}

static void recover(struct test *t)
{
    size_t last = t->fleet.n_nodes - 1;

    if (t->fleet.nodes[last].daemon == NULL) {
        fleet_start_node(&t->fleet, last);
    }
    if (!fleet_run_until(&t->fleet, is_ready, t, REST_MS)) {
        fail(t, "%sit does not become ready again (%llu)", "", 0);
    }
    fleet_run_for(&t->fleet, 2000);
    t->may_fail = false;
}

/* Whole, whatever came before. */
static void check_whole(struct test *t)
{
    const struct fleet_profile *p = &t->profile;
    size_t n = t->fleet.n_nodes;

    if (p->rc < 0) {
        fail(t, "the profile failed: %s (%llu)", p->text, 0);
    } else if (p->n_boards != n || p->n_whole != n) {
        fail(t, "%s%llu boards are measured", "", p->n_whole);
    } else if (p->n_links < n) {
        fail(t, "%s%llu links are measured", "", p->n_links);
    }
}

static void play(struct test *t)
{
    io_timer_init(&t->pause, on_pause);
    io_timer_start(t->client.io, &t->pause, 10);
    fleet_run_for(&t->fleet, 1000);
    begin_profile(t, false);
    make_trouble(t);
    await_profile(t);
    if (t->profile.rc < 0 && t->trouble != TROUBLE_HEAD) {
        fail(t, "the profile failed: %s (%llu)", t->profile.text, 0);
    }
    recover(t);
    begin_profile(t, t->trouble == TROUBLE_NONE);
    await_profile(t);
    check_whole(t);
    t->stopped = true;
    if (!fleet_run_until(&t->fleet, is_quiet, t, REST_MS)) {
        fail(t, "%sa request has no answer (%llu)", "", 0);
    }
    if (t->n_right < 10) {
        fail(t, "%sfew answers: %llu", "", t->n_right);
    }
}

/* ---- the set-up -----------------------------------------------------------
 */

static void on_deployed(struct fleet_deploy *deploy)
{
    struct test *t = container_of(deploy, struct test, deploy);

    t->deployed = true;
    if (deploy->rc < 0) {
        fail(t, "the deploy fails: %s (%llu)", deploy->text, 0);
    }
}

static bool is_deployed(void *arg)
{
    return ((struct test *)arg)->deployed;
}

static void write_yaml(struct test *t)
{
    char text[1000];
    size_t n = (size_t)snprintf(text, sizeof(text),
                                "name: home\nmodel: {file: m.onnx}\n"
                                "replicas: 2\ndevices:\n");

    for (size_t i = 0; i < t->fleet.n_nodes; i++) {
        n += (size_t)snprintf(text + n, sizeof(text) - n,
                              "  - {name: n%zu, host: 127.0.0.1, port: %d}\n",
                              i, t->fleet.nodes[i].port);
    }
    t->yaml = blob_copy(text, n);
}

static bool set_up(struct test *t, bool verbose)
{
    struct sim_path path = {.latency_us = 200, .bytes_per_s = 100000000};
    uint64_t seed;

    fleet_init(&t->fleet, t->seed, 3 + t->seed % 5, verbose);
    path.latency_us += sim_random(t->fleet.sim, 2000);
    sim_set_paths(t->fleet.sim, path);
    seed = sim_random(t->fleet.sim, UINT64_MAX);
    while (!fleet_model_make(&t->model, seed, 8 + (int)(seed % 12), 0)) {
        seed++;
    }
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

static bool run(struct test *t, uint64_t seed, bool verbose)
{
    memset(t, 0, sizeof(*t));
    t->seed = seed;
    t->trouble = (enum trouble)(seed % TROUBLES);
    if (!set_up(t, verbose)) {
        fail(t, "%sit cannot be deployed (%llu)", "", 0);
    } else {
        play(t);
    }
    tear_down(t);
    return t->why[0] == '\0';
}

/* Twice: the same seed, the same times. */
static bool run_seed(const char *program, uint64_t seed, bool verbose)
{
    static struct test t; /* large */
    double total_s[2] = {0};

    for (int i = 0; i < 2; i++) {
        if (!run(&t, seed, verbose)) {
            (void)printf("FAILED seed %llu: %s\n  repeat: %s --seed %llu -v\n",
                         (unsigned long long)seed, t.why, program,
                         (unsigned long long)seed);
            return false;
        }
        total_s[i] = t.profile.total_s;
    }
    if (total_s[0] != total_s[1] || total_s[0] <= 0) {
        (void)printf("FAILED seed %llu: %g s, then %g s\n",
                     (unsigned long long)seed, total_s[0], total_s[1]);
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    const char *seeds = getenv("SIM_SEEDS");
    uint64_t last =
        seeds != NULL ? (strtoull(seeds, NULL, 10) + SHARE - 1) / SHARE : SEEDS;
    bool verbose = argc > 3 && strcmp(argv[3], "-v") == 0;
    size_t passed = 0;
    size_t failed = 0;

    if (argc > 2 && strcmp(argv[1], "--seed") == 0) {
        passed = run_seed(argv[0], strtoull(argv[2], NULL, 10), verbose);
        failed = !passed;
    }
    for (uint64_t s = 1; argc <= 2 && s <= last && s <= SEEDS; s++) {
        bool ok = run_seed(argv[0], s, false);

        passed += ok ? 1 : 0;
        failed += ok ? 0 : 1;
    }
    (void)printf("%zu passed, %zu failed\n", passed, failed);
    return failed > 0 || passed == 0;
}

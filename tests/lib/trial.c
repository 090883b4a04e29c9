#include "tests/lib/trial.h"

#include "daemon/parts.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>

/* What each step may take at most, in virtual time. */
#define DEPLOY_MS 60000
#define ANSWERS_MS 90000
#define REST_MS 120000
#define READY_MS 30000 /* from the last fault until everything is ready */

/* ---- small things -------------------------------------------------------- */

void trial_fail(struct trial *t, const char *format, ...)
{
    va_list args;

    if (t->why[0] == '\0') {
        va_start(args, format);
        (void)vsnprintf(t->why, sizeof(t->why), format, args);
        va_end(args);
        trial_say(t, "FAILED: %s", t->why);
    }
}

void trial_say(struct trial *t, const char *format, ...)
{
    char text[400];
    va_list args;

    if (t->verbose) {
        va_start(args, format);
        (void)vsnprintf(text, sizeof(text), format, args);
        va_end(args);
        (void)printf("%10.6f trial  %s\n",
                     (double)sim_now_us(t->fleet.sim) / 1e6, text);
    }
}

uint64_t trial_random(struct trial *t, uint64_t below)
{
    return sim_random(t->fleet.sim, below);
}

uint64_t trial_between(struct trial *t, uint64_t least, uint64_t most)
{
    return least + trial_random(t, most - least + 1);
}

void trial_run_for(struct trial *t, uint64_t ms)
{
    const struct fleet *fleet = &t->fleet;
    char text[200];

    fleet_run_for(&t->fleet, ms);
    if (!fleet_is_bounded(fleet, text, sizeof(text))) {
        trial_fail(t, "%s", text);
    }
    if (fleet->rerun_by[0] != '\0') {
        trial_fail(t, "%s ran request %llu of %u/%u twice", fleet->rerun_by,
                   (unsigned long long)fleet->rerun.request, fleet->rerun.epoch,
                   fleet->rerun.shard);
    }
}

/* ---- steps --------------------------------------------------------------- */

static bool is_admin_up(void *arg)
{
    return fleet_client_is_up(&((struct trial_home *)arg)->admin);
}

static bool is_idle(void *arg)
{
    return !((struct trial_home *)arg)->busy;
}

/* A deploy without faults around: it must succeed. */
static bool deploy_calmly(struct trial_home *home, unsigned generation)
{
    struct trial *t = home->trial;

    if (!fleet_run_until(&t->fleet, is_idle, home, ANSWERS_MS) ||
        !fleet_run_until(&t->fleet, is_admin_up, home, DEPLOY_MS)) {
        trial_fail(t, "the admin client does not get through");
        return false;
    }
    trial_begin_deploy(home, generation);
    if (!home->busy || !fleet_run_until(&t->fleet, is_idle, home, DEPLOY_MS)) {
        trial_fail(t, "a calm deploy does not end");
        return false;
    }
    if (home->deploy.rc < 0) {
        trial_fail(t, "a calm deploy fails: %s", home->deploy.text);
        return false;
    }
    return true;
}

static bool are_answered(void *arg)
{
    return !trial_is_asking(arg);
}

static bool are_idle(void *arg)
{
    return !trial_is_busy(arg);
}

static void drain(struct trial *t)
{
    t->draining = true;
    if (t->verbose &&
        !fleet_run_until(&t->fleet, are_answered, t, ANSWERS_MS / 3)) {
        fleet_print(&t->fleet); /* what does it wait for? */
    }
    if (!fleet_run_until(&t->fleet, are_answered, t, ANSWERS_MS)) {
        trial_fail(t, "a request has no answer");
    }
    if (!fleet_run_until(&t->fleet, are_idle, t, ANSWERS_MS)) {
        trial_fail(t, "a deploy has no reply");
    }
}

struct rest {
    struct trial *trial;
    char text[200];
};

static bool is_at_rest(void *arg)
{
    struct rest *rest = arg;

    return fleet_is_at_rest(&rest->trial->fleet, rest->text,
                            sizeof(rest->text));
}

static void check_rest(struct trial *t)
{
    struct rest rest = {.trial = t};

    if (t->why[0] == '\0' &&
        !fleet_run_until(&t->fleet, is_at_rest, &rest, REST_MS)) {
        trial_fail(t, "does not come to rest: %s", rest.text);
    }
    for (size_t i = 0; i < t->n_clients; i++) {
        if (t->clients[i].client.strays > 0) {
            trial_fail(t, "c%zu got %zu answers too many", i,
                       t->clients[i].client.strays);
        }
    }
}

static bool is_ready(void *arg)
{
    struct rest *rest = arg;

    return fleet_is_ready(&rest->trial->fleet, rest->text, sizeof(rest->text));
}

static void check_ready(struct trial *t)
{
    struct rest rest = {.trial = t};
    uint64_t since_us = sim_now_us(t->fleet.sim);
    uint64_t took_us;

    if (t->why[0] == '\0' &&
        !fleet_run_until(&t->fleet, is_ready, &rest, READY_MS)) {
        trial_fail(t, "not ready %d s after the last fault: %s",
                   READY_MS / 1000, rest.text);
    }
    took_us = sim_now_us(t->fleet.sim) - since_us;
    t->ready_us = took_us > t->ready_us ? took_us : t->ready_us;
    t->calm = true;
    t->calm_us = sim_now_us(t->fleet.sim);
}

/* Asks for a while; every answer must be of what is in force. */
static void ask_for(struct trial *t, uint64_t ms)
{
    size_t right = t->n_right;

    t->draining = false;
    trial_run_for(t, ms);
    drain(t);
    if (t->n_right == right) {
        trial_fail(t, "no request was answered in %llu ms",
                   (unsigned long long)ms);
    }
}

static void restart_clients(struct trial *t)
{
    for (size_t i = 0; i < t->n_clients; i++) {
        if (t->clients[i].client.io != NULL) {
            fleet_client_deinit(&t->clients[i].client);
        }
    }
    t->draining = false;
    trial_start_clients(t);
}

/* ---- rounds of faults ---------------------------------------------------- */

static void tighten(struct trial *t)
{
    for (size_t i = 0; i < t->fleet.n_nodes; i++) {
        const struct daemon *d = t->fleet.nodes[i].daemon;

        if (t->tight && d != NULL) {
            t->fleet.nodes[i].memory =
                KIB(64) + beat_memory_used(d) * trial_between(t, 10, 30) / 10;
        }
    }
}

/* Their memory is set when they start, so they start again. */
static void loosen(struct trial *t)
{
    for (size_t i = 0; t->tight && i < t->fleet.n_nodes; i++) {
        t->fleet.nodes[i].memory = MIB(256);
        fleet_kill_node(&t->fleet, i);
        fleet_start_node(&t->fleet, i);
    }
}

/* A long time in which few ask and nothing goes wrong. */
static void stay_calm(struct trial *t)
{
    uint64_t end_us =
        sim_now_us(t->fleet.sim) + trial_between(t, 10000, 60000) * 1000;
    size_t right = t->n_right;
    bool deployed = true;

    t->least_pause_ms = 2000;
    t->most_pause_ms = 8000;
    restart_clients(t);
    while (sim_now_us(t->fleet.sim) < end_us && t->why[0] == '\0') {
        trial_run_for(t, 200);
    }
    for (size_t i = 0; i < t->n_homes; i++) {
        deployed = deployed && t->homes[i].is_deployed;
    }
    if (deployed && t->n_right == right) {
        trial_fail(t, "no request was answered in a calm");
    }
}

static bool is_any_missing(const struct trial *t)
{
    for (size_t i = 0; i < t->n_homes; i++) {
        if (!t->homes[i].is_deployed) {
            return true;
        }
    }
    return false;
}

/* The storm may have undeployed a model; the next one begins with all. An
 * undeploy that was cut off may have done nothing, so that boards with little
 * memory would have to hold both. */
static void deploy_missing(struct trial *t)
{
    if (!is_any_missing(t) || t->why[0] != '\0') {
        return;
    }
    loosen(t);
    for (size_t i = 0; i < t->n_homes && t->why[0] == '\0'; i++) {
        if (!t->homes[i].is_deployed) {
            (void)deploy_calmly(&t->homes[i],
                                (unsigned)trial_random(t, TRIAL_GENERATIONS));
        }
    }
    tighten(t);
}

static void play_round(struct trial *t)
{
    t->least_pause_ms = 0;
    t->most_pause_ms = 300;
    t->calm = false;
    restart_clients(t);
    trial_play(t);
    t->n_rounds++;
    if (t->why[0] != '\0') {
        return;
    }
    check_ready(t);
    drain(t);
    check_rest(t);
    deploy_missing(t);
    if (t->why[0] == '\0') {
        stay_calm(t);
    }
}

/* ---- when the faults are over -------------------------------------------- */

static void check_second_deploy(struct trial_home *home, unsigned generation)
{
    if (deploy_calmly(home, generation) && deploy_calmly(home, generation) &&
        home->deploy.pushed != 0) {
        trial_fail(home->trial, "a second deploy pushes %llu bytes",
                   (unsigned long long)home->deploy.pushed);
    }
}

static void check_restart(struct trial *t)
{
    fleet_kill_head(&t->fleet);
    fleet_run_for(&t->fleet, 200);
    fleet_start_head(&t->fleet);
    restart_clients(t);
    trial_run_for(t, 2000); /* then spares may come, which nobody waits for */
    if (fleet_pushed(&t->fleet) != 0) {
        trial_fail(t, "%llu bytes are pushed after a restart",
                   (unsigned long long)fleet_pushed(&t->fleet));
    }
    ask_for(t, 6000);
}

static void spoil_all(struct trial *t, bool spoil)
{
    for (size_t i = 0; i < t->fleet.n_nodes; i++) {
        t->fleet.nodes[i].process.spoils = spoil;
    }
}

/* Boards that compute wrongly: the golden input tells, the old one serves. */
static void check_golden(struct trial_home *home)
{
    struct trial *t = home->trial;
    unsigned next = (home->target + 1) % TRIAL_GENERATIONS;

    spoil_all(t, true);
    trial_begin_deploy(home, next);
    (void)fleet_run_until(&t->fleet, is_idle, home, DEPLOY_MS);
    if (home->busy || home->deploy.rc != EDGE_ECORRUPT) {
        trial_fail(t, "a deploy to boards that compute wrongly ends in: %s",
                   home->busy ? "nothing" : home->deploy.text);
    }
    spoil_all(t, false);
    if (t->why[0] == '\0') {
        restart_clients(t);
        ask_for(t, 2000);
    }
}

static void check_undeploy(struct trial_home *home)
{
    struct trial *t = home->trial;

    trial_begin_undeploy(home);
    (void)fleet_run_until(&t->fleet, is_idle, home, DEPLOY_MS);
    if (home->busy || home->undeploy.rc < 0) {
        trial_fail(t, "a calm undeploy fails: %s", home->undeploy.text);
    }
    check_rest(t);
}

static void check_end(struct trial *t)
{
    struct trial_home *home = &t->homes[trial_random(t, t->n_homes)];
    unsigned last = (unsigned)trial_random(t, TRIAL_GENERATIONS);

    t->least_pause_ms = 0;
    t->most_pause_ms = 300;
    loosen(t);
    check_ready(t);
    drain(t);
    check_rest(t);
    if (t->why[0] == '\0') {
        check_second_deploy(home, last);
    }
    if (t->why[0] == '\0') {
        check_restart(t);
    }
    if (t->why[0] == '\0' && deploy_calmly(home, last)) {
        check_golden(home);
    }
    for (size_t i = 0; i < t->n_homes && t->why[0] == '\0'; i++) {
        check_undeploy(&t->homes[i]);
    }
}

/* ---- all of it ----------------------------------------------------------- */

static void take_defence(struct trial *t)
{
    if (t->control == TRIAL_NO_RESENDS) {
        t->fleet.head.swallows_resends = true;
    }
    for (size_t i = 0; i < t->fleet.n_nodes; i++) {
        struct fleet_process *process = &t->fleet.nodes[i].process;

        process->swallows_resends = t->control == TRIAL_NO_RESENDS;
        process->forgets_runs = t->control == TRIAL_FORGETFUL;
        process->spoils = t->control == TRIAL_SPOILED && i == 0;
    }
}

static void print_end(struct trial *t)
{
    trial_say(t,
              "%zu asked, %zu right, %zu cut, %zu refused, %zu failed, %zu "
              "faults in %zu rounds, %zu deploys, slowest %llu ms, ready after "
              "%llu ms",
              t->n_asked, t->n_right, t->n_cut, t->n_refused, t->n_failed,
              t->n_faults, t->n_rounds, t->n_deploys,
              (unsigned long long)t->slowest_us / 1000,
              (unsigned long long)t->ready_us / 1000);
}

bool trial_run(struct trial *t, const struct trial_config *config)
{
    uint64_t end_us = config->minutes * 60 * 1000000;

    memset(t, 0, sizeof(*t));
    t->seed = config->seed;
    t->verbose = config->verbose;
    t->control = config->control;
    trial_set_up(t);
    deploy_missing(t);
    tighten(t);
    take_defence(t);
    do {
        if (t->why[0] == '\0') {
            play_round(t);
        }
    } while (t->why[0] == '\0' && sim_now_us(t->fleet.sim) < end_us);
    if (t->why[0] == '\0') {
        check_end(t);
    }
    print_end(t);
    trial_tear_down(t);
    return t->why[0] == '\0';
}

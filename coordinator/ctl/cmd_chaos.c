/*
 * edgectl chaos: faults one after another, chosen by a seed, under a load of
 * its own, and a score.
 *
 *   1. The load starts: `bench` in a process of its own, which keeps a record
 *      of each request. Its first answers, before any fault, are what later
 *      ones are checked against.
 *   2. A fault begins, is over, its node is ready again, all is ready again;
 *      then the next, until the time is up.
 *   3. The load goes on for a moment, and ends; its record is scored.
 *
 * Failures: a fault that cannot begin, or a cluster that does not become
 * whole again, ends the run; what there is by then is reported, and it failed.
 */
#include "coordinator/ctl/chaos_load.h"
#include "coordinator/ctl/chaos_plan.h"
#include "coordinator/ctl/interrupt.h"
#include "coordinator/ctl/show.h"

#include "base/limits.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define WARM_MS 2000  /* of load before the first fault */
#define SETTLE_MS 500 /* between two faults, when all is ready */
#define TAIL_MS 2000  /* after the last one */
#define LOOK_MS 50
#define HEAL_MS 60000 /* for a node, and for the cluster, to be whole */

struct chaos {
    struct ctl *ctl;
    struct chaos_plan plan;
    struct score score;
    uint64_t ms; /* of faults */
    struct chaos_load load;
    struct client *client;
    int interrupt; /* readable on Ctrl-C; -1: it came */
};

static uint64_t now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct chaos *chaos = state->input;
    uint32_t ms;

    switch (key) {
    case 's':
        chaos->score.seed = (uint64_t)ctl_number(state, arg, 0, LONG_MAX);
        return 0;
    case 'F':
        ms = faults_duration(arg);
        if (ms < 1000) {
            argp_error(state, "--for: \"%s\" is not a time from 1s on", arg);
        }
        chaos->ms = ms;
        return 0;
    case 'M':
        chaos->plan.mix = chaos_mix(arg);
        if (chaos->plan.mix == 0) {
            argp_error(state,
                       "--mix: \"%s\" is not a list such as "
                       "kill,pause,slow,drop,partition,corrupt",
                       arg);
        }
        return 0;
    case 'R':
        (void)ctl_number(state, arg, 1, 1000000);
        chaos->load.rate = arg;
        return 0;
    case 'C':
        (void)ctl_number(state, arg, 1, 256);
        chaos->load.clients = arg;
        return 0;
    case 'L':
        chaos->score.least = (double)ctl_number(state, arg, 0, 1000) / 100;
        return 0;
    case 'K': chaos->load.check = arg; return 0;
    case 'i':
        if (chaos->load.n_inputs == LIMIT_PORTS) {
            argp_error(state, "--input: a model has at most %d inputs",
                       LIMIT_PORTS);
        }
        chaos->load.inputs[chaos->load.n_inputs++] = arg;
        return 0;
    case 'W': chaos->load.record = arg; return 0;
    case 'B': chaos->plan.brutal = true; return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- waiting --------------------------------------------------------------
 */

/* False: Ctrl-C has come, now or before. */
static bool wait_ms(struct chaos *chaos, int ms)
{
    struct pollfd p = {.fd = chaos->interrupt, .events = POLLIN};

    if (chaos->interrupt >= 0 && poll(&p, 1, ms) > 0) {
        interrupt_take(chaos->interrupt);
        chaos->interrupt = -1;
    }
    return chaos->interrupt >= 0;
}

static void note(const struct chaos *chaos, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void note(const struct chaos *chaos, const char *format, ...)
{
    va_list args;

    if (chaos->ctl->quiet || chaos->ctl->progress == CTL_PROGRESS_NONE) {
        return;
    }
    (void)fprintf(stderr, "%6.1fs  ",
                  (double)(now_us() - chaos->score.start_us) / 1e6);
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fputc('\n', stderr);
}

/* ---- one fault ------------------------------------------------------------
 */

static bool is_whole(const Edged__StatusReply *status)
{
    bool whole = status->n_deployments > 0;

    for (size_t i = 0; i < status->n_deployments; i++) {
        whole = whole && strcmp(status->deployments[i]->state, "ready") == 0;
    }
    for (size_t i = 0; i < status->n_nodes; i++) {
        const char *state = status->nodes[i]->state;

        /* One that never came is not for us to wait for. */
        whole = whole &&
                (strcmp(state, "ready") == 0 || strcmp(state, "never") == 0);
    }
    return whole;
}

static int wait_whole(struct chaos *chaos, struct err *err)
{
    uint64_t until_us = now_us() + HEAL_MS * UINT64_C(1000);
    struct msg msg;

    for (;;) {
        int rc = faults_status(chaos->client, &msg, err);
        bool whole;

        if (rc < 0) {
            return rc;
        }
        whole = is_whole(msg.env->status_reply);
        msg_deinit(&msg);
        if (whole || !wait_ms(chaos, LOOK_MS)) {
            return 0;
        }
        if (now_us() > until_us) {
            return err_set(err, EDGE_ETIMEOUT,
                           "the cluster is not whole %d s after a fault. "
                           "Try: edgectl status",
                           HEAL_MS / 1000);
        }
    }
}

static int choose(struct chaos *chaos, struct chaos_hit *hit, struct err *err)
{
    struct msg msg;
    int rc = faults_status(chaos->client, &msg, err);

    if (rc == 0) {
        rc = chaos_next(&chaos->plan, msg.env->status_reply, hit, err);
        msg_deinit(&msg);
    }
    return rc;
}

/* 1: it is over and its node is back. */
static int look_at(struct chaos *chaos, uint32_t id, struct score_fault *fault,
                   struct err *err)
{
    const Edged__FaultState *state;
    struct msg msg;
    int rc = faults_query(chaos->client, &msg, err);

    if (rc < 0) {
        return rc;
    }
    state = faults_find(msg.env->fault_list, id);
    if (state == NULL) {
        rc = err_set(err, EDGE_ENOENT,
                     "the coordinator has forgotten the fault");
    } else {
        fault->suspect_ms = state->suspect_ms;
        fault->lost_ms = state->lost_ms;
        fault->back_ms = state->back_ms;
        if (state->back_ms > 0) {
            fault->healed_us =
                fault->began_us + state->back_ms * UINT64_C(1000);
            rc = 1;
        }
    }
    msg_deinit(&msg);
    return rc;
}

static int follow(struct chaos *chaos, uint32_t id, struct score_fault *fault,
                  struct err *err)
{
    uint64_t until_us =
        fault->began_us + (fault->ms + HEAL_MS) * UINT64_C(1000);
    int rc = 0;

    while (rc == 0) {
        rc = look_at(chaos, id, fault, err);
        if (rc == 0 && now_us() > until_us) {
            rc = err_set(err, EDGE_ETIMEOUT, "%s did not come back",
                         fault->node);
        }
        if (rc == 0) {
            rc = chaos_load_check(&chaos->load, err);
        }
        if (rc == 0) {
            (void)wait_ms(chaos, LOOK_MS);
        }
    }
    return rc < 0 ? rc : 0;
}

static void describe(const struct fault_wish *wish, struct score_fault *fault)
{
    Edged__Fault message = EDGED__FAULT__INIT;

    message.kind = wish->kind;
    message.permille = wish->permille;
    message.factor_percent = wish->factor_percent;
    message.way = wish->way;
    message.peers = (char **)(uintptr_t)wish->peers;
    message.n_peers = wish->n_peers;
    faults_describe(&message, fault->what, sizeof(fault->what));
    (void)snprintf(fault->node, sizeof(fault->node), "%s", wish->node);
    (void)snprintf(fault->kind, sizeof(fault->kind), "%s",
                   faults_name(wish->kind));
    fault->ms = wish->ms;
}

static int hit_one(struct chaos *chaos, struct err *err)
{
    struct score_fault fault = {.ms = 0};
    struct chaos_hit hit;
    uint32_t id;
    int rc = choose(chaos, &hit, err);

    if (rc < 0) {
        return rc;
    }
    describe(&hit.wish, &fault);
    rc = faults_begin(chaos->client, &hit.wish, &id, err);
    if (rc < 0) {
        return rc;
    }
    fault.began_us = now_us();
    note(chaos, "%s %s %sfor %.1f s", fault.kind, fault.node, fault.what,
         fault.ms / 1e3);
    rc = follow(chaos, id, &fault, err);
    if (score_fault(&chaos->score, &fault) < 0) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    return rc < 0 ? rc : wait_whole(chaos, err);
}

/* ---- the run --------------------------------------------------------------
 */

static int hit_all(struct chaos *chaos, struct err *err)
{
    uint64_t until_us = now_us() + chaos->ms * 1000;
    int rc = 0;

    while (rc == 0 && now_us() < until_us && chaos->interrupt >= 0) {
        rc = hit_one(chaos, err);
        if (rc == 0) {
            (void)wait_ms(chaos, SETTLE_MS);
        }
    }
    return rc;
}

/* May the cluster be hit at all? Asked before any load. */
static int check(struct chaos *chaos, struct err *err)
{
    struct chaos_plan plan = chaos->plan;
    struct chaos_hit hit;
    struct msg msg;
    int rc = faults_query(chaos->client, &msg, err);

    if (rc < 0) {
        return rc;
    }
    if (!msg.env->fault_list->allowed) {
        rc = err_set(err, EDGE_EREFUSED,
                     "this cluster does not allow faults. Write  faults: "
                     "allowed  into cluster.yaml and deploy it, or start it "
                     "with  edgectl up --allow-faults");
    }
    msg_deinit(&msg);
    if (rc < 0) {
        return rc;
    }
    rc = faults_status(chaos->client, &msg, err);
    if (rc < 0) {
        return rc;
    }
    rc = msg.env->status_reply->n_deployments == 0
             ? err_set(err, EDGE_ENOENT,
                       "nothing is deployed. Try: edgectl "
                       "deploy cluster.yaml")
             : chaos_next(&plan, msg.env->status_reply, &hit, err);
    msg_deinit(&msg);
    return rc < 0 ? rc : wait_whole(chaos, err);
}

static int under_load(struct chaos *chaos, struct err *err)
{
    int rc = chaos_load_start(&chaos->load, chaos->ctl, err);

    if (rc < 0) {
        return rc;
    }
    chaos->score.start_us = now_us();
    (void)wait_ms(chaos, WARM_MS);
    rc = chaos_load_check(&chaos->load, err);
    chaos->score.calm_us = now_us();
    if (rc == 0) {
        rc = hit_all(chaos, err);
    }
    chaos->score.settled_us = now_us();
    if (rc == 0) {
        (void)wait_ms(chaos, TAIL_MS);
    }
    chaos->score.end_us = now_us();
    chaos_load_stop(&chaos->load);
    return rc;
}

static int run(struct chaos *chaos, bool *passed, struct err *err)
{
    struct err late;
    int late_rc;
    int rc = check(chaos, err);

    if (rc == 0) {
        rc = interrupt_open(&chaos->interrupt, err);
    }
    if (rc < 0) {
        return rc;
    }
    rc = under_load(chaos, err);
    late_rc = chaos_load_read(&chaos->load, &chaos->score, &late);
    if (late_rc == 0 && chaos->score.n_requests > 0) {
        late_rc = score_print(chaos->ctl, &chaos->score, passed, &late);
        if (!*passed) {
            chaos_load_errors(&chaos->load);
        }
    }
    if (rc == 0 && late_rc < 0) {
        *err = late;
        rc = late_rc;
    }
    return rc;
}

int cmd_chaos(struct ctl *ctl, int argc, char **argv)
{
    struct chaos chaos = {
        .ctl = ctl, .ms = 60000, .load = {.clients = "8"}, .interrupt = -1};
    bool passed = false;
    struct err err;
    int first;
    int rc;

    chaos.score.seed = 1;
    chaos.score.least = 0.2;
    chaos.plan.mix = chaos_mix("kill,pause,slow,drop,partition");
    ctl_parse(ctl, parse, &chaos, argc, argv, &first);
    if (show_check_format(ctl) != CTL_OK) {
        return CTL_USAGE;
    }
    if (first < argc) {
        (void)fprintf(stderr, "edgectl chaos: it takes no arguments.\n");
        return CTL_USAGE;
    }
    rng_init(&chaos.plan.rng, chaos.score.seed);
    rc = ctl_connect(ctl, &chaos.client, &err);
    if (rc == 0) {
        rc = run(&chaos, &passed, &err);
    }
    client_close(chaos.client);
    chaos_load_deinit(&chaos.load);
    score_deinit(&chaos.score);
    return rc < 0 ? ctl_fail(&err, rc) : passed ? CTL_OK : CTL_FAILED;
}

/*
 * edgectl watch: what the sources of a model see, again and again.
 *
 *   1. The coordinator begins samples at the wanted rate, and sends each answer
 *      as it comes; it is printed at once.
 *   2. Enough answers, enough time, or Ctrl-C: the connection is closed, which
 *      ends the samples, and a line sums up. The cluster goes on.
 *   3. A coordinator that restarts is connected to anew; a sample that fails is
 *      said to, and the next one comes.
 */
#include "coordinator/ctl/faults.h"
#include "coordinator/ctl/interrupt.h"
#include "coordinator/ctl/watch_print.h"

#include "base/limits.h"
#include "base/mem.h"
#include "coordinator/ctl/show.h"
#include "wire/convert.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RATE_MOST 250.0
#define EVERY_US 1000000 /* unless it is said */
#define SAMPLES_MOST 1000000000
#define DEADLINE_MOST 3600000
#define TOP_MOST 1000
#define MESSAGE_MS 10000 /* of one that has begun to come */
#define SILENT_MS 60000  /* and a sample more: no word from the coordinator */

struct watch {
    struct ctl *ctl;
    uint64_t every_us;
    uint64_t samples; /* 0: no end */
    uint32_t for_ms;  /* likewise */
    uint32_t deadline_ms;
    size_t top;
    bool is_strict;
    struct client *client;
    struct deployed deployed;
    struct tensor *outputs; /* of the answer that is coming */
    int interrupt;
    bool is_done;
    uint64_t base;   /* samples of connections before */
    uint64_t newest; /* number of this one's */
    uint64_t skipped_before;
    uint64_t began_us;
    uint64_t heard_us;
    struct watch_tally tally;
    int first_rc;
};

static uint64_t now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- options ------------------------------------------------------------- */

static uint64_t parse_rate(struct argp_state *state, const char *text)
{
    char *end;
    double rate;

    errno = 0;
    rate = strtod(text, &end);
    if (errno != 0 || end == text || *end != '\0' || !(rate >= 0.001) ||
        rate > RATE_MOST) {
        argp_error(state, "\"%s\" is no rate: a number up to %.0f a second",
                   text, RATE_MOST);
        return EVERY_US;
    }
    return (uint64_t)(1e6 / rate);
}

static uint32_t parse_time(struct argp_state *state, const char *text)
{
    uint32_t ms = faults_duration(text);

    if (ms == 0) {
        argp_error(state, "\"%s\" is no time, as 500ms, 30s or 10m", text);
    }
    return ms;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct watch *w = state->input;

    switch (key) {
    case 'R': w->every_us = parse_rate(state, arg); return 0;
    case 'E': w->every_us = (uint64_t)parse_time(state, arg) * 1000; return 0;
    case 'F': w->for_ms = parse_time(state, arg); return 0;
    case 'n':
        w->samples = (uint64_t)ctl_number(state, arg, 1, SAMPLES_MOST);
        return 0;
    case 'D':
        w->deadline_ms = (uint32_t)ctl_number(state, arg, 1, DEADLINE_MOST);
        return 0;
    case 'k': w->top = (size_t)ctl_number(state, arg, 1, TOP_MOST); return 0;
    case 'S': w->is_strict = true; return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- what comes ---------------------------------------------------------- */

static void drop_outputs(struct watch *w)
{
    for (size_t i = 0; i < w->deployed.n_outputs && w->outputs != NULL; i++) {
        tensor_deinit(&w->outputs[i]);
        w->outputs[i] = (struct tensor){0};
    }
}

static int take_output(struct watch *w, const struct msg *msg, struct err *err)
{
    const Edged__Data *data = msg->env->data;

    if (data->port >= w->deployed.n_outputs || msg->payload == NULL ||
        w->outputs[data->port].blob != NULL) {
        return err_set(err, EDGE_EPROTO, "an output that the model has not");
    }
    return convert_meta_in(data->tensor, msg->payload, &w->outputs[data->port],
                           err);
}

static void count(struct watch *w, const struct landed *landed)
{
    const Edged__Answer *answer = landed->answer;

    w->newest = answer->request;
    w->tally.skipped = w->skipped_before + answer->skipped;
    if (landed->rc < 0) {
        w->first_rc = w->tally.failed == 0 ? landed->rc : w->first_rc;
        w->tally.failed++;
        return;
    }
    w->tally.answered++;
    w->tally.incomplete += !answer->complete;
    if (answer->latency_us > w->tally.slowest_us) {
        w->tally.slowest_us = answer->latency_us;
    }
}

static int take_answer(struct watch *w, const struct msg *msg, struct err *err)
{
    const Edged__Answer *answer = msg->env->answer;
    struct landed landed = {
        .rc = answer->code < 0 ? answer->code : 0,
        .answer = answer,
        .outputs = w->outputs,
        .n_outputs = w->deployed.n_outputs,
    };
    struct infer_line line = {
        .top = w->top, .deployed = &w->deployed, .landed = &landed};
    int rc;

    for (size_t i = 0; landed.rc == 0 && i < landed.n_outputs; i++) {
        if (w->outputs[i].blob == NULL) {
            return err_set(err, EDGE_EPROTO, "an answer without its outputs");
        }
    }
    (void)err_set(&landed.err, 0, "%s", answer->text);
    count(w, &landed);
    rc = watch_print(w->ctl, &line, w->base, err);
    drop_outputs(w);
    return rc;
}

static int take(struct watch *w, const struct msg *msg, struct err *err)
{
    const Edged__Envelope *env = msg->env;

    switch (env->body_case) {
    case EDGED__ENVELOPE__BODY_DATA: return take_output(w, msg, err);
    case EDGED__ENVELOPE__BODY_ANSWER: return take_answer(w, msg, err);
    case EDGED__ENVELOPE__BODY_RESULT:
        w->is_done = true;
        return env->result->code < 0
                   ? err_set(err, env->result->code, "%s", env->result->text)
                   : 0;
    default: return client_no_answer(env, err);
    }
}

/* ---- the loop ------------------------------------------------------------ */

static int begin(struct watch *w, struct err *err)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Watch watch = EDGED__WATCH__INIT;
    uint64_t done = w->tally.answered + w->tally.failed;

    watch.deployment = (char *)(uintptr_t)w->deployed.name;
    watch.every_us = w->every_us;
    watch.samples = w->samples > 0 ? w->samples - done : 0;
    watch.left_ms = w->deadline_ms;
    env.body_case = EDGED__ENVELOPE__BODY_WATCH;
    env.watch = &watch;
    w->heard_us = now_us();
    return client_send(w->client, &env, NULL, 0, err);
}

/* The coordinator was restarted: its samples are numbered from 1 again. */
static int begin_again(struct watch *w, struct err *err)
{
    drop_outputs(w);
    w->base += w->newest;
    w->newest = 0;
    w->skipped_before = w->tally.skipped;
    w->is_done =
        w->samples > 0 && w->tally.answered + w->tally.failed >= w->samples;
    if (w->is_done) {
        return 0;
    }
    return client_again(w->client, CTL_PATIENCE_MS, err) < 0 ? EDGE_EUNREACHABLE
                                                             : begin(w, err);
}

static int receive(struct watch *w, struct err *err)
{
    struct msg msg;
    int rc = client_receive(w->client, MESSAGE_MS, &msg, err);

    if (rc == 0) {
        w->heard_us = now_us();
        rc = take(w, &msg, err);
        msg_deinit(&msg);
    }
    return rc == EDGE_ECLOSED ? begin_again(w, err) : rc;
}

static int wait_ms(const struct watch *w, uint64_t now)
{
    uint64_t until = w->heard_us + w->every_us + (uint64_t)SILENT_MS * 1000;
    uint64_t end = w->began_us + (uint64_t)w->for_ms * 1000;

    if (w->for_ms > 0 && end < until) {
        until = end;
    }
    return until > now ? (int)((until - now + 999) / 1000) : 0;
}

static int step(struct watch *w, struct err *err)
{
    struct pollfd fds[2] = {{.fd = client_fd(w->client), .events = POLLIN},
                            {.fd = w->interrupt, .events = POLLIN}};
    uint64_t now = now_us();
    int n = poll(fds, 2, wait_ms(w, now));

    if (fds[1].revents != 0) {
        interrupt_take(w->interrupt);
        w->interrupt = -1;
        w->is_done = true;
        return 0;
    }
    if (n > 0) {
        return receive(w, err);
    }
    now = now_us();
    w->is_done =
        w->for_ms > 0 && now - w->began_us >= (uint64_t)w->for_ms * 1000;
    return w->is_done || wait_ms(w, now) > 0
               ? 0
               : err_set(err, EDGE_ETIMEOUT,
                         "the coordinator has said nothing for a minute");
}

static int run(struct watch *w, struct err *err)
{
    int rc = ctl_connect(w->ctl, &w->client, err);

    if (rc == 0) {
        rc = deployed_ask(w->client, w->ctl->model, &w->deployed, err);
    }
    if (rc == 0) {
        w->outputs = mem_array(struct tensor, w->deployed.n_outputs);
        rc = w->outputs == NULL ? err_set(err, EDGE_ENOMEM, "out of memory")
                                : interrupt_open(&w->interrupt, err);
    }
    w->began_us = now_us();
    rc = rc == 0 ? begin(w, err) : rc;
    while (rc == 0 && !w->is_done &&
           (w->for_ms == 0 ||
            now_us() - w->began_us < (uint64_t)w->for_ms * 1000)) {
        rc = step(w, err);
    }
    return rc;
}

/* ---- the verb ------------------------------------------------------------ */

static int sum_up(struct watch *w, int rc, const struct err *err)
{
    struct err own;

    w->tally.seconds = (double)(now_us() - w->began_us) / 1e6;
    if (w->tally.answered + w->tally.failed > 0 &&
        watch_print_tally(w->ctl, &w->tally, &own) < 0) {
        return ctl_fail(&own, EDGE_ENOMEM);
    }
    if (rc < 0) {
        return ctl_fail(err, rc);
    }
    if (w->tally.failed > 0) {
        return w->tally.answered > 0 ? CTL_PARTIAL : ctl_exit_code(w->first_rc);
    }
    return w->is_strict && w->tally.incomplete > 0 ? CTL_PARTIAL : CTL_OK;
}

static void release(struct watch *w)
{
    drop_outputs(w);
    mem_free(w->outputs);
    deployed_deinit(&w->deployed);
    client_close(w->client);
}

int cmd_watch(struct ctl *ctl, int argc, char **argv)
{
    struct watch w = {
        .ctl = ctl, .every_us = EVERY_US, .top = 1, .interrupt = -1};
    struct err err;
    int first;
    int rc;

    ctl_parse(ctl, parse, &w, argc, argv, &first);
    rc = show_check_format(ctl);
    if (rc != CTL_OK) {
        return rc;
    }
    if (first < argc) {
        (void)fprintf(stderr,
                      "edgectl watch: \"%s\"? A model is named by -m; "
                      "it takes nothing else.  See: edgectl watch "
                      "--help\n",
                      argv[first]);
        return CTL_USAGE;
    }
    rc = run(&w, &err);
    rc = sum_up(&w, rc, &err);
    release(&w);
    return rc;
}

/*
 * edgectl bench: requests with seeded inputs from several clients at once,
 * each on a connection of its own. A client has one request under way, or
 * with --rate as many as fall due. Answers to one input must all be the same,
 * bit for bit, and with --check what the model gives here.
 */
#include "coordinator/ctl/interrupt.h"
#include "coordinator/ctl/pace.h"
#include "coordinator/ctl/reference.h"
#include "coordinator/ctl/samples.h"
#include "coordinator/ctl/tally.h"

#include "base/mem.h"
#include "coordinator/ctl/show.h"

#include <assert.h>
#include <errno.h>

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MOST 256
#define REQUESTS_MOST 1000000000
#define SECONDS_MOST 86400
#define DEADLINE_MOST 3600000
#define ANSWER_MS 120000
#define REASONS_MOST 5 /* of failures, on stderr */
#define DRAW_MS 200
#define RATE_MOST 1000000
#define UNDER_WAY 64 /* of one client, with --rate */

struct shot {              /* a request under way */
    struct sample *sample; /* NULL: none, a free place */
    uint64_t due_us;       /* when it was to be sent */
};

struct caller { /* one client */
    struct client *client;
    struct flights *flights;
    struct shot shots[UNDER_WAY];
};

struct bench {
    struct ctl *ctl;
    struct err err; /* of an argument */
    struct pace pace;
    uint32_t n_callers;
    uint32_t deadline_ms;
    const char *check;  /* the model's file; NULL: the first answer is right */
    const char *record; /* a file for one line a request; NULL: none */
    FILE *lines;
    struct deployed deployed;
    struct named_list given; /* instead of seeded inputs */
    struct samples samples;
    struct caller *callers;
    struct pollfd *fds; /* of the callers, then of Ctrl-C */
    uint64_t n_said;    /* failures that were printed */
    size_t turn;        /* of the callers, with --rate */
    uint64_t drawn_ms;
    bool is_drawn; /* a line of progress stands on the terminal */
    struct tally tally;
};

static uint64_t now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct bench *bench = state->input;

    switch (key) {
    case 'n':
        bench->pace.requests =
            (uint64_t)ctl_number(state, arg, 1, REQUESTS_MOST);
        return 0;
    case 'C':
        bench->n_callers = (uint32_t)ctl_number(state, arg, 1, CLIENTS_MOST);
        return 0;
    case 'F':
        bench->pace.for_us =
            (uint64_t)ctl_number(state, arg, 1, SECONDS_MOST) * 1000000;
        return 0;
    case 'D':
        bench->deadline_ms = (uint32_t)ctl_number(state, arg, 1, DEADLINE_MOST);
        return 0;
    case 'R':
        bench->pace.rate = (uint64_t)ctl_number(state, arg, 1, RATE_MOST);
        return 0;
    case 'K': bench->check = arg; return 0;
    case 'i':
        if (named_add(&bench->given, arg, &bench->err) < 0) {
            argp_error(state, "%s", bench->err.text);
        }
        return 0;
    case 'W': bench->record = arg; return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- answers ------------------------------------------------------------ */

static void say_failure(struct bench *bench, const char *text)
{
    if (bench->is_drawn) {
        (void)fputs("\r\033[K", stderr);
        bench->is_drawn = false;
    }
    if (bench->n_said++ < REASONS_MOST) {
        (void)fprintf(stderr, "edgectl: %s\n", text);
    }
}

/* When it was due, sent and answered (microseconds of the monotonic clock),
 * how it ended, hops sent again, what failed. */
static void write_line(struct bench *bench, const struct shot *shot,
                       const struct landed *landed, const char *how)
{
    uint64_t now = now_us();

    if (bench->lines != NULL) {
        (void)fprintf(bench->lines, "%llu\t%llu\t%llu\t%s\t%u\t%s\n",
                      (unsigned long long)shot->due_us,
                      (unsigned long long)(now - landed->took_us),
                      (unsigned long long)now, how,
                      landed->answer != NULL ? landed->answer->resent : 0,
                      landed->rc < 0 ? landed->err.text : "");
    }
}

/* Without --check the first answer to an input is what others must be. */
static bool is_right(struct sample *sample, struct landed *landed)
{
    if (sample->outputs == NULL) {
        sample->outputs = landed->outputs;
        landed->outputs = NULL;
        return true;
    }
    return reference_same(sample->outputs, landed->outputs, landed->n_outputs);
}

static int take(struct bench *bench, const struct shot *shot,
                struct landed *landed, struct err *err)
{
    uint64_t took_us = landed->took_us;

    if (landed->rc < 0) {
        bench->tally.failed++;
        write_line(bench, shot, landed, err_name(landed->rc));
        say_failure(bench, landed->err.text);
        return 0;
    }
    if (landed->answer->n_missing > 0) { /* another answer is right then */
        bench->tally.incomplete++;
        write_line(bench, shot, landed, "incomplete");
    } else if (is_right(shot->sample, landed)) {
        write_line(bench, shot, landed, "ok");
    } else {
        bench->tally.wrong++;
        write_line(bench, shot, landed, "wrong");
        say_failure(bench, bench->check != NULL
                               ? "an answer is not what the model gives here"
                               : "an answer differs from an earlier one to "
                                 "the same input");
    }
    if (bench->pace.rate > 0) { /* a late start is part of it */
        took_us = now_us() - shot->due_us;
    }
    return tally_add(&bench->tally, took_us, landed->answer) < 0
               ? err_set(err, EDGE_ENOMEM, "out of memory")
               : 0;
}

/* ---- requests ----------------------------------------------------------- */

/* There is one, as flights_has_room() said. */
static struct shot *free_shot(struct caller *caller)
{
    size_t i = 0;

    while (caller->shots[i].sample != NULL) {
        i++;
        assert(i < UNDER_WAY);
    }
    return &caller->shots[i];
}

static int send_one(struct bench *bench, struct caller *caller, uint64_t due_us,
                    struct err *err)
{
    struct sample *sample =
        &bench->samples.all[bench->pace.n_sent % bench->samples.n];
    struct shot *shot = free_shot(caller);
    int rc = flights_send(caller->flights, sample->inputs, bench->deadline_ms,
                          shot, err);

    if (rc == 0) {
        *shot = (struct shot){sample, due_us};
        bench->pace.n_sent++;
    }
    return rc;
}

static int send_next(struct bench *bench, struct caller *caller,
                     struct err *err)
{
    if (bench->pace.rate > 0 || !pace_wants_more(&bench->pace, now_us())) {
        return 0;
    }
    return send_one(bench, caller, now_us(), err);
}

/* ---- at a rate: what is due is sent, whatever was answered ------------- */

/* NULL: every one has as many under way as it can. */
static struct caller *free_caller(struct bench *bench)
{
    for (uint32_t i = 0; i < bench->n_callers; i++) {
        struct caller *caller =
            &bench->callers[bench->turn++ % bench->n_callers];

        if (flights_has_room(caller->flights)) {
            return caller;
        }
    }
    return NULL;
}

static int send_due(struct bench *bench, struct err *err)
{
    uint64_t now = now_us();
    int rc = 0;

    while (rc == 0 && pace_is_due(&bench->pace, now)) {
        struct caller *caller = free_caller(bench);

        if (caller == NULL) {
            break; /* it stays due */
        }
        rc = send_one(bench, caller, pace_due_us(&bench->pace), err);
    }
    return rc;
}

/* No more requests, then the report; a second Ctrl-C ends all. */
static void on_interrupt(struct bench *bench)
{
    struct pollfd *p = &bench->fds[bench->n_callers];

    interrupt_take(p->fd);
    p->fd = -1; /* poll passes over it */
    bench->pace.is_stopped = true;
}

/* ---- the loop ----------------------------------------------------------- */

static int wait_ms(const struct bench *bench)
{
    return bench->ctl->timeout_ms > 0 ? bench->ctl->timeout_ms : ANSWER_MS;
}

static int serve(struct bench *bench, struct caller *caller, struct err *err)
{
    struct landed landed;
    int rc = flights_step(caller->flights, wait_ms(bench), &landed, err);
    struct shot *shot;

    if (rc != 1) {
        return rc;
    }
    shot = landed.user;
    rc = take(bench, shot, &landed, err);
    shot->sample = NULL;
    bench->pace.n_landed++;
    landed_deinit(&landed);
    return rc < 0 ? rc : send_next(bench, caller, err);
}

static void draw(struct bench *bench)
{
    uint64_t now = now_us() / 1000;
    bool wanted = bench->ctl->progress == CTL_PROGRESS_BAR ||
                  (bench->ctl->progress == CTL_PROGRESS_AUTO &&
                   !bench->ctl->quiet && isatty(STDERR_FILENO));

    if (!wanted || now - bench->drawn_ms < DRAW_MS) {
        return;
    }
    (void)fprintf(stderr, "\r\033[K%llu answered, %llu failed",
                  (unsigned long long)bench->tally.answered,
                  (unsigned long long)bench->tally.failed);
    bench->drawn_ms = now;
    bench->is_drawn = true;
}

static int wait_for_any(struct bench *bench, uint64_t now, struct err *err)
{
    const struct pace *pace = &bench->pace;
    int limit = wait_ms(bench);
    int in_ms = pace_wait_ms(pace, now);
    bool is_pause =
        in_ms >= 0 && (in_ms < limit || pace->n_landed == pace->n_sent);
    int n = poll(bench->fds, bench->n_callers + 1, is_pause ? in_ms : limit);

    if (n == 0 && !is_pause) {
        return err_set(err, EDGE_ETIMEOUT, "no answer within %d s",
                       limit / 1000);
    }
    return n < 0 && errno != EINTR ? err_set(err, EDGE_EIO, "poll failed") : 0;
}

static int serve_all(struct bench *bench, struct err *err)
{
    int rc = 0;

    if (bench->fds[bench->n_callers].revents != 0) {
        on_interrupt(bench);
    }
    for (uint32_t i = 0; rc == 0 && i < bench->n_callers; i++) {
        if (bench->fds[i].revents != 0) {
            rc = serve(bench, &bench->callers[i], err);
        }
    }
    draw(bench);
    return rc;
}

static int load(struct bench *bench, struct err *err)
{
    struct pollfd *p = &bench->fds[bench->n_callers];
    int rc = interrupt_open(&p->fd, err);
    uint64_t now = now_us();

    p->events = POLLIN;
    bench->pace.start_us = now;
    for (uint32_t i = 0; rc == 0 && i < bench->n_callers; i++) {
        rc = send_next(bench, &bench->callers[i], err);
    }
    while (rc == 0 && !pace_is_done(&bench->pace, now)) {
        rc = wait_for_any(bench, now, err);
        if (rc == 0) {
            rc = serve_all(bench, err);
        }
        if (rc == 0) {
            rc = send_due(bench, err);
        }
        now = now_us();
    }
    bench->tally.seconds = (double)(now_us() - bench->pace.start_us) / 1e6;
    return rc;
}

static int count_repeated(struct bench *bench, struct err *err)
{
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < bench->n_callers; i++) {
        struct flights *flights = bench->callers[i].flights;

        rc = flights_settle(flights, wait_ms(bench), err);
        bench->tally.repeated += flights_strays(flights);
    }
    return rc;
}

/* ---- the verb ----------------------------------------------------------- */

static int connect_one(struct bench *bench, struct caller *caller,
                       struct err *err)
{
    int rc = ctl_connect(bench->ctl, &caller->client, err);

    if (rc == 0 && bench->deployed.name == NULL) {
        rc = deployed_ask(caller->client, bench->ctl->model, &bench->deployed,
                          err);
    }
    if (rc == 0) {
        rc = flights_new(caller->client, &bench->deployed,
                         bench->pace.rate > 0 ? UNDER_WAY : 1, &caller->flights,
                         err);
    }
    if (rc == 0) {
        flights_be_patient(caller->flights, CTL_PATIENCE_MS);
    }
    return rc;
}

static int connect_all(struct bench *bench, struct err *err)
{
    int rc = 0;

    bench->callers = mem_array(struct caller, bench->n_callers);
    bench->fds = mem_array(struct pollfd, bench->n_callers + 1);
    if (bench->callers == NULL || bench->fds == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (uint32_t i = 0; rc == 0 && i < bench->n_callers; i++) {
        rc = connect_one(bench, &bench->callers[i], err);
        if (rc == 0) {
            bench->fds[i].fd = client_fd(bench->callers[i].client);
            bench->fds[i].events = POLLIN;
        }
    }
    return rc;
}

static int prepare(struct bench *bench, struct err *err)
{
    int rc = connect_all(bench, err);

    if (rc == 0) {
        rc =
            samples_make(&bench->samples, &bench->deployed, &bench->given, err);
    }
    if (rc == 0 && bench->check != NULL) {
        rc =
            samples_check(&bench->samples, &bench->deployed, bench->check, err);
    }
    if (rc == 0 && bench->record != NULL) {
        bench->lines = fopen(bench->record, "we");
        rc = bench->lines != NULL
                 ? 0
                 : err_set(err, err_from_errno(errno), "cannot write %s: %s",
                           bench->record, strerror(errno));
    }
    return rc;
}

static int close_record(struct bench *bench, struct err *err)
{
    FILE *lines = bench->lines;

    bench->lines = NULL;
    return lines == NULL || fclose(lines) == 0
               ? 0
               : err_set(err, EDGE_EIO, "cannot write %s: %s", bench->record,
                         strerror(errno));
}

static int run(struct bench *bench, struct err *err)
{
    struct err print_err;
    int rc = prepare(bench, err);
    int print_rc;

    if (rc < 0) {
        return rc;
    }
    rc = load(bench, err);
    if (rc == 0) {
        rc = count_repeated(bench, err);
    }
    if (rc == 0) {
        rc = close_record(bench, err);
    }
    if (bench->is_drawn) {
        (void)fputs("\r\033[K", stderr);
    }
    print_rc = tally_print(bench->ctl, bench->deployed.name, &bench->tally,
                           &print_err);
    if (rc == 0 && print_rc < 0) {
        *err = print_err;
        rc = print_rc;
    }
    return rc;
}

static void release(struct bench *bench)
{
    if (bench->lines != NULL) {
        (void)fclose(bench->lines);
    }
    samples_deinit(&bench->samples);
    named_deinit(&bench->given);
    for (uint32_t i = 0; bench->callers != NULL && i < bench->n_callers; i++) {
        flights_free(bench->callers[i].flights);
        client_close(bench->callers[i].client);
    }
    mem_free(bench->callers);
    mem_free(bench->fds);
    tally_deinit(&bench->tally);
    deployed_deinit(&bench->deployed);
}

int cmd_bench(struct ctl *ctl, int argc, char **argv)
{
    struct bench bench = {.ctl = ctl, .n_callers = 8};
    const struct tally *tally = &bench.tally;
    struct err err;
    int first;
    int code;
    int rc;

    ctl_parse(ctl, parse, &bench, argc, argv, &first);
    if (bench.pace.requests == 0 && bench.pace.for_us == 0) {
        bench.pace.requests = 1000;
    }
    code = show_check_format(ctl);
    if (code == CTL_OK && first < argc) {
        (void)fprintf(stderr, "edgectl bench: it takes no arguments; choose "
                              "a deployment with -m NAME.\n");
        code = CTL_USAGE;
    }
    if (code == CTL_OK) {
        rc = run(&bench, &err);
        code = rc < 0 ? ctl_fail(&err, rc)
               : tally->failed + tally->wrong + tally->repeated > 0 ? CTL_FAILED
                                                                    : CTL_OK;
    }
    release(&bench);
    return code;
}

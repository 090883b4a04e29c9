#include "net/io_uv.h"

#include "base/mem.h"
#include "net/dialer.h"
#include "net/io_uv_inner.h"
#include "net/listener.h"
#include "net/stream_uv.h"
#include "net/watch_uv.h"

#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define LINGER_MS 300 /* at the end, for Goodbyes and what is queued */
#define PLAIN_TALK_MS 60000

/* ---- time, chance, work -------------------------------------------------- */

static uint64_t uv_now_us(struct io *io)
{
    (void)io;
    return uv_hrtime() / 1000;
}

static uint64_t uv_wall_us(struct io *io)
{
    struct timespec now;

    (void)io;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t uv_chance(struct io *io)
{
    return rng_next(&io_uv_of(io)->rng);
}

static void on_timer(uv_timer_t *handle);

static void arm_timer(struct io_uv *uv)
{
    uint64_t now_us = uv_now_us(&uv->hub.io);
    uint64_t due_us;

    if (uv->closed || uv->hub.muted) {
        return;
    }
    if (!timers_next(&uv->timers, &due_us)) {
        (void)uv_timer_stop(&uv->timer);
        return;
    }
    /* uv reckons from the beginning of this turn of the loop. */
    uv_update_time(&uv->loop);
    (void)uv_timer_start(&uv->timer, on_timer,
                         due_us > now_us ? (due_us - now_us + 999) / 1000 : 0,
                         0);
}

static void on_timer(uv_timer_t *handle)
{
    struct io_uv *uv = container_of(handle, struct io_uv, timer);
    struct io_timer *timer;
    struct list due;

    list_init(&due);
    timers_take(&uv->timers, uv_now_us(&uv->hub.io), &due);
    while (!uv->hub.muted && (timer = timers_pop(&due)) != NULL) {
        timer->cb(timer);
    }
    while (timers_pop(&due) != NULL) {
        /* stopped in between: those left are not called any more */
    }
    arm_timer(uv);
}

static void uv_start_timer(struct io *io, struct io_timer *timer, uint64_t us)
{
    struct io_uv *uv = io_uv_of(io);

    timers_start(&uv->timers, timer, uv_now_us(io) + us);
    if (uv->timers.running.next == &timer->link) {
        arm_timer(uv);
    }
}

static void uv_stop_timer(struct io *io, struct io_timer *timer)
{
    (void)io; /* an early wake-up for nothing is cheaper than re-arming */
    timers_stop(timer);
}

static void uv_work(struct io *io, enum io_strand strand, struct io_work *work)
{
    struct io_uv *uv = io_uv_of(io);

    work->strand = strand;
    list_init(&work->link);
    if (!uv->closed) {
        strand_submit(&uv->strands[strand], work);
    }
}

static void on_wake(uv_async_t *handle)
{
    struct io_uv *uv = container_of(handle, struct io_uv, wake);

    for (int i = 0; i < IO_STRANDS; i++) {
        struct list done;

        list_init(&done);
        strand_take_done(&uv->strands[i], &done);
        list_each(&done, it, after)
        {
            struct io_work *work = list_entry(it, struct io_work, link);

            list_unlink(it);
            if (!uv->hub.muted) {
                work->done(work);
            }
        }
    }
}

static const struct io_ops ops = {
    .now_us = uv_now_us,
    .wall_us = uv_wall_us,
    .random = uv_chance,
    .timer_start = uv_start_timer,
    .timer_stop = uv_stop_timer,
    .work = uv_work,
    .watch_start = watch_uv_start,
    .watch_stop = watch_uv_stop,
    .dial = dialer_dial,
    .undial = dialer_undial,
    .hang_up = peer_hang_up,
    .send = peer_send,
};

/* ---- plain text ---------------------------------------------------------- */

void io_uv_secure(struct io_uv *uv, struct tls *tls, unsigned flags)
{
    uv->hub.tls = tls;
    uv->hub.joiners = (flags & IO_UV_JOINERS) != 0;
    uv->plain = tls == NULL && (flags & IO_UV_PLAIN) != 0;
}

int io_uv_check(struct io_uv *uv, const struct addresses *addresses,
                struct err *err)
{
    if (uv->hub.tls != NULL) {
        return 0;
    }
    if (!uv->plain) {
        return err_set(err, EDGE_EREFUSED,
                       "there is no certificate to speak TLS with: \"edgectl "
                       "init\" and \"edgectl token create | ssh HOST sudo "
                       "edged join -\" make them; plain text on loopback "
                       "must be asked for with --insecure");
    }
    return address_check_plain(addresses, err);
}

static void on_plain_talk(struct io_timer *timer)
{
    struct io_uv *uv = container_of(timer, struct io_uv, plain_talk);

    log_event(uv->hub.io.log, LOG_WARN, "net.insecure",
              "why=\"TCP without TLS, on loopback: anybody on this machine "
              "may read and change what is sent\"");
    io_timer_start(&uv->hub.io, timer, PLAIN_TALK_MS);
}

void io_uv_note_plain(struct io_uv *uv)
{
    if (uv->hub.tls == NULL && list_is_empty(&uv->plain_talk.link)) {
        io_timer_start(&uv->hub.io, &uv->plain_talk, 0);
    }
}

/* ---- beginning ----------------------------------------------------------- */

static int seed(struct io_uv *uv, struct err *err)
{
    uint64_t value;

    if (getrandom(&value, sizeof(value), 0) != sizeof(value)) {
        return err_set(err, EDGE_EIO, "getrandom gave nothing");
    }
    rng_init(&uv->rng, value);
    return 0;
}

static int start_strands(struct io_uv *uv, struct err *err)
{
    for (int i = 0; i < IO_STRANDS; i++) {
        int rc = strand_start(&uv->strands[i], &uv->wake, err);

        if (rc < 0) {
            while (i-- > 0) {
                strand_stop(&uv->strands[i]);
            }
            return rc;
        }
    }
    return 0;
}

static int start_loop(struct io_uv *uv, struct err *err)
{
    int rc = uv_loop_init(&uv->loop);

    if (rc < 0) {
        return err_set(err, err_from_errno(-rc), "cannot make a loop: %s",
                       uv_strerror(rc));
    }
    rc = uv_async_init(&uv->loop, &uv->wake, on_wake);
    if (rc < 0) {
        (void)uv_loop_close(&uv->loop);
        return err_set(err, err_from_errno(-rc), "cannot make a loop: %s",
                       uv_strerror(rc));
    }
    /* These cannot fail once there is a loop. */
    (void)uv_timer_init(&uv->loop, &uv->timer);
    for (int i = 0; i < 2; i++) {
        (void)uv_signal_init(&uv->loop, &uv->signals[i]);
    }
    return 0;
}

static void close_handles(struct io_uv *uv)
{
    watch_uv_close_all(uv);
    uv_close((uv_handle_t *)&uv->wake, NULL);
    uv_close((uv_handle_t *)&uv->timer, NULL);
    uv_close((uv_handle_t *)&uv->signals[0], NULL);
    uv_close((uv_handle_t *)&uv->signals[1], NULL);
    while (uv_loop_close(&uv->loop) == UV_EBUSY) {
        (void)uv_run(&uv->loop, UV_RUN_DEFAULT);
    }
}

int io_uv_new(const struct io_identity *identity, struct log *log,
              struct io_uv **out, struct err *err)
{
    struct io_uv *uv = mem_new(struct io_uv);
    int rc;

    if (uv == NULL) {
        return err_set(err, EDGE_ENOMEM, "no memory for a loop");
    }
    uv->hub.io.ops = &ops;
    uv->hub.io.log = log;
    hub_init(&uv->hub, identity, &stream_uv_transport);
    timers_init(&uv->timers);
    list_init(&uv->listeners);
    list_init(&uv->watches);
    io_timer_init(&uv->plain_talk, on_plain_talk);
    (void)signal(SIGPIPE, SIG_IGN); /* a closed socket is an error code */
    rc = seed(uv, err);
    if (rc < 0) {
        goto fail;
    }
    rc = start_loop(uv, err);
    if (rc < 0) {
        goto fail;
    }
    rc = start_strands(uv, err);
    if (rc < 0) {
        close_handles(uv);
        goto fail;
    }
    *out = uv;
    return 0;
fail:
    mem_free(uv);
    return rc;
}

struct io *io_uv_io(struct io_uv *uv)
{
    return &uv->hub.io;
}

void io_uv_on(struct io_uv *uv, const struct io_events *events, void *arg)
{
    uv->hub.io.events = *events;
    uv->hub.io.arg = arg;
}

int io_uv_listen(struct io_uv *uv, const char *host, int port, int *bound,
                 struct err *err)
{
    return listener_tcp(uv, host, port, bound, err);
}

int io_uv_may_listen(struct io_uv *uv, const char *host, struct err *err)
{
    return listener_check(uv, host, err);
}

int io_uv_listen_path(struct io_uv *uv, const char *path, struct err *err)
{
    return listener_path(uv, path, err);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct io_uv *uv = handle->data;

    (void)number;
    if (!uv->hub.muted) {
        uv->on_terminate(uv->terminate_arg);
    }
}

int io_uv_on_terminate(struct io_uv *uv, void (*cb)(void *arg), void *arg,
                       struct err *err)
{
    static const int numbers[2] = {SIGTERM, SIGINT};

    uv->on_terminate = cb;
    uv->terminate_arg = arg;
    for (int i = 0; i < 2; i++) {
        int rc;

        uv->signals[i].data = uv;
        rc = uv_signal_start(&uv->signals[i], on_signal, numbers[i]);
        if (rc < 0) {
            return err_set(err, err_from_errno(-rc), "cannot wait for %s: %s",
                           strsignal(numbers[i]), uv_strerror(rc));
        }
    }
    return 0;
}

/* ---- end ----------------------------------------------------------------- */

static void on_linger(uv_timer_t *handle)
{
    hub_break(&container_of(handle, struct io_uv, timer)->hub);
}

/* Goodbye to everybody, and a moment for it to arrive. */
static void close_conns(struct io_uv *uv)
{
    hub_leave(&uv->hub);
    uv_update_time(&uv->loop);
    (void)uv_timer_start(&uv->timer, on_linger, LINGER_MS, LINGER_MS);
    while (!list_is_empty(&uv->hub.conns)) {
        (void)uv_run(&uv->loop, UV_RUN_ONCE);
    }
}

static void close_all(struct io_uv *uv)
{
    if (uv->closed) {
        return;
    }
    listener_close_all(uv);
    close_conns(uv);
    for (int i = 0; i < IO_STRANDS; i++) {
        strand_stop(&uv->strands[i]);
    }
    close_handles(uv);
    uv->closed = true;
}

void io_uv_run(struct io_uv *uv)
{
    while (!uv->hub.muted) {
        (void)uv_run(&uv->loop, UV_RUN_DEFAULT);
    }
    close_all(uv);
}

void io_uv_turn(struct io_uv *uv)
{
    if (!uv->closed) {
        (void)uv_run(&uv->loop, UV_RUN_NOWAIT);
    }
    if (uv->hub.muted) {
        close_all(uv);
    }
}

void io_uv_stop(struct io_uv *uv)
{
    uv->hub.muted = true;
    if (!uv->closed) {
        uv_stop(&uv->loop);
    }
}

void io_uv_free(struct io_uv *uv)
{
    if (uv == NULL) {
        return;
    }
    close_all(uv);
    hub_deinit(&uv->hub);
    mem_free(uv);
}

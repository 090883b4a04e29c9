#include "net/notify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#define STATUS_MS 2000

static void say_status(struct notify *n)
{
    char text[sizeof(n->said)];

    n->status(n->arg, text, sizeof(text));
    if (strcmp(text, n->said) != 0) {
        memcpy(n->said, text, sizeof(text));
        (void)sd_notifyf(0, "STATUS=%s", text);
    }
}

static void on_timer(struct io_timer *timer)
{
    struct notify *n = container_of(timer, struct notify, timer);

    if (n->is_watched && (n->is_well == NULL || n->is_well(n->arg))) {
        (void)sd_notify(0, "WATCHDOG=1");
    }
    say_status(n);
    io_timer_start(n->io, timer, n->period_ms);
}

void notify_start(struct notify *n, struct io *io)
{
    uint64_t watchdog_us = 0;

    n->io = io;
    n->said[0] = '\0';
    n->period_ms = STATUS_MS;
    io_timer_init(&n->timer, on_timer);
    if (getenv("NOTIFY_SOCKET") == NULL) {
        return;
    }
    n->is_watched = sd_watchdog_enabled(0, &watchdog_us) > 0;
    if (n->is_watched && watchdog_us / 4000 < n->period_ms) {
        n->period_ms = watchdog_us / 4000;
    }
    (void)sd_notify(0, "READY=1");
    on_timer(&n->timer);
}

void notify_wait(void)
{
    (void)sd_notify(0, "EXTEND_TIMEOUT_USEC=30000000");
}

void notify_stop(struct notify *n)
{
    if (n->io != NULL && getenv("NOTIFY_SOCKET") != NULL) {
        io_timer_stop(n->io, &n->timer);
        (void)sd_notify(0, "STOPPING=1");
    }
}

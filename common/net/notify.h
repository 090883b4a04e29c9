/*
 * What a service manager hears of us: that we are ready, how we are, and that
 * we live. The watchdog's sign comes from the loop and only while `is_well`
 * says yes, so a stuck loop and stuck work both end in a restart. Without a
 * service manager nothing happens. Loop thread only.
 */
#ifndef EDGE_NET_NOTIFY_H
#define EDGE_NET_NOTIFY_H

#include "net/io.h"

struct notify {
    bool (*is_well)(void *arg); /* NULL: always */
    /* A line for people, "2 shards, 214 MiB". */
    void (*status)(void *arg, char *out, size_t size);
    void *arg;
    /* private */
    struct io *io;
    struct io_timer timer;
    uint64_t period_ms;
    bool is_watched;
    char said[200];
};

/* Ready from here on. */
void notify_start(struct notify *notify, struct io *io);
/* Not ready yet, and that is well: more time, please. */
void notify_wait(void);
void notify_stop(struct notify *notify);

#endif

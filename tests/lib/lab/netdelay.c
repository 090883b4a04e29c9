/*
 * Delays, jitters and drops the packets of one netfilter queue, for kernels
 * without netem (RELIABILITY.md R4):
 *
 *   netdelay QUEUE DELAY_MS JITTER_MS LOSS SEED
 *
 * Says "ready" on stdout and runs until SIGTERM. Packets leave in the order
 * in which they came, as on a wire.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/netfilter.h>

#include <libnetfilter_queue/libnetfilter_queue.h>

#define ROOM 20000 /* packets that wait at once; more are let pass */

struct packet {
    uint32_t id;
    int64_t due_us;
};

struct delayer {
    struct nfq_q_handle *queue;
    struct packet waiting[ROOM]; /* a ring, in order */
    size_t first;
    size_t n;
    int64_t delay_us;
    int64_t jitter_us;
    double loss;
    uint64_t random;
};

static int64_t now_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* 0..1; xorshift, so that a seed gives the same losses. */
static double unit(struct delayer *d)
{
    d->random ^= d->random << 13;
    d->random ^= d->random >> 7;
    d->random ^= d->random << 17;
    return (double)(d->random >> 11) / (double)(UINT64_C(1) << 53);
}

static int on_packet(struct nfq_q_handle *queue, struct nfgenmsg *message,
                     struct nfq_data *data, void *arg)
{
    struct delayer *d = arg;
    struct nfqnl_msg_packet_hdr *head = nfq_get_msg_packet_hdr(data);
    uint32_t id;
    int64_t due;

    (void)message;
    if (head == NULL) {
        return 0;
    }
    id = (uint32_t)__builtin_bswap32(head->packet_id);
    if (unit(d) < d->loss) {
        return nfq_set_verdict(queue, id, NF_DROP, 0, NULL);
    }
    if (d->n == ROOM) {
        return nfq_set_verdict(queue, id, NF_ACCEPT, 0, NULL);
    }
    due = now_us() + d->delay_us +
          (int64_t)((2 * unit(d) - 1) * (double)d->jitter_us);
    if (d->n > 0) { /* never before the one in front of it */
        int64_t last = d->waiting[(d->first + d->n - 1) % ROOM].due_us;

        due = due < last ? last : due;
    }
    d->waiting[(d->first + d->n++) % ROOM] = (struct packet){id, due};
    return 0;
}

static void release_due(struct delayer *d)
{
    int64_t now = now_us();

    while (d->n > 0 && d->waiting[d->first].due_us <= now) {
        (void)nfq_set_verdict(d->queue, d->waiting[d->first].id, NF_ACCEPT, 0,
                              NULL);
        d->first = (d->first + 1) % ROOM;
        d->n--;
    }
}

static void serve(struct nfq_handle *handle, struct delayer *d)
{
    char buffer[65536] __attribute__((aligned));
    struct pollfd p = {.fd = nfq_fd(handle), .events = POLLIN};

    for (;;) {
        int64_t wait = d->n > 0 ? d->waiting[d->first].due_us - now_us()
                                : INT64_C(1000000);
        struct timespec until;

        wait = wait < 0 ? 0 : wait;
        until = (struct timespec){wait / 1000000, wait % 1000000 * 1000};
        if (ppoll(&p, 1, &until, NULL) > 0) {
            ssize_t n = recv(p.fd, buffer, sizeof(buffer), MSG_DONTWAIT);

            if (n > 0) {
                (void)nfq_handle_packet(handle, buffer, (int)n);
            }
        }
        release_due(d);
    }
}

static struct nfq_handle *open_queue(struct delayer *d, uint16_t number)
{
    struct nfq_handle *handle = nfq_open();

    if (handle == NULL) {
        return NULL;
    }
    d->queue = nfq_create_queue(handle, number, on_packet, d);
    if (d->queue == NULL || nfq_set_mode(d->queue, NFQNL_COPY_META, 64) < 0) {
        (void)nfq_close(handle);
        return NULL;
    }
    (void)nfq_set_queue_maxlen(d->queue, ROOM);
    (void)nfnl_rcvbufsiz(nfq_nfnlh(handle), 8u << 20);
    return handle;
}

int main(int argc, char **argv)
{
    static struct delayer d; /* large */
    struct nfq_handle *handle;

    if (argc != 6) {
        (void)fprintf(stderr, "netdelay QUEUE DELAY_MS JITTER_MS LOSS SEED\n");
        return 2;
    }
    d.delay_us = (int64_t)(strtod(argv[2], NULL) * 1000);
    d.jitter_us = (int64_t)(strtod(argv[3], NULL) * 1000);
    d.loss = strtod(argv[4], NULL);
    d.random = strtoull(argv[5], NULL, 10) * 2654435769u + 1;
    handle = open_queue(&d, (uint16_t)strtoul(argv[1], NULL, 10));
    if (handle == NULL) {
        (void)fprintf(stderr, "no netfilter queue can be opened here\n");
        return 1;
    }
    (void)printf("ready\n");
    (void)fflush(stdout);
    serve(handle, &d);
    return 0;
}

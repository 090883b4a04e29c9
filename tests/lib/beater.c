#include "tests/lib/beater.h"

#include "tests/lib/unit.h"

#include <string.h>

static void on_up(void *arg, struct io_peer *peer)
{
    struct beater *p = arg;

    p->ups++;
    for (int i = 0; i < BEATER_PEERS; i++) {
        if (p->peers[i] == NULL) {
            p->peers[i] = peer;
            return;
        }
    }
}

static void on_down(void *arg, struct io_peer *peer, int rc, const char *why)
{
    struct beater *p = arg;

    p->downs++;
    p->rc = rc;
    strncpy(p->why, why, sizeof(p->why) - 1);
    for (int i = 0; i < BEATER_PEERS; i++) {
        if (p->peers[i] == peer) {
            p->peers[i] = NULL;
        }
    }
}

static void on_message(void *arg, struct io_peer *peer, struct msg *msg)
{
    struct beater *p = arg;

    (void)peer;
    assert_int_equal(msg->env->body_case, EDGED__ENVELOPE__BODY_BEAT);
    p->beats++;
    p->payloads += msg->payload != NULL;
}

static void on_timer(struct io_timer *timer)
{
    struct beater *p = container_of(timer, struct beater, timer);
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Beat beat = EDGED__BEAT__INIT;

    env.body_case = EDGED__ENVELOPE__BODY_BEAT;
    env.beat = &beat;
    beat.seq = (uint64_t)p->beats;
    for (int i = 0; i < BEATER_PEERS; i++) {
        if (p->peers[i] != NULL) {
            (void)io_send(p->peers[i], &env, NULL);
        }
    }
    io_timer_start(p->io, timer, 100);
}

void beater_start(struct beater *p, struct sim *sim, const char *name, int port)
{
    static const struct io_events events = {
        .on_up = on_up, .on_down = on_down, .on_message = on_message};

    *p = (struct beater){.sim = sim, .port = port};
    p->id = (struct io_identity){.role = EDGED__ROLE__ROLE_NODE,
                                 .name = name,
                                 .cluster = "home",
                                 .instance = sim_random(sim, UINT64_MAX),
                                 .version = "1"};
    p->io = sim_node(sim, &p->id, "10.0.0.1", port, NULL);
    assert_non_null(p->io);
    p->io->events = events;
    p->io->arg = p;
    io_timer_init(&p->timer, on_timer);
    io_timer_start(p->io, &p->timer, 100);
}

void beater_dial(struct beater *from, struct beater *to)
{
    struct io_peer *peer;

    assert_int_equal(
        io_dial(from->io, to->id.name, "10.0.0.1", to->port, &peer, NULL), 0);
}

#include "tests/lib/io_sim_inner.h"

#include "base/mem.h"
#include "net/dialer.h"
#include "net/peer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINGER_US 300000
#define START_US 1000000 /* 0 often means never */

static void *must(void *p)
{
    if (p == NULL) {
        (void)fprintf(stderr, "sim: out of memory\n");
        abort();
    }
    return p;
}

void *sim_alloc(size_t size)
{
    void *p = mem_zalloc(1, size);

    return must(p != NULL ? p : mem_zalloc(1, size));
}

static void grow(struct sim_event **events, size_t *room, size_t n)
{
    void *p;

    if (n == *room) {
        *room = n > 0 ? n * 2 : 64;
        p = mem_resize(*events, *room, sizeof(**events));
        *events =
            must(p != NULL ? p : mem_resize(*events, *room, sizeof(**events)));
    }
}

/* ---- events -------------------------------------------------------------- */

void sim_mix(struct sim *sim, uint64_t value)
{
    uint64_t x = (sim->hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);

    sim->hash = x ^ (x >> 29);
}

static bool is_before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at_us != b->at_us ? a->at_us < b->at_us : a->seq < b->seq;
}

static void swap(struct sim_event *a, struct sim_event *b)
{
    struct sim_event c = *a;

    *a = *b;
    *b = c;
}

static void push(struct sim *sim, struct sim_event event)
{
    size_t i = sim->n_events;

    grow(&sim->heap, &sim->heap_room, sim->n_events);
    event.seq = ++sim->seq;
    sim->heap[sim->n_events++] = event;
    while (i > 0 && is_before(&sim->heap[i], &sim->heap[(i - 1) / 2])) {
        swap(&sim->heap[i], &sim->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
}

static struct sim_event pop(struct sim *sim)
{
    struct sim_event first = sim->heap[0];
    size_t i = 0;

    sim->heap[0] = sim->heap[--sim->n_events];
    for (;;) {
        size_t least = i;

        for (size_t child = 2 * i + 1;
             child <= 2 * i + 2 && child < sim->n_events; child++) {
            if (is_before(&sim->heap[child], &sim->heap[least])) {
                least = child;
            }
        }
        if (least == i) {
            return first;
        }
        swap(&sim->heap[i], &sim->heap[least]);
        i = least;
    }
}

static void fire(struct sim *sim, const struct sim_event *event);

bool sim_step(struct sim *sim)
{
    struct sim_event event;
    struct sim_node *node;

    if (sim->n_events == 0) {
        return false;
    }
    event = pop(sim);
    node = event.node;
    sim->now_us = event.at_us;
    if (node != NULL && node->paused && !node->dead) {
        grow(&node->deferred, &node->deferred_room, node->n_deferred);
        node->deferred[node->n_deferred++] = event;
        return true;
    }
    sim->fired++;
    sim_mix(sim, event.at_us << 4 | (uint64_t)event.kind);
    sim_mix(sim, node != NULL ? node->place->number : 0);
    fire(sim, &event);
    sim_pipe_unref(event.pipe);
    return true;
}

void sim_run_for(struct sim *sim, uint64_t ms)
{
    uint64_t end_us = sim->now_us + ms * 1000;

    while (sim->n_events > 0 && sim->heap[0].at_us <= end_us) {
        (void)sim_step(sim);
    }
    sim->now_us = end_us;
}

bool sim_run_until(struct sim *sim, bool (*condition)(void *arg), void *arg,
                   uint64_t limit_ms)
{
    uint64_t end_us = sim->now_us + limit_ms * 1000;

    while (!condition(arg)) {
        if (sim->n_events == 0 || sim->heap[0].at_us > end_us) {
            sim->now_us = end_us;
            return false;
        }
        (void)sim_step(sim);
    }
    return true;
}

/* ---- a node's time, chance and work -------------------------------------- */

static uint64_t node_now_us(struct io *io)
{
    return sim_node_of(io)->sim->now_us;
}

static uint64_t node_random(struct io *io)
{
    return rng_next(&sim_node_of(io)->rng);
}

static void arm(struct sim_node *node)
{
    uint64_t now_us = node->sim->now_us;
    uint64_t due_us;

    if (timers_next(&node->timers, &due_us) &&
        (node->armed_us == 0 || due_us < node->armed_us)) {
        node->armed_us = due_us;
        sim_at(node->sim, due_us > now_us ? due_us - now_us : 0, SIM_TIMERS,
               node, NULL, 0);
    }
}

static void on_timers(struct sim_node *node)
{
    struct io_timer *timer;
    struct list due;

    if (node->armed_us == 0 || node->armed_us > node->sim->now_us) {
        return; /* an earlier one did it all */
    }
    node->armed_us = 0;
    list_init(&due);
    timers_take(&node->timers, node->sim->now_us, &due);
    while ((timer = timers_pop(&due)) != NULL) {
        if (!node->hub.muted) {
            timer->cb(timer);
        }
    }
    arm(node);
}

static void node_timer_start(struct io *io, struct io_timer *timer, uint64_t us)
{
    struct sim_node *node = sim_node_of(io);

    if (node->hub.muted) {
        return; /* its owner may free the timer without a word */
    }
    timers_start(&node->timers, timer, node->sim->now_us + us);
    arm(node);
}

static void node_timer_stop(struct io *io, struct io_timer *timer)
{
    (void)io;
    timers_stop(timer);
}

static const struct io_ops ops = {
    .now_us = node_now_us,
    .wall_us = node_now_us,
    .random = node_random,
    .timer_start = node_timer_start,
    .timer_stop = node_timer_stop,
    .work = sim_work_queue,
    .dial = dialer_dial,
    .undial = dialer_undial,
    .hang_up = peer_hang_up,
    .send = peer_send,
};

static void fire(struct sim *sim, const struct sim_event *event)
{
    struct sim_node *node = event->node;

    if (event->kind >= SIM_SYN) {
        sim_pipe_fire(sim, event);
        return;
    }
    if (event->kind == SIM_LINGER) {
        hub_break(&node->hub);
        return;
    }
    if (node->hub.muted) {
        return;
    }
    switch (event->kind) {
    case SIM_TIMERS: on_timers(node); break;
    case SIM_WORK: sim_work_fire(node, event->which); break;
    case SIM_WORK_DONE: sim_work_done(node, event->which); break;
    default: break;
    }
}

void sim_at(struct sim *sim, uint64_t in_us, enum sim_kind kind,
            struct sim_node *node, struct sim_pipe *pipe, int which)
{
    push(sim, (struct sim_event){.at_us = sim->now_us + in_us,
                                 .kind = kind,
                                 .node = node,
                                 .pipe = pipe,
                                 .which = which});
}

/* ---- nodes --------------------------------------------------------------- */

struct sim_place *sim_place_at(struct sim *sim, const char *host, int port)
{
    struct sim_place *place;

    list_each(&sim->places, it, after)
    {
        place = list_entry(it, struct sim_place, link);
        if (place->port == port && strcmp(place->host, host) == 0) {
            return place;
        }
    }
    place = sim_alloc(sizeof(*place));
    (void)snprintf(place->host, sizeof(place->host), "%s", host);
    place->port = port;
    place->number = ++sim->n_places;
    list_init(&place->link);
    list_push(&sim->places, &place->link);
    return place;
}

static struct sim_place *free_place(struct sim *sim, const char *host)
{
    int port = 30000;
    struct sim_place *place = sim_place_at(sim, host, port);

    while (place->node != NULL) {
        place = sim_place_at(sim, host, ++port);
    }
    return place;
}

struct io *sim_node(struct sim *sim, const struct io_identity *identity,
                    const char *host, int port, struct log *log)
{
    struct sim_place *place =
        port > 0 ? sim_place_at(sim, host, port) : free_place(sim, host);
    struct sim_node *node;

    if (place->node != NULL) {
        return NULL;
    }
    node = sim_alloc(sizeof(*node));
    node->hub.io.ops = &ops;
    node->hub.io.log = log;
    hub_init(&node->hub, identity, &sim_transport);
    node->sim = sim;
    node->place = place;
    node->percent = 100;
    timers_init(&node->timers);
    rng_init(&node->rng, rng_next(&sim->rng));
    for (int i = 0; i < IO_STRANDS; i++) {
        list_init(&node->strands[i].waiting);
    }
    list_init(&node->link);
    list_push(&sim->nodes, &node->link);
    place->node = node;
    if (place->unplugged) {
        place->unplugged = false;
        sim_pipe_review(sim);
    }
    return &node->hub.io;
}

int sim_port(struct io *io)
{
    return sim_node_of(io)->place->port;
}

void sim_listen_path(struct io *io, const char *path)
{
    struct sim_node *node = sim_node_of(io);

    sim_place_at(node->sim, path, 0)->node = node;
}

bool sim_is_alive(const struct io *io)
{
    return !sim_node_of(io)->dead;
}

/* No work, no timer, no event any more; the lists let go of what is the
 * program's, which may free it at once. */
static void forget_all(struct sim_node *node)
{
    struct io_timer *timer;
    struct list due;

    list_init(&due);
    timers_take(&node->timers, UINT64_MAX, &due);
    while ((timer = timers_pop(&due)) != NULL) {
        /* unlinked is all that it shall be */
    }
    sim_work_forget(node);
    for (size_t i = 0; i < node->n_deferred; i++) {
        push(node->sim, node->deferred[i]); /* frees the references */
    }
    node->n_deferred = 0;
}

static void leave_place(struct sim_node *node)
{
    node->dead = true;
    list_each(&node->sim->places, it, after)
    {
        struct sim_place *place = list_entry(it, struct sim_place, link);

        if (place->node == node) {
            place->node = NULL;
        }
    }
}

static void end_node(struct sim_node *node, bool silent)
{
    if (node->dead) {
        return;
    }
    leave_place(node);
    node->place->unplugged = silent;
    sim_pipe_drop_all(node, silent);
    hub_break(&node->hub);
    forget_all(node);
}

void sim_kill(struct io *io)
{
    end_node(sim_node_of(io), false);
}

void sim_unplug(struct io *io)
{
    end_node(sim_node_of(io), true);
}

void sim_stop(struct io *io)
{
    struct sim_node *node = sim_node_of(io);

    if (node->dead) {
        return;
    }
    leave_place(node);
    hub_leave(&node->hub);
    forget_all(node);
    sim_at(node->sim, LINGER_US, SIM_LINGER, node, NULL, 0);
}

void sim_pause(struct io *io)
{
    sim_node_of(io)->paused = true;
}

void sim_resume(struct io *io)
{
    struct sim_node *node = sim_node_of(io);
    size_t n = node->n_deferred;

    node->paused = false;
    node->n_deferred = 0;
    for (size_t i = 0; i < n; i++) {
        node->deferred[i].at_us = node->sim->now_us;
        push(node->sim, node->deferred[i]);
    }
}

/* ---- the simulation ------------------------------------------------------ */

struct sim *sim_new(uint64_t seed)
{
    struct sim *sim = sim_alloc(sizeof(*sim));

    sim->now_us = START_US;
    sim->path = (struct sim_path){200, 100, 100000000, 0};
    rng_init(&sim->rng, seed);
    rng_init(&sim->test_rng, ~seed);
    list_init(&sim->places);
    list_init(&sim->nodes);
    list_init(&sim->pipes);
    list_init(&sim->cuts);
    list_init(&sim->routes);
    return sim;
}

uint64_t sim_now_us(const struct sim *sim)
{
    return sim->now_us;
}

uint64_t sim_hash(const struct sim *sim)
{
    return sim->hash;
}

uint64_t sim_events(const struct sim *sim)
{
    return sim->fired;
}

uint64_t sim_random(struct sim *sim, uint64_t below)
{
    return rng_below(&sim->test_rng, below);
}

static void free_node(struct sim_node *node)
{
    hub_deinit(&node->hub);
    mem_free(node->deferred);
    mem_free(node);
}

void sim_free(struct sim *sim)
{
    if (sim == NULL) {
        return;
    }
    list_each(&sim->nodes, it, after)
    {
        end_node(list_entry(it, struct sim_node, link), false);
    }
    list_each(&sim->nodes, it2, after2)
    {
        hub_break(&list_entry(it2, struct sim_node, link)->hub);
    }
    while (sim->n_events > 0) {
        sim_pipe_unref(sim->heap[--sim->n_events].pipe);
    }
    sim_pipe_finish_all(sim);
    list_each(&sim->nodes, it3, after3)
    {
        free_node(list_entry(it3, struct sim_node, link));
    }
    list_each(&sim->places, it4, after4)
    {
        mem_free(list_entry(it4, struct sim_place, link));
    }
    list_each(&sim->cuts, it5, after5)
    {
        mem_free(list_entry(it5, struct sim_cut, link));
    }
    list_each(&sim->routes, it6, after6)
    {
        mem_free(list_entry(it6, struct sim_route, link));
    }
    mem_free(sim->heap);
    mem_free(sim);
}

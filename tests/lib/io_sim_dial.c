/*
 * How simulated connections begin and end, and which faults meet them.
 */
#include "tests/lib/io_sim_pipe.h"

#include "base/mem.h"
#include "net/peer.h"

#define SYN_RETRY_US 1000000 /* as Linux's first */

/* ---- beginning ----------------------------------------------------------- */

static int pipe_open(struct hub *hub, const char *host, int port,
                     unsigned attempt, const struct stream_events *events,
                     void *owner, struct stream **stream)
{
    struct sim_node *node = sim_node_of(&hub->io);
    struct sim_pipe *pipe = sim_alloc(sizeof(*pipe));
    struct sim_end *end = &pipe->ends[0];

    (void)attempt;
    pipe->sim = node->sim;
    pipe->number = ++node->sim->n_pipes;
    list_init(&pipe->link);
    list_push(&node->sim->pipes, &pipe->link);
    for (int side = 0; side < 2; side++) {
        sim_end_init(pipe, side, host[0] == '/');
    }
    pipe->target = sim_place_at(node->sim, host, port);
    pipe->places[0] = node->place;
    pipe->places[1] = pipe->target;
    if (pipe->target->node != NULL) {
        pipe->places[1] = pipe->target->node->place;
    }
    end->base.events = events;
    end->base.owner = owner;
    end->node = node;
    end->open = true;
    pipe->ends[1].told = true; /* until there is one */
    sim_end_at(end,
               sim_path_between(node->sim, pipe->places[0], pipe->places[1])
                   .latency_us,
               SIM_SYN, NULL);
    *stream = &end->base;
    return 0;
}

static int pipe_check(struct hub *hub, const char *host, int port,
                      struct err *err)
{
    (void)hub;
    if (host[0] != '/' && (port < 1 || port > 65535)) {
        return err_set(err, EDGE_EINVAL, "port %d is not within 1 .. 65535",
                       port);
    }
    return 0;
}

const struct transport sim_transport = {
    .check = pipe_check,
    .open = pipe_open,
};

static void on_syn(struct sim_end *dialer)
{
    struct sim_end *end = sim_end_other(dialer);
    uint64_t latency_us =
        sim_path_between(dialer->pipe->sim, dialer->pipe->places[0],
                         dialer->pipe->places[1])
            .latency_us;

    if (!dialer->open) {
        return;
    }
    if (sim_end_is_cut(dialer, false) || sim_end_is_cut(dialer, true)) {
        sim_end_at(dialer, SYN_RETRY_US, SIM_SYN, NULL);
        return;
    }
    end->node = dialer->pipe->target->node;
    if (end->node != NULL) {
        end->open = true;
        end->connected = true;
        end->told = false;
        sim_end_at(end, 0, SIM_ACCEPT, end->node);
    }
    sim_end_at(dialer, latency_us, SIM_CONNECTED, dialer->node);
}

static void on_accept(struct sim_end *end)
{
    if (end->open) {
        peer_accept(&end->node->hub, &end->base);
    }
}

static void on_connected(struct sim_end *dialer)
{
    struct sim_end *end = sim_end_other(dialer);

    if (!dialer->open) {
        return;
    }
    if (end->node == NULL) {
        sim_end_tell(dialer, EDGE_EUNREACHABLE, "connection refused");
        return;
    }
    dialer->connected = true;
    dialer->base.events->on_connected(&dialer->base);
}

void sim_pipe_fire(struct sim *sim, const struct sim_event *event)
{
    struct sim_end *end = &event->pipe->ends[event->which];

    sim_mix(sim, (uint64_t)event->pipe->number << 1 | (uint64_t)end->side);
    switch (event->kind) {
    case SIM_SYN: on_syn(end); break;
    case SIM_ACCEPT: on_accept(end); break;
    case SIM_CONNECTED: on_connected(end); break;
    case SIM_ARRIVE: sim_end_on_arrive(end); break;
    case SIM_STALL: sim_end_on_stall(end); break;
    case SIM_CLOSED: sim_end_on_closed(end); break;
    default: break;
    }
}

/* ---- end ----------------------------------------------------------------- */

static void free_pipe(struct sim_pipe *pipe)
{
    for (int side = 0; side < 2; side++) {
        sim_end_drop_chunks(&pipe->ends[side]);
    }
    list_unlink(&pipe->link);
    mem_free(pipe);
}

void sim_pipe_unref(struct sim_pipe *pipe)
{
    if (pipe == NULL || --pipe->refs > 0) {
        return;
    }
    if (pipe->ends[0].told && pipe->ends[1].told) {
        free_pipe(pipe);
    }
}

void sim_pipe_drop_all(struct sim_node *node, bool silent)
{
    list_each(&node->sim->pipes, it, after)
    {
        struct sim_pipe *pipe = list_entry(it, struct sim_pipe, link);

        for (int side = 0; side < 2; side++) {
            struct sim_end *end = &pipe->ends[side];

            if (end->node != node || !end->open) {
                continue;
            }
            /* No mark: when the place is back, it resets what it gets. */
            end->silent = silent;
            if (end->base.events == NULL) {
                sim_end_close(end); /* was not accepted yet */
            }
        }
    }
}

void sim_pipe_finish_all(struct sim *sim)
{
    list_each(&sim->pipes, it, after)
    {
        struct sim_pipe *pipe = list_entry(it, struct sim_pipe, link);

        sim_end_on_closed(&pipe->ends[0]);
        sim_end_on_closed(&pipe->ends[1]);
        free_pipe(pipe);
    }
}

/* ---- faults -------------------------------------------------------------- */

void sim_pipe_review(struct sim *sim)
{
    list_each(&sim->pipes, it, after)
    {
        struct sim_pipe *pipe = list_entry(it, struct sim_pipe, link);

        for (int side = 0; side < 2; side++) {
            sim_end_review(&pipe->ends[side]);
        }
    }
}

void sim_pipe_reset(struct sim *sim, const struct sim_place *a,
                    const struct sim_place *b)
{
    list_each(&sim->pipes, it, after)
    {
        struct sim_pipe *pipe = list_entry(it, struct sim_pipe, link);

        if (!((pipe->places[0] == a && pipe->places[1] == b) ||
              (pipe->places[0] == b && pipe->places[1] == a))) {
            continue;
        }
        for (int side = 0; side < 2; side++) {
            struct sim_end *end = &pipe->ends[side];

            sim_end_drop_chunks(end);
            end->ended = false;
            sim_end_mark(end, MARK_RESET);
        }
    }
}

#include "base/mem.h"
#include "tests/lib/io_sim.h"
#include "tests/lib/io_world.h"
#include "tests/lib/unit.h"

struct world {
    struct io_world base; /* first */
    struct sim *sim;
};

static struct sim *sim_of(struct io_world *base)
{
    return ((struct world *)(void *)base)->sim;
}

static struct io *world_start(struct io_world *base,
                              const struct io_identity *identity, int *port)
{
    struct io *io = sim_node(sim_of(base), identity, "127.0.0.1", *port, NULL);

    assert_non_null(io);
    *port = sim_port(io);
    return io;
}

static void world_stop(struct io_world *base, struct io *io)
{
    (void)base;
    sim_stop(io);
}

static void world_kill(struct io_world *base, struct io *io)
{
    (void)base;
    sim_kill(io);
}

static void world_pause(struct io_world *base, struct io *io, bool paused)
{
    (void)base;
    if (paused) {
        sim_pause(io);
    } else {
        sim_resume(io);
    }
}

static bool world_run(struct io_world *base, bool (*done)(void *arg), void *arg,
                      unsigned limit_ms)
{
    return sim_run_until(sim_of(base), done, arg, limit_ms);
}

static void world_free(struct io_world *base)
{
    sim_free(sim_of(base));
    mem_free(base);
}

static const struct io_world_ops ops = {
    .start = world_start,
    .stop = world_stop,
    .kill = world_kill,
    .pause = world_pause,
    .run = world_run,
    .free = world_free,
};

struct io_world *io_world_sim(void)
{
    struct world *world = mem_new(struct world);

    assert_non_null(world);
    world->base.ops = &ops;
    world->base.slack = 1;
    world->sim = sim_new(1);
    return &world->base;
}

#include "io_world.h"

#include "base/mem.h"
#include "net/io_uv_inner.h"
#include "tests/lib/certs.h"
#include "tests/lib/unit.h"

#include <poll.h>

#define UV_MAX 8

struct world {
    struct io_world base; /* first */
    struct io_uv *uvs[UV_MAX];
    bool paused[UV_MAX];
    bool secure;
    struct certs certs;
    struct tls *tls[UV_MAX];
};

static struct world *of(struct io_world *base)
{
    return (struct world *)(void *)base;
}

static int index_of(struct world *world, struct io *io)
{
    for (int i = 0; i < UV_MAX; i++) {
        if (world->uvs[i] == (io != NULL ? io_uv_of(io) : NULL)) {
            return i;
        }
    }
    fail_msg("no such io, or no place for one more");
    return -1;
}

static struct io *world_start(struct io_world *base,
                              const struct io_identity *identity, int *port)
{
    struct world *world = of(base);
    int i = index_of(world, NULL);
    struct err err;

    if (io_uv_new(identity, NULL, &world->uvs[i], &err) < 0) {
        fail_msg("%s", err.text);
    }
    if (world->secure) {
        world->tls[i] = certs_tls(&world->certs, certs_role(identity->role),
                                  identity->name);
    }
    io_uv_secure(world->uvs[i], world->tls[i], IO_UV_PLAIN);
    if (io_uv_listen(world->uvs[i], "127.0.0.1", *port, port, &err) < 0) {
        fail_msg("%s", err.text);
    }
    world->paused[i] = false;
    return io_uv_io(world->uvs[i]);
}

static void world_stop(struct io_world *base, struct io *io)
{
    int i = index_of(of(base), io);

    of(base)->uvs[i] = NULL;
    io_uv_free(io_uv_of(io));
    tls_free(of(base)->tls[i]);
    of(base)->tls[i] = NULL;
}

static void world_kill(struct io_world *base, struct io *io)
{
    hub_break(hub_of(io));
    world_stop(base, io);
}

static void world_pause(struct io_world *base, struct io *io, bool paused)
{
    of(base)->paused[index_of(of(base), io)] = paused;
}

/* Sleeps until one of the loops has something to do, 5 ms at most. */
static void wait_for_any(struct world *world)
{
    struct pollfd fds[UV_MAX];
    int timeout_ms = 5;
    nfds_t n = 0;

    for (int i = 0; i < UV_MAX; i++) {
        if (world->uvs[i] != NULL && !world->paused[i] &&
            !world->uvs[i]->closed) {
            int ms = uv_backend_timeout(&world->uvs[i]->loop);

            fds[n++] = (struct pollfd){
                .fd = uv_backend_fd(&world->uvs[i]->loop), .events = POLLIN};
            timeout_ms = ms >= 0 && ms < timeout_ms ? ms : timeout_ms;
        }
    }
    (void)poll(fds, n, timeout_ms);
}

static bool world_run(struct io_world *base, bool (*done)(void *arg), void *arg,
                      unsigned limit_ms)
{
    struct world *world = of(base);
    uint64_t slow = is_emulated() ? 10 : 1;
    uint64_t end = uv_hrtime() + limit_ms * slow * 1000000;

    for (;;) {
        for (int i = 0; i < UV_MAX; i++) {
            if (world->uvs[i] != NULL && !world->paused[i]) {
                io_uv_turn(world->uvs[i]);
            }
        }
        if (done(arg)) {
            return true;
        }
        if (uv_hrtime() > end) {
            return false;
        }
        wait_for_any(world);
    }
}

static void world_free(struct io_world *base)
{
    for (int i = 0; i < UV_MAX; i++) {
        io_uv_free(of(base)->uvs[i]);
        tls_free(of(base)->tls[i]);
    }
    certs_deinit(&of(base)->certs);
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

struct io_world *io_world_uv(void)
{
    struct world *world = mem_new(struct world);

    assert_non_null(world);
    world->base.ops = &ops;
    world->base.slack = 30; /* the machine may be busy */
    return &world->base;
}

struct io_world *io_world_tls(void)
{
    struct io_world *base = io_world_uv();

    of(base)->secure = true;
    certs_init(&of(base)->certs, "home");
    return base;
}

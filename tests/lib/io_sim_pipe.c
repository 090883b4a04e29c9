#include "tests/lib/io_sim_pipe.h"

#include "base/bytes.h"
#include "base/mem.h"

#include <string.h>

#define WINDOW KIB(256)      /* unread bytes that the kernels hold */
#define RETRANSMIT_US 200000 /* after a cut is healed, up to so long */
#define RESEND_US 200000     /* the first retransmission, as Linux's */
#define STALL_US (USER_TIMEOUT_MS * UINT64_C(1000))

static struct sim_end *of(struct stream *base)
{
    return (struct sim_end *)(void *)base;
}

static struct sim *sim_of(const struct sim_end *end)
{
    return end->pipe->sim;
}

void sim_end_at(struct sim_end *end, uint64_t in_us, enum sim_kind kind,
                struct sim_node *node)
{
    end->pipe->refs++;
    sim_at(end->pipe->sim, in_us, kind, node, end->pipe, end->side);
}

bool sim_end_is_cut(const struct sim_end *end, bool back)
{
    struct sim_place *const *places = end->pipe->places;
    int side = back ? !end->side : end->side;

    return sim_is_cut(end->pipe->sim, places[side], places[!side]);
}

/* ---- bytes on their way -------------------------------------------------- */

/* The receiver's next look; chunks that wait behind a cut get none. */
static void schedule(struct sim_end *end)
{
    uint64_t now_us = sim_of(end)->now_us;
    struct sim_chunk *first;

    if (end->arriving || list_is_empty(&end->chunks) ||
        sim_end_is_cut(end, false)) {
        return;
    }
    first = list_entry(end->chunks.next, struct sim_chunk, link);
    end->arriving = true;
    sim_end_at(end, first->at_us > now_us ? first->at_us - now_us : 0,
               SIM_ARRIVE, sim_end_other(end)->node);
}

/* Nothing is acknowledged while one of the two directions is cut. */
static void watch_stall(struct sim_end *end)
{
    bool cut =
        end->doomed || sim_end_is_cut(end, false) || sim_end_is_cut(end, true);

    if (!cut) {
        end->stall_us = 0;
    } else if (end->stall_us == 0 && end->open && end->connected) {
        end->stall_us = sim_of(end)->now_us;
        sim_end_at(end, STALL_US, SIM_STALL, end->node);
    }
}

/* How much later it comes because it was lost, perhaps several times. */
static uint64_t lost_us(struct sim_end *end, const struct sim_path *path)
{
    uint64_t resend_us = RESEND_US;
    uint64_t us = 0;

    while (path->loss_permille > 0 && us < STALL_US &&
           rng_below(&sim_of(end)->rng, 1000) < path->loss_permille) {
        us += resend_us;
        resend_us *= 2;
    }
    end->doomed = end->doomed || us >= STALL_US;
    return us;
}

static struct sim_chunk *launch(struct sim_end *end, size_t size,
                                enum sim_mark mark)
{
    struct sim *sim = sim_of(end);
    struct sim_path path =
        sim_path_between(sim, end->pipe->places[0], end->pipe->places[1]);
    struct sim_chunk *chunk = sim_alloc(sizeof(*chunk) + size);

    if (end->busy_us < sim->now_us) {
        end->busy_us = sim->now_us;
    }
    if (path.bytes_per_s > 0) {
        end->busy_us += size * 1000000 / path.bytes_per_s;
    }
    chunk->at_us = end->busy_us + path.latency_us +
                   rng_below(&sim->rng, path.jitter_us + 1) +
                   lost_us(end, &path);
    if (chunk->at_us < end->last_us) {
        chunk->at_us = end->last_us;
    }
    end->last_us = chunk->at_us;
    chunk->size = size;
    chunk->mark = mark;
    end->under_way += size;
    list_init(&chunk->link);
    list_push(&end->chunks, &chunk->link);
    schedule(end);
    watch_stall(end);
    return chunk;
}

void sim_end_mark(struct sim_end *end, enum sim_mark mark)
{
    if (!end->ended) {
        end->ended = true;
        (void)launch(end, 0, mark);
    }
}

static size_t size_of(const struct iovec *parts, int n)
{
    size_t size = 0;

    for (int i = 0; i < n; i++) {
        size += parts[i].iov_len;
    }
    return size;
}

/* Sends the first bytes of `parts`, as many as the window takes. */
static size_t send_some(struct sim_end *end, const struct iovec *parts, int n)
{
    size_t room = end->under_way < WINDOW ? WINDOW - end->under_way : 0;
    size_t size = size_of(parts, n);
    struct sim_chunk *chunk;
    size_t filled = 0;

    if (size > room) {
        size = room;
    }
    if (size == 0) {
        return 0;
    }
    chunk = launch(end, size, MARK_NONE);
    for (int i = 0; filled < size; i++) {
        size_t part =
            parts[i].iov_len < size - filled ? parts[i].iov_len : size - filled;

        memcpy(chunk->bytes + filled, parts[i].iov_base, part);
        filled += part;
    }
    if (end->spoils) {
        chunk->bytes[rng_below(&sim_of(end)->rng, size)] ^= 4;
        end->spoils = false;
    }
    sim_mix(sim_of(end), bytes_crc32c(0, chunk->bytes, size));
    return size;
}

static void skip(struct sim_waiting *w, size_t size)
{
    struct iovec *part = w->parts;

    while (w->n > 0 && size >= part->iov_len) {
        size -= part->iov_len;
        memmove(part, part + 1, (size_t)--w->n * sizeof(*part));
    }
    if (w->n > 0) {
        part->iov_base = (uint8_t *)part->iov_base + size;
        part->iov_len -= size;
    }
}

static void pop_waiting(struct sim_waiting *w)
{
    stream_done done = w->done;
    void *arg = w->arg;

    list_unlink(&w->link);
    mem_free(w);
    done(arg);
}

/* The window has room again. */
static void pump(struct sim_end *end)
{
    while (end->open && !list_is_empty(&end->queue)) {
        struct sim_waiting *w =
            list_entry(end->queue.next, struct sim_waiting, link);
        size_t size = send_some(end, w->parts, w->n);

        end->pending -= size;
        skip(w, size);
        if (w->n > 0) {
            return;
        }
        pop_waiting(w);
    }
    if (end->finishing) {
        sim_end_mark(end, MARK_END);
    }
}

/* ---- what streams do ----------------------------------------------------- */

static ssize_t pipe_try(struct stream *base, const struct iovec *parts, int n)
{
    struct sim_end *end = of(base);

    if (!end->open || end->ended) {
        return EDGE_ECLOSED;
    }
    return list_is_empty(&end->queue) ? (ssize_t)send_some(end, parts, n) : 0;
}

static int pipe_write(struct stream *base, const struct iovec *parts, int n,
                      stream_done done, void *arg)
{
    struct sim_end *end = of(base);
    struct sim_waiting *w = sim_alloc(sizeof(*w));

    memcpy(w->parts, parts, (size_t)n * sizeof(*parts));
    w->n = n;
    w->done = done;
    w->arg = arg;
    end->pending += size_of(parts, n);
    list_init(&w->link);
    list_push(&end->queue, &w->link);
    return 0;
}

static size_t pipe_pending(const struct stream *base)
{
    return ((const struct sim_end *)(const void *)base)->pending;
}

static int pipe_finish(struct stream *base)
{
    struct sim_end *end = of(base);

    end->finishing = true;
    if (list_is_empty(&end->queue)) {
        sim_end_mark(end, MARK_END);
    }
    return 0;
}

void sim_end_close(struct sim_end *end)
{
    if (!end->open) {
        return;
    }
    end->open = false;
    if (end->connected && !end->silent) {
        sim_end_mark(end, MARK_END);
    }
    sim_end_at(end, 0, SIM_CLOSED, NULL);
}

static void pipe_close(struct stream *base)
{
    sim_end_close(of(base));
}

static void pipe_spoil(struct stream *base)
{
    of(base)->spoils = true;
}

static const struct stream_ops ops = {
    .try_write = pipe_try,
    .write = pipe_write,
    .pending = pipe_pending,
    .finish = pipe_finish,
    .close = pipe_close,
    .spoil = pipe_spoil,
};

/* ---- arrival ------------------------------------------------------------- */

void sim_end_tell(struct sim_end *end, int rc, const char *why)
{
    if (end->open && end->base.events != NULL) {
        end->base.events->on_end(&end->base, rc, why);
    }
}

/* The bytes of one chunk, now and then in small pieces. */
static void read_chunk(struct sim_end *to, const struct sim_chunk *chunk)
{
    bool in_pieces = rng_below(&sim_of(to)->rng, 8) == 0;
    size_t at_byte = 0;

    while (at_byte < chunk->size && to->open) {
        size_t size;
        uint8_t *room = to->base.events->room(&to->base, &size);

        if (in_pieces) {
            size = 1 + (size_t)rng_below(&sim_of(to)->rng, size);
        }
        if (size > chunk->size - at_byte) {
            size = chunk->size - at_byte;
        }
        memcpy(room, chunk->bytes + at_byte, size);
        at_byte += size;
        to->base.events->on_bytes(&to->base, room, size);
    }
}

static void take_chunk(struct sim_end *from, struct sim_chunk *chunk)
{
    struct sim_end *to = sim_end_other(from);

    list_unlink(&chunk->link);
    from->under_way -= chunk->size;
    if (chunk->mark == MARK_RESET) {
        sim_end_tell(to, EDGE_ECLOSED, "connection reset by peer");
    } else if (chunk->mark == MARK_END) {
        sim_end_tell(to, EDGE_ECLOSED, "closed by the other end");
    } else if (to->open && to->base.events != NULL) {
        read_chunk(to, chunk);
    } else {
        sim_end_mark(to, MARK_RESET); /* nobody reads there any more */
    }
    mem_free(chunk);
}

void sim_end_on_arrive(struct sim_end *from)
{
    uint64_t now_us = sim_of(from)->now_us;

    from->arriving = false;
    while (!list_is_empty(&from->chunks) && !sim_end_is_cut(from, false)) {
        struct sim_chunk *chunk =
            list_entry(from->chunks.next, struct sim_chunk, link);

        if (chunk->at_us > now_us) {
            break;
        }
        take_chunk(from, chunk);
        pump(from);
    }
    schedule(from);
}

void sim_end_on_stall(struct sim_end *end)
{
    uint64_t since_us = end->stall_us;

    if (since_us == 0 || !end->open) {
        return;
    }
    if (sim_of(end)->now_us - since_us >= STALL_US) {
        sim_end_tell(end, EDGE_ETIMEOUT, "connection timed out");
    }
}

static void drop_waiting(struct sim_end *end)
{
    while (!list_is_empty(&end->queue)) {
        pop_waiting(list_entry(end->queue.next, struct sim_waiting, link));
    }
    end->pending = 0;
}

void sim_end_on_closed(struct sim_end *end)
{
    if (end->told) {
        return;
    }
    drop_waiting(end);
    end->told = true;
    if (end->base.events != NULL) {
        end->base.events->on_closed(&end->base);
    }
}

void sim_end_init(struct sim_pipe *pipe, int side, bool local)
{
    struct sim_end *end = &pipe->ends[side];

    end->base.ops = &ops;
    end->base.local = local;
    end->pipe = pipe;
    end->side = side;
    list_init(&end->chunks);
    list_init(&end->queue);
}

/* ---- faults -------------------------------------------------------------- */

void sim_end_drop_chunks(struct sim_end *end)
{
    list_each(&end->chunks, it, after)
    {
        list_unlink(it);
        mem_free(list_entry(it, struct sim_chunk, link));
    }
    end->under_way = 0;
}

/* A cut is over: TCP sends again what waited, a little later. */
static void go_on(struct sim_end *end)
{
    struct sim *sim = sim_of(end);
    uint64_t at_us = sim->now_us + rng_below(&sim->rng, RETRANSMIT_US);

    if (end->arriving || list_is_empty(&end->chunks)) {
        return;
    }
    list_each(&end->chunks, it, after)
    {
        struct sim_chunk *chunk = list_entry(it, struct sim_chunk, link);

        if (chunk->at_us < at_us) {
            chunk->at_us = at_us;
        }
        end->last_us = chunk->at_us;
    }
    schedule(end);
}

void sim_end_review(struct sim_end *end)
{
    if (!sim_end_is_cut(end, false)) {
        go_on(end);
    }
    if (!list_is_empty(&end->chunks) || end->stall_us != 0) {
        watch_stall(end);
    }
}

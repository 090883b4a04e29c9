/*
 * Which views of a model there are, for a shard that goes on without some: one
 * of a tier, where what several boards sense comes together.
 *
 *   1. Data says which views are known not to come (`absent`): the gateway
 *      knows lost boards, and who gathered before knows whom it did without.
 *   2. What a node that is gone would send is not waited for either.
 *   3. The rest is, until the deadline from the first input on.
 *   4. Then what is missing is 0, and `present` says who is there; the model
 *      makes nothing of the others' values (docs/decisions/0032).
 */
#include "daemon/parts.h"

#include "base/mem.h"

#include <string.h>

static uint32_t bit_of(const struct gather *gather, size_t port)
{
    return gather->views[port] > 0 ? UINT32_C(1) << (gather->views[port] - 1)
                                   : 0;
}

static bool is_present(const struct gather *gather, size_t port)
{
    return gather->present == port + 1;
}

static bool has(const struct run *run, size_t port)
{
    return run->inputs[port].dtype != DTYPE_NONE;
}

/* ---- what an Install says ------------------------------------------------ */

static bool is_well_formed(const Edged__Gather *from, size_t n_inputs)
{
    bool fine = from->n_views == n_inputs && from->n_nodes == n_inputs &&
                from->present > 0 && from->present <= n_inputs &&
                from->views_in_all > 0 && from->views_in_all <= LIMIT_PORTS &&
                from->deadline_ms > 0;

    for (size_t i = 0; fine && i < n_inputs; i++) {
        fine = from->views[i] <= from->views_in_all &&
               strlen(from->nodes[i]) <= LIMIT_NAME;
    }
    return fine;
}

int views_read(const Edged__Shard *from, struct hosted *shard, struct err *err)
{
    const Edged__Gather *gather = from->gather;

    if (from->view > LIMIT_PORTS ||
        (gather != NULL && !is_well_formed(gather, from->n_inputs))) {
        return err_set(err, EDGE_EPROTO,
                       "shard %u: what it says of views is not well formed",
                       from->id);
    }
    shard->view = from->view;
    if (gather == NULL) {
        return 0;
    }
    shard->gather = mem_new(struct gather);
    if (shard->gather == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    shard->gather->all = (UINT32_C(1) << gather->views_in_all) - 1;
    shard->gather->present = gather->present;
    shard->gather->deadline_ms = gather->deadline_ms;
    for (size_t i = 0; i < from->n_inputs; i++) {
        shard->gather->views[i] = (uint8_t)gather->views[i];
        memcpy(shard->gather->nodes[i], gather->nodes[i],
               strlen(gather->nodes[i]));
    }
    return 0;
}

/* ---- what is waited for -------------------------------------------------- */

bool views_are_whole(const struct run *run)
{
    const struct hosted *shard = run->shard;
    const struct gather *gather = shard->gather;

    if (gather == NULL) {
        return run->n_have == shard->n_inputs;
    }
    for (size_t i = 0; i < shard->n_inputs; i++) {
        if (!has(run, i) && !is_present(gather, i) &&
            (bit_of(gather, i) & run->views.absent) == 0) {
            return false;
        }
    }
    return true;
}

bool views_may_go_on(const struct run *run)
{
    const struct gather *gather = run->shard->gather;

    for (size_t i = 0; gather != NULL && i < run->shard->n_inputs; i++) {
        if (!has(run, i) && !is_present(gather, i) && gather->views[i] == 0) {
            return false;
        }
    }
    return gather != NULL;
}

static bool is_connected(const struct daemon *d, const char *node)
{
    for (const struct list *it = d->peers.next; it != &d->peers;
         it = it->next) {
        const struct visitor *v = list_entry(it, struct visitor, link);

        if (strcmp(v->peer->name, node) == 0) {
            return true;
        }
    }
    return strcmp(d->name, node) == 0;
}

/* Due at the earliest of all deadlines; looked at then. */
static void look_at(struct daemon *d, uint64_t at_us)
{
    uint64_t now = io_now_us(d->io);

    if (d->gathering_us == 0 || at_us < d->gathering_us) {
        d->gathering_us = at_us;
        io_timer_start(d->io, &d->gathering,
                       at_us > now ? (at_us - now + 999) / 1000 : 0);
    }
}

static uint64_t due_us(const struct run *run)
{
    return run->began_us + (uint64_t)run->shard->gather->deadline_ms * 1000;
}

void views_note(struct run *run, size_t port)
{
    struct daemon *d = run->daemon;
    struct gather *gather = run->shard->gather;

    if (gather == NULL) {
        return;
    }
    gather->has_come[port] = true;
    if (run->n_have > 1) {
        return;
    }
    for (size_t i = 0; i < run->shard->n_inputs; i++) {
        if (gather->has_come[i] && gather->nodes[i][0] != '\0' &&
            !is_connected(d, gather->nodes[i])) {
            run->views.absent |= bit_of(gather, i);
        }
    }
    look_at(d, due_us(run));
}

/* ---- who is gone, and what is late --------------------------------------- */

static void each_gathering(struct daemon *d,
                           void (*each)(struct run *run, const void *arg),
                           const void *arg)
{
    list_each(&d->epochs, it, after)
    {
        struct epoch *epoch = list_entry(it, struct epoch, link);

        for (size_t i = 0; i < epoch->n_shards; i++) {
            list_each(&epoch->shards[i].runs, at, next)
            {
                struct run *run = list_entry(at, struct run, link);

                if (run->shard->gather != NULL && run->state == RUN_GATHERING) {
                    each(run, arg);
                }
            }
        }
    }
    run_pump(d); /* not in the walk: it may end runs */
}

void views_go_on(struct run *run)
{
    if (!views_are_whole(run)) {
        return;
    }
    if (run->n_have > 0) {
        run_queue(run);
    } else {
        run_finish(run, EDGE_ENOENT,
                   "none of its views was seen at that time. Look at what "
                   "writes their pictures, and at: edgectl logs NODE");
    }
}

static void lose_node(struct run *run, const void *arg)
{
    const struct gather *gather = run->shard->gather;
    const char *node = arg;

    for (size_t i = 0; i < run->shard->n_inputs; i++) {
        if (!has(run, i) && strcmp(gather->nodes[i], node) == 0) {
            run->views.absent |= bit_of(gather, i);
        }
    }
    views_go_on(run);
}

void views_node_gone(struct daemon *d, const char *node)
{
    if (!is_connected(d, node)) {
        each_gathering(d, lose_node, node);
    }
}

static void end_waiting(struct run *run, const void *arg)
{
    const uint64_t *now = arg;
    const struct gather *gather = run->shard->gather;

    if (due_us(run) > *now) {
        look_at(run->daemon, due_us(run));
        return;
    }
    for (size_t i = 0; i < run->shard->n_inputs; i++) {
        if (!has(run, i)) {
            run->views.absent |= bit_of(gather, i);
        }
    }
    views_go_on(run);
}

static void on_due(struct io_timer *timer)
{
    struct daemon *d = container_of(timer, struct daemon, gathering);
    uint64_t now = io_now_us(d->io);

    d->gathering_us = 0;
    each_gathering(d, end_waiting, &now);
}

void views_init(struct daemon *d)
{
    io_timer_init(&d->gathering, on_due);
}

void views_stop(struct daemon *d)
{
    io_timer_stop(d->io, &d->gathering);
    d->gathering_us = 0;
}

/* ---- what the shard is given --------------------------------------------- */

/* Whose inputs have all come is there, whatever was said before. */
static void settle_absent(struct run *run)
{
    const struct gather *gather = run->shard->gather;
    uint32_t here = 0;
    uint32_t lack = 0;

    for (size_t i = 0; i < run->shard->n_inputs; i++) {
        *(has(run, i) ? &here : &lack) |= bit_of(gather, i);
    }
    run->views.absent = (run->views.absent & ~here) | lack;
    run->views.absent &= gather->all;
}

static void fill_present(const struct run *run, struct tensor *t)
{
    float *values = t->data;

    for (int64_t i = 0; i < tensor_count(t) && i < LIMIT_PORTS; i++) {
        values[i] = (run->views.absent >> i & 1) != 0 ? 0.0f : 1.0f;
    }
}

int views_complete(struct run *run)
{
    const struct gather *gather = run->shard->gather;

    if (gather == NULL) {
        return 0;
    }
    settle_absent(run);
    for (size_t i = 0; i < run->shard->n_inputs; i++) {
        const struct plan_port *port = plan_input(run->plan, i);

        if (has(run, i)) {
            continue;
        }
        if (tensor_init(&run->inputs[i], port->dtype, &port->shape) < 0) {
            return EDGE_ENOMEM;
        }
        memset(run->inputs[i].data, 0, tensor_bytes(&run->inputs[i]));
        run->comes_in[i] = 0;
        if (is_present(gather, i) && port->dtype == DTYPE_F32) {
            fill_present(run, &run->inputs[i]);
        }
    }
    return 0;
}

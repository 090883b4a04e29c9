/*
 * Inputs of a request come in, from one sender or from several, until they
 * are whole and the run is queued. What cannot be taken is declined: with a
 * word that asks the sender to try elsewhere (an unknown epoch, a full queue),
 * or with a final one (a wrong tensor).
 */
#include "daemon/parts.h"

#include "base/failpoint.h"
#include "base/mem.h"

#include <string.h>

#define LIVE_MAX (LIMIT_SHARD_QUEUE * 32)
#define GATHER_MIN_MS 2000
#define GATHER_TIMES 4 /* as long as it took of late */

/* ---- runs ---------------------------------------------------------------- */

static struct run *run_new(struct hosted *shard, const struct relay_data *data)
{
    struct daemon *d = shard->epoch->daemon;
    struct run *run = mem_new(struct run);

    if (run == NULL) {
        return NULL;
    }
    run->inputs = mem_array(struct tensor, shard->n_inputs);
    run->outputs = mem_array(struct tensor, shard->n_outputs);
    if (run->inputs == NULL || run->outputs == NULL) {
        mem_free(run->inputs);
        mem_free(run->outputs);
        mem_free(run);
        return NULL;
    }
    run->daemon = d;
    run->shard = shard;
    run->plan = shard->plan;
    run->request = data->request;
    run->deadline_us = data->deadline_us != 0
                           ? data->deadline_us
                           : io_now_us(d->io) + (uint64_t)REQUEST_MS * 1000;
    list_init(&run->queue);
    list_push(&shard->runs, &run->link);
    shard->waiting++;
    d->n_live++;
    return run;
}

struct run *run_find(struct hosted *shard, uint64_t request)
{
    list_each(&shard->runs, it, after)
    {
        struct run *run = list_entry(it, struct run, link);

        if (run->request == request) {
            return run;
        }
    }
    return NULL;
}

static struct sender *note_sender(struct run *run, struct io_peer *peer,
                                  uint32_t from)
{
    for (size_t i = 0; i < run->n_senders; i++) {
        if (run->senders[i].peer == peer && run->senders[i].from == from) {
            return &run->senders[i];
        }
    }
    if (run->n_senders == RUN_SENDERS) { /* the oldest has the least claim */
        memmove(run->senders, run->senders + 1,
                (RUN_SENDERS - 1) * sizeof(run->senders[0]));
        run->n_senders--;
    }
    run->senders[run->n_senders] = (struct sender){peer, from};
    return &run->senders[run->n_senders++];
}

/* One that sends again has not heard that it is computed. */
static void add_sender(struct run *run, struct io_peer *peer, uint32_t from)
{
    struct sender *sender = note_sender(run, peer, from);

    run->unwanted = false;
    if (run->state == RUN_HOLDING) {
        hand_computed_to(run, sender);
    }
    if (run->parked) { /* wanted after all */
        run_unpark(run);
        (void)run_give(run);
    }
}

/* Keeps the longest of the ways that its inputs came. */
static void take_hops(struct run *run, struct relay_data *data)
{
    if (run->hops == NULL || data->n_hops > run->n_hops) {
        mem_free(run->hops);
        run->hops = data->hops;
        run->n_hops = data->n_hops;
        data->hops = NULL;
        data->n_hops = 0;
    }
}

/* The longest of late, so that one slow sender is not taken for lost. */
static void note_gathering(struct hosted *shard, uint64_t us)
{
    uint64_t faded = shard->gather_us - shard->gather_us / 16;

    shard->gather_us = us > faded ? us : faded;
    shard->has_gathered = true;
}

void run_queue(struct run *run)
{
    struct daemon *d = run->daemon;

    if (views_complete(run) < 0) {
        run_finish(run, EDGE_EUNAVAILABLE, "out of memory");
        return;
    }
    run->state = RUN_QUEUED;
    run->queued_us = io_now_us(d->io);
    note_gathering(run->shard, run->queued_us - run->began_us);
    list_push(&d->runnable, &run->queue);
}

static void take_input(struct run *run, struct relay_data *data,
                       uint32_t wire_us)
{
    struct daemon *d = run->daemon;

    if (run->state == RUN_GATHERING) {
        relay_views_merge(&run->views, &data->views);
    }
    if (run->state != RUN_GATHERING ||
        run->inputs[data->port].dtype != DTYPE_NONE) {
        return; /* here already, from an earlier attempt */
    }
    run->inputs[data->port] = tensor_ref(&data->tensor);
    run->comes_in[data->port] = data->codec;
    run->n_have++;
    if (run->began_us == 0) {
        run->began_us = io_now_us(d->io);
    }
    take_hops(run, data);
    if (wire_us > run->wire_us) {
        run->wire_us = wire_us;
    }
    views_note(run, data->port);
    if (views_are_whole(run)) {
        run_queue(run);
        run_pump(d);
    }
}

static int check_input(const struct hosted *shard,
                       const struct relay_data *data, const char **why)
{
    const struct plan_port *port;
    const char *bare;

    if (data->port >= shard->n_inputs ||
        (shard->gather != NULL && shard->gather->present == data->port + 1)) {
        *why = "the shard has no such input";
        return EDGE_EINVAL;
    }
    if (data->tensor.dtype == DTYPE_NONE) {
        bare = sense_refuses(shard, data);
        *why = bare != NULL ? bare : *why;
        return bare != NULL ? EDGE_ENOENT : 0;
    }
    port = plan_input(shard->plan, data->port);
    if (port->dtype != data->tensor.dtype ||
        !shape_equal(&port->shape, &data->tensor.shape)) {
        *why = "an input of another type or shape";
        return EDGE_EINVAL;
    }
    if (data->codec != 0 && data->codec != shard->comes_in[data->port]) {
        *why = "an input in another codec than its link has";
        return EDGE_EINVAL;
    }
    return 0;
}

/* What waits for a view that is silent is no work: there is room for all that
 * the gateway lets in, twice a queue, and as much again. */
#define GATHERING_TIMES 4

static bool is_full(const struct hosted *shard)
{
    uint32_t most = shard->epoch->policy.queue *
                    (shard->gather != NULL ? GATHERING_TIMES : 1u);

    return !DEFENCE_OFF("queue-bound") &&
           (shard->waiting >= most || shard->epoch->daemon->n_live >= LIVE_MAX);
}

/* 0: taken. 1: answered before. Negative: declined, and why. */
static int accept(struct daemon *d, struct io_peer *peer,
                  struct relay_data *data, uint32_t wire_us, const char **why)
{
    struct epoch *epoch = install_find(d, data->epoch);
    struct hosted *shard =
        epoch != NULL ? install_shard(epoch, data->shard) : NULL;
    struct run *run;
    int rc;

    *why = "no such epoch or shard here";
    if (shard == NULL || epoch->state != EPOCH_READY || shard->plan == NULL) {
        return EDGE_ESTALE;
    }
    rc = check_input(shard, data, why);
    if (rc < 0 || seen_has(&shard->finished, data->request)) {
        return rc < 0 ? rc : 1;
    }
    run = DEFENCE_OFF("dedup") ? NULL : run_find(shard, data->request);
    if (run == NULL) {
        *why = "its queue is full";
        if (is_full(shard)) {
            return EDGE_EBUSY;
        }
        *why = "this node is being drained";
        if (leave_declines(d) && peer != NULL) {
            return EDGE_ECLOSED;
        }
        run = run_new(shard, data);
    }
    if (run == NULL || run->ended) {
        return EDGE_EBUSY;
    }
    add_sender(run, peer, data->from);
    if (data->tensor.dtype == DTYPE_NONE) {
        sense_take(run, data);
    } else {
        take_input(run, data, wire_us);
    }
    return 0;
}

static struct relay_key key_of(const struct relay_data *data)
{
    return (struct relay_key){data->request, data->epoch, data->shard,
                              data->from};
}

void run_on_data(struct daemon *d, struct io_peer *peer, struct msg *msg)
{
    struct relay_data data;
    struct relay_key key;
    const char *why;
    struct err err;
    int rc;

    rc = relay_data_read(d->io, msg, &data, &err);
    if (rc < 0) {
        io_hang_up(peer, rc, err.text);
        return;
    }
    rc = accept(d, peer, &data, msg->wire_us + peer->rtt_us / 2, &why);
    key = key_of(&data);
    if (rc == 1) {
        (void)relay_ack_send(peer, &key);
    } else if (rc < 0) {
        (void)relay_nack_send(peer, &key, rc, why);
    }
    relay_data_deinit(&data);
}

/* ---- from a shard of this process ---------------------------------------- */

static void decline_local(struct daemon *d, const struct relay_data *data,
                          int rc, const char *why)
{
    struct relay_key key = key_of(data);

    if (rc == 1) {
        relay_ack_local(&d->relay, &key);
    } else {
        relay_nack_local(&d->relay, relay_find(&d->relay, d->name), &key, rc,
                         why);
    }
}

static int local_data(const struct hold *hold, size_t part,
                      struct relay_data *data)
{
    *data = (struct relay_data){
        .request = hold->request,
        .epoch = hold->epoch,
        .shard = hold->shard,
        .port = hold->parts[part].port,
        .from = hold->from,
        .deadline_us = hold->deadline_us,
        .at_us = hold->at_us,
        .n_hops = hold->n_hops,
    };
    data->hops = mem_dup(hold->hops, hold->n_hops * sizeof(*hold->hops));
    if (data->hops == NULL) {
        return EDGE_ENOMEM;
    }
    if (hold->parts[part].tensor.dtype != DTYPE_NONE) {
        data->tensor = tensor_ref(&hold->parts[part].tensor);
    }
    data->codec = hold->parts[part].codec;
    if (hold->views != NULL) {
        data->views = *hold->views;
    }
    return 0;
}

/* The hold may end while its parts are taken, so they are copied first. */
void run_on_local(void *daemon, struct hold *hold)
{
    struct daemon *d = daemon;
    struct relay_data data[LIMIT_PORTS];
    const char *why = "out of memory";
    size_t n = 0;
    int rc = 0;

    while (n < hold->n_parts && n < LIMIT_PORTS &&
           local_data(hold, n, &data[n]) == 0) {
        n++;
    }
    for (size_t i = 0; i < n; i++) {
        if (rc == 0) {
            rc = accept(d, NULL, &data[i], 0, &why);
            if (rc != 0) {
                decline_local(d, &data[i], rc, why);
            }
        }
        relay_data_deinit(&data[i]);
    }
}

/* ---- who waits in vain ----------------------------------------------------
 */

/* Senders that see different nodes do not meet by themselves: who is here is
 * sent away, to look for the others. */
bool run_is_left_alone(const struct run *run, uint64_t now)
{
    const struct hosted *shard = run->shard;
    uint64_t most_us = shard->gather_us * GATHER_TIMES;

    if (most_us < (uint64_t)GATHER_MIN_MS * 1000) {
        most_us = (uint64_t)GATHER_MIN_MS * 1000;
    }
    return run->state == RUN_GATHERING && shard->has_gathered && !run->asks &&
           !views_may_go_on(run) && now - run->began_us > most_us;
}

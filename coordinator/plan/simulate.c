/*
 * The events of a simulation, in the order in which a request meets them:
 *
 *   ASK      a slot of the window, or refused; its inputs are on their way
 *   SEND     a message waits for the port of its sender
 *   REACH    ... and for that of its receiver, half a round trip later
 *   DELIVER  the shard has one input more; with the last it queues for the
 *            board; at the gateway the last is the answer
 *   DONE     a board has computed the shard: replicas are chosen for what
 *            comes out, and the board spends its time on sending
 *   FREE     the board takes the next in its queue
 */
#include "coordinator/plan/simulate_inner.h"

#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_MAX 30000000u /* seconds of real time */

static const struct profile_board *board_of(const struct sim *sim,
                                            size_t device)
{
    const struct profile *profile = sim->model->profile;

    return &profile->boards[profile->devices[device].board];
}

static size_t gateway(const struct sim *sim)
{
    return sim->model->profile->n_devices;
}

/* What a message takes of a processor; the gateway's is not reckoned with. */
static double message_s(const struct sim *sim, size_t device, double bytes)
{
    const struct profile_board *board;

    if (device == gateway(sim)) {
        return 0;
    }
    board = board_of(sim, device);
    return board->send_s +
           (board->send_bytes_per_s > 0 ? bytes / board->send_bytes_per_s : 0);
}

static const struct profile_link *wire(const struct sim *sim, size_t a,
                                       size_t b)
{
    return profile_link(sim->model->profile,
                        a == gateway(sim) ? PROFILE_GATEWAY : a,
                        b == gateway(sim) ? PROFILE_GATEWAY : b);
}

static struct sim_cell *cell_of(struct sim *sim, size_t request, size_t shard)
{
    return &sim->cells[request * sim->model->n_shards + shard];
}

/* ---- a replica ----------------------------------------------------------- */

static uint32_t least_expected(const struct sim *sim,
                               const struct simulate_shard *shard,
                               uint32_t start)
{
    double best = HUGE_VAL;
    uint32_t found = 0;

    for (size_t i = 0; i < shard->n_devices; i++) {
        size_t k = (start + i) % shard->n_devices;
        double s = sim->boards[shard->devices[k]].pending_s + shard->seconds[k];

        if (s < best) {
            best = s;
            found = (uint32_t)k;
        }
    }
    return found;
}

/* The replica that a shard with the same devices has, or SIM_NONE. */
static uint32_t shared_choice(struct sim *sim, uint32_t request,
                              const struct simulate_shard *shard)
{
    return shard->like > 0 ? cell_of(sim, request, shard->like - 1)->replica
                           : SIM_NONE;
}

static uint32_t choose(struct sim *sim, uint32_t request, size_t index)
{
    const struct simulate_shard *shard = &sim->model->shards[index];
    struct sim_cell *cell = cell_of(sim, request, index);
    uint32_t turn = sim->turn[index];

    if (cell->replica != SIM_NONE) {
        return cell->device;
    }
    cell->replica = shared_choice(sim, request, shard);
    if (cell->replica == SIM_NONE) {
        sim->turn[index] = (turn + 1) % (uint32_t)shard->n_devices;
        cell->replica = sim->options->policy == SIMULATE_ROUND_ROBIN
                            ? turn
                            : least_expected(sim, shard, turn);
    }
    cell->device = (uint32_t)shard->devices[cell->replica];
    sim->boards[cell->device].pending_s += shard->seconds[cell->replica];
    return cell->device;
}

/* ---- messages ------------------------------------------------------------ */

/* Everything that comes out of `row`, from *t on; each message that leaves the
 * device takes the processor a while longer. */
static int send_all(struct sim *sim, uint32_t request, size_t row,
                    uint32_t device, double *t)
{
    for (uint32_t k = sim->first[row]; k < sim->first[row + 1]; k++) {
        const struct simulate_link *link = &sim->model->links[sim->links[k]];
        struct sim_event event = {.request = request,
                                  .link = sim->links[k],
                                  .from = device,
                                  .to = (uint32_t)gateway(sim)};

        if (link->to != SIMULATE_OUTSIDE) {
            event.to = choose(sim, request, (size_t)link->to);
        }
        *t += event.to == device ? 0 : message_s(sim, device, link->bytes);
        event.time = *t;
        event.kind = event.to == device ? SIM_DELIVER : SIM_SEND;
        if (sim_queue_put(&sim->queue, event) < 0) {
            return EDGE_ENOMEM;
        }
    }
    return 0;
}

static int on_send(struct sim *sim, struct sim_event *event)
{
    const struct profile_link *link = wire(sim, event->from, event->to);
    double bytes = sim->model->links[event->link].bytes;
    struct sim_board *board = &sim->boards[event->from];
    double start = fmax(sim->now, board->out_free);

    board->out_free = start + bytes / link->bytes_per_s;
    sim->result->sent[event->from] += bytes;
    sim->result->carried[event->link] += bytes;
    event->kind = SIM_REACH;
    event->time = start + link->rtt_s / 2;
    return sim_queue_put(&sim->queue, *event);
}

static int on_reach(struct sim *sim, struct sim_event *event)
{
    const struct profile_link *link = wire(sim, event->from, event->to);
    double bytes = sim->model->links[event->link].bytes;
    struct sim_board *board = &sim->boards[event->to];

    board->in_free = fmax(sim->now, board->in_free) + bytes / link->bytes_per_s;
    event->kind = SIM_DELIVER;
    event->time = board->in_free;
    return sim_queue_put(&sim->queue, *event);
}

/* ---- boards -------------------------------------------------------------- */

static int take_next(struct sim *sim, uint32_t device)
{
    struct sim_board *board = &sim->boards[device];
    size_t n = sim->model->n_shards;
    uint32_t index = board->head;
    struct sim_cell *cell = &sim->cells[index];
    uint32_t shard = (uint32_t)(index % n);

    board->head = cell->next;
    board->is_busy = true;
    board->busy_from = sim->now;
    return sim_queue_put(
        &sim->queue,
        (struct sim_event){.time =
                               sim->now + cell->receive_s +
                               sim->model->shards[shard].seconds[cell->replica],
                           .request = (uint32_t)(index / n),
                           .link = shard,
                           .from = device,
                           .kind = SIM_DONE});
}

static int queue_up(struct sim *sim, uint32_t request, size_t shard)
{
    struct sim_cell *cell = cell_of(sim, request, shard);
    struct sim_board *board = &sim->boards[cell->device];
    uint32_t index = (uint32_t)(cell - sim->cells);

    cell->next = SIM_NONE;
    if (board->head == SIM_NONE) {
        board->head = index;
    } else {
        sim->cells[board->tail].next = index;
    }
    board->tail = index;
    return board->is_busy ? 0 : take_next(sim, cell->device);
}

static int on_done(struct sim *sim, struct sim_event *event)
{
    struct sim_board *board = &sim->boards[event->from];
    const struct sim_cell *cell = cell_of(sim, event->request, event->link);

    board->pending_s -= sim->model->shards[event->link].seconds[cell->replica];
    sim->result->runs[event->from]++;
    event->time = sim->now;
    if (send_all(sim, event->request, event->link, event->from, &event->time) <
        0) {
        return EDGE_ENOMEM;
    }
    event->kind = SIM_FREE;
    return sim_queue_put(&sim->queue, *event);
}

static int on_free(struct sim *sim, const struct sim_event *event)
{
    struct sim_board *board = &sim->boards[event->from];

    board->is_busy = false;
    sim->result->busy[event->from] += sim->now - board->busy_from;
    return board->head == SIM_NONE ? 0 : take_next(sim, event->from);
}

/* ---- requests ------------------------------------------------------------ */

static int ask_later(struct sim *sim)
{
    struct sim_event event = {.time = sim->now, .kind = SIM_ASK};

    if (sim->is_over) {
        return 0;
    }
    if (sim->options->clients == 0) { /* exponential: a Poisson process */
        event.time -= log(1 - rng_unit(&sim->rng)) / sim->options->rate;
    }
    return sim_queue_put(&sim->queue, event);
}

static int on_ask(struct sim *sim)
{
    size_t n = sim->model->n_shards;
    double t = sim->now;
    uint32_t slot;

    if (sim->is_over) {
        return 0;
    }
    if (sim->options->clients == 0 && ask_later(sim) < 0) {
        return EDGE_ENOMEM;
    }
    if (sim->n_free == 0) {
        sim->result->refused++;
        return 0;
    }
    slot = sim->free_slots[--sim->n_free];
    sim->result->admitted++;
    sim->requests[slot] = (struct sim_request){
        .asked = sim->now, .missing = sim->inputs[n], .is_used = true};
    for (size_t i = 0; i < n; i++) {
        *cell_of(sim, slot, i) = (struct sim_cell){
            .next = SIM_NONE, .missing = sim->inputs[i], .replica = SIM_NONE};
    }
    return send_all(sim, slot, n, (uint32_t)gateway(sim), &t);
}

/* From here on it counts. */
static void begin(struct sim *sim)
{
    struct simulate_result *r = sim->result;

    sim->is_measuring = true;
    sim->began = sim->now;
    memset(r->busy, 0, (r->n_devices + 1) * sizeof(*r->busy));
    memset(r->sent, 0, (r->n_devices + 1) * sizeof(*r->sent));
    memset(r->runs, 0, (r->n_devices + 1) * sizeof(*r->runs));
    memset(r->carried, 0, (r->n_links + 1) * sizeof(*r->carried));
    for (size_t i = 0; i < r->n_devices; i++) {
        sim->boards[i].busy_from = sim->now;
    }
}

static int on_answer(struct sim *sim, uint32_t slot)
{
    struct simulate_result *r = sim->result;
    struct sim_request *request = &sim->requests[slot];

    request->is_used = false;
    sim->free_slots[sim->n_free++] = slot;
    r->answered++;
    if (sim->is_measuring && !sim->is_over) {
        sim->latencies[r->requests++] = sim->now - request->asked;
    } else if (!sim->is_over && r->answered == sim->options->warm_up) {
        begin(sim);
    }
    return sim->options->clients > 0 ? ask_later(sim) : 0;
}

static int on_deliver(struct sim *sim, const struct sim_event *event)
{
    const struct simulate_link *link = &sim->model->links[event->link];
    struct sim_cell *cell;

    if (link->to == SIMULATE_OUTSIDE) {
        struct sim_request *request = &sim->requests[event->request];

        return --request->missing == 0 ? on_answer(sim, event->request) : 0;
    }
    cell = cell_of(sim, event->request, (size_t)link->to);
    if (event->from != event->to) {
        cell->receive_s += message_s(sim, event->to, link->bytes);
    }
    return --cell->missing == 0
               ? queue_up(sim, event->request, (size_t)link->to)
               : 0;
}

/* ---- all of it ----------------------------------------------------------- */

static int step(struct sim *sim, struct sim_event *event)
{
    switch (event->kind) {
    case SIM_ASK: return on_ask(sim);
    case SIM_SEND: return on_send(sim, event);
    case SIM_REACH: return on_reach(sim, event);
    case SIM_DELIVER: return on_deliver(sim, event);
    case SIM_DONE: return on_done(sim, event);
    default: return on_free(sim, event);
    }
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The least of which a share `q` is no larger. */
static double quantile(const struct sim *sim, double q)
{
    size_t n = sim->result->requests;
    size_t at = (size_t)ceil(q * (double)n);

    return n == 0 ? 0 : sim->latencies[at > 0 ? at - 1 : 0];
}

static int keep_counts(struct sim *sim, struct simulate_result *kept)
{
    struct simulate_result *r = sim->result;
    size_t n = r->n_devices + 1;

    kept->busy = mem_dup(r->busy, n * sizeof(*r->busy));
    kept->sent = mem_dup(r->sent, n * sizeof(*r->sent));
    kept->runs = mem_dup(r->runs, n * sizeof(*r->runs));
    kept->carried = mem_dup(r->carried, (r->n_links + 1) * sizeof(*r->carried));
    return kept->busy == NULL || kept->sent == NULL || kept->runs == NULL ||
                   kept->carried == NULL
               ? EDGE_ENOMEM
               : 0;
}

/* What was measured, put aside while the rest is answered. */
static int end(struct sim *sim, struct simulate_result *kept)
{
    struct simulate_result *r = sim->result;
    size_t n = r->requests;

    sim->is_over = true;
    r->seconds = sim->is_measuring ? sim->now - sim->began : 0;
    r->throughput = r->seconds > 0 ? (double)n / r->seconds : 0;
    qsort(sim->latencies, n, sizeof(sim->latencies[0]), compare);
    for (size_t i = 0; i < n; i++) {
        r->mean_s += sim->latencies[i] / (double)n;
    }
    r->p50_s = quantile(sim, 0.5);
    r->p99_s = quantile(sim, 0.99);
    if (keep_counts(sim, kept) < 0) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < r->n_devices; i++) {
        const struct sim_board *board = &sim->boards[i];

        kept->busy[i] += board->is_busy ? sim->now - board->busy_from : 0;
        kept->busy[i] = r->seconds > 0 ? kept->busy[i] / r->seconds : 0;
    }
    return 0;
}

static bool is_enough(const struct sim *sim, double next)
{
    const struct simulate_options *o = sim->options;

    return sim->is_measuring &&
           (sim->result->requests == sim->latencies_max ||
            (o->requests > 0 && sim->result->requests >= o->requests) ||
            (o->for_s > 0 && next > sim->began + o->for_s));
}

static int run(struct sim *sim, struct simulate_result *kept)
{
    struct sim_event event;
    int rc = 0;

    while (rc == 0 && sim_queue_take(&sim->queue, &event)) {
        bool is_cut = sim->result->events++ >= EVENTS_MAX;

        if (!sim->is_over && (is_cut || is_enough(sim, event.time))) {
            double at = sim->began + sim->options->for_s;

            sim->result->is_cut = is_cut;
            if (sim->options->for_s > 0 && event.time > at && !is_cut) {
                sim->now = at;
            }
            rc = end(sim, kept);
        }
        sim->now = event.time;
        rc = rc == 0 ? step(sim, &event) : rc;
    }
    return rc == 0 && !sim->is_over ? end(sim, kept) : rc;
}

static void swap_counts(struct simulate_result *r, struct simulate_result *kept)
{
    struct simulate_result old = *r;

    r->busy = kept->busy;
    r->sent = kept->sent;
    r->runs = kept->runs;
    r->carried = kept->carried;
    *kept = old;
}

int simulate_run(const struct simulate_model *model,
                 const struct simulate_options *options,
                 struct simulate_result *result, struct err *err)
{
    struct sim sim = {.model = model, .options = options, .result = result};
    struct simulate_result kept = {0};
    int rc;

    *result = (struct simulate_result){0};
    rc = sim_setup(&sim, err);
    if (rc < 0) {
        goto out;
    }
    if (options->warm_up == 0) {
        begin(&sim);
    }
    for (size_t i = 0; i < (options->clients > 0 ? options->clients : 1); i++) {
        rc = rc == 0 ? ask_later(&sim) : rc;
    }
    rc = rc == 0 ? run(&sim, &kept) : rc;
    if (rc < 0) {
        rc = err_set(err, rc, "out of memory");
        goto out;
    }
    swap_counts(result, &kept);
out:
    simulate_deinit(&kept);
    sim_deinit(&sim);
    if (rc < 0) {
        simulate_deinit(result);
    }
    return rc;
}

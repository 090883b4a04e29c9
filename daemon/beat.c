/*
 * Heartbeats: to everyone who is connected, every BEAT_MS, and at once when
 * a shard becomes ready or goes.
 */
#include "daemon/parts.h"

#include "base/mem.h"

/* The board as it is, or as a test says. */
static struct board board_of(const struct daemon *d)
{
    struct board board = d->board != NULL ? *d->board : (struct board){0};

    if (d->board == NULL) {
        board_read(&board);
    }
    return board;
}

static uint64_t budget_of(const struct daemon *d, const struct board *board)
{
    /* What shards hold already is not free any more, but it is ours. */
    uint64_t budget = board->free_bytes + beat_memory_used(d);

    return d->memory_budget != 0 && d->memory_budget < budget ? d->memory_budget
                                                              : budget;
}

uint64_t beat_memory_used(const struct daemon *d)
{
    uint64_t used = 0;

    list_each(&d->epochs, it, after)
    {
        used += share_bytes(list_entry(it, struct epoch, link));
    }
    return used;
}

uint64_t beat_memory_budget(const struct daemon *d)
{
    struct board board = board_of(d);

    return budget_of(d, &board);
}

static size_t count_shards(const struct daemon *d)
{
    size_t n = 0;

    list_each(&d->epochs, it, after)
    {
        n += list_entry(it, struct epoch, link)->n_shards;
    }
    return n;
}

static void fill_load(Edged__ShardLoad *load, const struct hosted *shard)
{
    edged__shard_load__init(load);
    load->epoch = shard->epoch->number;
    load->shard = shard->id;
    load->ready = shard->epoch->state == EPOCH_READY && !shard->evicted;
    load->queue = shard->waiting;
    load->compute_us = shard->compute_us;
    load->runs = shard->n_runs;
    load->sent_bytes = shard->sent.bytes;
    load->plain_bytes = shard->sent.plain;
}

static void fill_beat(struct daemon *d, Edged__Beat *beat,
                      Edged__ShardLoad *loads, Edged__ShardLoad **list)
{
    struct board board = board_of(d);
    size_t n = 0;

    list_each(&d->epochs, it, after)
    {
        struct epoch *epoch = list_entry(it, struct epoch, link);

        for (size_t i = 0; i < epoch->n_shards; i++) {
            fill_load(&loads[n], &epoch->shards[i]);
            list[n] = &loads[n];
            n++;
        }
    }
    beat->shards = list;
    beat->n_shards = n;
    beat->progress = d->progress;
    beat->computing = d->on_strand > 0 && !d->training;
    beat->draining = leave_declines(d);
    beat->memory_budget = budget_of(d, &board);
    beat->memory_used = beat_memory_used(d);
    beat->rss = board.rss;
    beat->temperature_mc = board.temperature_mc;
    beat->throttled = heat_read(&d->heat);
    beat->pid = board.pid;
}

static void send_to(struct daemon *d, struct visitor *v, Edged__Beat *beat)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Speed speed;
    bool has_speed =
        v->peer->role == EDGED__ROLE__ROLE_COORDINATOR && speed_fill(d, &speed);

    beat->speed = has_speed ? &speed : NULL;
    pulse_fill(&v->pulse, beat, d->beat_seq, v->peer->received,
               io_now_us(d->io));
    env.body_case = EDGED__ENVELOPE__BODY_BEAT;
    env.beat = beat;
    /* A peer whose queue is full misses a beat; that is what beats are for. */
    (void)io_send(v->peer, &env, NULL);
}

void beat_now(struct daemon *d)
{
    Edged__Beat beat = EDGED__BEAT__INIT;
    size_t n = count_shards(d);
    Edged__ShardLoad *loads = mem_array(Edged__ShardLoad, n);
    Edged__ShardLoad **list = mem_array(Edged__ShardLoad *, n);

    if (loads != NULL && list != NULL && !d->closing) {
        fill_beat(d, &beat, loads, list);
        d->beat_seq++;
        (void)relay_beat(&d->relay, relay_find(&d->relay, d->name), &beat);
        list_each(&d->peers, it, after)
        {
            send_to(d, list_entry(it, struct visitor, link), &beat);
        }
    }
    mem_free(list);
    mem_free(loads);
}

/* A peer that is not heard, or whose strand is stuck, gets no new work; after
 * a while of silence its connection is given up, whatever TCP says of it. */
static void look_at(struct daemon *d, struct visitor *v)
{
    struct relay_node *node = route_node_of(d, v->peer);
    enum pulse_state state;

    pulse_arrives(&v->pulse, v->peer->received, v->peer->is_under_way,
                  io_now_us(d->io));
    state = pulse_look(&v->pulse, NULL, io_now_us(d->io));
    if (state == PULSE_DEAD) {
        io_hang_up(v->peer, EDGE_ETIMEOUT, "no beat for 3 s");
        return;
    }
    if (v->suspect != (state == PULSE_SUSPECT)) {
        v->suspect = state == PULSE_SUSPECT;
        log_event(d->log, v->suspect ? LOG_WARN : LOG_INFO,
                  v->suspect ? "peer.suspect" : "peer.back",
                  "peer=%s why=%s silent_ms=%llu", v->peer->name,
                  v->pulse.stuck ? "stuck" : "silent",
                  (unsigned long long)pulse_silent_us(&v->pulse) / 1000);
    }
    if (node != NULL) {
        relay_node_suspect(&d->relay, node, v->suspect);
    }
}

/* Somebody who hears us and is heard. */
static bool hears_anybody(const struct daemon *d)
{
    list_each(&d->peers, it, after)
    {
        const struct visitor *v = list_entry(it, struct visitor, link);

        if (pulse_silent_us(&v->pulse) < (uint64_t)SUSPECT_MS * 1000) {
            return true;
        }
    }
    return false;
}

/* Cut off from all: whoever is left has sent our work elsewhere by now, so no
 * more of it is started until somebody is heard again. */
static void note_company(struct daemon *d)
{
    if (hears_anybody(d)) {
        d->alone_ms = 0;
    } else if (d->alone_ms < DEAD_MS) {
        d->alone_ms += WATCH_MS;
        if (d->alone_ms >= DEAD_MS) {
            log_event(d->log, LOG_WARN, "node.alone",
                      "err=\"neither the coordinator nor any device has been "
                      "heard for 3 s\"");
        }
    }
}

bool beat_is_alone(const struct daemon *d)
{
    return d->alone_ms >= DEAD_MS;
}

void beat_company(struct daemon *d)
{
    bool was_alone = beat_is_alone(d);

    note_company(d);
    if (was_alone && !beat_is_alone(d)) {
        log_event(d->log, LOG_INFO, "node.in_company", "peers=1");
        run_pump(d);
    }
}

static void on_timer(struct io_timer *timer)
{
    struct daemon *d = container_of(timer, struct daemon, beat);

    list_each(&d->peers, it, after)
    {
        look_at(d, list_entry(it, struct visitor, link));
    }
    beat_company(d);
    run_end_late(d);
    if (++d->looks >= BEAT_MS / WATCH_MS) {
        d->looks = 0;
        member_tick(d);
        beat_now(d);
    }
    io_timer_start(d->io, &d->beat, WATCH_MS);
}

void beat_start(struct daemon *d)
{
    io_timer_init(&d->beat, on_timer);
    io_timer_start(d->io, &d->beat, WATCH_MS);
}

void beat_on_beat(struct daemon *d, struct io_peer *peer, struct msg *msg)
{
    struct visitor *v = peer->user;
    struct relay_node *node = route_node_of(d, peer);
    uint32_t rtt_us =
        pulse_seen(&v->pulse, msg->env->beat, d->beat_seq, io_now_us(d->io));

    peer->rtt_us = rtt_us != 0 ? rtt_us : peer->rtt_us;
    look_at(d, v);
    if (beat_is_alone(d)) {
        beat_company(d);
    }
    /* Only the node that we dialed ourselves speaks for its shards: its word
     * comes with the connection that the data would take. */
    if (node != NULL && peer->dialed) {
        (void)relay_beat(&d->relay, node, msg->env->beat);
    }
}

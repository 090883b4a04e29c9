/*
 * Links, one after the other, so that no measurement disturbs another: from
 * the coordinator to each board, and between boards. Of few boards every pair
 * is measured; of many each with the next one, which tells how fast either
 * end is (profile_build.h makes links of all pairs of it).
 */
#include "coordinator/profile.h"

#include "base/mem.h"

#include <string.h>

#define ALL_PAIRS_UP_TO 5 /* boards */
#define PAIRS_MAX 64      /* and links to the coordinator */
#define LINK_MS 8000      /* for an answer */
#define FRESH_MS (24 * 3600 * UINT64_C(1000))

static const char *name_of(const struct profiling *p, size_t end)
{
    return end == PROFILE_GATE ? PROFILE_COORDINATOR : p->boards[end].name;
}

static struct member *member_of(const struct profiling *p, size_t end)
{
    struct member *m = members_find(p->c, p->boards[end].name);

    return m != NULL && members_is_ready(m) && m->speed.kind[0] != '\0' ? m
                                                                        : NULL;
}

/* ---- which ----------------------------------------------------------------
 */

static bool is_known(const struct profiling *p, const char *from,
                     const char *to)
{
    uint64_t now_ms = profile_wall_ms();

    for (size_t i = 0; i < p->kept.n_links; i++) {
        const struct kept_link *link = &p->kept.links[i];

        if (strcmp(link->from, from) == 0 && strcmp(link->to, to) == 0) {
            return now_ms - link->at_ms < FRESH_MS;
        }
    }
    return false;
}

static void add(struct profiling *p, size_t from, size_t to)
{
    bool is_there = (from == PROFILE_GATE || member_of(p, from) != NULL) &&
                    member_of(p, to) != NULL;

    if (is_there &&
        (p->fresh || !is_known(p, name_of(p, from), name_of(p, to)))) {
        p->pairs[p->n_pairs++] = (struct profile_ends){from, to};
    }
}

static int pick(struct profiling *p)
{
    size_t n = p->n_boards;

    p->pairs = mem_array(struct profile_ends, PAIRS_MAX * 2);
    p->made = mem_array(struct kept_link, PAIRS_MAX * 2);
    if (p->pairs == NULL || p->made == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < n && i < PAIRS_MAX; i++) {
        add(p, PROFILE_GATE, i);
    }
    for (size_t i = 0; n <= ALL_PAIRS_UP_TO && i < n; i++) {
        for (size_t k = i + 1; k < n; k++) {
            add(p, i, k);
        }
    }
    for (size_t i = 0; n > ALL_PAIRS_UP_TO && i < n && i < PAIRS_MAX; i++) {
        add(p, i, (i + 1) % n);
    }
    return 0;
}

/* ---- one of them ----------------------------------------------------------
 */

static void next(struct profiling *p);

/* What cannot be is not known. */
static void take(struct profiling *p, const struct kept_link *found)
{
    const struct profile_ends *pair = &p->pairs[p->pair];
    struct kept_link link = *found;

    if (!kept_is_seconds(link.rtt_s) || !kept_is_rate(link.bytes_per_s)) {
        return;
    }
    link.send_s = kept_is_seconds(link.send_s) ? link.send_s : 0;
    link.send_bytes_per_s =
        kept_is_rate(link.send_bytes_per_s) ? link.send_bytes_per_s : 0;
    memcpy(link.from, name_of(p, pair->from), strlen(name_of(p, pair->from)));
    memcpy(link.to, name_of(p, pair->to), strlen(name_of(p, pair->to)));
    link.at_ms = profile_wall_ms();
    p->made[p->n_made++] = link;
}

static void settle(struct profiling *p)
{
    p->number = 0;
    p->pair++;
    next(p);
}

static void on_burst_done(struct burst *burst, int rc)
{
    struct profiling *p = burst->arg;
    struct kept_link link = {
        .rtt_s = burst->rtt_s,
        .bytes_per_s = burst->bytes_per_s,
    };

    p->is_bursting = false;
    if (rc == 0) {
        take(p, &link);
    }
    p->is_over = true; /* the tick goes on: not from inside its callback */
}

static int ask_gate(struct profiling *p, struct member *to)
{
    p->is_bursting = true;
    p->burst = (struct burst){
        .io = p->c->io,
        .peer = to->peer,
        .number = p->number,
        .done = on_burst_done,
        .arg = p,
    };
    burst_start(&p->burst);
    return 0;
}

static int ask_board(struct profiling *p, struct member *from,
                     struct member *to)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__MeasureLink message = EDGED__MEASURE_LINK__INIT;
    Edged__NodeAddress address = EDGED__NODE_ADDRESS__INIT;

    address.name = to->name;
    address.host = to->host;
    address.port = (uint32_t)to->port;
    message.number = p->number;
    message.node = &address;
    env.body_case = EDGED__ENVELOPE__BODY_MEASURE_LINK;
    env.measure_link = &message;
    return io_send(from->peer, &env, NULL);
}

static int ask(struct profiling *p)
{
    const struct profile_ends *pair = &p->pairs[p->pair];
    struct member *to = member_of(p, pair->to);
    struct member *from =
        pair->from == PROFILE_GATE ? NULL : member_of(p, pair->from);

    if (to == NULL || (pair->from != PROFILE_GATE && from == NULL)) {
        return EDGE_ECLOSED;
    }
    p->number = (uint32_t)(io_random(p->c->io) | 1);
    p->asked_us = io_now_us(p->c->io);
    profile_say(p, "links", to->name, p->pair, p->n_pairs);
    return pair->from == PROFILE_GATE ? ask_gate(p, to)
                                      : ask_board(p, from, to);
}

static void next(struct profiling *p)
{
    while (p->pair < p->n_pairs && ask(p) < 0) {
        p->pair++;
    }
    if (p->pair >= p->n_pairs) {
        profile_links_done(p);
    }
}

/* ---- from outside ---------------------------------------------------------
 */

void profile_links_start(struct profiling *p)
{
    if (pick(p) < 0) {
        profile_finish(p, EDGE_ENOMEM, "out of memory");
        return;
    }
    next(p);
}

void profile_links_tick(struct profiling *p)
{
    uint64_t waited_us = io_now_us(p->c->io) - p->asked_us;

    if (p->pair < p->n_pairs && !p->is_bursting &&
        (p->is_over || waited_us > LINK_MS * UINT64_C(1000))) {
        p->is_over = false;
        settle(p);
    }
}

void profile_links_stop(struct profiling *p)
{
    if (p->is_bursting) {
        burst_stop(&p->burst);
        p->is_bursting = false;
    }
}

void profile_on_link(struct coordinator *c, struct io_peer *peer,
                     struct msg *msg)
{
    const Edged__LinkMeasured *from = msg->env->link_measured;
    struct profiling *p = c->profiling;
    const struct member *m = members_of(c, peer);
    struct kept_link link = {
        .rtt_s = from->rtt_s,
        .bytes_per_s = from->bytes_per_s,
        .send_s = from->send_s,
        .send_bytes_per_s = from->send_bytes_per_s,
    };

    if (p == NULL || m == NULL || p->step != PROFILE_LINKS || p->is_bursting ||
        p->is_over || p->number == 0 || from->number != p->number ||
        strcmp(m->name, name_of(p, p->pairs[p->pair].from)) != 0) {
        return;
    }
    if (from->code == 0) {
        take(p, &link);
    } else {
        log_event(c->log, LOG_WARN, "profile.link", "from=%s to=%s err=\"%s\"",
                  m->name, name_of(p, p->pairs[p->pair].to), from->text);
    }
    settle(p);
}

void profile_on_burst_ack(struct coordinator *c, struct io_peer *peer,
                          struct msg *msg)
{
    struct profiling *p = c->profiling;

    if (p != NULL && p->is_bursting) {
        burst_on_ack(&p->burst, peer, msg->env->burst_ack);
    }
}

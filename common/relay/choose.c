/*
 * Which replica gets the next work: the least expected finish time,
 *
 *     (work it has + 1) * its measured time per run / the trust in it,
 *
 * where the work it has is the greater of what we sent and is not
 * acknowledged, and the queue that it reported. Of one that has just begun to
 * be throttled a part of its speed is expected (health.throttle_derate), until
 * runs measured since say what it is. While the speed of any
 * candidate is unknown: the less loaded of two drawn at random (Mitzenmacher,
 * "The power of two choices in randomized load balancing", 2001).
 *
 * A shard with several senders gathers one request's inputs on one node, so
 * they must choose alike without a word between them: the highest hash of
 * request and name (Thaler and Ravishankar, "A name-based mapping scheme for
 * rendezvous", 1996), of those that are there. Loads do not count: each sender
 * sees others.
 *
 * Spares get work only while none of the others is well: a spare's board has
 * work of its own. Ejected ones are asked only if nobody else is there,
 * suspect ones only if not even such is.
 */
#include "relay/inner.h"

#include "base/failpoint.h"

/* More than its queue holds would only be declined. */
static bool is_full(const struct relay_place *place,
                    const struct relay_node *node)
{
    const struct relay_load *load =
        relay_load(node, place->epoch, place->shard);

    if (node->always || load == NULL || DEFENCE_OFF("queue-bound")) {
        return false;
    }
    return load->unacked >= place->policy.queue ||
           (load->window != 0 && load->unacked >= load->window);
}

enum doubt { NONE, EJECTED, SUSPECT };

static enum doubt doubt_about(const struct relay_node *node, uint64_t now_us)
{
    if (node->suspect) {
        return SUSPECT;
    }
    return relay_trust_is_ejected(&node->trust, now_us) ? EJECTED : NONE;
}

/* What came in before it said so goes on, from one shard here to the next. */
static bool declines(const struct relay_node *node)
{
    return node->leaving && !node->self;
}

static bool is_there(const struct relay_place *place,
                     const struct relay_node *node)
{
    return node->up && !declines(node) &&
           relay_is_ready(node, place->epoch, place->shard);
}

static bool is_candidate(const struct relay_place *place,
                         const struct relay_node *node)
{
    return is_there(place, node) && !is_full(place, node);
}

static uint64_t work_of(const struct relay_place *place,
                        const struct relay_node *node, uint32_t *us)
{
    const struct relay_load *load =
        relay_load(node, place->epoch, place->shard);

    *us = load != NULL ? load->compute_us : 0;
    if (load == NULL) {
        return 0;
    }
    return load->unacked > load->queue ? load->unacked : load->queue;
}

uint64_t relay_expected_us(const struct relay_place *place,
                           const struct relay_node *node)
{
    uint32_t us;
    uint64_t work = work_of(place, node, &us);

    return work * us;
}

bool relay_is_idle(const struct relay_place *place,
                   const struct relay_node *node)
{
    uint32_t us;

    return work_of(place, node, &us) <= 1;
}

struct contest {
    const struct relay_place *place;
    uint64_t now_us;
    struct relay_node *nodes[LIMIT_REPLICAS];
    size_t n;
};

/* Percent of its measured speed that is expected of it. The measured time is
 * a mean over some 8 runs: after DERATE_RUNS it knows of the heat. */
static uint32_t pace_of(const struct relay_place *place,
                        const struct relay_node *node)
{
    const struct relay_load *load =
        relay_load(node, place->epoch, place->shard);
    bool is_guess = node->throttled && load != NULL &&
                    load->runs < load->hot_runs + DERATE_RUNS;

    return is_guess ? place->policy.derate : 100;
}

/* Of what is there: a node's part by trust and heat. */
static uint64_t weight_of(const struct contest *c,
                          const struct relay_node *node)
{
    return (uint64_t)relay_trust_weight(&node->trust, c->now_us) *
           pace_of(c->place, node);
}

/* True if `a` will be done before `b`. */
static bool is_sooner(const struct contest *c, const struct relay_node *a,
                      const struct relay_node *b)
{
    uint32_t a_us;
    uint32_t b_us;
    uint64_t a_cost = work_of(c->place, a, &a_us) + 1;
    uint64_t b_cost = work_of(c->place, b, &b_us) + 1;

    if (a_us != 0 && b_us != 0) {
        a_cost *= a_us;
        b_cost *= b_us;
    }
    /* Of two fractions: multiplied crosswise. */
    return a_cost * weight_of(c, b) < b_cost * weight_of(c, a);
}

/* Full or not: it will take more soon. */
static bool is_any_well(const struct contest *c)
{
    for (size_t i = 0; i + c->place->n_spares < c->place->n_nodes; i++) {
        const struct relay_node *node = c->place->nodes[i];

        if (node->up && !declines(node) &&
            doubt_about(node, c->now_us) == NONE &&
            relay_is_ready(node, c->place->epoch, c->place->shard)) {
            return true;
        }
    }
    return false;
}

static void collect(struct contest *c, const struct relay_node *avoid,
                    bool spares, enum doubt doubt)
{
    size_t firm = c->place->n_nodes - c->place->n_spares;
    size_t end = spares ? c->place->n_nodes : firm;

    for (size_t i = spares ? firm : 0; i < end && c->n < LIMIT_REPLICAS; i++) {
        struct relay_node *node = c->place->nodes[i];

        if (node != avoid && is_candidate(c->place, node) &&
            doubt_about(node, c->now_us) <= doubt) {
            c->nodes[c->n++] = node;
        }
    }
}

static void collect_best(struct contest *c, const struct relay_node *avoid)
{
    bool use_spares = c->place->n_spares > 0 && !is_any_well(c);

    for (enum doubt doubt = NONE; doubt <= SUSPECT && c->n == 0; doubt++) {
        collect(c, avoid, false, doubt);
        if (c->n == 0 && use_spares) {
            collect(c, avoid, true, doubt);
        }
    }
}

static bool is_speed_known(const struct contest *c)
{
    uint32_t us;

    for (size_t i = 0; i < c->n; i++) {
        (void)work_of(c->place, c->nodes[i], &us);
        if (us == 0) {
            return false;
        }
    }
    return true;
}

struct relay_node *relay_choose(struct relay *relay,
                                const struct relay_place *place,
                                const struct relay_node *avoid)
{
    struct contest c = {.place = place, .now_us = io_now_us(relay->io)};
    size_t best;

    collect_best(&c, avoid);
    if (c.n == 0) {
        return NULL;
    }
    /* Starting anywhere spreads equals evenly. */
    best = (size_t)(io_random(relay->io) % c.n);
    if (!is_speed_known(&c)) {
        size_t other = (size_t)(io_random(relay->io) % c.n);

        return is_sooner(&c, c.nodes[other], c.nodes[best]) ? c.nodes[other]
                                                            : c.nodes[best];
    }
    for (size_t i = 0; i < c.n; i++) {
        if (is_sooner(&c, c.nodes[i], c.nodes[best])) {
            best = i;
        }
    }
    return c.nodes[best];
}

/* ---- for a shard with several senders
 * -------------------------------------- */

static uint64_t rank_of(const struct relay_node *node, uint64_t request)
{
    uint64_t hash = request ^ 0xcbf29ce484222325u; /* FNV-1a */

    for (const char *c = node->name; *c != '\0'; c++) {
        hash = (hash ^ (uint8_t)*c) * 0x100000001b3u;
    }
    hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9u; /* splitmix64's end */
    hash = (hash ^ (hash >> 27)) * 0x94d049bb133111ebu;
    return hash ^ (hash >> 31);
}

/* The first of nodes[begin .. end - 1] in this request's order. */
static struct relay_node *first_of(const struct relay_place *place,
                                   size_t begin, size_t end, uint64_t request,
                                   const struct relay_node *avoid, bool suspect)
{
    struct relay_node *best = NULL;

    for (size_t i = begin; i < end; i++) {
        struct relay_node *node = place->nodes[i];

        if (node == avoid || !is_there(place, node) ||
            (node->suspect && !suspect)) {
            continue;
        }
        if (best == NULL || rank_of(node, request) > rank_of(best, request)) {
            best = node;
        }
    }
    return best;
}

static struct relay_node *choose_alike(const struct relay_place *place,
                                       uint64_t request,
                                       const struct relay_node *avoid)
{
    size_t firm = place->n_nodes - place->n_spares;
    struct relay_node *node = NULL;

    for (int suspect = 0; suspect <= 1 && node == NULL; suspect++) {
        node = first_of(place, 0, firm, request, avoid, suspect != 0);
        if (node == NULL) {
            node = first_of(place, firm, place->n_nodes, request, avoid,
                            suspect != 0);
        }
    }
    return node;
}

struct relay_node *relay_choose_for(struct relay *relay,
                                    const struct hold *hold,
                                    const struct relay_node *avoid)
{
    return hold->place->gathers
               ? choose_alike(hold->place, hold->request, avoid)
               : relay_choose(relay, hold->place, avoid);
}

/* ---- how much there is room for -------------------------------------------
 */

/* Those that work: the spares among them only if no other does. */
static size_t collect_working(struct relay *relay, uint32_t epoch,
                              uint32_t shard, struct contest *c)
{
    c->place = relay_place_find(relay, epoch, shard);
    c->now_us = io_now_us(relay->io);
    for (size_t i = 0; c->place != NULL && i < c->place->n_nodes; i++) {
        struct relay_node *node = c->place->nodes[i];
        bool is_spare = i + c->place->n_spares >= c->place->n_nodes;

        if (node->up && !declines(node) && !node->suspect &&
            (!is_spare || c->n == 0) && relay_is_ready(node, epoch, shard) &&
            c->n < LIMIT_REPLICAS) {
            c->nodes[c->n++] = node;
        }
    }
    return c->n;
}

size_t relay_capacity(struct relay *relay, uint32_t epoch, uint32_t shard)
{
    struct contest c = {.n = 0};
    size_t n = collect_working(relay, epoch, shard, &c);
    size_t firm = c.place != NULL ? c.place->n_nodes - c.place->n_spares : 0;

    if (n == 0) {
        return 0;
    }
    return (n > firm ? n : firm) * c.place->policy.queue;
}

uint64_t relay_pace_us(struct relay *relay, uint32_t epoch, uint32_t shard)
{
    struct contest c = {.n = 0};
    double per_us = 0;
    uint32_t us;

    (void)collect_working(relay, epoch, shard, &c);
    for (size_t i = 0; i < c.n; i++) {
        (void)work_of(c.place, c.nodes[i], &us);
        if (us == 0) {
            return 0;
        }
        per_us += pace_of(c.place, c.nodes[i]) / 100.0 / us;
    }
    return per_us > 0 ? (uint64_t)(1.0 / per_us) : 0;
}

/*
 * Stages on devices, as a row of stations that a request comes through:
 *
 *   gateway -> whole -> pieces -> whole -> ... -> gateway
 *
 * Between two stages in pieces, or one and the gateway, a station of its own
 * slices or joins (pieces.h). The time of one request is the sum along the
 * row: for each station the messages at both ends, the wire, and the slowest
 * piece. Requests a second are bounded by the device that is kept longest by
 * one request: its processor, what it sends, or what it takes in; replicas
 * share as their speeds allow, as any-idle dispatch makes them.
 */
#include "coordinator/plan/cost.h"

#include "base/mem.h"

#include <float.h>

enum role { ROLE_GATEWAY, ROLE_WHOLE, ROLE_HEAD, ROLE_PIECES, ROLE_TAIL };

struct flow {      /* what crosses to a station from the one before */
    double bytes;  /* to or from all pieces */
    double most;   /* to or from one */
    int values;    /* messages of one */
    double factor; /* bytes on the wire for one of these */
};

struct station {
    enum role role;
    size_t stage;
    size_t k; /* pieces */
    struct flow in;
    size_t *path; /* by piece: the device that takes it while all are idle */
};

struct costing {
    const struct cost_model *m;
    struct choice *choice;
    struct station *stations; /* the gateway is first and last */
    size_t n;
    size_t *paths;
    size_t n_paths;
    struct cost_part *parts; /* by stage, of the board in boards[] */
    size_t *boards;
    double *sends_s; /* by device, the gateway last: the wire's time */
    double *takes_s;
};

/* ---- parts of stages ----------------------------------------------------- */

static const struct profile_board *board_of(const struct costing *c,
                                            size_t device)
{
    return &c->m->profile->boards[c->m->profile->devices[device].board];
}

static int make_part(struct costing *c, size_t stage, size_t board,
                     struct err *err)
{
    const struct choice_stage *s = &c->choice->stages[stage];
    struct cost_shape shape = {s->kind, s->axis, s->halo, s->rows, s->columns};

    c->boards[stage] = board;
    return cost_part_sure(c->m, board, s->first, s->end, &shape,
                          &c->parts[stage], err);
}

/* Boards differ in seconds alone. */
static const struct cost_part *part_on(struct costing *c, size_t stage,
                                       size_t device)
{
    size_t board = c->m->profile->devices[device].board;

    if (c->boards[stage] != board) {
        (void)make_part(c, stage, board, NULL);
    }
    return &c->parts[stage];
}

/* ---- stations ------------------------------------------------------------ */

static bool is_whole(const struct costing *c, size_t stage)
{
    return stage < c->choice->n_stages &&
           c->choice->stages[stage].kind == PIECES_WHOLE;
}

static void add_station(struct costing *c, enum role role, size_t stage,
                        size_t k)
{
    c->stations[c->n++] = (struct station){
        .role = role, .stage = stage, .k = k, .path = c->paths + c->n_paths};
    c->n_paths += k;
}

/* What slices does so for tiles and for a split along the input. */
static bool slices(const struct choice_stage *stage)
{
    return stage->kind == PIECES_TILE ||
           (stage->kind == PIECES_SPLIT && stage->axis == SPLIT_INPUT);
}

static void add_stage(struct costing *c, size_t i)
{
    const struct choice_stage *stage = &c->choice->stages[i];

    if (stage->kind == PIECES_WHOLE) {
        add_station(c, ROLE_WHOLE, i, 1);
        return;
    }
    if (slices(stage) && (i == 0 || !is_whole(c, i - 1))) {
        add_station(c, ROLE_HEAD, i, 1);
    }
    add_station(c, ROLE_PIECES, i, choice_pieces(stage));
    if (!is_whole(c, i + 1)) {
        add_station(c, ROLE_TAIL, i, 1);
    }
}

static double factor_into(const struct costing *c, size_t stage)
{
    double factor =
        stage < c->choice->n_stages ? c->choice->stages[stage].in_factor : 1;

    return factor > 0 ? factor : 1;
}

static void set_flow(struct costing *c, size_t i)
{
    struct station *to = &c->stations[i];
    const struct station *from = &c->stations[i - 1];
    const struct cost_part *part;

    if (to->role == ROLE_PIECES) {
        part = &c->parts[to->stage];
        to->in = (struct flow){part->in_bytes + part->pass_bytes, part->in_most,
                               part->in_values, factor_into(c, to->stage)};
    } else if (from->role == ROLE_PIECES) {
        part = &c->parts[from->stage];
        to->in =
            (struct flow){part->out_bytes + part->pass_bytes, part->out_most,
                          part->out_values, factor_into(c, from->stage + 1)};
    } else {
        int at = to->role == ROLE_GATEWAY ? (int)c->m->n_ops
                                          : c->choice->stages[to->stage].first;

        to->in = (struct flow){
            c->m->cross_bytes[at], c->m->cross_bytes[at],
            c->m->cross_values[at],
            to->role == ROLE_GATEWAY ? 1 : factor_into(c, to->stage)};
    }
}

/* Processor's time of one request for what a station itself does. */
static double compute_on(struct costing *c, size_t i, size_t device)
{
    const struct station *st = &c->stations[i];
    const struct profile_board *board = board_of(c, device);
    const struct cost_part *part = part_on(c, st->stage, device);
    double s = board->run_s;

    switch (st->role) {
    case ROLE_GATEWAY: return 0;
    case ROLE_HEAD: return s + part->scatter_s;
    case ROLE_TAIL: return s + part->join_s;
    case ROLE_PIECES:
        return part->compute_s + part->levels * board->run_s +
               2 * (part->inner_values * board->send_s +
                    part->inner_most / board->send_bytes_per_s);
    case ROLE_WHOLE: s += part->compute_s; break;
    }
    if (c->stations[i - 1].role == ROLE_PIECES) {
        s += part_on(c, st->stage - 1, device)->join_s;
    }
    if (c->stations[i + 1].role == ROLE_PIECES) {
        s += part_on(c, st->stage + 1, device)->scatter_s;
    }
    return s;
}

/* Devices of a piece: every so-manieth of its stage's. */
static size_t count_devices(const struct costing *c, const struct station *st,
                            size_t piece)
{
    const struct choice_stage *stage = &c->choice->stages[st->stage];
    size_t k = choice_pieces(stage);

    return stage->n_devices < k ? 1 : (stage->n_devices - piece + k - 1) / k;
}

static size_t device_of(const struct costing *c, const struct station *st,
                        size_t piece, size_t replica)
{
    const struct choice_stage *stage = &c->choice->stages[st->stage];
    size_t k = choice_pieces(stage);

    return stage->n_devices < k ? stage->devices[piece % stage->n_devices]
                                : stage->devices[piece + replica * k];
}

static void set_path(struct costing *c, size_t i)
{
    struct station *st = &c->stations[i];

    for (size_t t = 0; t < st->k; t++) {
        double least = DBL_MAX;

        st->path[t] = PROFILE_GATEWAY;
        for (size_t r = 0;
             st->role != ROLE_GATEWAY && r < count_devices(c, st, t); r++) {
            size_t d = device_of(c, st, t, r);
            double s = compute_on(c, i, d);

            if (s < least) {
                least = s;
                st->path[t] = d;
            }
        }
    }
}

/* ---- one request alone --------------------------------------------------- */

/* Messages at one end; what the gateway takes is not known. */
static double message_s(const struct costing *c, size_t device, double values,
                        double bytes)
{
    const struct profile_board *board;

    if (device == PROFILE_GATEWAY) {
        return 0;
    }
    board = board_of(c, device);
    return values * board->send_s + bytes / board->send_bytes_per_s;
}

struct crossing {  /* between one station and the k pieces of another */
    double remote; /* of the pieces, how many are elsewhere */
    double rtt_s;
    double bytes_per_s; /* of the slowest link */
};

static struct crossing cross(const struct costing *c, const struct station *one,
                             const struct station *many)
{
    struct crossing x = {0, 0, DBL_MAX};

    for (size_t t = 0; t < many->k; t++) {
        const struct profile_link *link;

        if (one->path[0] == many->path[t]) {
            continue;
        }
        link = profile_link(c->m->profile, one->path[0], many->path[t]);
        x.remote++;
        x.rtt_s = link->rtt_s > x.rtt_s ? link->rtt_s : x.rtt_s;
        x.bytes_per_s = link->bytes_per_s < x.bytes_per_s ? link->bytes_per_s
                                                          : x.bytes_per_s;
    }
    return x;
}

static double transfer_s(const struct costing *c, size_t i)
{
    const struct station *from = &c->stations[i - 1];
    const struct station *to = &c->stations[i];
    bool gathers = from->k > to->k;
    const struct station *one = gathers ? to : from;
    const struct station *many = gathers ? from : to;
    struct crossing x = cross(c, one, many);
    double share = x.remote / (double)many->k;
    double bytes = to->in.bytes * share;

    if (x.remote == 0) {
        return 0;
    }
    return x.rtt_s / 2 + bytes * to->in.factor / x.bytes_per_s +
           message_s(c, one->path[0], to->in.values * x.remote, bytes) +
           message_s(c, many->path[0], to->in.values, to->in.most);
}

/* Borders, and partial layers, between the pieces' own shards. */
static double inner_s(struct costing *c, const struct station *st)
{
    const struct cost_part *part = &c->parts[st->stage];
    const struct profile_link *link;

    if (st->role != ROLE_PIECES || part->levels < 2) {
        return 0;
    }
    link = profile_link(c->m->profile, st->path[0], st->path[st->k - 1]);
    return (part->levels - 1) * link->rtt_s / 2 +
           part->inner_most * factor_into(c, st->stage) / link->bytes_per_s;
}

static void add_latency(struct costing *c, size_t i)
{
    const struct station *st = &c->stations[i];
    double longest = 0;

    for (size_t t = 0; t < st->k && st->role != ROLE_GATEWAY; t++) {
        double s = compute_on(c, i, st->path[t]);

        longest = s > longest ? s : longest;
    }
    if (st->role == ROLE_WHOLE || st->role == ROLE_PIECES) {
        c->choice->stages[st->stage].compute_s = longest;
    }
    c->choice->latency_s += transfer_s(c, i) + longest + inner_s(c, st);
}

/* ---- many requests ------------------------------------------------------- */

struct load { /* of one piece of a station on a device, by request */
    double cpu_s;
    double sends_s;
    double takes_s;
    double sent;
};

/* Messages between a station and the one next to it, at its own end. */
static void add_messages(const struct costing *c, const struct station *st,
                         const struct station *next, const struct flow *flow,
                         size_t piece, size_t device, bool is_out,
                         struct load *load)
{
    const struct profile_link *link;
    struct crossing x = {1, 0, 0};
    size_t peer = next->path[st->k == 1 || next->k == 1 ? 0 : piece];
    double bytes = flow->most;

    if (st->k == 1) {
        x = cross(c, st, next);
        bytes = flow->bytes * x.remote / (double)next->k;
        for (size_t t = 0; t < next->k && peer == device; t++) {
            peer = next->path[t];
        }
    }
    if (peer == device || x.remote == 0) {
        return;
    }
    link = profile_link(c->m->profile, device, peer);
    load->cpu_s += message_s(c, device, flow->values * x.remote, bytes);
    bytes *= flow->factor;
    if (is_out) {
        load->sends_s += bytes / link->bytes_per_s;
        load->sent += bytes;
    } else {
        load->takes_s += bytes / link->bytes_per_s;
    }
}

static struct load load_on(struct costing *c, size_t i, size_t piece,
                           size_t device)
{
    const struct station *st = &c->stations[i];
    struct load load = {.cpu_s = compute_on(c, i, device)};

    add_messages(c, st, st - 1, &st->in, piece, device, false, &load);
    add_messages(c, st, st + 1, &st[1].in, piece, device, true, &load);
    if (st->role == ROLE_PIECES && c->parts[st->stage].inner_most > 0) {
        const struct profile_link *link =
            profile_link(c->m->profile, st->path[0], st->path[st->k - 1]);
        double bytes =
            c->parts[st->stage].inner_most * factor_into(c, st->stage);

        load.sends_s += bytes / link->bytes_per_s;
        load.takes_s += bytes / link->bytes_per_s;
        load.sent += bytes;
    }
    return load;
}

static double longest_of(const struct load *load)
{
    double s = load->cpu_s > load->sends_s ? load->cpu_s : load->sends_s;

    return s > load->takes_s ? s : load->takes_s;
}

/* Replicas that finish sooner take more. */
static void add_piece_load(struct costing *c, size_t i, size_t piece)
{
    const struct station *st = &c->stations[i];
    struct choice_stage *stage = &c->choice->stages[st->stage];
    size_t n = count_devices(c, st, piece);
    double rate = 0;

    for (size_t r = 0; r < n; r++) {
        struct load load = load_on(c, i, piece, device_of(c, st, piece, r));

        rate += 1 / longest_of(&load);
    }
    for (size_t r = 0; r < n; r++) {
        size_t d = device_of(c, st, piece, r);
        struct load load = load_on(c, i, piece, d);
        double share = 1 / longest_of(&load) / rate;

        c->choice->busy_s[d] += share * load.cpu_s;
        c->sends_s[d] += share * load.sends_s;
        c->takes_s[d] += share * load.takes_s;
        c->choice->sent[d] += share * load.sent;
        if (share * longest_of(&load) > stage->busy_s) {
            stage->busy_s = share * longest_of(&load);
        }
    }
}

static void add_gateway(struct costing *c)
{
    size_t n = c->m->profile->n_devices;

    for (int last = 0; last <= 1; last++) {
        const struct station *st = &c->stations[last ? c->n - 1 : 0];
        const struct station *next = last ? st - 1 : st + 1;
        const struct flow *flow = last ? &st->in : &next->in;
        struct crossing x = cross(c, st, next);
        double s = flow->bytes * flow->factor / x.bytes_per_s;

        *(last ? &c->takes_s[n] : &c->sends_s[n]) += s;
    }
}

static void find_bottleneck(struct costing *c)
{
    struct choice *choice = c->choice;
    double longest = DBL_MIN;

    for (size_t d = 0; d <= c->m->profile->n_devices; d++) {
        struct load load = {d < c->m->profile->n_devices ? choice->busy_s[d]
                                                         : 0,
                            c->sends_s[d], c->takes_s[d], 0};

        longest = longest_of(&load) > longest ? longest_of(&load) : longest;
    }
    choice->throughput = 1 / longest;
    choice->slowest = 0;
    for (size_t i = 1; i < choice->n_stages; i++) {
        if (choice->stages[i].busy_s > choice->stages[choice->slowest].busy_s) {
            choice->slowest = i;
        }
    }
}

/* ---- memory -------------------------------------------------------------- */

static double station_memory(const struct costing *c, size_t i)
{
    const struct station *st = &c->stations[i];
    const struct cost_part *part = &c->parts[st->stage];

    if (st->role == ROLE_HEAD || st->role == ROLE_TAIL) {
        double in = st->in.bytes;
        double out = st[1].in.bytes;

        return in + out + (double)c->m->queue * in;
    }
    return cost_part_memory(c->m, part);
}

static void add_memory(struct costing *c, size_t i)
{
    const struct station *st = &c->stations[i];
    uint64_t bytes = (uint64_t)station_memory(c, i);

    for (size_t t = 0; t < st->k; t++) {
        for (size_t r = 0; r < count_devices(c, st, t); r++) {
            c->choice->memory[device_of(c, st, t, r)] += bytes;
        }
    }
}

/* ---- all of it ----------------------------------------------------------- */

static int take_room(struct costing *c)
{
    struct choice *choice = c->choice;
    size_t n_devices = c->m->profile->n_devices;
    size_t pieces = 0;

    for (size_t i = 0; i < choice->n_stages; i++) {
        pieces += choice_pieces(&choice->stages[i]) + 2;
    }
    mem_free(choice->memory);
    mem_free(choice->busy_s);
    mem_free(choice->sent);
    choice->n_devices = n_devices;
    choice->memory = mem_array(uint64_t, n_devices);
    choice->busy_s = mem_array(double, n_devices);
    choice->sent = mem_array(double, n_devices);
    c->stations = mem_array(struct station, 3 * choice->n_stages + 2);
    c->paths = mem_array(size_t, pieces + 2);
    c->parts = mem_array(struct cost_part, choice->n_stages);
    c->boards = mem_array(size_t, choice->n_stages);
    c->sends_s = mem_array(double, n_devices + 1);
    c->takes_s = mem_array(double, n_devices + 1);
    return choice->memory == NULL || choice->busy_s == NULL ||
                   choice->sent == NULL || c->stations == NULL ||
                   c->paths == NULL || c->parts == NULL || c->boards == NULL ||
                   c->sends_s == NULL || c->takes_s == NULL
               ? EDGE_ENOMEM
               : 0;
}

static int lay_out(struct costing *c, struct err *err)
{
    int rc = 0;

    add_station(c, ROLE_GATEWAY, 0, 1);
    for (size_t i = 0; i < c->choice->n_stages && rc == 0; i++) {
        size_t device = c->choice->stages[i].devices[0];

        c->choice->stages[i].busy_s = 0;
        rc = make_part(c, i, c->m->profile->devices[device].board, err);
        add_stage(c, i);
    }
    add_station(c, ROLE_GATEWAY, 0, 1);
    return rc;
}

static void reckon(struct costing *c)
{
    for (size_t i = 1; i < c->n; i++) {
        set_flow(c, i);
    }
    for (size_t i = 0; i < c->n; i++) {
        set_path(c, i);
    }
    c->choice->latency_s = 0;
    for (size_t i = 1; i < c->n; i++) {
        add_latency(c, i);
    }
    for (size_t i = 1; i + 1 < c->n; i++) {
        for (size_t t = 0; t < c->stations[i].k; t++) {
            add_piece_load(c, i, t);
        }
        add_memory(c, i);
    }
    for (size_t i = 0; i < c->choice->n_stages; i++) {
        struct choice_stage *stage = &c->choice->stages[i];

        stage->in_bytes =
            (stage->kind == PIECES_WHOLE ? c->m->cross_bytes[stage->first]
                                         : c->parts[i].in_bytes) *
            factor_into(c, i);
        stage->inner_bytes = c->parts[i].inner_bytes;
    }
    c->choice->out_bytes = c->m->cross_bytes[c->m->n_ops];
    add_gateway(c);
    find_bottleneck(c);
}

int cost_choice(const struct cost_model *model, struct choice *choice,
                struct err *err)
{
    struct costing c = {.m = model, .choice = choice};
    int rc = take_room(&c);

    if (rc < 0) {
        rc = err_set(err, rc, "out of memory");
    } else {
        rc = lay_out(&c, err);
    }
    if (rc == 0) {
        reckon(&c);
    }
    mem_free(c.stations);
    mem_free(c.paths);
    mem_free(c.parts);
    mem_free(c.boards);
    mem_free(c.sends_s);
    mem_free(c.takes_s);
    return rc;
}

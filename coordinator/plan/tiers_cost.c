/*
 * What tiers will take: as cost.h reckons, but that views are computed beside
 * each other and a value goes straight from where it is made to where it is
 * read. Of a request that no exit ends; codecs of links are left out.
 */
#include "coordinator/plan/tiers.h"

#include "base/mem.h"
#include "coordinator/plan/cost.h"

#include <float.h>
#include <math.h>

struct reckoning {
    const struct tiers *tiers;
    const struct cost_model *model;
    struct choice *choice;
    int *made_by; /* of each value: the stage; GATEWAY, or NOBODY: constant */
    int *read_by; /* the last stage that was seen to read it */
    double ready_s[2 * LIMIT_PORTS]; /* of each stage */
    double wire_s[2 * LIMIT_PORTS];  /* that it sends or takes */
};

#define GATEWAY (-1)
#define NOBODY (-2)

static size_t device_of(const struct reckoning *r, int stage)
{
    return stage == GATEWAY ? PROFILE_GATEWAY
                            : r->choice->stages[stage].devices[0];
}

/* The processor's time of a message, at one end. */
static double handle(struct reckoning *r, int stage, double bytes)
{
    const struct profile *profile = r->model->profile;
    const struct profile_board *board;
    double s;

    if (stage == GATEWAY) {
        return 0;
    }
    board = &profile->boards[profile->devices[device_of(r, stage)].board];
    s = board->send_s + bytes / board->send_bytes_per_s;
    r->choice->stages[stage].busy_s += s;
    r->choice->busy_s[device_of(r, stage)] += s;
    return s;
}

/* Seconds from made to there. */
static double send(struct reckoning *r, int from, int to, double bytes)
{
    size_t a = device_of(r, from);
    size_t b = device_of(r, to);
    const struct profile_link *link;
    double wire;

    if (a == b) {
        return 0;
    }
    link = profile_link(r->model->profile, a, b);
    wire = bytes / link->bytes_per_s;
    if (from != GATEWAY) {
        r->choice->sent[a] += bytes;
        r->wire_s[from] += wire;
    }
    if (to != GATEWAY) {
        r->wire_s[to] += wire;
    }
    return handle(r, from, bytes) + link->rtt_s / 2 + wire +
           handle(r, to, bytes);
}

static void take_value(struct reckoning *r, int stage, int value,
                       double *arrived)
{
    double bytes = (double)cost_value_bytes(r->model->graph, value);
    int from = r->made_by[value];

    if (from == NOBODY || from == stage || r->read_by[value] == stage) {
        return;
    }
    r->read_by[value] = stage;
    r->choice->stages[stage].in_bytes += bytes;
    *arrived = fmax(*arrived, (from == GATEWAY ? 0 : r->ready_s[from]) +
                                  send(r, from, stage, bytes));
}

static void reckon_stage(struct reckoning *r, int s)
{
    struct choice_stage *stage = &r->choice->stages[s];
    double arrived = 0;

    stage->in_bytes = 0;
    stage->busy_s = stage->compute_s;
    r->choice->busy_s[stage->devices[0]] += stage->compute_s;
    for (int p = stage->first; p < stage->end; p++) {
        const struct op *op = &r->model->graph->ops[r->model->scan.ops[p]];

        for (int k = 0; k < op->n_in; k++) {
            if (op->in[k] >= 0) {
                take_value(r, s, op->in[k], &arrived);
            }
        }
        for (int k = 0; k < op->n_out; k++) {
            if (op->out[k] >= 0) {
                r->made_by[op->out[k]] = s;
            }
        }
    }
    r->ready_s[s] = arrived + stage->compute_s;
}

static void find_slowest(struct reckoning *r)
{
    struct choice *c = r->choice;
    double longest = DBL_MIN;

    c->slowest = 0;
    for (size_t i = 0; i < c->n_stages; i++) {
        double s = fmax(c->busy_s[c->stages[i].devices[0]], r->wire_s[i]);

        if (s > longest) {
            longest = s;
            c->slowest = i;
        }
    }
    c->throughput = 1 / longest;
}

static void reckon(struct reckoning *r)
{
    const struct graph *g = r->model->graph;
    struct choice *c = r->choice;
    int last = (int)c->n_stages - 1;

    for (size_t i = 0; i < g->n_values; i++) {
        r->made_by[i] = NOBODY;
        r->read_by[i] = NOBODY;
    }
    for (size_t i = 0; i < r->tiers->n_views; i++) { /* nobody sends present */
        r->made_by[g->inputs[i]] = GATEWAY;
    }
    for (size_t d = 0; d < c->n_devices; d++) {
        c->busy_s[d] = 0;
        c->sent[d] = 0;
    }
    for (int s = 0; s <= last; s++) {
        reckon_stage(r, s);
    }
    c->out_bytes = (double)cost_value_bytes(g, g->outputs[0]);
    c->latency_s = r->ready_s[last] + send(r, last, GATEWAY, c->out_bytes);
    find_slowest(r);
}

int tiers_reckon(const struct tiers *tiers, const struct cost_model *model,
                 struct choice *choice, struct err *err)
{
    struct reckoning r = {.tiers = tiers, .model = model, .choice = choice};
    size_t n = model->graph->n_values + 1;
    int rc = cost_choice(model, choice, err);

    if (rc < 0) {
        return rc;
    }
    r.made_by = mem_array(int, n);
    r.read_by = mem_array(int, n);
    if (r.made_by == NULL || r.read_by == NULL) {
        rc = err_set(err, EDGE_ENOMEM, "out of memory");
    } else {
        reckon(&r);
    }
    mem_free(r.made_by);
    mem_free(r.read_by);
    return rc;
}

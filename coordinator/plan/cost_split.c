/*
 * Ranges of positions whose products are split (pieces.c says how): a level is
 * a product, or a pair of them, with what follows piece by piece; the rest is
 * left to the join behind it, or to where the first pieces' input comes from.
 */
#include "coordinator/plan/cost.h"

#include "base/mem.h"
#include "coordinator/plan/split_product.h"

#include <math.h>

struct level {
    double in_bytes; /* to all pieces */
    double in_most;
    double out_bytes;
    double out_most;
    double arena;
};

struct splitting {
    const struct cost_model *model;
    const struct cost_shape *shape;
    size_t board;
    int end;
    double k;
    int at; /* position behind what was looked at */
    double piece_s;
    double weights;
    double rest_s; /* of ops that are not in pieces, since the last level */
    struct level level;
};

static int op_at(const struct splitting *s, int position)
{
    return s->model->scan.ops[position];
}

static double seconds(const struct splitting *s, int position)
{
    return cost_op_seconds(s->model, s->board, position);
}

static double bytes_of(const struct splitting *s, int value)
{
    return (double)cost_value_bytes(s->model->graph, value);
}

/* The largest of k shares of n channels. */
static double share_of(const struct splitting *s, int64_t n)
{
    return n > 0 ? ceil((double)n / s->k) / (double)n : 1;
}

static int count_reads(const struct op *op, int value)
{
    int n = 0;

    for (int k = 0; k < op->n_in; k++) {
        n += op->in[k] == value;
    }
    return n;
}

/* Position of the only reader of `value`, or -1. */
static int reader(const struct splitting *s, int value)
{
    const struct graph *g = s->model->graph;
    int found = -1;

    if (graph_is_output(g, value)) {
        return -1;
    }
    for (int p = s->at; p <= s->model->scan.read[value]; p++) {
        int n = count_reads(&g->ops[op_at(s, p)], value);

        if (n > 1 || (n == 1 && found >= 0)) {
            return -1;
        }
        found = n == 1 ? p : found;
    }
    return found < s->end ? found : -1;
}

/* Ops up to `position` that no piece computes. */
static void leave_out(struct splitting *s, int position)
{
    for (; s->at < position; s->at++) {
        s->rest_s += seconds(s, s->at);
    }
}

static void take(struct splitting *s, int position, double share)
{
    leave_out(s, position);
    s->piece_s += seconds(s, position) * share;
    s->weights += s->model->ops[position].weight_bytes * share;
    s->at = position + 1;
}

/* All that can be done piece by piece; *value is what comes of it. */
static void follow(struct splitting *s, int *value, int axis, double share)
{
    struct follower f;
    int p = reader(s, *value);

    while (p >= 0 &&
           follower_of(s->model->graph, op_at(s, p), *value, axis, &f)) {
        take(s, p, share);
        *value = s->model->graph->ops[op_at(s, p)].out[0];
        axis = f.axis;
        p = reader(s, *value);
    }
}

static void sum_input(struct splitting *s, const struct product *p, int head)
{
    double share = share_of(s, p->ins);
    double in = bytes_of(s, p->input);
    double out = bytes_of(s, p->output);

    take(s, head, share);
    s->level =
        (struct level){in, in * share, out * s->k, out, in * share + out};
}

static int pair(struct splitting *s, int value, double in, double share)
{
    struct product second;
    int p = reader(s, value);
    double out;

    if (p < 0 || !product_of(s->model->graph, op_at(s, p), &second) ||
        second.input != value || !product_sums(&second)) {
        return EDGE_EINVAL;
    }
    take(s, p, share);
    out = bytes_of(s, second.output);
    s->level = (struct level){in * s->k, in, out * s->k, out,
                              in + out + 2 * share * bytes_of(s, value)};
    return 0;
}

static int one_level(struct splitting *s, int head)
{
    struct product p;
    double share;
    double in;
    int value;

    if (!product_of(s->model->graph, op_at(s, head), &p)) {
        return EDGE_EINVAL;
    }
    if (s->shape->axis == SPLIT_INPUT) {
        if (!product_sums(&p) || p.ins < (int64_t)s->k) {
            return EDGE_ENOFIT;
        }
        sum_input(s, &p, head);
        return 0;
    }
    if ((p.groups > 1 ? p.groups : p.outs) < (int64_t)s->k) {
        return EDGE_ENOFIT;
    }
    share = share_of(s, p.groups > 1 ? p.groups : p.outs);
    in = bytes_of(s, p.input);
    value = p.output;
    take(s, head, share);
    follow(s, &value, p.out_axis, share);
    if (s->shape->axis == SPLIT_PAIR) {
        return pair(s, value, in, share);
    }
    s->level = (struct level){
        p.groups > 1 ? in : in * s->k, p.groups > 1 ? in * share : in,
        bytes_of(s, value), bytes_of(s, value) * share,
        in + 2 * share *
                 (bytes_of(s, p.output) > bytes_of(s, value)
                      ? bytes_of(s, p.output)
                      : bytes_of(s, value))};
    return 0;
}

static int next_head(const struct splitting *s)
{
    for (int p = s->at; p < s->end; p++) {
        if (s->model->ops[p].is_head) {
            return p;
        }
    }
    return -1;
}

/* Between two levels the pieces' outputs are joined and sent on. */
static void add_level(const struct splitting *s, struct cost_part *part,
                      const struct level *last, double rest_s)
{
    double copies = 2 / s->model->profile->boards[s->board].bytes_per_s;

    if (part->levels == 0) {
        part->scatter_s = rest_s;
        part->in_bytes = s->level.in_bytes;
        part->in_most = s->level.in_most;
    } else {
        part->inner_bytes += last->out_bytes + s->level.in_bytes;
        part->inner_most += last->out_bytes + s->level.in_most;
        part->inner_values += 2;
        part->compute_s += rest_s + last->out_bytes * copies;
    }
    if (s->level.arena > part->arena_bytes) {
        part->arena_bytes = s->level.arena;
    }
    part->levels++;
}

/* Values from before that are read behind. */
static double passing(const struct cost_model *model, int first, int end)
{
    double bytes = 0;

    for (int v = 0; v < (int)model->graph->n_values; v++) {
        if (model->scan.made[v] != CUT_NEVER && model->scan.made[v] <= first &&
            model->scan.read[v] >= end) {
            bytes += (double)cost_value_bytes(model->graph, v);
        }
    }
    return bytes;
}

int cost_split(const struct cost_model *model, size_t board, int first, int end,
               const struct cost_shape *shape, struct cost_part *part)
{
    struct splitting s = {.model = model,
                          .shape = shape,
                          .board = board,
                          .end = end,
                          .k = shape->columns,
                          .at = first};
    int head;
    int rc = 0;

    *part = (struct cost_part){.first = first,
                               .end = end,
                               .shape = *shape,
                               .k = (size_t)shape->columns,
                               .in_values = 1,
                               .out_values = 1};
    while (rc == 0 && (head = next_head(&s)) >= 0) {
        struct level last = s.level;
        double rest_s;

        leave_out(&s, head);
        rest_s = s.rest_s;
        s.rest_s = 0;
        rc = one_level(&s, head);
        if (rc == 0) {
            add_level(&s, part, &last, rest_s);
        }
    }
    if (rc < 0 || part->levels == 0) {
        return rc < 0 ? rc : EDGE_EINVAL;
    }
    leave_out(&s, end);
    part->compute_s += s.piece_s;
    part->out_bytes = s.level.out_bytes;
    part->out_most = s.level.out_most;
    part->weight_bytes = s.weights;
    part->join_s = s.rest_s + 2 * part->out_bytes /
                                  model->profile->boards[board].bytes_per_s;
    part->pass_bytes = passing(model, first, end);
    return 0;
}

#include "coordinator/plan/paper.h"

#include "graph/infer.h"

#include "base/mem.h"

#include <string.h>

struct drawing {
    struct paper *paper;
    const struct cost_model *model;
    const struct choice *choice;
};

/* ---- seconds ------------------------------------------------------------- */

static double touched(const struct op_cost *cost)
{
    return cost->bytes_in + cost->bytes_out + cost->bytes_weight;
}

/* An op of a piece has the name of the one that it is a piece of, and a
 * suffix or several. -1: it slices or joins, and is a piece of none. */
static int position_of(const struct cost_model *m, const struct choice_stage *s,
                       const char *name)
{
    size_t n = strlen(name);

    while (n > 0) {
        for (int p = s->first; p < s->end; p++) {
            const char *other = m->graph->ops[m->scan.ops[p]].name;

            if (strncmp(other, name, n) == 0 && other[n] == '\0') {
                return p;
            }
        }
        while (n > 0 && name[n - 1] != '/') {
            n--;
        }
        n -= n > 0 ? 1 : 0;
    }
    return -1;
}

/* A piece takes its share of what the whole does. */
static double op_seconds(const struct cost_model *m, size_t board,
                         const struct choice_stage *s, const struct graph *g,
                         const struct op *op)
{
    int p = position_of(m, s, op->name);
    const struct op *whole = p >= 0 ? &m->graph->ops[m->scan.ops[p]] : NULL;
    struct op_cost cost;
    struct op_cost all;

    infer_cost(g, op, &cost);
    if (whole == NULL || whole->kind != op->kind) {
        return touched(&cost) / m->profile->boards[board].bytes_per_s;
    }
    infer_cost(m->graph, whole, &all);
    if (all.macs > 0) {
        return cost_op_seconds(m, board, p) * cost.macs / all.macs;
    }
    return touched(&all) > 0
               ? cost_op_seconds(m, board, p) * touched(&cost) / touched(&all)
               : 0;
}

double paper_seconds(const struct cost_model *m,
                     const struct choice_stage *stage,
                     const struct graph *shard, size_t board)
{
    double sum = m->profile->boards[board].run_s;

    for (size_t i = 0; i < shard->n_ops; i++) {
        sum += op_seconds(m, board, stage, shard, &shard->ops[i]);
    }
    return sum;
}

/* ---- shards -------------------------------------------------------------- */

/* The devices of a piece: every k-th of the stage's; what slices and joins is
 * with the first. */
static size_t devices_of(const struct drawing *d, size_t shard, size_t *out)
{
    const struct piece *piece = &d->paper->pieces[shard];
    const struct choice_stage *s = &d->choice->stages[piece->stage];
    size_t k = choice_pieces(s);
    size_t n = 0;

    if (piece->role == PIECE_HEAD || piece->role == PIECE_TAIL) {
        out[0] = s->devices[0];
        return 1;
    }
    for (size_t i = piece->role == PIECE_PART ? (size_t)piece->index : 0;
         i < s->n_devices; i += k) {
        out[n++] = s->devices[i];
    }
    return n;
}

/* The levels of a piece stay on one device: its own values do not travel. */
static size_t like_which(const struct drawing *d, size_t shard)
{
    const struct piece *pieces = d->paper->pieces;

    for (size_t i = 0; i < shard && pieces[shard].role == PIECE_PART; i++) {
        if (pieces[i].role == PIECE_PART &&
            pieces[i].stage == pieces[shard].stage &&
            pieces[i].index == pieces[shard].index) {
            return i + 1;
        }
    }
    return 0;
}

/* The board's seconds are reckoned once, however many devices are like it. */
static int set_shard(struct drawing *d, size_t i, size_t at)
{
    struct paper *paper = d->paper;
    struct simulate_shard *shard = &paper->shards[i];
    double *seconds = mem_array(double, d->model->profile->n_boards);

    if (seconds == NULL) {
        return EDGE_ENOMEM;
    }
    shard->devices = paper->devices + at;
    shard->seconds = paper->seconds + at;
    shard->n_devices = devices_of(d, i, paper->devices + at);
    shard->like = like_which(d, i);
    for (size_t k = 0; k < shard->n_devices; k++) {
        size_t board = d->model->profile->devices[paper->devices[at + k]].board;

        if (seconds[board] <= 0) {
            seconds[board] = paper_seconds(
                d->model, &d->choice->stages[paper->pieces[i].stage],
                paper->parts.shards[i], board);
        }
        paper->seconds[at + k] = seconds[board];
    }
    mem_free(seconds);
    return 0;
}

static int set_shards(struct drawing *d)
{
    struct paper *paper = d->paper;
    size_t all = 0;
    size_t at = 0;

    for (size_t i = 0; i < paper->parts.n; i++) {
        all += d->choice->stages[paper->pieces[i].stage].n_devices;
    }
    paper->shards = mem_array(struct simulate_shard, paper->parts.n);
    paper->devices = mem_array(size_t, all);
    paper->seconds = mem_array(double, all);
    if (paper->shards == NULL || paper->devices == NULL ||
        paper->seconds == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < paper->parts.n; i++) {
        if (set_shard(d, i, at) < 0) {
            return EDGE_ENOMEM;
        }
        at += paper->shards[i].n_devices;
    }
    return 0;
}

/* ---- links --------------------------------------------------------------- */

static double value_bytes(const struct graph *graph, int value)
{
    size_t bytes = 0;

    (void)shape_bytes(&graph->values[value].shape, graph->values[value].dtype,
                      &bytes);
    return (double)bytes;
}

static double link_bytes(const struct drawing *d, const struct part_link *link)
{
    const struct parts *parts = &d->paper->parts;
    const struct piece *pieces = d->paper->pieces;
    double bytes;

    if (link->from == PARTS_OUTSIDE) {
        bytes = value_bytes(d->model->graph,
                            d->model->graph->inputs[link->from_port]);
    } else {
        const struct graph *from = parts->shards[link->from];

        bytes = value_bytes(from, from->outputs[link->from_port]);
    }
    if (link->to != PARTS_OUTSIDE &&
        (link->from == PARTS_OUTSIDE ||
         pieces[link->from].stage != pieces[link->to].stage)) {
        double factor = d->choice->stages[pieces[link->to].stage].in_factor;

        bytes *= factor > 0 ? factor : 1;
    }
    return bytes;
}

/* All that goes from one shard to another is one message. */
static int set_links(struct drawing *d)
{
    const struct parts *parts = &d->paper->parts;
    struct simulate_link *links =
        mem_array(struct simulate_link, parts->n_links);
    size_t n = 0;

    d->paper->links = links;
    for (size_t i = 0; i < parts->n_links && links != NULL; i++) {
        const struct part_link *link = &parts->links[i];
        size_t k = 0;

        while (k < n &&
               (links[k].from != link->from || links[k].to != link->to)) {
            k++;
        }
        if (k == n) {
            links[n++] = (struct simulate_link){link->from, link->to, 0};
        }
        links[k].bytes += link_bytes(d, link);
    }
    d->paper->n_links = n;
    return links == NULL ? EDGE_ENOMEM : 0;
}

/* ---- all of it ----------------------------------------------------------- */

static int cut(struct drawing *d, struct err *err)
{
    const struct choice *choice = d->choice;
    struct pieces_stage *stages =
        mem_array(struct pieces_stage, choice->n_stages);
    int rc;

    if (stages == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < choice->n_stages; i++) {
        const struct choice_stage *s = &choice->stages[i];

        stages[i] = (struct pieces_stage){.first = s->first,
                                          .end = s->end,
                                          .kind = s->kind,
                                          .axis = s->axis,
                                          .halo = s->halo,
                                          .rows = s->rows,
                                          .columns = s->columns};
    }
    rc = pieces_make(d->model->graph, stages, choice->n_stages,
                     &d->paper->parts, &d->paper->pieces, NULL, err);
    mem_free(stages);
    return rc;
}

int paper_make(struct paper *paper, const struct cost_model *model,
               const struct choice *choice, struct err *err)
{
    struct drawing d = {.paper = paper, .model = model, .choice = choice};
    int rc;

    *paper = (struct paper){0};
    rc = cut(&d, err);
    if (rc == 0 && (set_shards(&d) < 0 || set_links(&d) < 0)) {
        rc = err_set(err, EDGE_ENOMEM, "out of memory");
    }
    if (rc < 0) {
        paper_deinit(paper);
        return rc;
    }
    paper->model = (struct simulate_model){.profile = model->profile,
                                           .shards = paper->shards,
                                           .n_shards = paper->parts.n,
                                           .links = paper->links,
                                           .n_links = paper->n_links};
    return 0;
}

void paper_deinit(struct paper *paper)
{
    parts_deinit(&paper->parts);
    mem_free(paper->pieces);
    mem_free(paper->shards);
    mem_free(paper->links);
    mem_free(paper->devices);
    mem_free(paper->seconds);
    *paper = (struct paper){0};
}

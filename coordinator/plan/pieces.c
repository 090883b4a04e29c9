#include "coordinator/plan/pieces.h"

#include "base/mem.h"
#include "coordinator/plan/cut.h"
#include "coordinator/plan/split_product.h"
#include "graph/infer.h"

#define LEVELS 128
#define INDICES 32 /* the last one marks a product that waits for its split */
#define MARK (INDICES - 1)
#define ROLES 4

struct cutting {
    struct graph *graph;
    const struct pieces_stage *stages;
    size_t n;
    struct err *err;
};

/* ---- labels -------------------------------------------------------------- */

static int label_of(size_t stage, enum piece_role role, int level, int index)
{
    return (((int)stage * ROLES + (int)role) * LEVELS + level) * INDICES +
           index;
}

static struct piece piece_of(int label)
{
    return (struct piece){
        .stage = (size_t)(label / (INDICES * LEVELS * ROLES)),
        .role = (enum piece_role)(label / (INDICES * LEVELS) % ROLES),
        .level = label / INDICES % LEVELS,
        .index = label % INDICES,
    };
}

static bool is_whole(const struct cutting *c, size_t stage)
{
    return stage < c->n && c->stages[stage].kind == PIECES_WHOLE;
}

/* How often a whole stage is parted before this position. */
static int level_at(const struct pieces_stage *stage, int position)
{
    int level = 0;

    for (size_t k = 0; k < stage->n_parted; k++) {
        level += stage->parted[k] <= position;
    }
    return level;
}

static int before(const struct cutting *c, size_t i)
{
    return i > 0 && is_whole(c, i - 1)
               ? label_of(i - 1, PIECE_WHOLE, (int)c->stages[i - 1].n_parted, 0)
               : label_of(i, PIECE_HEAD, 0, 0);
}

static int behind(const struct cutting *c, size_t i)
{
    return is_whole(c, i + 1) ? label_of(i + 1, PIECE_WHOLE, 0, 0)
                              : label_of(i, PIECE_TAIL, 0, 0);
}

static int label_stages(const struct cutting *c)
{
    int *order = NULL;
    size_t n_ops;
    int rc = cut_order(c->graph, &order, &n_ops, c->err);

    for (size_t i = 0; i < c->n && rc == 0; i++) {
        const struct pieces_stage *stage = &c->stages[i];

        for (int p = stage->first; p < stage->end && rc == 0; p++) {
            rc = rewrite_set_part(
                &c->graph->ops[order[p]],
                label_of(i, PIECE_WHOLE, level_at(stage, p), 0));
        }
    }
    mem_free(order);
    return rc == EDGE_ENOMEM ? err_set(c->err, rc, "out of memory") : rc;
}

/* Where the ops of a label are: first .. end - 1, with constants between. */
static int find(const struct cutting *c, int label, int *first, int *end)
{
    *first = -1;
    for (int i = 0; i < (int)c->graph->n_ops; i++) {
        int part = rewrite_part(&c->graph->ops[i]);

        if (part == label) {
            *first = *first < 0 ? i : *first;
            *end = i + 1;
        }
    }
    for (int i = *first; i >= 0 && i < *end; i++) {
        int part = rewrite_part(&c->graph->ops[i]);

        if (part != label && part != REWRITE_NO_PART) {
            return err_set(c->err, EDGE_EINVAL,
                           "a cut stage needs its layers in one row, but "
                           "\"%.200s\" is among them",
                           c->graph->ops[i].name);
        }
    }
    return *first < 0 ? err_set(c->err, EDGE_EINVAL, "a stage without layers")
                      : 0;
}

/* ---- tiles --------------------------------------------------------------- */

static int tile_stage(const struct cutting *c, size_t i)
{
    const struct pieces_stage *stage = &c->stages[i];
    struct tile tile = {.halo = stage->halo,
                        .rows = stage->rows,
                        .columns = stage->columns,
                        .level_step = INDICES,
                        .scatter = before(c, i),
                        .join = behind(c, i)};
    int levels = 0;
    int rc =
        find(c, label_of(i, PIECE_WHOLE, 0, 0), &tile.first_op, &tile.end_op);

    if (rc < 0) {
        return rc;
    }
    if (stage->rows * stage->columns > REWRITE_PIECES_MAX) {
        return err_set(c->err, EDGE_ENOFIT,
                       "%d x %d tiles: at most %d can be joined",
                       stage->columns, stage->rows, REWRITE_PIECES_MAX);
    }
    for (int t = 0; t < stage->rows * stage->columns; t++) {
        tile.part[t] = label_of(i, PIECE_PART, 0, t);
    }
    rc = rewrite_tile(c->graph, &tile, &levels, c->err);
    if (rc == 0 && levels > LEVELS) {
        return err_set(c->err, EDGE_ENOFIT,
                       "tiles would exchange borders %d times, at most %d can "
                       "be",
                       levels - 1, LEVELS - 1);
    }
    return rc;
}

/* ---- splits -------------------------------------------------------------- */

static bool is_head(const struct graph *graph, int op)
{
    struct product p;

    return product_of(graph, op, &p) &&
           (p.groups == 1 || p.groups < p.ins); /* depthwise follows */
}

/* Products of ops first .. end - 1. */
static int count_heads(const struct cutting *c, int label, int first, int end)
{
    int n = 0;

    for (int i = first; i < end; i++) {
        n += rewrite_part(&c->graph->ops[i]) == label && is_head(c->graph, i);
    }
    return n;
}

static int tail_of(const struct cutting *c, size_t i, int level, int levels)
{
    return level + 1 == levels ? behind(c, i)
                               : label_of(i, PIECE_TAIL, level + 1, 0);
}

/* Each product that begins a level gets a mark; what is not part of a piece
 * goes with the join before it. */
static int mark_heads(const struct cutting *c, size_t i, int first, int end,
                      int levels)
{
    int label = label_of(i, PIECE_WHOLE, 0, 0);
    int each = c->stages[i].axis == SPLIT_PAIR ? 2 : 1;
    int seen = 0;
    int rc = 0;

    for (int k = first; k < end && rc == 0; k++) {
        struct op *op = &c->graph->ops[k];
        bool begins;

        if (rewrite_part(op) != label) {
            continue;
        }
        begins = is_head(c->graph, k) && seen % each == 0;
        if (begins) {
            rc = rewrite_set_part(op,
                                  label_of(i, PIECE_PART, seen / each, MARK));
        } else {
            rc = rewrite_set_part(
                op, seen == 0 ? before(c, i)
                              : tail_of(c, i, (seen - 1) / each, levels));
        }
        seen += is_head(c->graph, k);
    }
    return rc < 0 ? err_set(c->err, rc, "out of memory") : 0;
}

static int split_level(const struct cutting *c, size_t i, int level, int levels,
                       int end)
{
    const struct pieces_stage *stage = &c->stages[i];
    struct split split = {.axis = stage->axis,
                          .op = -1,
                          .end_op = end,
                          .k = stage->columns,
                          .scatter = level == 0
                                         ? before(c, i)
                                         : label_of(i, PIECE_TAIL, level, 0),
                          .join = tail_of(c, i, level, levels)};

    for (int k = 0; k < (int)c->graph->n_ops; k++) {
        if (rewrite_part(&c->graph->ops[k]) ==
            label_of(i, PIECE_PART, level, MARK)) {
            split.op = k;
        }
    }
    for (int t = 0; t < split.k && t < REWRITE_SPLIT_MAX; t++) {
        split.part[t] = label_of(i, PIECE_PART, level, t);
    }
    return rewrite_split(c->graph, &split, c->err);
}

/* From the last level to the first: what a rewrite adds comes before what was
 * rewritten already, and a chain of followers ends at a product. */
static int split_stage(const struct cutting *c, size_t i)
{
    int label = label_of(i, PIECE_WHOLE, 0, 0);
    int each = c->stages[i].axis == SPLIT_PAIR ? 2 : 1;
    int first = 0;
    int end = 0;
    int rc = find(c, label, &first, &end);
    int heads = rc == 0 ? count_heads(c, label, first, end) : 0;
    int levels = heads / each;

    if (rc < 0) {
        return rc;
    }
    if (heads == 0 || heads % each != 0 || levels >= LEVELS) {
        return err_set(c->err, EDGE_EINVAL,
                       "%d layers with weights cannot be split%s", heads,
                       each == 2 ? " in pairs" : "");
    }
    rc = mark_heads(c, i, first, end, levels);
    for (int level = levels; level-- > 0 && rc == 0;) {
        rc = split_level(c, i, level, levels,
                         level + 1 == levels ? end : (int)c->graph->n_ops);
    }
    return rc;
}

/* ---- all of it ----------------------------------------------------------- */

static int cut_stage(const struct cutting *c, size_t i)
{
    switch (c->stages[i].kind) {
    case PIECES_SPLIT: return split_stage(c, i);
    case PIECES_TILE: return tile_stage(c, i);
    default: return 0;
    }
}

static int name_pieces(const struct parts *parts, struct piece **pieces,
                       struct err *err)
{
    *pieces = mem_array(struct piece, parts->n);
    if (*pieces == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < parts->n; i++) {
        (*pieces)[i] = piece_of(parts->labels[i]);
    }
    return 0;
}

static void clear_parts(struct graph *graph)
{
    for (size_t i = 0; i < graph->n_ops; i++) {
        rewrite_clear_part(&graph->ops[i]);
    }
}

int pieces_make(const struct graph *graph, const struct pieces_stage *stages,
                size_t n, struct parts *parts, struct piece **pieces,
                struct graph **rewritten, struct err *err)
{
    struct cutting c = {.stages = stages, .n = n, .err = err};
    int rc = graph_clone(graph, &c.graph);

    if (rc < 0) {
        return err_set(err, rc, "out of memory");
    }
    rc = label_stages(&c);
    for (size_t i = n; i-- > 0 && rc == 0;) {
        rc = cut_stage(&c, i);
    }
    if (rc == 0) {
        rc = parts_make(c.graph, parts, err);
    }
    if (rc == 0) {
        rc = name_pieces(parts, pieces, err);
        if (rc < 0) {
            parts_deinit(parts);
        }
    }
    if (rc == 0 && rewritten != NULL) {
        clear_parts(c.graph);
        *rewritten = c.graph;
        return 0;
    }
    graph_free(c.graph);
    return rc;
}

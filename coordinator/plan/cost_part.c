/* A range of positions as a stage of some kind, on one board. */
#include "coordinator/plan/cost.h"

#include "base/mem.h"

void cost_longer(const struct cost_model *m, size_t board, int first, int known,
                 int end, double arena_bytes, struct cost_part *part)
{
    *part = (struct cost_part){
        .first = first,
        .end = end,
        .shape = {.kind = PIECES_WHOLE, .rows = 1, .columns = 1},
        .k = 1,
        .levels = 1,
        .compute_s = cost_seconds(m, board, first, end),
        .in_bytes = m->cross_bytes[first],
        .in_most = m->cross_bytes[first],
        .in_values = m->cross_values[first],
        .out_bytes = m->cross_bytes[end],
        .out_most = m->cross_bytes[end],
        .out_values = m->cross_values[end],
        .weight_bytes = m->weights[end] - m->weights[first],
        .arena_bytes = arena_bytes};
    for (int p = known; p < end; p++) {
        if (m->ops[p].live_bytes > part->arena_bytes) {
            part->arena_bytes = m->ops[p].live_bytes;
        }
    }
}

static void whole_part(const struct cost_model *m, size_t board, int first,
                       int end, struct cost_part *part)
{
    cost_longer(m, board, first, first, end, 0, part);
}

static int tile_part(const struct cost_model *m, size_t board, int first,
                     int end, const struct cost_shape *shape,
                     struct cost_part *part)
{
    struct cost_tiler tiler;
    size_t from = 0;
    int rc = cost_tiler_init(&tiler, m);

    if (rc < 0) {
        return rc;
    }
    cost_tiles(&tiler, board, shape, &first, 1, end, part, &from);
    cost_tiler_deinit(&tiler);
    return from > 0 || part->k == 0 ? EDGE_ENOFIT : 0;
}

int cost_part(const struct cost_model *model, size_t board, int first, int end,
              const struct cost_shape *shape, struct cost_part *part)
{
    int k = shape->rows * shape->columns;

    switch (shape->kind) {
    case PIECES_SPLIT:
        return k < 2 || k > REWRITE_SPLIT_MAX
                   ? EDGE_ENOFIT
                   : cost_split(model, board, first, end, shape, part);
    case PIECES_TILE:
        return k < 2 || k > REWRITE_PIECES_MAX
                   ? EDGE_ENOFIT
                   : tile_part(model, board, first, end, shape, part);
    default: whole_part(model, board, first, end, part); return 0;
    }
}

double cost_part_memory(const struct cost_model *m,
                        const struct cost_part *part)
{
    return part->weight_bytes + part->arena_bytes +
           (double)m->queue * part->in_most;
}

/* Some ranges that the rewrites can cut are beyond what is reckoned here: then
 * equal pieces. */
static int guess(const struct cost_model *m, size_t board, int first, int end,
                 const struct cost_shape *shape, struct cost_part *part,
                 struct err *err)
{
    struct pieces_stage all[3];
    struct parts parts = {0};
    struct piece *pieces = NULL;
    size_t n = 0;
    int rc;

    if (first > 0) {
        all[n++] = (struct pieces_stage){.end = first, .rows = 1, .columns = 1};
    }
    all[n++] = (struct pieces_stage){.first = first,
                                     .end = end,
                                     .kind = shape->kind,
                                     .axis = shape->axis,
                                     .halo = shape->halo,
                                     .rows = shape->rows,
                                     .columns = shape->columns};
    if (end < (int)m->n_ops) {
        all[n++] = (struct pieces_stage){
            .first = end, .end = (int)m->n_ops, .rows = 1, .columns = 1};
    }
    rc = pieces_make(m->graph, all, n, &parts, &pieces, NULL, err);
    parts_deinit(&parts);
    mem_free(pieces);
    if (rc == 0) {
        whole_part(m, board, first, end, part);
        part->shape = *shape;
        part->k = (size_t)shape->rows * (size_t)shape->columns;
        part->compute_s /= (double)part->k;
        part->out_most /= (double)part->k;
    }
    return rc;
}

int cost_part_sure(const struct cost_model *m, size_t board, int first, int end,
                   const struct cost_shape *shape, struct cost_part *part,
                   struct err *err)
{
    int rc = cost_part(m, board, first, end, shape, part);

    if (rc == EDGE_ENOMEM) {
        return err_set(err, rc, "out of memory");
    }
    return rc < 0 ? guess(m, board, first, end, shape, part, err) : 0;
}

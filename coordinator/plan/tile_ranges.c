#include "coordinator/plan/tile_ranges.h"

#include "base/mem.h"
#include "coordinator/plan/rewrite_make.h"
#include "graph/window.h"

#define SPATIAL 2 /* the first spatial axis of NCHW */

/* ---- which ops ----------------------------------------------------------- */

static bool is_map(const struct graph *g, int value)
{
    const struct value *v = &g->values[value];

    if (!v->has_shape || v->shape.rank != 4) {
        return false;
    }
    for (int i = 0; i < 4; i++) {
        if (v->shape.dims[i] <= 0) {
            return false;
        }
    }
    return true;
}

static bool reads_first_alone(enum op_kind kind)
{
    return kind == OP_BATCH_NORM || kind == OP_LRN || kind == OP_CLIP ||
           kind == OP_DROPOUT || kind == OP_SOFTMAX || kind == OP_LOG_SOFTMAX ||
           kind == OP_QUANTIZE_LINEAR || kind == OP_DEQUANTIZE_LINEAR;
}

static bool is_window(enum op_kind kind)
{
    return kind == OP_CONV || kind == OP_MAX_POOL || kind == OP_AVERAGE_POOL;
}

/* Ops whose output at a place depends on their inputs at that place. */
static bool is_alone(enum op_kind kind)
{
    return op_is_unary(kind) || op_is_elementwise(kind) || kind == OP_CONCAT ||
           reads_first_alone(kind);
}

/* The operand's extent along a spatial axis of an output of rank 4, as
 * broadcasting aligns it. */
static int64_t aligned(const struct value *v, int axis)
{
    int at = SPATIAL + axis - (4 - v->shape.rank);

    return at < 0 ? 1 : v->shape.dims[at];
}

bool tile_is_cut(const struct graph *graph, const struct op *op, int k)
{
    const struct value *v;

    if (op->in[k] < 0 || graph_is_const(graph, op->in[k])) {
        return false;
    }
    if (is_window(op->kind) || reads_first_alone(op->kind)) {
        return k == 0;
    }
    v = &graph->values[op->in[k]];
    return op->kind == OP_CONCAT ||
           (v->shape.rank == 4 &&
            aligned(v, 0) == tile_extent(graph, op->out[0], 0) &&
            aligned(v, 1) == tile_extent(graph, op->out[0], 1));
}

/* Every operand is cut like the output, or is the same for all places. */
static bool operands_fit(const struct graph *g, const struct op *op)
{
    for (int k = 0; k < op->n_in; k++) {
        const struct value *v;

        if (op->in[k] < 0 || (k > 0 && reads_first_alone(op->kind))) {
            if (op->in[k] >= 0 && !graph_is_const(g, op->in[k])) {
                return false;
            }
            continue;
        }
        v = &g->values[op->in[k]];
        if (tile_is_cut(g, op, k)) {
            if (!is_map(g, op->in[k])) {
                return false;
            }
        } else if (!v->has_shape || v->shape.rank > 4 || aligned(v, 0) != 1 ||
                   aligned(v, 1) != 1) {
            return false;
        }
    }
    return true;
}

/* Channels are axis 1 of NCHW: an op along them leaves places alone. */
static bool axis_is_channels(const struct op *op)
{
    int64_t axis = op_int(op, "axis", op->kind == OP_CONCAT ? 0 : 1);

    switch (op->kind) {
    case OP_CONCAT: return axis == 1 || axis == -3;
    case OP_SOFTMAX:
    case OP_LOG_SOFTMAX:
        return op_attr(op, "axis") != NULL && (axis == 1 || axis == -3);
    case OP_QUANTIZE_LINEAR:
    case OP_DEQUANTIZE_LINEAR: return axis == 1 || axis == -3;
    default: return true;
    }
}

static bool window_fits(const struct graph *g, const struct op *op,
                        struct tile_window window[2])
{
    struct window w;

    if (window_of(g, op, &w, NULL) < 0 || w.n != 2) {
        return false;
    }
    for (int k = 1; k < op->n_in; k++) {
        if (op->in[k] >= 0 && !graph_is_const(g, op->in[k])) {
            return false;
        }
    }
    for (int a = 0; a < 2; a++) {
        window[a] = (struct tile_window){w.kernel[a], w.stride[a],
                                         w.dilation[a], w.pad_begin[a]};
    }
    /* Padding that counts, beyond the pads there are (ceil_mode), does not
     * count: a tile could not say so. */
    return op->kind != OP_AVERAGE_POOL ||
           op_int(op, "count_include_pad", 0) == 0 ||
           op_int(op, "ceil_mode", 0) == 0;
}

enum tiled tile_kind(const struct graph *graph, const struct op *op,
                     struct tile_window window[2])
{
    if (op->n_out != 1 || op->n_in < 1 || !is_map(graph, op->out[0]) ||
        op->in[0] < 0) {
        return TILED_NOT;
    }
    if (is_window(op->kind)) {
        return is_map(graph, op->in[0]) && !graph_is_const(graph, op->in[0]) &&
                       window_fits(graph, op, window)
                   ? TILED_WINDOW
                   : TILED_NOT;
    }
    return is_alone(op->kind) && axis_is_channels(op) && operands_fit(graph, op)
               ? TILED_ALONE
               : TILED_NOT;
}

/* ---- one axis of a window ------------------------------------------------ */

struct range tile_needs(const struct tile_window *w, struct range out)
{
    return (struct range){out.begin * w->stride - w->pad,
                          (out.end - 1) * w->stride - w->pad +
                              (w->kernel - 1) * w->dilation + 1};
}

int64_t tile_border(const struct tile_window *w, int64_t at, int64_t extent)
{
    int64_t over = (w->kernel - 1) * w->dilation + 1 - w->stride;
    int64_t border = at * w->stride - w->pad + (over > 0 ? over / 2 : 0);

    return border < 0 ? 0 : border > extent ? extent : border;
}

/* ---- backward through the segment ---------------------------------------- */

struct walk {
    struct tile_ranges *r;
    const struct tile *tile;
    const bool *is_output;
    struct err *err;
};

static struct range *slot(struct tile_ranges *r, int axis, int value)
{
    return r->at[axis] + value * r->bands[axis];
}

static bool is_set(const struct range *range)
{
    return range->end > range->begin;
}

static int too_fine(struct walk *w, int value, int axis)
{
    return err_set(w->err, EDGE_ENOFIT,
                   "a grid of %d x %d tiles is finer than \"%.200s\", which "
                   "has %lld %s",
                   w->tile->rows, w->tile->columns,
                   w->r->graph->values[value].name,
                   (long long)tile_extent(w->r->graph, value, axis),
                   axis == 0 ? "rows" : "columns");
}

/* What leaves the segment is shared out as the tile says. */
static int share_output(struct walk *w, int value, int axis)
{
    struct range *at = slot(w->r, axis, value);
    struct range *out = w->r->out[axis] + value * w->r->bands[axis];
    int64_t ends[REWRITE_PIECES_MAX];
    int n = w->r->bands[axis];

    if (!make_shares(tile_extent(w->r->graph, value, axis), 1,
                     axis == 0 ? w->tile->row_share : w->tile->column_share, n,
                     ends)) {
        return too_fine(w, value, axis);
    }
    for (int i = 0; i < n; i++) {
        out[i] = (struct range){i > 0 ? ends[i - 1] : 0, ends[i]};
        if (w->tile->halo != TILE_RECOMPUTE || !is_set(&at[i])) {
            at[i] = out[i];
        } else {
            at[i].begin =
                out[i].begin < at[i].begin ? out[i].begin : at[i].begin;
            at[i].end = out[i].end > at[i].end ? out[i].end : at[i].end;
        }
    }
    return 0;
}

/* A tile takes as much of `value` as all its readers there need. */
static int widen(struct walk *w, int value, int axis, int band,
                 struct range needs)
{
    struct range *at = slot(w->r, axis, value) + band;
    int64_t extent = tile_extent(w->r->graph, value, axis);

    needs.begin = needs.begin < 0 ? 0 : needs.begin;
    needs.end = needs.end > extent ? extent : needs.end;
    if (needs.begin >= needs.end) {
        return too_fine(w, value, axis);
    }
    if (!is_set(at)) {
        *at = needs;
        return 0;
    }
    at->begin = needs.begin < at->begin ? needs.begin : at->begin;
    at->end = needs.end > at->end ? needs.end : at->end;
    return 0;
}

/* A tile owns the part of `value` below its part of the output; all tiles
 * together own it once. */
static int own(struct walk *w, int value, int axis, int band,
               const struct tile_window *window, struct range out)
{
    int64_t extent = tile_extent(w->r->graph, value, axis);
    struct range *at = slot(w->r, axis, value) + band;

    at->begin = band == 0 ? 0 : tile_border(window, out.begin, extent);
    at->end = band + 1 == w->r->bands[axis]
                  ? extent
                  : tile_border(window, out.end, extent);
    return is_set(at) ? 0 : too_fine(w, value, axis);
}

static bool is_inside(const struct walk *w, int value)
{
    int producer = w->r->graph->values[value].producer;

    return producer >= w->tile->first_op && producer < w->tile->end_op;
}

static int walk_operand(struct walk *w, const struct op *op, int k,
                        const struct tile_window *window, int axis)
{
    int value = op->in[k];
    bool widens = w->tile->halo == TILE_RECOMPUTE ||
                  (w->tile->halo == TILE_EXCHANGE && !is_inside(w, value));
    bool owned = !widens && is_set(slot(w->r, axis, value));
    int rc = 0;

    for (int band = 0; band < w->r->bands[axis] && rc == 0 && !owned; band++) {
        struct range out = tile_at(w->r, axis, op->out[0], band);

        rc = widens ? widen(w, value, axis, band, tile_needs(window, out))
                    : own(w, value, axis, band, window, out);
    }
    return rc;
}

static int walk_op(struct walk *w, int index)
{
    static const struct tile_window point = {1, 1, 1, 0};
    const struct op *op = &w->r->graph->ops[index];
    struct tile_window window[2] = {point, point};
    enum tiled kind = tile_kind(w->r->graph, op, window);
    int rc = 0;

    if (kind == TILED_NOT) {
        return err_set(w->err, EDGE_EINVAL,
                       "%s \"%.200s\" cannot be computed tile by tile",
                       op_info(op->kind)->name, op->name);
    }
    for (int axis = 0; axis < 2 && rc == 0; axis++) {
        if (w->is_output[op->out[0]]) {
            rc = share_output(w, op->out[0], axis);
        }
        if (!is_set(slot(w->r, axis, op->out[0]))) {
            continue; /* nothing reads it */
        }
        for (int k = 0; k < op->n_in && rc == 0; k++) {
            if (tile_is_cut(w->r->graph, op, k)) {
                rc = walk_operand(w, op, k, &window[axis], axis);
            }
        }
    }
    return rc;
}

int tile_ranges_init(struct tile_ranges *r, const struct graph *graph,
                     const struct tile *tile, const bool *is_output,
                     struct err *err)
{
    struct walk w = {r, tile, is_output, err};
    int rc = 0;

    *r = (struct tile_ranges){.graph = graph,
                              .bands = {tile->rows, tile->columns}};
    for (int axis = 0; axis < 2; axis++) {
        size_t n = graph->n_values * (size_t)r->bands[axis];

        r->at[axis] = mem_array(struct range, n);
        r->out[axis] = mem_array(struct range, n);
        if (r->at[axis] == NULL || r->out[axis] == NULL) {
            return err_set(err, EDGE_ENOMEM, "tile: out of memory");
        }
    }
    for (int op = tile->end_op - 1; op >= tile->first_op && rc == 0; op--) {
        rc = walk_op(&w, op);
    }
    return rc;
}

void tile_ranges_deinit(struct tile_ranges *r)
{
    for (int axis = 0; axis < 2; axis++) {
        mem_free(r->at[axis]);
        mem_free(r->out[axis]);
    }
}

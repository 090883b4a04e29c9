/* Lossy tiles and blocks (graph/lossy.h). */
#include "engine/bind_rows.h"

#include "engine/bind_heavy.h"
#include "engine/bind_util.h"
#include "graph/tile_form.h"
#include "kernels/blocks.h"
#include "kernels/tiles.h"

_Static_assert(TILE_FORM_BANDS == TILES_BANDS, "one has room for the other");
_Static_assert((int)TILE_FORM_SIDES == (int)TILES_SIDES, "the same losses");

/* ---- tiles --------------------------------------------------------------- */

static void take_axis(const struct tile_form_axis *from, struct tiles_axis *to)
{
    *to = (struct tiles_axis){.extent = from->border[from->bands],
                              .bands = from->bands,
                              .length = from->length,
                              .reach = from->reach};
    for (int i = 0; i <= from->bands; i++) {
        to->border[i] = from->border[i];
    }
    for (int i = 0; i < from->bands; i++) {
        to->from[i] = from->from[i];
    }
}

static int need_seeds(const struct step *step, int input, bool random,
                      struct err *err)
{
    return !random || bind_has(step, input)
               ? bind_need(step, input, DTYPE_I64, err)
               : err_set(err, EDGE_EINVAL,
                         "seeds must say what is lost, and it has none");
}

static int prepare_tiles(struct step *step, struct err *err)
{
    struct tile_form f;
    struct tiles t;
    int rc = tile_form_get(step->op, &f, err);

    if (rc == 0) {
        rc = bind_need(step, 0, DTYPE_F32, err);
    }
    if (rc == 0) {
        rc = need_seeds(step, 1, tile_form_is_random(&f), err);
    }
    if (rc == 0 && step->op->kind == OP_TILE_JOIN && f.levels > 0 &&
        !bind_has(step, 2)) {
        rc = err_set(err, EDGE_EINVAL, "margins need what was cut");
    }
    if (rc < 0) {
        return rc;
    }
    t = (struct tiles){.loss = (enum tiles_loss)f.loss,
                       .p = (double)f.p,
                       .p11 = (double)f.p11,
                       .p22 = (double)f.p22,
                       .salt = (uint64_t)f.salt,
                       .pad = f.pad,
                       .low = f.low,
                       .high = f.high,
                       .levels = (int)f.levels,
                       .own = f.own};
    take_axis(&f.axis[0], &t.axis[0]);
    take_axis(&f.axis[1], &t.axis[1]);
    step->kernel = "lossy.tiles";
    return bind_keep(step, &t, sizeof(t), err);
}

static void run_cut(const struct step *step)
{
    const int64_t *dims = step->in[0].shape.dims;

    tiles_cut(step->state, step->in[0].data, (size_t)dims[0], (size_t)dims[1],
              bind_has(step, 1) ? step->in[1].data : NULL, step->out[0].data);
}

static void run_join(const struct step *step)
{
    const int64_t *dims = step->in[0].shape.dims;

    tiles_join(step->state, step->in[0].data,
               bind_has(step, 2) ? step->in[2].data : NULL, (size_t)dims[0],
               (size_t)dims[1], bind_has(step, 1) ? step->in[1].data : NULL,
               step->out[0].data);
}

/* ---- blocks -------------------------------------------------------------- */

static int seeds_of(enum op_kind kind)
{
    return kind == OP_BLOCK_GEMM ? 3 : 2;
}

static int prepare_block(struct step *step, struct err *err)
{
    const struct op *op = step->op;
    const int64_t *first = step->in[0].shape.dims;
    const int64_t *out = step->out[0].shape.dims;
    bool of_input = op->kind == OP_BLOCK_INPUT_GRAD;
    struct blocks b = {.isa = isa_best(),
                       .rows = (size_t)first[0],
                       .turned = op_int(op, "transB", 0) != 0,
                       .blocks = (size_t)op_int(op, "blocks", 1),
                       .p = (double)op_float(op, "p", 0),
                       .salt = (uint64_t)op_int(op, "salt", 0)};
    int rc = bind_need(step, 0, DTYPE_F32, err);

    if (rc == 0) {
        rc = bind_need(step, 1, DTYPE_F32, err);
    }
    if (rc == 0) {
        rc = need_seeds(step, seeds_of(op->kind), b.p > 0, err);
    }
    if (rc < 0) {
        return rc;
    }
    b.depth = (size_t)(of_input                    ? out[1]
                       : op->kind == OP_BLOCK_GEMM ? first[1]
                                                   : step->in[1].shape.dims[1]);
    b.cols = (size_t)(op->kind == OP_BLOCK_GEMM ? out[1] : first[1]);
    step->scratch_bytes = blocks_scratch(&b) * sizeof(float);
    step->kernel = "lossy.blocks";
    return bind_keep(step, &b, sizeof(b), err);
}

static const int64_t *seeds_in(const struct step *step, int input)
{
    return bind_has(step, input) ? step->in[input].data : NULL;
}

static void run_block(const struct step *step)
{
    blocks_run(step->state, step->in[0].data, step->in[1].data,
               bind_has(step, 2) ? step->in[2].data : NULL, seeds_in(step, 3),
               step->out[0].data, step->scratch);
}

static void run_block_input(const struct step *step)
{
    blocks_input_grad(step->state, step->in[0].data, step->in[1].data,
                      seeds_in(step, 2), step->out[0].data, step->scratch);
}

static void run_block_weight(const struct step *step)
{
    blocks_weight_grad(step->state, step->in[0].data, step->in[1].data,
                       seeds_in(step, 2), step->out[0].data, step->scratch);
}

const struct bind bind_lossy_rows[] = {
    {OP_TILE_CUT, false, prepare_tiles, run_cut},
    {OP_TILE_JOIN, false, prepare_tiles, run_join},
    {OP_BLOCK_GEMM, false, prepare_block, run_block},
    {OP_BLOCK_INPUT_GRAD, false, prepare_block, run_block_input},
    {OP_BLOCK_WEIGHT_GRAD, false, prepare_block, run_block_weight},
    {0},
};

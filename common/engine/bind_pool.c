/* Pooling. */
#include "engine/bind_rows.h"

#include "engine/bind_heavy.h"
#include "engine/bind_util.h"
#include "kernels/norm.h"
#include "kernels/pool.h"

struct pool_state {
    const struct isa *isa;
    struct taps taps;
    bool by_column;
    bool whole; /* one window, which is all of the plane */
};

static size_t planes_of(const struct step *step)
{
    const struct shape *s = &step->in[0].shape;

    return (size_t)s->dims[0] * (size_t)s->dims[1];
}

/* Nothing but the input itself lies under the only window: then it is a row
 * to be summed up. */
static bool is_whole(const struct grid *g)
{
    for (int a = 0; a < GRID_AXES; a++) {
        if (g->out[a] != 1 || g->kernel[a] != g->in[a] || g->pad[a] != 0 ||
            (g->dilation[a] != 1 && g->kernel[a] > 1)) {
            return false;
        }
    }
    return true;
}

static int make_state(struct step *step, enum taps_kind kind, struct err *err)
{
    struct pool_state *state = bind_state(step, sizeof(*state), 0, err);
    struct taps *taps;
    int rc;

    if (state == NULL) {
        return EDGE_ENOMEM;
    }
    taps = &state->taps;
    state->isa = isa_best();
    state->by_column = op_int(step->op, "storage_order", 0) != 0;
    taps->kind = kind;
    taps->counts_pad = op_int(step->op, "count_include_pad", 0) != 0;
    rc = bind_grid(step, &taps->grid, taps->pad_after, err);
    if (rc < 0) {
        return rc;
    }
    state->whole = is_whole(&taps->grid);
    if (grid_out(&taps->grid) > 0) {
        taps_init(taps, state->isa);
    }
    return 0;
}

static bool wants_index(const struct step *step)
{
    return step->n_out > 1 && step->out[1].dtype != DTYPE_NONE;
}

static int prepare_max(struct step *step, struct err *err)
{
    enum dtype dtype = step->in[0].dtype;
    struct pool_state *state;
    int rc;

    if (dtype != DTYPE_F32 && dtype != DTYPE_I8 && dtype != DTYPE_U8) {
        return bind_no_type(step, 0, err);
    }
    rc = make_state(step, TAPS_MAX, err);
    if (rc < 0) {
        return rc;
    }
    state = step->state;
    step->kernel = "pool.scalar";
    if (dtype == DTYPE_F32 && !wants_index(step)) {
        step->scratch_bytes = state->taps.scratch_bytes;
        step->kernel = "pool.max";
        bind_share_planes(step);
    }
    return 0;
}

static void run_argmax(const struct step *step)
{
    const struct pool_state *s = step->state;
    const struct grid *g = &s->taps.grid;
    const void *x = step->in[0].data;
    void *y = step->out[0].data;
    int64_t *index = step->out[1].data;
    size_t planes = planes_of(step);

    switch (step->in[0].dtype) {
    case DTYPE_F32:
        pool_argmax_f32(g, x, y, index, planes, s->by_column);
        break;
    case DTYPE_I8: pool_argmax_i8(g, x, y, index, planes, s->by_column); break;
    default: pool_argmax_u8(g, x, y, index, planes, s->by_column); break;
    }
}

static void run_max(const struct step *step)
{
    const struct pool_state *s = step->state;
    const void *x = step->in[0].data;
    void *y = step->out[0].data;
    size_t planes = planes_of(step);

    if (wants_index(step)) {
        run_argmax(step);
        return;
    }
    switch (step->in[0].dtype) {
    case DTYPE_F32:
        pool_run(s->isa, &s->taps, x, y, planes, step->scratch);
        break;
    case DTYPE_I8: pool_max_i8(&s->taps.grid, x, y, planes); break;
    default: pool_max_u8(&s->taps.grid, x, y, planes); break;
    }
}

static int prepare_average(struct step *step, struct err *err)
{
    const struct pool_state *state;
    int rc = bind_need(step, 0, DTYPE_F32, err);

    if (rc == 0) {
        rc = make_state(step, TAPS_MEAN, err);
    }
    if (rc < 0) {
        return rc;
    }
    state = step->state;
    step->scratch_bytes = state->taps.scratch_bytes;
    step->kernel = state->whole ? "pool.global" : "pool.average";
    bind_share_planes(step);
    return 0;
}

static void run_average(const struct step *step)
{
    const struct pool_state *s = step->state;

    if (s->whole) {
        norm_row_means(s->isa, step->in[0].data, step->out[0].data,
                       planes_of(step), grid_in(&s->taps.grid));
        return;
    }
    pool_run(s->isa, &s->taps, step->in[0].data, step->out[0].data,
             planes_of(step), step->scratch);
}

static int prepare_global(struct step *step, struct err *err)
{
    step->kernel = "pool.global";
    bind_share_planes(step);
    return bind_need(step, 0, DTYPE_F32, err);
}

static size_t plane_size(const struct step *step)
{
    const struct shape *s = &step->in[0].shape;

    return (size_t)shape_span(s, 2, s->rank);
}

static void run_global_average(const struct step *step)
{
    norm_row_means(isa_best(), step->in[0].data, step->out[0].data,
                   planes_of(step), plane_size(step));
}

static void run_global_max(const struct step *step)
{
    norm_row_maxima(isa_best(), step->in[0].data, step->out[0].data,
                    planes_of(step), plane_size(step));
}

const struct bind bind_pool_rows[] = {
    {OP_MAX_POOL, false, prepare_max, run_max},
    {OP_AVERAGE_POOL, false, prepare_average, run_average},
    {OP_GLOBAL_AVERAGE_POOL, false, prepare_global, run_global_average},
    {OP_GLOBAL_MAX_POOL, false, prepare_global, run_global_max},
    {0},
};

/* Sums, means and extremes over axes. */
#include "engine/bind_rows.h"

#include "engine/bind_util.h"
#include "kernels/reduce.h"

static enum reduce_op choose(enum op_kind kind)
{
    switch (kind) {
    case OP_REDUCE_MEAN: return REDUCE_MEAN;
    case OP_REDUCE_MAX: return REDUCE_MAX;
    case OP_REDUCE_MIN: return REDUCE_MIN;
    default: return REDUCE_SUM;
    }
}

/* Axes from the attribute or from input 1; none: all, or nothing at all. */
static int read_mask(const struct step *step, bool *mask, struct err *err)
{
    int64_t axes[LIMIT_RANK];
    int rank = step->in[0].shape.rank;
    size_t n = op_ints(step->op, "axes", axes, LIMIT_RANK);
    bool all = op_int(step->op, "noop_with_empty_axes", 0) == 0;

    if (bind_has(step, 1)) {
        int rc = bind_ints(step, 1, axes, LIMIT_RANK, &n, err);

        if (rc < 0) {
            return rc;
        }
    }
    for (int i = 0; i < rank; i++) {
        mask[i] = n == 0 && all;
    }
    for (size_t i = 0; i < n && i < LIMIT_RANK; i++) {
        mask[shape_axis(axes[i], rank)] = true;
    }
    return 0;
}

static int prepare_reduce(struct step *step, struct err *err)
{
    bool mask[LIMIT_RANK];
    struct reduce r;
    int rc = read_mask(step, mask, err);

    if (rc < 0) {
        return rc;
    }
    if (!reduce_init(&r, choose(step->op->kind), step->in[0].dtype,
                     &step->in[0].shape, mask)) {
        return bind_no_type(step, 0, err);
    }
    step->is_view = tensor_count(&step->in[0]) == tensor_count(&step->out[0]) &&
                    tensor_count(&step->in[0]) > 0;
    step->kernel = "reduce";
    return bind_keep(step, &r, sizeof(r), err);
}

static void run_reduce(const struct step *step)
{
    reduce_run(step->state, step->out[0].data, step->in[0].data);
}

const struct bind bind_reduce_rows[] = {
    {OP_REDUCE_SUM, false, prepare_reduce, run_reduce},
    {OP_REDUCE_MEAN, false, prepare_reduce, run_reduce},
    {OP_REDUCE_MAX, false, prepare_reduce, run_reduce},
    {OP_REDUCE_MIN, false, prepare_reduce, run_reduce},
    {.prepare = NULL},
};

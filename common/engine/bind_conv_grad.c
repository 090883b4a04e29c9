/* The gradient of a convolution's weights. */
#include "engine/bind_rows.h"

#include "engine/bind_heavy.h"
#include "engine/bind_util.h"
#include "kernels/conv_grad.h"

static void run_part(const struct step *step, size_t from, size_t to,
                     void *scratch)
{
    conv_grad_run_part(step->state, step->in[0].data, step->in[1].data,
                       step->out[0].data, scratch, from, to);
}

static int prepare(struct step *step, struct err *err)
{
    struct conv_shape shape = {
        .batch = (size_t)step->in[0].shape.dims[0],
        .cin = (size_t)step->in[0].shape.dims[1],
        .cout = (size_t)step->in[1].shape.dims[1],
        .groups = (size_t)op_int(step->op, "group", 1),
    };
    struct conv_grad c;
    int rc = bind_need(step, 0, DTYPE_F32, err);

    if (rc == 0) {
        rc = bind_need(step, 1, DTYPE_F32, err);
    }
    if (rc == 0) {
        rc = bind_grid_of(step, &step->in[1], &shape.grid, NULL, err);
    }
    if (rc < 0) {
        return rc;
    }
    conv_grad_init(&c, isa_best(), &shape);
    step->scratch_bytes = c.scratch_bytes;
    step->kernel = c.by_plane   ? "conv_grad.depthwise"
                   : c.by_lanes ? "conv_grad.lanes"
                                : "conv_grad";
    if (bind_worth_sharing(step)) {
        step->parts = c.parts;
        step->run_part = run_part;
    }
    return bind_keep(step, &c, sizeof(c), err);
}

static void run(const struct step *step)
{
    conv_grad_run(step->state, step->in[0].data, step->in[1].data,
                  step->out[0].data, step->scratch);
}

const struct bind bind_conv_grad_rows[] = {
    {OP_CONV_WEIGHT_GRAD, false, prepare, run},
    {0},
};

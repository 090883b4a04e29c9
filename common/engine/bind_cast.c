/* Cast. */
#include "engine/bind_rows.h"

#include "engine/bind_util.h"
#include "kernels/cast.h"

static int prepare_cast(struct step *step, struct err *err)
{
    (void)err;
    step->is_view = step->in[0].dtype == step->out[0].dtype;
    step->kernel = "cast";
    return 0;
}

static void run_cast(const struct step *step)
{
    cast_run(step->out[0].data, step->out[0].dtype, step->in[0].data,
             step->in[0].dtype, (size_t)tensor_count(&step->in[0]));
}

const struct bind bind_cast_rows[] = {
    {OP_CAST, false, prepare_cast, run_cast},
    {.prepare = NULL},
};

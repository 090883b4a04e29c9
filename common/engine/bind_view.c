/* Ops whose output is their input's bytes in another shape, and those whose
 * output is known once shapes are. */
#include "engine/bind_rows.h"

#include "engine/bind_util.h"
#include "kernels/move.h"

#include <string.h>

static int prepare_view(struct step *step, struct err *err)
{
    if (step->in[0].dtype != step->out[0].dtype ||
        tensor_count(&step->in[0]) != tensor_count(&step->out[0])) {
        return err_set(err, EDGE_EINVAL,
                       "its output must be its input in another shape");
    }
    step->is_view = true;
    step->kernel = "view";
    return 0;
}

/* Dropout does nothing at inference; its mask is all true. */
static int prepare_dropout(struct step *step, struct err *err)
{
    bool masked = step->n_out > 1 && step->out[1].dtype != DTYPE_NONE;

    if (bind_has(step, 2) &&
        (!step->in_const[2] || tensor_get_int(&step->in[2], 0) != 0)) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "it is in training mode, which only training can run");
    }
    step->is_view = !masked && step->out[0].dtype != DTYPE_NONE;
    step->kernel = "view";
    return 0;
}

static void run_dropout(const struct step *step)
{
    if (step->out[0].dtype != DTYPE_NONE) {
        bind_copy(step);
    }
    if (step->n_out > 1 && step->out[1].dtype != DTYPE_NONE) {
        memset(step->out[1].data, 1, tensor_bytes(&step->out[1]));
    }
}

/* ---- Shape ----------------------------------------------------------------
 */

static int64_t clamp(int64_t v, int64_t rank)
{
    v = v < 0 ? v + rank : v;
    return v < 0 ? 0 : v > rank ? rank : v;
}

static int prepare_shape(struct step *step, struct err *err)
{
    int rank = step->in[0].shape.rank;
    int64_t start = clamp(op_int(step->op, "start", 0), rank);

    step->kernel = "shape";
    return bind_keep(step, &start, sizeof(start), err);
}

static void run_shape(const struct step *step)
{
    const int64_t *start = step->state;
    int64_t n = tensor_count(&step->out[0]);

    for (int64_t i = 0; i < n; i++) {
        ((int64_t *)step->out[0].data)[i] = step->in[0].shape.dims[*start + i];
    }
}

/* ---- ConstantOfShape ------------------------------------------------------
 */

static int prepare_fill(struct step *step, struct err *err)
{
    const struct attr *value = op_attr(step->op, "value");
    uint8_t bytes[8] = {0};

    if (value != NULL && tensor_count(&value->tensor) == 1) {
        memcpy(bytes, value->tensor.data, dtype_size(value->tensor.dtype));
    }
    step->kernel = "fill";
    return bind_keep(step, bytes, sizeof(bytes), err);
}

static void run_fill(const struct step *step)
{
    move_fill(step->out[0].data, step->state,
              (size_t)tensor_count(&step->out[0]),
              dtype_size(step->out[0].dtype));
}

/* ---- Range ----------------------------------------------------------------
 */

static int prepare_range(struct step *step, struct err *err)
{
    (void)err;
    step->kernel = "range";
    return 0;
}

static void range_int(const struct step *step, int64_t n)
{
    const struct tensor *out = &step->out[0];
    uint64_t start = (uint64_t)tensor_get_int(&step->in[0], 0);
    uint64_t delta = (uint64_t)tensor_get_int(&step->in[2], 0);

    for (int64_t i = 0; i < n; i++) {
        uint64_t v = start + (uint64_t)i * delta;

        switch (out->dtype) {
        case DTYPE_I16: ((int16_t *)out->data)[i] = (int16_t)v; break;
        case DTYPE_I32: ((int32_t *)out->data)[i] = (int32_t)v; break;
        default: ((int64_t *)out->data)[i] = (int64_t)v; break;
        }
    }
}

static void run_range(const struct step *step)
{
    const struct tensor *out = &step->out[0];
    int64_t n = tensor_count(out);
    double start = tensor_get(&step->in[0], 0);
    double delta = tensor_get(&step->in[2], 0);

    if (!dtype_is_float(out->dtype)) {
        range_int(step, n);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        double v = start + (double)i * delta;

        if (out->dtype == DTYPE_F64) {
            ((double *)out->data)[i] = v;
        } else if (out->dtype == DTYPE_F32) {
            ((float *)out->data)[i] = (float)v;
        } else {
            ((uint16_t *)out->data)[i] = tensor_float_to_half((float)v);
        }
    }
}

const struct bind bind_view_rows[] = {
    {OP_RESHAPE, false, prepare_view, bind_copy},
    {OP_FLATTEN, false, prepare_view, bind_copy},
    {OP_SQUEEZE, false, prepare_view, bind_copy},
    {OP_UNSQUEEZE, false, prepare_view, bind_copy},
    {OP_IDENTITY, false, prepare_view, bind_copy},
    {OP_DROPOUT, false, prepare_dropout, run_dropout},
    {OP_SHAPE, false, prepare_shape, run_shape},
    {OP_CONSTANT_OF_SHAPE, false, prepare_fill, run_fill},
    {OP_RANGE, false, prepare_range, run_range},
    {.prepare = NULL},
};

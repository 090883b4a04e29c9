/* QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear. */
#include "engine/bind_rows.h"

#include "engine/bind_heavy.h"
#include "engine/bind_util.h"
#include "kernels/isa.h"

#include <math.h>

enum { IN_X, IN_SCALE, IN_ZERO };

/* A tensor (outer, channels, inner); one channel if it is scaled as one. */
struct quant_state {
    const struct isa *isa;
    size_t outer;
    size_t channels;
    size_t inner;
};

static int divide(const struct step *step, struct quant_state *s,
                  struct err *err)
{
    const struct shape *x = &step->in[IN_X].shape;
    int64_t scales = tensor_count(&step->in[IN_SCALE]);
    int axis = shape_axis(op_int(step->op, "axis", 1), x->rank);

    s->outer = 1;
    s->channels = 1;
    s->inner = (size_t)tensor_count(&step->in[IN_X]);
    if (scales != 1) {
        if (axis < 0 || x->dims[axis] != scales) {
            return err_set(err, EDGE_EINVAL, "%lld scales do not fit its input",
                           (long long)scales);
        }
        s->outer = (size_t)shape_span(x, 0, axis);
        s->channels = (size_t)scales;
        s->inner = (size_t)shape_span(x, axis + 1, x->rank);
    }
    if (bind_has(step, IN_ZERO) && tensor_count(&step->in[IN_ZERO]) != scales) {
        return err_set(err, EDGE_EINVAL,
                       "it has not as many zero points as scales");
    }
    return 0;
}

static int prepare_scaled(struct step *step, struct err *err)
{
    struct quant_state *s = bind_state(step, sizeof(*s), 0, err);

    if (s == NULL) {
        return EDGE_ENOMEM;
    }
    s->isa = isa_best();
    step->kernel = "quant";
    return divide(step, s, err);
}

static bool is_byte(enum dtype dtype)
{
    return dtype == DTYPE_U8 || dtype == DTYPE_I8;
}

static int prepare_quantize(struct step *step, struct err *err)
{
    int rc = bind_need(step, IN_X, DTYPE_F32, err);

    if (rc == 0 && !is_byte(step->out[0].dtype)) {
        return err_set(err, EDGE_EUNSUPPORTED, "it has no kernel for %s",
                       dtype_name(step->out[0].dtype));
    }
    return rc < 0 ? rc : prepare_scaled(step, err);
}

static int prepare_dequantize(struct step *step, struct err *err)
{
    enum dtype dtype = step->in[IN_X].dtype;

    if (!is_byte(dtype) && dtype != DTYPE_I32) {
        return bind_no_type(step, IN_X, err);
    }
    if (step->out[0].dtype != DTYPE_F32) {
        return err_set(err, EDGE_EUNSUPPORTED, "it has no kernel for %s",
                       dtype_name(step->out[0].dtype));
    }
    return prepare_scaled(step, err);
}

/* Channel c's scale and zero point. */
static float scale_of(const struct step *step, size_t c)
{
    return ((const float *)step->in[IN_SCALE].data)[c];
}

static int32_t zero_of(const struct step *step, size_t c)
{
    return bind_has(step, IN_ZERO)
               ? (int32_t)tensor_get_int(&step->in[IN_ZERO], (int64_t)c)
               : 0;
}

static void run_quantize(const struct step *step)
{
    const struct quant_state *s = step->state;
    const struct quant_loops *loops = &s->isa->quant;
    const float *x = step->in[IN_X].data;
    uint8_t *q = step->out[0].data;

    for (size_t i = 0; i < s->outer * s->channels; i++) {
        size_t c = i % s->channels;
        size_t at = i * s->inner;

        if (step->out[0].dtype == DTYPE_U8) {
            loops->to_u8(x + at, q + at, s->inner, zero_of(step, c),
                         scale_of(step, c));
        } else {
            loops->to_i8(x + at, (int8_t *)q + at, s->inner, zero_of(step, c),
                         scale_of(step, c));
        }
    }
}

static void run_dequantize(const struct step *step)
{
    const struct quant_state *s = step->state;
    const struct quant_loops *loops = &s->isa->quant;
    const void *q = step->in[IN_X].data;
    float *x = step->out[0].data;

    for (size_t i = 0; i < s->outer * s->channels; i++) {
        float scale = scale_of(step, i % s->channels);
        int32_t zero = zero_of(step, i % s->channels);
        size_t at = i * s->inner;

        switch (step->in[IN_X].dtype) {
        case DTYPE_U8:
            loops->from_u8((const uint8_t *)q + at, x + at, s->inner, zero,
                           scale);
            break;
        case DTYPE_I8:
            loops->from_i8((const int8_t *)q + at, x + at, s->inner, zero,
                           scale);
            break;
        default:
            loops->from_i32((const int32_t *)q + at, x + at, s->inner, zero,
                            scale);
            break;
        }
    }
}

static int prepare_dynamic(struct step *step, struct err *err)
{
    step->kernel = "quant";
    return bind_need(step, IN_X, DTYPE_F32, err);
}

/* The scale that maps the range of x, with 0 in it, to 0..255. */
static void run_dynamic(const struct step *step)
{
    const struct quant_loops *loops = &isa_best()->quant;
    const float *x = step->in[IN_X].data;
    size_t n = (size_t)tensor_count(&step->in[IN_X]);
    float least = 0;
    float most = 0;
    float scale;
    uint8_t zero;

    loops->range(x, n, &least, &most);
    scale = most > least ? (most - least) / UINT8_MAX : 1;
    least = -least;
    loops->to_u8(&least, &zero, 1, 0, scale);
    loops->to_u8(x, step->out[0].data, n, zero, scale);
    if (step->n_out > 1 && step->out[1].dtype != DTYPE_NONE) {
        *(float *)step->out[1].data = scale;
    }
    if (step->n_out > 2 && step->out[2].dtype != DTYPE_NONE) {
        *(uint8_t *)step->out[2].data = zero;
    }
}

const struct bind bind_quant_rows[] = {
    {OP_QUANTIZE_LINEAR, false, prepare_quantize, run_quantize},
    {OP_DEQUANTIZE_LINEAR, false, prepare_dequantize, run_dequantize},
    {OP_DYNAMIC_QUANTIZE, false, prepare_dynamic, run_dynamic},
    {0},
};

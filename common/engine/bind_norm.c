/* Normalisation and softmax. */
#include "engine/bind_rows.h"

#include "engine/bind_heavy.h"
#include "engine/bind_util.h"
#include "kernels/isa.h"
#include "kernels/norm.h"

struct norm_state {
    size_t outer;
    size_t middle; /* channels, or the length of the axis */
    size_t inner;
    float epsilon;
    bool log;
    struct norm_lrn lrn;
};

static int prepare_state(struct step *step, struct norm_state **state,
                         struct err *err)
{
    int rc = bind_need(step, 0, DTYPE_F32, err);

    if (rc < 0) {
        return rc;
    }
    *state = bind_state(step, sizeof(**state), 0, err);
    return *state != NULL ? 0 : EDGE_ENOMEM;
}

/* Dimensions before `axis`, its own, and behind it. */
static void divide(const struct step *step, int axis, struct norm_state *s)
{
    const struct shape *shape = &step->in[0].shape;

    s->outer = (size_t)shape_span(shape, 0, axis);
    s->middle = (size_t)shape->dims[axis];
    s->inner = (size_t)shape_span(shape, axis + 1, shape->rank);
}

/* Inputs 1.. are one number a channel. */
static int check_channels(const struct step *step, size_t channels,
                          struct err *err)
{
    for (int i = 1; i < step->n_in; i++) {
        if ((size_t)tensor_count(&step->in[i]) != channels) {
            return err_set(err, EDGE_EINVAL,
                           "input %d has %lld elements for %zu channels", i,
                           (long long)tensor_count(&step->in[i]), channels);
        }
        if (step->in[i].dtype != DTYPE_F32) {
            return bind_no_type(step, i, err);
        }
    }
    return 0;
}

static int prepare_by_channel(struct step *step, struct err *err)
{
    struct norm_state *s;
    int rc = prepare_state(step, &s, err);

    if (rc < 0) {
        return rc;
    }
    if (step->in[0].shape.rank < 2) {
        return err_set(err, EDGE_EINVAL, "its input has no channels");
    }
    if (op_int(step->op, "training_mode", 0) != 0) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "training_mode is for training alone");
    }
    divide(step, 1, s);
    s->epsilon = op_float(step->op, "epsilon", 1e-5F);
    step->in_place = true;
    step->kernel = "norm";
    return check_channels(step, s->middle, err);
}

/* Images [from, to). */
static void run_batch_part(const struct step *step, size_t from, size_t to,
                           void *scratch)
{
    const struct norm_state *s = step->state;
    size_t at = from * s->middle * s->inner;

    (void)scratch;
    norm_batch(isa_best(), (const float *)step->in[0].data + at,
               (float *)step->out[0].data + at, to - from, s->middle, s->inner,
               step->in[1].data, step->in[2].data, step->in[3].data,
               step->in[4].data, s->epsilon);
}

static void run_batch(const struct step *step)
{
    const struct norm_state *s = step->state;

    run_batch_part(step, 0, s->outer, NULL);
}

static int prepare_batch(struct step *step, struct err *err)
{
    int rc = prepare_by_channel(step, err);

    if (rc == 0 && bind_worth_sharing(step)) {
        step->parts = ((const struct norm_state *)step->state)->outer;
        step->run_part = run_batch_part;
    }
    return rc;
}

static void run_instance(const struct step *step)
{
    const struct norm_state *s = step->state;

    norm_instance(isa_best(), step->in[0].data, step->out[0].data, s->outer,
                  s->middle, s->inner, step->in[1].data, step->in[2].data,
                  s->epsilon);
}

static bool has_out(const struct step *step, int i)
{
    return i < step->n_out && step->out[i].dtype != DTYPE_NONE;
}

static int prepare_layer(struct step *step, struct err *err)
{
    struct norm_state *s;
    const struct shape *shape = &step->in[0].shape;
    int axis = shape_axis(op_int(step->op, "axis", -1), shape->rank);
    int rc = prepare_state(step, &s, err);

    if (rc < 0) {
        return rc;
    }
    if (axis < 0) {
        return err_set(err, EDGE_EINVAL, "axis is out of range");
    }
    s->outer = (size_t)shape_span(shape, 0, axis);
    s->middle = (size_t)shape_span(shape, axis, shape->rank);
    s->epsilon = op_float(step->op, "epsilon", 1e-5F);
    for (int i = 1; i < 3; i++) {
        if (bind_has(step, i) &&
            (size_t)tensor_count(&step->in[i]) != s->middle) {
            return err_set(err, EDGE_EUNSUPPORTED,
                           "input %d is broadcast along its axes", i);
        }
        rc = bind_need(step, i, DTYPE_F32, err);
        if (rc < 0) {
            return rc;
        }
    }
    step->kernel = "norm";
    return 0;
}

static void run_layer(const struct step *step)
{
    const struct norm_state *s = step->state;

    norm_layer(isa_best(), step->in[0].data, step->out[0].data, s->outer,
               s->middle, step->in[1].data, bind_data(step, 2), s->epsilon,
               has_out(step, 1) ? step->out[1].data : NULL,
               has_out(step, 2) ? step->out[2].data : NULL);
}

static int prepare_lrn(struct step *step, struct err *err)
{
    struct norm_state *s;
    int64_t size = op_int(step->op, "size", 0);
    int rc = prepare_state(step, &s, err);

    if (rc < 0) {
        return rc;
    }
    if (size < 1 || size > INT32_MAX || step->in[0].shape.rank < 2) {
        return err_set(err, EDGE_EINVAL, "size is %lld, which is out of range",
                       (long long)size);
    }
    divide(step, 1, s);
    s->lrn.size = (size_t)size;
    s->lrn.alpha = op_float(step->op, "alpha", 1e-4F);
    s->lrn.beta = op_float(step->op, "beta", 0.75F);
    s->lrn.bias = op_float(step->op, "bias", 1);
    step->kernel = "norm";
    return 0;
}

static void run_lrn(const struct step *step)
{
    const struct norm_state *s = step->state;

    norm_lrn_run(isa_best(), &s->lrn, step->in[0].data, step->out[0].data,
                 s->outer, s->middle, s->inner);
}

static int prepare_softmax(struct step *step, struct err *err)
{
    struct norm_state *s;
    const struct shape *shape = &step->in[0].shape;
    int axis = shape_axis(op_int(step->op, "axis", -1), shape->rank);
    int rc = prepare_state(step, &s, err);

    if (rc < 0) {
        return rc;
    }
    if (axis < 0) {
        return err_set(err, EDGE_EINVAL, "axis is out of range");
    }
    divide(step, axis, s);
    s->log = step->op->kind == OP_LOG_SOFTMAX;
    step->in_place = true;
    step->kernel = "softmax";
    return 0;
}

static void run_softmax(const struct step *step)
{
    const struct norm_state *s = step->state;

    norm_softmax(isa_best(), step->in[0].data, step->out[0].data, s->outer,
                 s->middle, s->inner, s->log);
}

const struct bind bind_norm_rows[] = {
    {OP_BATCH_NORM, false, prepare_batch, run_batch},
    {OP_INSTANCE_NORM, false, prepare_by_channel, run_instance},
    {OP_LAYER_NORM, false, prepare_layer, run_layer},
    {OP_LRN, false, prepare_lrn, run_lrn},
    {OP_SOFTMAX, false, prepare_softmax, run_softmax},
    {OP_LOG_SOFTMAX, false, prepare_softmax, run_softmax},
    {0},
};

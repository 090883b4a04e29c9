#include "engine/bind_util.h"

#include "base/mem.h"

#include <string.h>

#define SHARE_LEAST 16384 /* elements: some microseconds */
#define PLANES_IN 4       /* tensors of a step that is shared by planes */
#define PLANES_OUT 2

int bind_no_type(const struct step *step, int i, struct err *err)
{
    return err_set(err, EDGE_EUNSUPPORTED, "it has no kernel for %s",
                   dtype_name(step->in[i].dtype));
}

bool bind_has(const struct step *step, int i)
{
    return i < step->n_in && step->in[i].dtype != DTYPE_NONE;
}

int bind_ints(const struct step *step, int i, int64_t *v, size_t max, size_t *n,
              struct err *err)
{
    const struct tensor *t = &step->in[i];
    size_t count;

    if (!step->in_const[i]) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "input %d must be a constant: it decides what the op "
                       "does, and is known only when the model runs",
                       i);
    }
    count = (size_t)tensor_count(t);
    if (t->dtype != DTYPE_I64 && t->dtype != DTYPE_I32) {
        return err_set(err, EDGE_EINVAL, "input %d must be int32 or int64", i);
    }
    if (count > max) {
        return err_set(err, EDGE_EINVAL,
                       "input %d has %zu elements; at most %zu are allowed", i,
                       count, max);
    }
    for (size_t k = 0; k < count; k++) {
        v[k] = tensor_get_int(t, (int64_t)k);
    }
    *n = count;
    return 0;
}

int bind_keep(struct step *step, const void *state, size_t size,
              struct err *err)
{
    step->state = mem_dup(state, size);
    if (step->state == NULL) {
        return err_set(err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
    }
    return 0;
}

bool bind_worth_sharing(const struct step *step)
{
    return tensor_count(&step->in[0]) >= SHARE_LEAST ||
           tensor_count(&step->out[0]) >= SHARE_LEAST;
}

/* Planes [from, to) of t alone, if it has them. */
static struct tensor planes_of(const struct tensor *t, size_t planes,
                               size_t from, size_t to)
{
    struct tensor part = *t;

    if (t->dtype == DTYPE_NONE || t->shape.rank < 2 ||
        (size_t)t->shape.dims[0] * (size_t)t->shape.dims[1] != planes) {
        return part;
    }
    part.data = (uint8_t *)t->data + tensor_bytes(t) / planes * from;
    part.shape.dims[0] = 1;
    part.shape.dims[1] = (int64_t)(to - from);
    return part;
}

static void run_planes(const struct step *step, size_t from, size_t to,
                       void *scratch)
{
    struct tensor in[PLANES_IN];
    struct tensor out[PLANES_OUT];
    struct step part = *step;

    for (int i = 0; i < step->n_in; i++) {
        in[i] = planes_of(&step->in[i], step->parts, from, to);
    }
    for (int i = 0; i < step->n_out; i++) {
        out[i] = planes_of(&step->out[i], step->parts, from, to);
    }
    part.in = in;
    part.out = out;
    part.scratch = scratch;
    step->bind->run(&part);
}

void bind_share_planes(struct step *step)
{
    const struct shape *s = &step->out[0].shape;

    if (step->n_in <= PLANES_IN && step->n_out <= PLANES_OUT && s->rank >= 2 &&
        bind_worth_sharing(step)) {
        step->parts = (size_t)s->dims[0] * (size_t)s->dims[1];
        step->run_part = run_planes;
    }
}

void bind_copy(const struct step *step)
{
    size_t bytes = tensor_bytes(&step->out[0]);

    if (bytes > 0) {
        memcpy(step->out[0].data, step->in[0].data, bytes);
    }
}

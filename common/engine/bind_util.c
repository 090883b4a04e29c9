#include "engine/bind_util.h"

#include "base/mem.h"

#include <string.h>

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

void bind_copy(const struct step *step)
{
    size_t bytes = tensor_bytes(&step->out[0]);

    if (bytes > 0) {
        memcpy(step->out[0].data, step->in[0].data, bytes);
    }
}

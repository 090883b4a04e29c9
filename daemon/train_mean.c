/*
 * Replicas that each take steps of their own (training.sync: local, delta)
 * agree by the mean of what became of what they last agreed on: parameters,
 * the optimizer's moments and running statistics. As a board cannot see the
 * others' samples, each counts by those that it learnt from (McMahan et al.
 * 2017, "Communication-efficient learning of deep networks from decentralized
 * data", FederatedAveraging).
 *
 * Changes are sent around, not values: what did not change stays bit for
 * bit, and a small change loses nothing beside a large weight.
 */
#include "daemon/train.h"

#include "base/mem.h"

#include <string.h>

static size_t count(const struct step_state *state)
{
    size_t n = 0;

    for (size_t i = 0; i < STEP_STATE; i++) {
        n += state->arrays[i].n;
    }
    return n;
}

static void copy_out(const struct step_state *state, float *to)
{
    for (size_t i = 0; i < STEP_STATE; i++) {
        if (state->arrays[i].n > 0) {
            memcpy(to, state->arrays[i].values,
                   state->arrays[i].n * sizeof(float));
        }
        to += state->arrays[i].n;
    }
}

int train_mean_make(const struct train *t, struct train_made *made,
                    struct err *err)
{
    struct step_state state;

    if (t->n_replicas < 2 || !t->recipe->local) {
        return 0;
    }
    step_state(made->step, &state);
    made->n_agreed = count(&state);
    made->agreed = mem_array(float, made->n_agreed + 1);
    made->changes = mem_array(float, made->n_agreed + 1);
    if (made->agreed == NULL || made->changes == NULL) {
        return err_set(err, EDGE_ENOMEM,
                       "no memory for what replicas agree on");
    }
    copy_out(&state, made->agreed);
    return 0;
}

void train_mean_free(struct train_made *made)
{
    mem_free(made->agreed);
    mem_free(made->changes);
}

void train_mean_leave(struct train_made *made, double share)
{
    struct step_state state;
    size_t at = 0;

    step_state(made->step, &state);
    for (size_t i = 0; i < STEP_STATE; i++) {
        for (size_t k = 0; k < state.arrays[i].n; k++, at++) {
            made->changes[at] =
                (float)(share *
                        (double)(state.arrays[i].values[k] - made->agreed[at]));
        }
    }
}

void train_mean_arrive(struct train_made *made)
{
    struct step_state state;
    size_t at = 0;

    step_state(made->step, &state);
    for (size_t i = 0; i < STEP_STATE; i++) {
        for (size_t k = 0; k < state.arrays[i].n; k++, at++) {
            made->agreed[at] += made->changes[at];
            state.arrays[i].values[k] = made->agreed[at];
        }
    }
}

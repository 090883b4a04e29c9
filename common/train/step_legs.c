/*
 * Legs of the way back (step.h). One ends where a part of all parameters has
 * become final since the last one did: so there are few of them, in a network
 * of many small layers as well, and each brings about as much to send.
 */
#include "train/step_inner.h"

#include "base/mem.h"

struct legger {
    const struct params *params;
    const struct plan *plan;
    size_t *after; /* by output: how many steps of the plan make it final */
    size_t at;     /* among the parameters of all legs */
};

/* Those that the plan's step `step`, counted from 1, makes final; how many
 * numbers they are. */
static size_t take(struct legger *l, struct step_legs *legs, size_t step)
{
    size_t n = 0;

    for (size_t i = 0; i < l->params->n_items; i++) {
        if (l->after[i] == step) {
            legs->params[l->at++] = i;
            n += l->params->items[i].count;
        }
    }
    return n;
}

static void end_leg(struct legger *l, struct step_legs *legs, size_t to,
                    double macs)
{
    struct step_leg *leg = &legs->legs[legs->n++];
    const struct step_leg *last = legs->n > 1 ? leg - 1 : NULL;

    leg->params = last != NULL ? last->params + last->n_params : legs->params;
    leg->n_params = l->at - (size_t)(leg->params - legs->params);
    leg->to = to;
    leg->share = macs;
}

static void share_out(struct step_legs *legs)
{
    double all = 0;

    for (size_t i = 0; i < legs->n; i++) {
        all += legs->legs[i].share;
    }
    for (size_t i = 0; i < legs->n; i++) {
        legs->legs[i].share =
            all > 0 ? legs->legs[i].share / all : 1 / (double)legs->n;
    }
}

static void find(struct legger *l, struct step_legs *legs)
{
    const struct plan_time *times = plan_times(l->plan);
    size_t n = plan_n_times(l->plan);
    size_t most = l->params->n / (STEP_LEGS - 1) + 1;
    size_t numbers = 0;
    double macs = 0;

    for (size_t s = 1; s <= n; s++) {
        macs += times[s - 1].macs;
        numbers += take(l, legs, s);
        if (numbers >= most && s < n) {
            end_leg(l, legs, s, macs);
            numbers = 0;
            macs = 0;
        }
    }
    end_leg(l, legs, n, macs);
}

int step_legs_make(const struct params *params, struct step_size *size)
{
    struct legger l = {.params = params, .plan = size->backward};

    size->legs.params = mem_array(size_t, params->n_items + 1);
    if (size->legs.params == NULL) {
        return EDGE_ENOMEM;
    }
    if (l.plan == NULL) {
        end_leg(&l, &size->legs, 0, 0);
        return 0;
    }
    l.after = mem_array(size_t, plan_n_outputs(l.plan) + 1);
    if (l.after == NULL) {
        return EDGE_ENOMEM;
    }
    plan_finals(l.plan, l.after);
    find(&l, &size->legs);
    share_out(&size->legs);
    mem_free(l.after);
    return 0;
}

const struct step_legs *step_legs(const struct train_step *s, size_t slot)
{
    return slot < s->n_slots && s->slots[slot].size != NULL
               ? &s->slots[slot].size->legs
               : NULL;
}

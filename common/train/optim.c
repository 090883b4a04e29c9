#include "train/optim.h"

#include "base/mem.h"

#include <math.h>

#define CLIP_EPSILON 1e-6 /* clip_grad_norm_'s, against a norm of 0 */

struct optim_rule optim_rule_of(enum optim_kind kind)
{
    return (struct optim_rule){
        .kind = kind, .beta1 = 0.9F, .beta2 = 0.999F, .epsilon = 1e-8F};
}

int optim_init(struct optim *o, const struct optim_rule *rule, size_t n)
{
    bool adam = rule->kind == OPTIM_ADAM;

    *o = (struct optim){.rule = *rule, .n = n};
    if (adam || rule->momentum > 0) {
        o->first = mem_array(float, n);
    }
    o->second = adam ? mem_array(float, n) : NULL;
    if (((adam || rule->momentum > 0) && o->first == NULL) ||
        (adam && o->second == NULL)) {
        optim_deinit(o);
        return EDGE_ENOMEM;
    }
    return 0;
}

void optim_deinit(struct optim *o)
{
    mem_free(o->first);
    mem_free(o->second);
    *o = (struct optim){0};
}

double optim_square(const float *grads, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum += (double)grads[i] * (double)grads[i];
    }
    return sum;
}

/* clip_grad_norm_: by max_norm / (norm + 1e-6), where that is below 1. */
static float clip_factor(const struct optim_rule *rule, double square)
{
    double factor = rule->clip_norm > 0 ? (double)rule->clip_norm /
                                              (sqrt(square) + CLIP_EPSILON)
                                        : 1;

    return factor < 1 ? (float)factor : 1;
}

/* A run of parameters with one rate and decay. */
struct run {
    float *x;
    const float *grads;
    size_t from;
    size_t n;
    double rate;
    float decay;
    float clip;
};

/* torch.optim.SGD: g += decay x; v = momentum v + (1 - dampening) g, and g at
 * the first step; g = v, or g + momentum v with Nesterov; x -= rate g. */
static void step_sgd(struct optim *o, const struct run *r)
{
    const struct optim_rule *rule = &o->rule;
    float *v = o->first != NULL ? o->first + r->from : NULL;
    float part = o->steps == 0 ? 1 : 1 - rule->dampening;
    float rate = (float)r->rate;

    for (size_t i = 0; i < r->n; i++) {
        float g = r->grads[i] * r->clip + r->decay * r->x[i];

        if (v != NULL) {
            v[i] = rule->momentum * v[i] + part * g;
            g = rule->nesterov ? g + rule->momentum * v[i] : v[i];
        }
        r->x[i] -= rate * g;
    }
}

/* torch.optim.Adam (Kingma and Ba 2015): moments m and v, made free of their
 * bias by 1 - beta^t; x -= rate m' / (sqrt(v') + epsilon). */
static void step_adam(struct optim *o, const struct run *r)
{
    const struct optim_rule *rule = &o->rule;
    double t = (double)(o->steps + 1);
    float rate = (float)(r->rate / (1 - pow((double)rule->beta1, t)));
    float root = (float)sqrt(1 - pow((double)rule->beta2, t));
    float *m = o->first + r->from;
    float *v = o->second + r->from;

    for (size_t i = 0; i < r->n; i++) {
        float g = r->grads[i] * r->clip + r->decay * r->x[i];

        m[i] = rule->beta1 * m[i] + (1 - rule->beta1) * g;
        v[i] = rule->beta2 * v[i] + (1 - rule->beta2) * g * g;
        r->x[i] -= rate * m[i] / (sqrtf(v[i]) / root + rule->epsilon);
    }
}

static void hold(float *x, size_t n, float bound)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = fminf(fmaxf(x[i], -bound), bound);
    }
}

bool optim_step(struct optim *o, struct params *p, double rate, double square)
{
    float clip = clip_factor(&o->rule, square);

    if (!isfinite(square)) {
        o->skipped++;
        return false;
    }
    for (size_t i = 0; i < p->n_items; i++) {
        const struct param *item = &p->items[i];
        struct run r = {.x = p->values + item->offset,
                        .grads = p->grads + item->offset,
                        .from = item->offset,
                        .n = item->count,
                        .rate = rate * (double)item->rate,
                        .decay = o->rule.weight_decay * item->decay,
                        .clip = clip};

        if (o->rule.kind == OPTIM_ADAM) {
            step_adam(o, &r);
        } else {
            step_sgd(o, &r);
        }
        if (item->bound > 0) {
            hold(r.x, r.n, item->bound);
        }
    }
    o->steps++;
    return true;
}

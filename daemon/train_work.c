/* A Step as the trainer says it, checked, and what it needs in memory. */
#include "daemon/train.h"

#include "base/mem.h"

#include <math.h>

/* ---- micro-batches ------------------------------------------------------- */

static void drop(struct tensor *tensors, size_t n)
{
    for (size_t i = 0; tensors != NULL && i < n; i++) {
        tensor_deinit(&tensors[i]);
    }
}

static void drop_values(struct value_in *values, size_t n)
{
    for (size_t i = 0; values != NULL && i < n; i++) {
        tensor_deinit(&values[i].tensor);
    }
}

static size_t n_coded(const struct train *t)
{
    return t->shard->n_coders + t->shard->n_inputs;
}

void train_micro_clear(const struct train *t, struct micro *m)
{
    drop_values(m->in, t->shard->n_inputs);
    drop_values(m->back, t->shard->n_links);
    drop(m->x, t->shard->n_inputs);
    drop(m->dx, t->shard->n_inputs);
    drop(m->dy, TRAIN_OUTPUTS);
    drop(m->y, TRAIN_OUTPUTS);
    tensor_deinit(&m->labels);
    tensor_deinit(&m->seeds);
    for (size_t i = 0; m->coded != NULL && i < n_coded(t); i++) {
        blob_unref(m->coded[i]);
    }
    for (size_t i = 0; m->masks != NULL && i < n_coded(t); i++) {
        mem_free(m->masks[i].marks);
    }
    mem_free(m->in);
    mem_free(m->back);
    mem_free(m->x);
    mem_free(m->dx);
    mem_free(m->dy);
    mem_free(m->y);
    mem_free(m->coded);
    mem_free(m->masks);
    m->in = NULL;
    m->back = NULL;
    m->x = NULL;
    m->dx = NULL;
    m->dy = NULL;
    m->y = NULL;
    m->coded = NULL;
    m->masks = NULL;
}

static int init_micro(const struct train *t, struct micro *m)
{
    size_t n_in = t->shard->n_inputs;

    m->is_mine = true;
    m->in = mem_array(struct value_in, n_in);
    m->back = mem_array(struct value_in, t->shard->n_links);
    m->x = mem_array(struct tensor, n_in);
    m->dx = mem_array(struct tensor, n_in);
    m->dy = mem_array(struct tensor, TRAIN_OUTPUTS);
    m->y = mem_array(struct tensor, TRAIN_OUTPUTS);
    m->coded = mem_array(struct blob *, n_coded(t));
    m->masks = mem_array(struct train_mask, n_coded(t));
    return m->in != NULL && m->back != NULL && m->x != NULL && m->dx != NULL &&
                   m->dy != NULL && m->y != NULL && m->coded != NULL &&
                   m->masks != NULL
               ? 0
               : EDGE_ENOMEM;
}

void train_work_free(const struct train *t, struct work *w)
{
    if (w == NULL) {
        return;
    }
    for (size_t i = 0; w->micros != NULL && i < w->n_micros; i++) {
        train_micro_clear(t, &w->micros[i]);
    }
    train_reduce_free(&w->reduce);
    mem_free(w->micros);
    mem_free(w->ways);
    mem_free(w);
}

/* ---- what is asked for --------------------------------------------------- */

static const char *check_sizes(const struct train *t, const Edged__Step *s)
{
    const struct train_set *set =
        s->evaluates ? &t->made->test : &t->made->train;
    uint64_t left = set->samples;

    if (s->n_sizes == 0) {
        return NULL;
    }
    if (set->samples == 0) {
        return "there are no data to evaluate on";
    }
    if (s->n_sizes > LIMIT_MICROS ||
        s->n_ways != s->n_sizes * t->recipe->stages) {
        return "its micro-batches are too many, or have no ways";
    }
    if (s->first > left) {
        return "it begins beyond the data";
    }
    left -= s->first;
    for (size_t i = 0; i < s->n_sizes; i++) {
        if (s->sizes[i] == 0 || s->sizes[i] > t->recipe->micro_max ||
            s->sizes[i] > left) {
            return "a micro-batch is empty, too large or beyond the data";
        }
        left -= s->sizes[i];
    }
    for (size_t i = 0; i < s->n_ways; i++) {
        if (s->ways[i] >= t->places[i / s->n_sizes]->n_nodes) {
            return "a micro-batch goes through a replica that there is not";
        }
    }
    return NULL;
}

static const char *check(const struct train *t, const Edged__Step *s)
{
    if (s->applies != 0 && s->applies != t->applied &&
        s->applies != t->waiting) {
        return "the gradients that it applies are not here";
    }
    if (!isfinite(s->rate) || s->rate < 0) {
        return "its learning rate is no such number";
    }
    if (s->averages && (!t->recipe->local || t->n_replicas < 2 ||
                        !(s->share >= 0 && s->share <= 1))) {
        return "there is nothing to agree on";
    }
    if (!(s->slack >= 0 && s->slack <= 1)) {
        return "its slack is no part";
    }
    return check_sizes(t, s);
}

static int fill(const struct train *t, struct work *w, const Edged__Step *s)
{
    uint64_t at = s->first;
    size_t n = s->n_sizes;

    w->micros = mem_array(struct micro, n + 1);
    w->ways = mem_array(uint32_t, s->n_ways + 1);
    if (w->micros == NULL || w->ways == NULL) {
        return EDGE_ENOMEM;
    }
    w->n_micros = n;
    for (size_t i = 0; i < n && !t->recipe->local; i++) {
        w->samples += (double)s->sizes[i];
    }
    for (size_t i = 0; n > 0 && i < s->n_ways; i++) {
        w->ways[i] = s->ways[i];
    }
    for (size_t i = 0; i < n; i++) {
        struct micro *m = &w->micros[i];

        m->samples = s->sizes[i];
        m->first = at;
        at += s->sizes[i];
        if (w->ways[t->recipe->stage * n + i] == t->replica) {
            w->n_mine++;
            w->samples += t->recipe->local ? (double)s->sizes[i] : 0;
            if (init_micro(t, m) < 0) {
                return EDGE_ENOMEM;
            }
        }
    }
    return 0;
}

int train_work_new(struct train *t, const Edged__Step *s, struct work **out,
                   struct err *err)
{
    const char *wrong = check(t, s);
    struct work *w;

    if (wrong != NULL) {
        return err_set(err, EDGE_EPROTO, "step %llu cannot be: %s",
                       (unsigned long long)s->step, wrong);
    }
    w = mem_new(struct work);
    if (w == NULL || fill(t, w, s) < 0) {
        train_work_free(t, w);
        return err_set(err, EDGE_ENOMEM, "no memory for a step");
    }
    w->step = s->step;
    w->applies = s->applies;
    w->rate = s->rate;
    w->square = s->square;
    w->pass = s->pass;
    w->evaluates = s->evaluates;
    w->saves = s->saves;
    w->averages = s->averages;
    w->share = s->share;
    w->absent = s->evaluates ? s->absent : 0;
    w->is_grey = s->evaluates && s->grey;
    w->is_whole = s->whole;
    w->slack = s->slack;
    w->began_us = io_now_us(t->daemon->io);
    w->result.step = s->step;
    if (train_reduce_open(t, w) < 0) {
        train_work_free(t, w);
        return err_set(err, EDGE_ENOMEM, "no memory to add up gradients");
    }
    *out = w;
    return 0;
}

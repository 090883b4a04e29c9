/* Making a training step: what is trained, its flat arrays, its slots. */
#include "train/step_inner.h"

#include "base/mem.h"
#include "graph/infer.h"

#include <fnmatch.h>

static int out_of_memory(struct err *err)
{
    return err_set(err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
}

/* ---- what is trained ------------------------------------------------------
 */

static struct step_param setting_of(const struct step_ask *ask,
                                    const char *name)
{
    struct step_param found = {.rate = 1, .decay = 1};

    for (size_t i = 0; i < ask->n_params; i++) {
        if (fnmatch(ask->params[i].pattern, name, 0) == 0) {
            found = ask->params[i];
        }
    }
    return found;
}

/* What only Sign reads would, beyond 1, learn nothing any more: its gradient
 * is 0 there (graph/grad_unary.c). */
static float bound_of(const struct graph *g, int value)
{
    float bound = 0;

    for (size_t i = 0; i < g->n_ops; i++) {
        for (int k = 0; k < g->ops[i].n_in; k++) {
            if (g->ops[i].in[k] != value) {
                continue;
            }
            if (g->ops[i].kind != OP_SIGN) {
                return 0;
            }
            bound = 1;
        }
    }
    return bound;
}

static int choose_params(struct train_step *s, const struct step_ask *ask,
                         struct err *err)
{
    size_t n = 0;
    size_t kept = 0;
    int rc = params_list(s->model, &s->learnt, &n);

    if (rc < 0) {
        return out_of_memory(err);
    }
    for (size_t i = 0; i < n; i++) {
        const char *name = s->model->values[s->learnt[i]].name;

        if (!setting_of(ask, name).frozen) {
            s->learnt[kept++] = s->learnt[i];
        }
    }
    rc = params_init(&s->params, s->model, s->learnt, kept, err);
    for (size_t i = 0; rc == 0 && i < kept; i++) {
        struct step_param setting = setting_of(ask, s->params.items[i].name);

        s->params.items[i].rate = setting.rate;
        s->params.items[i].decay = setting.decay;
        s->params.items[i].bound = bound_of(s->model, s->learnt[i]);
    }
    return rc == 0 ? optim_init(&s->optim, &ask->rule, s->params.n) : rc;
}

/* The model's own parameters are not read any more: they go. What is left
 * says that they are constants, of which shape. */
static int empty_params(struct train_step *s, struct err *err)
{
    struct blob *nothing = blob_new(1);

    if (nothing == NULL) {
        return out_of_memory(err);
    }
    for (size_t i = 0; i < s->params.n_items; i++) {
        struct tensor hollow = s->model->values[s->learnt[i]].data;

        hollow.blob = blob_ref(nothing);
        hollow.data = nothing->data;
        graph_set_const(s->model, s->learnt[i], &hollow);
    }
    blob_unref(nothing);
    return 0;
}

static int find_losses(struct train_step *s, const struct step_ask *ask,
                       struct err *err)
{
    s->losses = mem_array(struct grad_loss, ask->n_losses + 1);
    if (s->losses == NULL) {
        return out_of_memory(err);
    }
    for (size_t i = 0; i < ask->n_losses; i++) {
        int scores = graph_find_value(s->model, ask->losses[i].scores);

        if (scores < 0) {
            return err_set(err, EDGE_EINVAL,
                           "there are no scores \"%.200s\" for a loss",
                           ask->losses[i].scores);
        }
        s->losses[s->n_losses++] =
            (struct grad_loss){scores, ask->losses[i].weight};
    }
    return 0;
}

/* ---- running statistics ---------------------------------------------------
 */

static size_t place_of(const int *list, size_t n, int value)
{
    size_t i = 0;

    while (i < n && list[i] != value) {
        i++;
    }
    return i;
}

/* Two layers may share them. */
static int list_running(struct train_step *s, const struct grad_ports *p,
                        struct err *err)
{
    int *list = mem_array(int, 2 * p->n_statistics + 1);
    size_t n = 0;
    int rc = EDGE_ENOMEM;

    s->stats = mem_array(struct step_stat, p->n_statistics + 1);
    if (list == NULL || s->stats == NULL) {
        mem_free(list);
        return out_of_memory(err);
    }
    for (size_t i = 0; i < 2 * p->n_statistics; i++) {
        size_t at = place_of(list, n, p->statistics[i]);

        list[at] = p->statistics[i];
        n = at == n ? n + 1 : n;
        *(i % 2 == 0 ? &s->stats[i / 2].mean : &s->stats[i / 2].variance) = at;
    }
    rc = params_init(&s->running, s->model, list, n, err);
    mem_free(list);
    return rc;
}

static int make_running(struct train_step *s, const struct grad_ports *p,
                        struct err *err)
{
    size_t at = 0;
    int rc = list_running(s, p, err);

    for (size_t i = 0; rc == 0 && i < p->n_statistics; i++) {
        struct step_stat *stat = &s->stats[i];
        const struct op *op =
            step_next_norm(s->model, p->statistics[2 * i], &at);

        stat->momentum = op_float(op, "momentum", 0.9F);
        stat->channels = s->running.items[stat->mean].count;
        stat->mean = s->running.items[stat->mean].offset;
        stat->variance = s->running.items[stat->variance].offset;
        stat->sums = s->n_sums;
        s->n_sums += 1 + 2 * stat->channels;
    }
    if (rc < 0) {
        return rc;
    }
    s->n_stats = p->n_statistics;
    s->sums = mem_array(double, s->n_sums + 1);
    return s->sums != NULL ? 0 : out_of_memory(err);
}

/* ---- slots ----------------------------------------------------------------
 */

static int make_slots(struct train_step *s, size_t n, struct err *err)
{
    s->slots = mem_array(struct step_slot, n);
    if (s->slots == NULL) {
        return out_of_memory(err);
    }
    s->n_slots = n;
    s->stash_bytes = s->sizes[0].stash_bytes;
    for (size_t i = 0; i < n; i++) {
        struct step_slot *slot = &s->slots[i];

        slot->stash = mem_aligned(s->stash_bytes + 1);
        slot->inputs = mem_array(struct tensor, s->model->n_inputs + 1);
        slot->outputs = mem_array(struct tensor, s->model->n_outputs + 1);
        slot->labels = mem_array(struct tensor, s->n_losses + 1);
        if (slot->stash == NULL || slot->inputs == NULL ||
            slot->outputs == NULL || slot->labels == NULL) {
            return out_of_memory(err);
        }
    }
    return 0;
}

/* ---- all of it ------------------------------------------------------------
 */

static int check_ask(const struct step_ask *ask, struct err *err)
{
    if (ask->batch < 1 || ask->slots < 1 || ask->slots > STEP_SLOTS) {
        return err_set(err, EDGE_EINVAL,
                       "%lld samples in each of %zu micro-batches: there must "
                       "be a sample, and 1 to %d micro-batches",
                       (long long)ask->batch, ask->slots, STEP_SLOTS);
    }
    return 0;
}

static int make(struct train_step *s, const struct step_ask *ask,
                struct err *err)
{
    int rc = choose_params(s, ask, err);

    if (rc == 0) {
        rc = find_losses(s, ask, err);
    }
    if (rc == 0) {
        rc = empty_params(s, err);
    }
    if (rc == 0) {
        rc = step_size_make(s, &s->sizes[0], ask->batch, err);
    }
    if (rc == 0) {
        rc = make_running(s, &s->sizes[0].ports, err);
    }
    return rc == 0 ? make_slots(s, ask->slots, err) : rc;
}

int step_new(const struct graph *shard, const struct step_ask *ask,
             struct train_step **step, struct err *err)
{
    struct train_step *s;
    int rc = check_ask(ask, err);

    if (rc < 0) {
        return rc;
    }
    s = mem_new(struct train_step);
    if (s == NULL || graph_clone(shard, &s->model) < 0) {
        mem_free(s);
        return out_of_memory(err);
    }
    s->threads = ask->threads;
    s->batch = ask->batch;
    s->recompute = ask->recompute;
    s->input_grads = ask->input_grads;
    s->output_grads = ask->output_grads;
    rc = make(s, ask, err);
    if (rc < 0) {
        step_free(s);
        return err_wrap(err, rc, "train \"%.200s\"", shard->name);
    }
    *step = s;
    return 0;
}

void step_free(struct train_step *step)
{
    if (step == NULL) {
        return;
    }
    for (size_t i = 0; i < step->n_slots; i++) {
        mem_free(step->slots[i].stash);
        mem_free(step->slots[i].inputs);
        mem_free(step->slots[i].outputs);
        mem_free(step->slots[i].labels);
    }
    for (size_t i = 0; i < STEP_SIZES; i++) {
        step_size_deinit(&step->sizes[i]);
    }
    mem_free(step->slots);
    mem_free(step->sums);
    mem_free(step->stats);
    mem_free(step->learnt);
    mem_free(step->losses);
    params_deinit(&step->running);
    optim_deinit(&step->optim);
    params_deinit(&step->params);
    graph_free(step->model);
    mem_free(step);
}

static bool is_under_way(const struct train_step *s,
                         const struct step_size *size)
{
    for (size_t i = 0; i < s->n_slots; i++) {
        if (s->slots[i].size == size) {
            return true;
        }
    }
    return false;
}

/* A place for another size: a free one, or the least recently used. */
static struct step_size *find_place(struct train_step *s)
{
    struct step_size *place = NULL;

    for (size_t i = 0; i < STEP_SIZES; i++) {
        struct step_size *size = &s->sizes[i];

        if (!is_under_way(s, size) &&
            (place == NULL || size->used < place->used)) {
            place = size;
        }
    }
    return place;
}

int step_prepare(struct train_step *s, int64_t samples, struct err *err)
{
    struct step_size *place;
    struct step_size made = {0};
    int rc;

    if (step_size_find(s, samples) != NULL) {
        return 0;
    }
    if (samples < 1 || samples > s->batch) {
        return err_set(err, EDGE_EINVAL,
                       "a micro-batch of %lld samples where 1 to %lld are "
                       "expected",
                       (long long)samples, (long long)s->batch);
    }
    place = find_place(s);
    if (place == NULL) {
        return err_set(err, EDGE_EBUSY,
                       "micro-batches of %d sizes are under way", STEP_SIZES);
    }
    rc = step_size_make(s, &made, samples, err);
    if (rc == 0 && made.stash_bytes > s->stash_bytes) {
        step_size_deinit(&made);
        rc = err_set(err, EDGE_ENOFIT, "%lld samples store more than %lld do",
                     (long long)samples, (long long)s->batch);
    }
    if (rc < 0) {
        return rc;
    }
    step_size_deinit(place);
    made.used = ++s->clock;
    *place = made;
    return 0;
}

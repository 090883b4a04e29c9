#include "train/learnt.h"

#include "base/mem.h"
#include "train/step_inner.h"

#include <string.h>

#define MAGIC "edged state 1\n\0" /* and the literal's own zero: 16 bytes */
#define MAGIC_BYTES 16
#define ALIGN 64
#define ITEMS_MAX LIMIT_GRAPH_VALUES
#define MOMENTS 2

static int corrupt(struct err *err, const char *what)
{
    return err_set(err, EDGE_ECORRUPT,
                   "the state of a shard is damaged: %s. Go on from an older "
                   "checkpoint",
                   what);
}

/* ---- writing ------------------------------------------------------------- */

static uint8_t *put(uint8_t *to, const void *from, size_t n)
{
    if (n > 0) {
        memcpy(to, from, n);
    }
    return to + n;
}

static uint8_t *put_u64(uint8_t *to, uint64_t value)
{
    for (int i = 0; i < 8; i++) {
        *to++ = (uint8_t)(value >> (8 * i));
    }
    return to;
}

static size_t names_bytes(const struct params *p)
{
    size_t bytes = 0;

    for (size_t i = 0; i < p->n_items; i++) {
        bytes += 16 + strlen(p->items[i].name);
    }
    return bytes;
}

static uint8_t *put_names(uint8_t *to, const struct params *p)
{
    for (size_t i = 0; i < p->n_items; i++) {
        size_t n = strlen(p->items[i].name);

        to = put_u64(to, p->items[i].count);
        to = put_u64(to, n);
        to = put(to, p->items[i].name, n);
    }
    return to;
}

int learnt_write(const struct train_step *step, struct blob **out,
                 struct err *err)
{
    const struct optim *o = &step->optim;
    size_t moments = (size_t)(o->first != NULL) + (size_t)(o->second != NULL);
    size_t n = step->params.n * sizeof(float);
    size_t head = MAGIC_BYTES + 5 * sizeof(uint64_t) +
                  names_bytes(&step->params) + names_bytes(&step->running);
    size_t data = (head + ALIGN - 1) / ALIGN * ALIGN;
    struct blob *blob =
        blob_new(data + (1 + moments) * n + step->running.n * sizeof(float));
    uint8_t *to;

    if (blob == NULL) {
        return err_set(err, EDGE_ENOMEM, "no memory for a shard's state");
    }
    memset(blob->data, 0, data);
    to = put(blob->data, MAGIC, MAGIC_BYTES);
    to = put_u64(to, o->steps);
    to = put_u64(to, o->skipped);
    to = put_u64(to, moments);
    to = put_u64(to, step->params.n_items);
    to = put_u64(to, step->running.n_items);
    to = put_names(to, &step->params);
    (void)put_names(to, &step->running);
    to = put(blob->data + data, step->params.values, n);
    to = put(to, o->first, o->first != NULL ? n : 0);
    to = put(to, o->second, o->second != NULL ? n : 0);
    (void)put(to, step->running.values, step->running.n * sizeof(float));
    *out = blob;
    return 0;
}

/* ---- reading ------------------------------------------------------------- */

struct reader {
    const uint8_t *at;
    size_t left;
    bool failed;
};

static const uint8_t *take(struct reader *r, size_t n)
{
    const uint8_t *at = r->at;

    if (r->failed || n > r->left) {
        r->failed = true;
        return NULL;
    }
    r->at += n;
    r->left -= n;
    return at;
}

static uint64_t take_u64(struct reader *r)
{
    const uint8_t *at = take(r, 8);
    uint64_t value = 0;

    for (int i = 0; at != NULL && i < 8; i++) {
        value |= (uint64_t)at[i] << (8 * i);
    }
    return value;
}

static int take_item(struct reader *r, struct learnt_item *item, size_t *sum,
                     struct err *err)
{
    uint64_t n = take_u64(r);
    uint64_t length = take_u64(r);
    const uint8_t *name = length <= LIMIT_GRAPH_NAME ? take(r, length) : NULL;

    if (name == NULL || length == 0 || memchr(name, 0, length) != NULL ||
        n > LIMIT_TENSOR_BYTES || !mem_add(*sum, n, sum)) {
        return corrupt(err, "a name or a size");
    }
    item->n = n;
    item->name = mem_printf("%.*s", (int)length, (const char *)name);
    return item->name != NULL ? 0 : err_set(err, EDGE_ENOMEM, "out of memory");
}

static int take_items(struct reader *r, struct learnt *state,
                      size_t n_statistics, size_t *params, size_t *statistics,
                      struct err *err)
{
    int rc = 0;

    state->items =
        mem_array(struct learnt_item, state->n_params + n_statistics + 1);
    if (state->items == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t i = 0; rc == 0 && i < state->n_params + n_statistics; i++) {
        state->n_items = i + 1;
        rc = take_item(r, &state->items[i],
                       i < state->n_params ? params : statistics, err);
    }
    return rc;
}

static const float *next(const float **at, size_t n)
{
    const float *from = *at;

    *at += n;
    return from;
}

/* Where the arrays of each lie, behind the names. */
static void place(struct learnt *state, const float *values, size_t params,
                  size_t moments)
{
    const float *first = values + params;
    const float *second = first + (moments > 0 ? params : 0);
    const float *statistics = second + (moments > 1 ? params : 0);

    for (size_t i = 0; i < state->n_items; i++) {
        struct learnt_item *item = &state->items[i];
        bool is_param = i < state->n_params;

        item->values = next(is_param ? &values : &statistics, item->n);
        if (is_param && moments > 0) {
            item->first = next(&first, item->n);
        }
        if (is_param && moments > 1) {
            item->second = next(&second, item->n);
        }
    }
}

static int read_blob(struct learnt *state, struct err *err)
{
    const struct blob *blob = state->blob;
    struct reader r = {.at = blob->data, .left = blob->size};
    const uint8_t *magic = take(&r, MAGIC_BYTES);
    size_t params = 0;
    size_t statistics = 0;
    uint64_t moments;
    uint64_t n_statistics;
    size_t data;
    size_t n;
    int rc;

    if (magic == NULL || memcmp(magic, MAGIC, MAGIC_BYTES) != 0) {
        return corrupt(err, "it does not begin as one");
    }
    state->steps = take_u64(&r);
    state->skipped = take_u64(&r);
    moments = take_u64(&r);
    state->n_params = take_u64(&r);
    n_statistics = take_u64(&r);
    if (r.failed || moments > MOMENTS || state->n_params > ITEMS_MAX ||
        n_statistics > ITEMS_MAX) {
        return corrupt(err, "a number at its beginning");
    }
    rc = take_items(&r, state, n_statistics, &params, &statistics, err);
    if (rc < 0) {
        return rc;
    }
    data = (size_t)(r.at - blob->data);
    data = (data + ALIGN - 1) / ALIGN * ALIGN;
    if (!mem_mul(params, 1 + moments, &n) || !mem_add(n, statistics, &n) ||
        !mem_mul(n, sizeof(float), &n) || !mem_add(n, data, &n) ||
        n != blob->size) {
        return corrupt(err, "its length");
    }
    place(state, (const float *)(const void *)(blob->data + data), params,
          moments);
    return 0;
}

int learnt_open(struct blob *blob, struct learnt *state, struct err *err)
{
    int rc;

    *state = (struct learnt){.blob = blob_ref(blob)};
    rc = read_blob(state, err);
    if (rc < 0) {
        learnt_close(state);
    }
    return rc;
}

void learnt_close(struct learnt *state)
{
    for (size_t i = 0; i < state->n_items; i++) {
        mem_free(state->items[i].name);
    }
    mem_free(state->items);
    blob_unref(state->blob);
    *state = (struct learnt){0};
}

/* ---- into a step or a model ---------------------------------------------- */

static bool is_same(const struct params *p, const struct learnt_item *items,
                    size_t n)
{
    bool same = p->n_items == n;

    for (size_t i = 0; same && i < n; i++) {
        same = strcmp(p->items[i].name, items[i].name) == 0 &&
               p->items[i].count == items[i].n;
    }
    return same;
}

static void copy(float *to, const float *from, size_t n)
{
    if (n > 0) {
        memcpy(to, from, n * sizeof(float));
    }
}

static void load(const struct learnt *state, struct train_step *step)
{
    const struct learnt_item *statistics = state->items + state->n_params;
    struct optim *o = &step->optim;

    for (size_t i = 0; i < state->n_params; i++) {
        const struct learnt_item *item = &state->items[i];
        size_t at = step->params.items[i].offset;

        copy(step->params.values + at, item->values, item->n);
        if (o->first != NULL) {
            copy(o->first + at, item->first, item->n);
        }
        if (o->second != NULL) {
            copy(o->second + at, item->second, item->n);
        }
    }
    for (size_t i = 0; i < step->running.n_items; i++) {
        copy(step->running.values + step->running.items[i].offset,
             statistics[i].values, statistics[i].n);
    }
    o->steps = state->steps;
    o->skipped = state->skipped;
}

int learnt_read(const struct blob *blob, struct train_step *step,
                struct err *err)
{
    const struct optim *o = &step->optim;
    struct learnt state;
    bool fits;
    int rc = learnt_open((struct blob *)(uintptr_t)blob, &state, err);

    if (rc < 0) {
        return rc;
    }
    fits = is_same(&step->params, state.items, state.n_params) &&
           is_same(&step->running, state.items + state.n_params,
                   state.n_items - state.n_params) &&
           (state.n_params == 0 ||
            ((o->first != NULL) == (state.items[0].first != NULL) &&
             (o->second != NULL) == (state.items[0].second != NULL)));
    if (fits) {
        load(&state, step);
    } else {
        rc = err_set(err, EDGE_EINVAL,
                     "the state is one of another part of a model, or of "
                     "another optimizer");
    }
    learnt_close(&state);
    return rc;
}

static int store_item(const struct learnt_item *item, struct graph *graph,
                      struct err *err)
{
    int value = graph_find_value(graph, item->name);
    struct tensor data;
    int rc;

    if (value < 0 || !graph_is_const(graph, value) ||
        graph->values[value].data.dtype != DTYPE_F32 ||
        tensor_count(&graph->values[value].data) != (int64_t)item->n) {
        return err_set(err, EDGE_EINVAL,
                       "the model has no parameter \"%.200s\" of %zu numbers",
                       item->name, item->n);
    }
    rc = tensor_copy(&data, DTYPE_F32, &graph->values[value].data.shape,
                     item->values);
    if (rc < 0) {
        return err_set(err, rc, "no memory for \"%.200s\"", item->name);
    }
    graph_set_const(graph, value, &data);
    return 0;
}

int learnt_store(const struct learnt *state, struct graph *graph,
                 struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < state->n_items; i++) {
        rc = store_item(&state->items[i], graph, err);
    }
    return rc;
}

/*
 * `codec: auto`: for what each stage sends the shortest codec that pays and
 * costs no more accuracy than `max_loss`.
 *
 * It pays where a link is slower than writing and reading the codec. What it
 * costs is measured: inputs go through the shards here. Of the user's own
 * pictures (`calibrate`) an answer counts as lost when its first choice is
 * another one than without codecs. Where there are none, seeded inputs do, of
 * which a few keep their choice by luck: there an answer counts when codecs
 * change it so much that the first choice might become another, by more than
 * half of what it is ahead of the second. Stages are taken in order, each with
 * the codecs that those before it have, so that the loss is that of all of
 * them together.
 */
#include "coordinator/plan_job.h"
#include "coordinator/plan/profile.h"

#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <string.h>

#define SEEDED_MOST 8
#define INPUTS_LEAST 2
#define MACS_MOST 4e10 /* of one codec's trial: some ten seconds */
#define SEED 20260202u
/* Times that a value is touched at both ends: measured, written, read. */
#define TOUCHES 6

/* The shortest first. Four bits are for who has pictures to try them on: noise
 * passes where photographs do not (docs/BENCHMARKS.md). */
static const char *const candidates[] = {"q4+runs", "q8", "fp16"};
#define CANDIDATES (sizeof(candidates) / sizeof(candidates[0]))
#define SEEDED_FIRST 1

struct choosing {
    struct working *w;
    const bool *is_auto;
    struct chain *chain;
    struct blob *pictures; /* of the user; NULL: seeded inputs do */
    struct tensor *inputs; /* n_inputs times n_ports */
    struct tensor *plain;  /* the first output of each without codecs */
    size_t n_inputs;
    size_t n_ports;
};

/* ---- what it costs ------------------------------------------------------- */

/* How many inputs there is time for. */
static size_t how_many(const struct choosing *c, size_t most)
{
    double fit = MACS_MOST / fmax(c->w->job->macs, 1);
    size_t n = fit < INPUTS_LEAST   ? INPUTS_LEAST
               : fit > (double)most ? most
                                    : (size_t)fit;

    return n < most ? n : most;
}

static int map_pictures(struct choosing *c, size_t *n, struct err *err)
{
    const struct plan_job *job = c->w->job;
    const struct graph *graph = c->w->graph;
    const struct value *v = &graph->values[graph->inputs[0]];
    size_t bytes = 0;
    int rc = store_map(job->store, job->calibration, true, &c->pictures, err);

    if (rc < 0) {
        return rc;
    }
    (void)shape_bytes(&v->shape, v->dtype, &bytes);
    if (c->n_ports != 1 || v->dtype != DTYPE_F32 || bytes == 0 ||
        c->pictures->size == 0 || c->pictures->size % bytes != 0) {
        return err_set(err, EDGE_EINVAL,
                       "links.calibrate: what was sent is not a whole number "
                       "of the model's inputs. Are edgectl and "
                       "edge-coordinator of one version?");
    }
    *n = c->pictures->size / bytes;
    return 0;
}

/* Input k of those there is time for, taken evenly from all that were sent. */
static void take_picture(const struct choosing *c, size_t k, struct tensor *t)
{
    size_t bytes = tensor_bytes(t);
    size_t n = c->pictures->size / bytes;

    memcpy(t->data, c->pictures->data + k * n / c->n_inputs * bytes, bytes);
}

static int fill_inputs(struct choosing *c, struct err *err)
{
    const struct graph *graph = c->w->graph;
    struct rng rng;

    rng_init(&rng, SEED);
    for (size_t i = 0; i < c->n_inputs * c->n_ports; i++) {
        const struct value *v = &graph->values[graph->inputs[i % c->n_ports]];
        struct tensor *t = &c->inputs[i];

        if (tensor_init(t, v->dtype, &v->shape) < 0) {
            return err_set(err, EDGE_ENOMEM, "out of memory");
        }
        if (c->pictures != NULL) {
            take_picture(c, i, t);
        } else {
            golden_fill(t, &rng);
        }
    }
    return 0;
}

static int make_inputs(struct choosing *c, struct err *err)
{
    size_t most = SEEDED_MOST;
    int rc = 0;

    c->n_ports = c->w->graph->n_inputs;
    if (c->w->job->calibration != NULL) {
        rc = map_pictures(c, &most, err);
    }
    if (rc < 0) {
        return rc;
    }
    c->n_inputs = how_many(c, most);
    c->inputs = mem_array(struct tensor, c->n_inputs * c->n_ports);
    c->plain = mem_array(struct tensor, c->n_inputs);
    if (c->inputs == NULL || c->plain == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    return fill_inputs(c, err);
}

/* How far the largest value is ahead of the next; 0 where there is but one. */
static double lead(const struct tensor *t)
{
    double first = -INFINITY;
    double second = -INFINITY;

    for (int64_t i = 0; i < tensor_count(t); i++) {
        double v = tensor_get(t, i);

        second = v > first ? first : v > second ? v : second;
        first = v > first ? v : first;
    }
    return isfinite(second) ? first - second : 0;
}

static double change(const struct tensor *a, const struct tensor *b)
{
    double most = 0;

    if (tensor_count(a) != tensor_count(b)) {
        return INFINITY; /* as many as the values decide */
    }
    for (int64_t i = 0; i < tensor_count(a); i++) {
        most = fmax(most, fabs(tensor_get(a, i) - tensor_get(b, i)));
    }
    return most;
}

static int64_t first_choice(const struct tensor *t)
{
    int64_t best = 0;

    for (int64_t i = 1; i < tensor_count(t); i++) {
        best = tensor_get(t, i) > tensor_get(t, best) ? i : best;
    }
    return best;
}

static bool is_lost(const struct choosing *c, const struct tensor *plain,
                    const struct tensor *now)
{
    return c->pictures != NULL ? first_choice(plain) != first_choice(now)
                               : change(plain, now) > lead(plain) / 2;
}

/* The first output, for tensor_deinit(). */
static int answer(struct choosing *c, size_t k, struct tensor *first,
                  struct err *err)
{
    struct tensor outputs[LIMIT_PORTS] = {{0}};
    size_t n = c->w->graph->n_outputs;
    int rc = chain_run(c->chain, c->inputs + k * c->n_ports, c->n_ports,
                       outputs, n, err);

    for (size_t i = 0; i < n; i++) {
        if (i == 0 && rc == 0) {
            *first = outputs[i];
        } else {
            tensor_deinit(&outputs[i]);
        }
    }
    return rc;
}

static int measure(struct choosing *c, double *loss, struct err *err)
{
    size_t lost = 0;

    for (size_t k = 0; k < c->n_inputs; k++) {
        struct tensor first = {0};
        int rc = answer(c, k, &first, err);

        if (rc < 0) {
            return rc;
        }
        lost += is_lost(c, &c->plain[k], &first);
        tensor_deinit(&first);
    }
    *loss = (double)lost / (double)c->n_inputs;
    return 0;
}

/* ---- whether it pays ----------------------------------------------------- */

/* Bytes a second from any device of a shard to any of another; the gateway is
 * outside. Infinite where all stays on one device. */
static double rate_between(const struct choosing *c, int from, int to)
{
    size_t n_from = from < 0 ? 1 : c->w->places[from].n_devices;
    const struct shard_place *b = &c->w->places[to];
    double rate = INFINITY;

    for (size_t i = 0; i < n_from; i++) {
        size_t a = from < 0 ? PROFILE_GATEWAY : c->w->places[from].devices[i];

        for (size_t k = 0; k < b->n_devices; k++) {
            if (a != b->devices[k]) {
                rate = fmin(rate, profile_link(&c->w->profile, a, b->devices[k])
                                      ->bytes_per_s);
            }
        }
    }
    return rate;
}

/* Of the slowest board, through its memory. */
static double touch_rate(const struct choosing *c)
{
    double rate = INFINITY;

    for (size_t i = 0; i < c->w->profile.n_boards; i++) {
        rate = fmin(rate, c->w->profile.boards[i].bytes_per_s);
    }
    return rate;
}

static bool pays(const struct choosing *c, size_t link,
                 const struct codec *codec)
{
    const struct part_link *l = &c->w->parts.links[link];
    const struct value *v = plan_links_value(c->w, l);
    size_t bytes = 0;
    double saved;

    (void)shape_bytes(&v->shape, v->dtype, &bytes);
    saved = (double)bytes - (double)codec_room(codec, &v->shape);
    return v->dtype == DTYPE_F32 && saved / rate_between(c, l->from, l->to) >
                                        TOUCHES * (double)bytes / touch_rate(c);
}

/* ---- choosing ------------------------------------------------------------ */

/* Links of one stage have one codec; those of the inputs are by themselves. */
static bool is_alike(const struct choosing *c, size_t a, size_t b)
{
    int x = c->w->parts.links[a].from;
    int y = c->w->parts.links[b].from;

    return c->is_auto[b] &&
           (x == PARTS_OUTSIDE || y == PARTS_OUTSIDE
                ? x == y
                : c->w->pieces[x].stage == c->w->pieces[y].stage);
}

/* True if it pays on any of the links that are like this one, which then have
 * it. */
static bool put(struct choosing *c, size_t link, const struct codec *codec)
{
    bool any = false;

    for (size_t i = link; i < c->w->parts.n_links; i++) {
        if (is_alike(c, link, i)) {
            bool fits = codec_is_plain(codec) || pays(c, i, codec);

            c->w->codecs[i] = fits ? *codec : (struct codec){0};
            chain_set_codec(c->chain, i, &c->w->codecs[i]);
            any = any || fits;
        }
    }
    return any;
}

static int choose(struct choosing *c, size_t link, struct err *err)
{
    static const struct codec plain;
    double most = c->w->job->cluster->links.max_loss;

    for (size_t i = c->pictures != NULL ? 0 : SEEDED_FIRST; i < CANDIDATES;
         i++) {
        struct codec codec;
        double loss = 0;
        int rc = codec_parse(candidates[i], &codec, err);

        if (rc == 0 && put(c, link, &codec)) {
            rc = measure(c, &loss, err);
            if (rc == 0 && loss <= most) {
                return 0;
            }
        }
        if (rc < 0) {
            return rc;
        }
    }
    (void)put(c, link, &plain);
    return 0;
}

static bool is_first(const struct choosing *c, size_t link)
{
    for (size_t i = 0; i < link; i++) {
        if (c->is_auto[i] && is_alike(c, i, link)) {
            return false;
        }
    }
    return c->is_auto[link];
}

static int begin(struct choosing *c, struct err *err)
{
    int rc = make_inputs(c, err);

    if (rc == 0) {
        rc = plan_chain(c->w, &c->chain, err);
    }
    if (rc == 0) {
        chain_use_codecs(c->chain, false);
    }
    for (size_t k = 0; k < c->n_inputs && rc == 0; k++) {
        rc = answer(c, k, &c->plain[k], err);
    }
    if (rc == 0) {
        chain_use_codecs(c->chain, true);
    }
    return rc;
}

static void release(struct choosing *c)
{
    for (size_t i = 0; c->inputs != NULL && i < c->n_inputs * c->n_ports; i++) {
        tensor_deinit(&c->inputs[i]);
    }
    for (size_t k = 0; c->plain != NULL && k < c->n_inputs; k++) {
        tensor_deinit(&c->plain[k]);
    }
    mem_free(c->inputs);
    mem_free(c->plain);
    blob_unref(c->pictures);
    chain_free(c->chain);
    mem_free(c);
}

int plan_auto(struct working *w, const bool *is_auto, struct err *err)
{
    struct choosing *c = mem_new(struct choosing);
    int rc;

    if (c == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    c->w = w;
    c->is_auto = is_auto;
    rc = begin(c, err);
    for (size_t i = 0; i < w->parts.n_links && rc == 0; i++) {
        rc = is_first(c, i) ? choose(c, i, err) : 0;
    }
    release(c);
    return rc;
}

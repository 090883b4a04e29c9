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

#include "base/mem.h"

#include <math.h>

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
    struct plan_trial trial;
    struct tensor *plain; /* the first output of each without codecs */
};

/* ---- what it costs ------------------------------------------------------- */

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
    return c->trial.pictures != NULL ? first_choice(plain) != first_choice(now)
                                     : change(plain, now) > lead(plain) / 2;
}

static int measure(struct choosing *c, double *loss, struct err *err)
{
    size_t lost = 0;

    for (size_t k = 0; k < c->trial.n_inputs; k++) {
        struct tensor first = {0};
        int rc = plan_trial_run(&c->trial, k, &first, err);

        if (rc < 0) {
            return rc;
        }
        lost += is_lost(c, &c->plain[k], &first);
        tensor_deinit(&first);
    }
    *loss = (double)lost / (double)c->trial.n_inputs;
    return 0;
}

/* ---- whether it pays ----------------------------------------------------- */

static bool pays(const struct choosing *c, size_t link,
                 const struct codec *codec)
{
    const struct part_link *l = &c->w->parts.links[link];
    const struct value *v = plan_links_value(c->w, l);
    size_t bytes = 0;
    double saved;

    (void)shape_bytes(&v->shape, v->dtype, &bytes);
    saved = (double)bytes - (double)codec_room(codec, &v->shape);
    return v->dtype == DTYPE_F32 &&
           saved / plan_trial_link(c->w, l) >
               TOUCHES * (double)bytes / plan_trial_board(c->w).bytes_per_s;
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
            chain_set_codec(c->trial.chain, i, &c->w->codecs[i]);
            any = any || fits;
        }
    }
    return any;
}

static int choose(struct choosing *c, size_t link, struct err *err)
{
    static const struct codec plain;
    double most = c->w->job->cluster->links.max_loss;

    for (size_t i = c->trial.pictures != NULL ? 0 : SEEDED_FIRST;
         i < CANDIDATES; i++) {
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
    int rc = plan_trial_init(&c->trial, c->w, SIZE_MAX, err);

    if (rc < 0) {
        return rc;
    }
    c->plain = mem_array(struct tensor, c->trial.n_inputs);
    if (c->plain == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    chain_use_codecs(c->trial.chain, false);
    for (size_t k = 0; k < c->trial.n_inputs && rc == 0; k++) {
        rc = plan_trial_run(&c->trial, k, &c->plain[k], err);
    }
    chain_use_codecs(c->trial.chain, true);
    return rc;
}

static void release(struct choosing *c)
{
    for (size_t k = 0; c->plain != NULL && k < c->trial.n_inputs; k++) {
        tensor_deinit(&c->plain[k]);
    }
    mem_free(c->plain);
    plan_trial_deinit(&c->trial);
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

/*
 * `links.zstd`: zstd on top of the codecs that links have by now. It changes
 * no value, so that `on` needs no trial. `auto` adds it where a link is slower
 * than zstd: where what it saves would take the link longer than zstd takes at
 * both ends. What it saves is counted, of one input that goes through the
 * shards here; how long it takes is reckoned from what is known of the slowest
 * board, never timed: the same boards give the same plan.
 */
#include "coordinator/plan_job.h"

#include "base/mem.h"

#include <math.h>

/*
 * What a byte costs that goes into zstd (level 1, and its shuffle) at one end
 * and comes out at the other: as much time as reading so many bytes from
 * memory takes, and as so many multiply-adds. Measured on one core of an AMD
 * EPYC with AVX2, on what two cuts of SqueezeNet 1.1 and of MobileNetV2 send
 * for a picture, in fp32, fp16, q8 and q4: 190 to 530 MB/s through both ends,
 * mostly about 330, beside 28.1 GB/s read from memory and 36.4 G multiply-adds
 * a second. The slower of the two counts: where caches hold all that a board
 * is measured with, its memory seems to be three times as fast as it is.
 */
#define READ_BYTES 85
#define MACS 110

struct adding {
    struct working *w;
    bool *may;          /* links that may have it and do not */
    uint64_t *before;   /* bytes along each link without it */
    double bytes_per_s; /* of zstd, through both ends */
    struct plan_trial trial;
};

/* ---- which links --------------------------------------------------------- */

static bool is_one_input(const struct working *w, size_t a, size_t b)
{
    const struct part_link *x = &w->parts.links[a];
    const struct part_link *y = &w->parts.links[b];

    return x->from == PARTS_OUTSIDE && y->from == PARTS_OUTSIDE &&
           x->from_port == y->from_port;
}

/* The gateway codes an input once (input_code.c): where `input: auto` gave a
 * codec to some of its links, the others stay as they are. */
static bool is_left_plain(const struct working *w, size_t link)
{
    bool has_coded = false;

    for (size_t i = 0; i < w->parts.n_links; i++) {
        has_coded = has_coded || (is_one_input(w, link, i) &&
                                  !codec_is_plain(&w->codecs[i]));
    }
    return has_coded && codec_is_plain(&w->codecs[link]);
}

static void find_links(struct adding *a)
{
    for (size_t i = 0; i < a->w->parts.n_links; i++) {
        a->may[i] = plan_links_may_code(a->w, &a->w->parts.links[i]) &&
                    !a->w->codecs[i].zstd && !is_left_plain(a->w, i);
    }
}

/* ---- where it pays ------------------------------------------------------- */

static double zstd_rate(const struct working *w)
{
    struct plan_trial_rates board = plan_trial_board(w);

    return fmin(board.bytes_per_s / READ_BYTES, board.macs_per_s / MACS);
}

/* Whether it would pay if it left nothing. */
static bool is_slower(const struct adding *a, size_t link)
{
    return a->may[link] &&
           plan_trial_link(a->w, &a->w->parts.links[link]) < a->bytes_per_s;
}

static int run_once(struct adding *a, struct err *err)
{
    struct tensor first = {0};
    int rc = plan_trial_run(&a->trial, 0, &first, err);

    tensor_deinit(&first);
    return rc;
}

/* The same input without it and with it: chain_seen() has the sum of both. */
static int count_bytes(struct adding *a, struct err *err)
{
    int rc = plan_trial_init(&a->trial, a->w, 1, err);

    if (rc == 0) {
        rc = run_once(a, err);
    }
    for (size_t i = 0; i < a->w->parts.n_links && rc == 0; i++) {
        struct codec codec = a->w->codecs[i];

        a->before[i] = chain_seen(a->trial.chain, i)->bytes;
        codec.zstd = codec.zstd || a->may[i];
        chain_set_codec(a->trial.chain, i, &codec);
    }
    return rc < 0 ? rc : run_once(a, err);
}

static bool pays(const struct adding *a, size_t link)
{
    double before = (double)a->before[link];
    double saved = 2 * before - (double)chain_seen(a->trial.chain, link)->bytes;

    return a->may[link] &&
           saved / plan_trial_link(a->w, &a->w->parts.links[link]) >
               before / a->bytes_per_s;
}

/* Links of one input have it together: it is coded once for all of them. */
static bool pays_together(const struct adding *a, size_t link)
{
    bool any = pays(a, link);

    for (size_t i = 0; i < a->w->parts.n_links && !any; i++) {
        any = a->may[link] && is_one_input(a->w, link, i) && pays(a, i);
    }
    return any;
}

static int keep_what_pays(struct adding *a, struct err *err)
{
    bool any = false;
    int rc;

    a->bytes_per_s = zstd_rate(a->w);
    for (size_t i = 0; i < a->w->parts.n_links; i++) {
        any = any || is_slower(a, i);
    }
    rc = any ? count_bytes(a, err) : 0;
    for (size_t i = 0; i < a->w->parts.n_links && rc == 0; i++) {
        a->may[i] = any && pays_together(a, i);
    }
    return rc;
}

/* ---- all of it ----------------------------------------------------------- */

static int add(struct adding *a, struct err *err)
{
    int rc = 0;

    find_links(a);
    if (a->w->job->cluster->links.zstd == CLUSTER_SWITCH_AUTO) {
        rc = keep_what_pays(a, err);
    }
    for (size_t i = 0; i < a->w->parts.n_links && rc == 0; i++) {
        a->w->codecs[i].zstd = a->w->codecs[i].zstd || a->may[i];
    }
    return rc;
}

int plan_zstd(struct working *w, struct err *err)
{
    struct adding a = {.w = w};
    int rc;

    if (w->job->cluster->links.zstd == CLUSTER_SWITCH_OFF) {
        return 0;
    }
    a.may = mem_array(bool, w->parts.n_links);
    a.before = mem_array(uint64_t, w->parts.n_links);
    rc = a.may == NULL || a.before == NULL
             ? err_set(err, EDGE_ENOMEM, "out of memory")
             : add(&a, err);
    plan_trial_deinit(&a.trial);
    mem_free(a.before);
    mem_free(a.may);
    return rc;
}

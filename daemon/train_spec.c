/* Recipes of an Install message, every number checked. */
#include "daemon/train.h"

#include "base/mem.h"
#include "codec/coded.h"
#include "tensor/doubt.h"
#include "wire/convert.h"

#include <math.h>
#include <string.h>

#define RATES_MAX 4096
#define PIXELS_MAX 4096

/* ---- data ---------------------------------------------------------------- */

static bool all_finite(const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i])) {
            return false;
        }
    }
    return true;
}

static bool is_fine_ref(const Edged__BlobRef *ref, uint64_t most)
{
    struct digest digest;

    return ref != NULL && ref->size > 0 && ref->size <= most &&
           convert_digest_in(&ref->digest, &digest, NULL) == 0;
}

static bool is_fine_augment(const Edged__Augment *a)
{
    return a == NULL || (a->crop_pad <= PIXELS_MAX && isfinite(a->brightness) &&
                         isfinite(a->contrast) && isfinite(a->saturation));
}

static bool is_fine_picture(const Edged__Shard *shard,
                            const Edged__DataSpec *spec)
{
    return spec->port < shard->n_inputs && spec->width > 0 &&
           spec->width <= LIMIT_IMAGE_SIDE && spec->height > 0 &&
           spec->height <= LIMIT_IMAGE_SIDE && spec->resize <= IMAGE_FIT_PAD &&
           spec->color <= IMAGE_COLOR_GRAY && spec->range <= IMAGE_RANGE_BYTE &&
           (spec->n_mean == 0 || spec->n_mean == 1 || spec->n_mean == 3) &&
           (spec->n_std == 0 || spec->n_std == 1 || spec->n_std == 3) &&
           isfinite(spec->crop) && all_finite(spec->mean, spec->n_mean) &&
           all_finite(spec->std, spec->n_std);
}

static bool is_fine_data(const Edged__Shard *shard, const Edged__DataSpec *spec)
{
    bool fine = is_fine_ref(spec->manifest, LIMIT_DATA_MANIFEST) &&
                spec->n_files <= LIMIT_DATA_SHARDS + 2 &&
                is_fine_augment(spec->augment) && train_views_ok(shard, spec) &&
                (!spec->images || is_fine_picture(shard, spec));

    for (size_t i = 0; fine && i < spec->n_files; i++) {
        fine = is_fine_ref(spec->files[i], LIMIT_MODEL_FILE);
    }
    return fine;
}

/* ---- the recipe ---------------------------------------------------------- */

static bool is_fine_optimizer(const Edged__OptimizerSpec *o)
{
    const double numbers[] = {(double)o->momentum, (double)o->dampening,
                              (double)o->beta1,    (double)o->beta2,
                              (double)o->epsilon,  (double)o->weight_decay,
                              (double)o->clip_norm};

    return o->kind <= OPTIM_ADAM &&
           all_finite(numbers, sizeof(numbers) / sizeof(numbers[0])) &&
           o->clip_norm >= 0;
}

static bool is_fine_list(const Edged__Recipe *r)
{
    bool fine = r->n_losses <= LIMIT_LOSSES && r->n_rates <= RATES_MAX;

    for (size_t i = 0; fine && i < r->n_losses; i++) {
        fine = r->losses[i]->scores[0] != '\0' &&
               strlen(r->losses[i]->scores) <= LIMIT_GRAPH_NAME &&
               isfinite(r->losses[i]->weight);
    }
    fine = fine && r->n_exits <= LIMIT_EXITS;
    for (size_t i = 0; fine && i < r->n_exits; i++) {
        fine =
            r->exits[i]->loss < r->n_losses && r->exits[i]->doubt <= DOUBT_TOP;
    }
    for (size_t i = 0; fine && i < r->n_rates; i++) {
        fine = strlen(r->rates[i]->name) <= LIMIT_GRAPH_NAME &&
               isfinite(r->rates[i]->rate) && r->rates[i]->rate >= 0 &&
               isfinite(r->rates[i]->decay);
    }
    return fine;
}

static int check_recipe(const Edged__Shard *shard, const Edged__Recipe *r,
                        struct err *err)
{
    const char *wrong = NULL;
    struct codec reduce;

    if (!convert_name_ok(r->training)) {
        wrong = "the training's name";
    } else if (r->stages == 0 || r->stages > LIMIT_SHARDS ||
               r->stage >= r->stages || shard->id != r->stage + 1) {
        wrong = "its stage";
    } else if (r->micro_max == 0 || r->micro_max > LIMIT_MICRO_SAMPLES ||
               r->slots == 0 || r->slots > STEP_SLOTS) {
        wrong = "the number of samples or of slots";
    } else if (r->state != NULL && !is_fine_ref(r->state, LIMIT_MODEL_FILE)) {
        wrong = "its state";
    } else if (r->optimizer == NULL || !is_fine_optimizer(r->optimizer)) {
        wrong = "its optimizer";
    } else if (coded_from(r->reduce_codec, r->reduce_keep, &reduce) < 0) {
        wrong = "how its replicas add up gradients";
    } else if (r->local && (r->stages != 1 || r->reduce_codec != 0)) {
        wrong = "how its replicas agree";
    } else if (!train_lossy_ok(r->lossy)) {
        wrong = "its tiles or blocks";
    } else if (!is_fine_list(r)) {
        wrong = "its losses or rates";
    } else if (r->train == NULL || !is_fine_data(shard, r->train) ||
               r->train->labels != (r->n_losses > 0)) {
        wrong = "the data to train on";
    } else if (r->test != NULL && (!is_fine_data(shard, r->test) ||
                                   r->test->images != r->train->images ||
                                   r->test->port != r->train->port ||
                                   r->test->n_views != r->train->n_views ||
                                   r->test->labels != r->train->labels)) {
        wrong = "the data to evaluate on";
    }
    return wrong == NULL
               ? 0
               : err_set(err, EDGE_EPROTO,
                         "the recipe of shard %u is not well formed: %s",
                         shard->id, wrong);
}

/* ---- where values come from and go to ------------------------------------ */

const Edged__Source *train_source(const struct train *t, uint32_t port)
{
    for (size_t i = 0; i < t->recipe->n_sources; i++) {
        if (t->recipe->sources[i]->port == port) {
            return t->recipe->sources[i];
        }
    }
    return NULL;
}

/* Each input comes from one place, and that lies before. */
static int read_sources(struct train *t, struct err *err)
{
    const Edged__Recipe *r = t->recipe;
    const size_t n = t->spec->n_inputs;
    size_t expected = n - train_data_ports(r->train);
    bool fine = r->n_sources == expected;

    t->back = mem_array(struct codec, r->n_sources + 1);
    if (t->back == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t i = 0; fine && i < r->n_sources; i++) {
        const Edged__Source *s = r->sources[i];

        fine = s->port < n && train_source(t, s->port) == s &&
               !train_is_data(r->train, s->port) && s->shard > 0 &&
               s->shard < t->spec->id && s->link < LIMIT_PORTS * LIMIT_SHARDS &&
               coded_from(s->back_codec, s->back_keep, &t->back[i]) == 0;
    }
    return fine ? 0
                : err_set(err, EDGE_EPROTO,
                          "the recipe of shard %u is not well formed: where "
                          "its inputs come from",
                          t->spec->id);
}

static int check_links(const struct train *t, struct err *err)
{
    for (size_t i = 0; i < t->spec->n_links; i++) {
        const Edged__Link *link = t->spec->links[i];
        struct codec codec;

        if (link->to_shard != 0 &&
            (link->to_shard <= t->spec->id ||
             link->to_shard > t->recipe->stages ||
             coded_from(link->back_codec, link->back_keep, &codec) < 0)) {
            return err_set(err, EDGE_EPROTO,
                           "shard %u is trained, and its link to %u is not one "
                           "to a later stage, or its gradients come in a codec "
                           "that is not known",
                           t->spec->id, link->to_shard);
        }
    }
    return 0;
}

static const Edged__Place *place_of(const Edged__Install *from, uint32_t shard)
{
    for (size_t i = 0; i < from->n_places; i++) {
        if (from->places[i]->shard == shard) {
            return from->places[i];
        }
    }
    return NULL;
}

static int read_places(struct train *t, const Edged__Install *from,
                       struct err *err)
{
    const Edged__Place *own = NULL;

    t->places = mem_array(const Edged__Place *, t->recipe->stages);
    if (t->places == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (uint32_t i = 0; i < t->recipe->stages; i++) {
        t->places[i] = place_of(from, i + 1);
        if (t->places[i] == NULL || t->places[i]->spares > 0) {
            return err_set(err, EDGE_EPROTO,
                           "stage %u of a training has no place, or spares", i);
        }
    }
    own = t->places[t->recipe->stage];
    t->n_replicas = own->n_nodes;
    while (t->replica < own->n_nodes &&
           strcmp(own->nodes[t->replica], t->daemon->name) != 0) {
        t->replica++;
    }
    return t->replica < own->n_nodes
               ? 0
               : err_set(err, EDGE_EPROTO, "shard %u is not placed here",
                         t->spec->id);
}

static bool has_node(const Edged__Place *place, const char *name)
{
    for (size_t i = 0; i < place->n_nodes; i++) {
        if (strcmp(place->nodes[i], name) == 0) {
            return true;
        }
    }
    return false;
}

bool train_is_mate(const struct train *t, const char *name)
{
    for (size_t i = 0; i < t->recipe->n_sources; i++) {
        if (has_node(t->places[t->recipe->sources[i]->shard - 1], name)) {
            return true;
        }
    }
    for (size_t i = 0; i < t->spec->n_links; i++) {
        uint32_t to = t->spec->links[i]->to_shard;

        if (to != 0 && has_node(t->places[to - 1], name)) {
            return true;
        }
    }
    return has_node(t->places[t->recipe->stage], name);
}

/* ---- all of them --------------------------------------------------------- */

static int read_one(struct hosted *shard, const Edged__Install *from,
                    const Edged__Shard *spec, struct err *err)
{
    struct train *t = mem_new(struct train);
    int rc;

    if (t == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    shard->train = t;
    t->shard = shard;
    t->daemon = shard->epoch->daemon;
    t->threads = t->daemon->threads;
    t->spec = spec;
    t->recipe = spec->recipe;
    list_init(&t->early);
    list_init(&t->posts);
    rc = check_recipe(spec, t->recipe, err);
    if (rc == 0) {
        (void)coded_from(t->recipe->reduce_codec, t->recipe->reduce_keep,
                         &t->reduce);
    }
    if (rc == 0) {
        rc = read_sources(t, err);
    }
    if (rc == 0) {
        rc = check_links(t, err);
    }
    return rc == 0 ? read_places(t, from, err) : rc;
}

static size_t count_recipes(const Edged__Install *from)
{
    size_t n = 0;

    for (size_t i = 0; i < from->n_shards; i++) {
        n += from->shards[i]->recipe != NULL;
    }
    return n;
}

int train_read(struct epoch *epoch, const Edged__Install *from, struct err *err)
{
    size_t n = count_recipes(from);
    int rc;

    if (n == 0) {
        return 0;
    }
    if (n != from->n_shards) {
        return err_set(err, EDGE_EPROTO,
                       "some shards of a placement are trained, others run");
    }
    rc = msg_unpack_alone(&edged__install__descriptor, epoch->message,
                          epoch->message_size, LIMIT_KEPT_UNPACK,
                          &epoch->recipes, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = read_one(&epoch->shards[i], epoch->recipes,
                      epoch->recipes->shards[i], err);
    }
    return rc;
}

void train_free(struct train *t)
{
    if (t == NULL) {
        return;
    }
    train_save_free(t);
    train_post_drop(t);
    train_drop_early(t);
    train_work_free(t, t->work);
    blob_unref(t->job.state);
    train_made_free(t->made);
    mem_free(t->places);
    mem_free(t->back);
    mem_free(t);
}

/*
 * How values travel between shards: the codec of each link, as the stage that
 * sends says, or `links` where it says nothing; and zstd on top. A tile's own
 * values that go from one of its shards to the next stay as they are, for they
 * stay on its device, and so do those within a stage that an exit parts; so do
 * the model's outputs, which are the users'. Its inputs have a key of their
 * own.
 */
#include "coordinator/plan_job.h"

#include "base/mem.h"
#include "coordinator/plan/alike.h"
#include "coordinator/plan/signs.h"

#include <string.h>

/* Of a whole stage that exits part: what one half sends to the other. */
static bool is_inside(const struct working *w, const struct part_link *link)
{
    return link->from != PARTS_OUTSIDE && link->to != PARTS_OUTSIDE &&
           w->pieces[link->from].stage == w->pieces[link->to].stage &&
           w->pieces[link->from].role == PIECE_WHOLE &&
           w->pieces[link->to].role == PIECE_WHOLE;
}

/* From a part of a stage to a part of the same. */
static bool is_within(const struct working *w, const struct part_link *link)
{
    const struct piece *from;
    const struct piece *to;

    if (link->from == PARTS_OUTSIDE || link->to == PARTS_OUTSIDE) {
        return false;
    }
    from = &w->pieces[link->from];
    to = &w->pieces[link->to];
    return from->stage == to->stage && from->role == PIECE_PART &&
           to->role == PIECE_PART;
}

bool plan_links_may_code(const struct working *w, const struct part_link *link)
{
    bool is_own = is_within(w, link) &&
                  w->pieces[link->from].index == w->pieces[link->to].index;

    bool is_sent = link->from != PARTS_OUTSIDE ||
                   !plan_tiers_is_present(w, (size_t)link->from_port);

    return link->to != PARTS_OUTSIDE && !is_own && !is_inside(w, link) &&
           is_sent && plan_links_value(w, link)->dtype == DTYPE_F32;
}

/* Of a link that may have one. */
static struct cluster_codec codec_of(const struct working *w,
                                     const struct part_link *link)
{
    const struct cluster *cluster = w->job->cluster;
    const struct cluster_stage *stage = NULL;

    if (link->from == PARTS_OUTSIDE) {
        return cluster->links.input;
    }
    if (cluster->n_stages > 0) {
        stage = &cluster->stages[w->pieces[link->from].stage];
    }
    if (is_within(w, link) && stage != NULL && stage->tile.codec.is_given) {
        return stage->tile.codec;
    }
    return stage != NULL && stage->codec.is_given ? stage->codec
                                                  : cluster->links.codec;
}

static Edged__Link *find(const Edged__Placement *spec,
                         const struct part_link *link)
{
    bool enters = link->from == PARTS_OUTSIDE;
    Edged__Link *const *links =
        enters ? spec->entries : spec->shards[link->from]->links;
    size_t n = enters ? spec->n_entries : spec->shards[link->from]->n_links;

    for (size_t i = 0; i < n; i++) {
        Edged__Link *it = links[i];

        if (it->port == (uint32_t)link->from_port &&
            it->to_shard == (uint32_t)link->to + 1 &&
            it->to_port == (uint32_t)link->to_port) {
            return it;
        }
    }
    return NULL;
}

static void write_codec(struct working *w, Edged__Placement *spec, size_t i)
{
    const struct part_link *link = &w->parts.links[i];
    const struct codec *codec = &w->codecs[i];
    Edged__Link *it = find(spec, link);

    if (it != NULL) {
        it->codec = codec_id(codec);
        it->keep = coded_keep(codec);
        spec->shards[link->to]->inputs[link->to_port]->tensor->codec =
            it->codec;
        w->is_coded = w->is_coded || coded_is_lossy(codec);
    }
}

const struct value *plan_links_value(const struct working *w,
                                     const struct part_link *link)
{
    const struct graph *shard;

    if (link->from == PARTS_OUTSIDE) {
        return &w->graph->values[w->graph->inputs[link->from_port]];
    }
    shard = w->parts.shards[link->from];
    return &shard->values[shard->outputs[link->from_port]];
}

/* The most that an output may take on its dearest link. */
static uint64_t output_bytes(const struct working *w, size_t shard, size_t port)
{
    uint64_t most = 0;

    for (size_t i = 0; i < w->parts.n_links; i++) {
        const struct part_link *link = &w->parts.links[i];
        const struct value *v;
        size_t bytes = 0;
        size_t coded;

        if (link->from != (int)shard || link->from_port != (int)port) {
            continue;
        }
        v = plan_links_value(w, link);
        (void)shape_bytes(&v->shape, v->dtype, &bytes);
        coded = codec_is_plain(&w->codecs[i])
                    ? bytes
                    : codec_room(&w->codecs[i], &v->shape);
        coded = coded < bytes ? coded : bytes;
        most = coded > most ? coded : most;
    }
    return most;
}

static void count_bytes(const struct working *w, Edged__Placement *spec)
{
    for (size_t i = 0; i < w->parts.n; i++) {
        uint64_t sum = 0;

        for (size_t k = 0; k < w->parts.shards[i]->n_outputs; k++) {
            sum += output_bytes(w, i, k);
        }
        spec->texts[i]->link_bytes = sum;
    }
}

static enum likeness likeness_of(const struct working *w)
{
    for (size_t i = 0; i < w->parts.n && !w->is_lossy; i++) {
        if (w->pieces[i].role != PIECE_WHOLE) {
            return ALIKE_NEAR;
        }
    }
    return w->is_lossy ? ALIKE_LOSSY : ALIKE_EXACT;
}

/* Those of the model; what a rewrite made has other names. */
static bool is_signs(const struct working *w, const struct part_link *link)
{
    int value = graph_find_value(w->graph, plan_links_value(w, link)->name);

    return value >= 0 && signs_are(w->graph, value);
}

/* What the file says; but signs go in bits, which changes none of them, unless
 * it says something else than fp32 or auto. *any if something is left to
 * choose. */
static void take_codecs(struct working *w, bool *is_auto, bool *any)
{
    for (size_t i = 0; i < w->parts.n_links; i++) {
        const struct part_link *link = &w->parts.links[i];
        struct cluster_codec codec = {0};

        if (plan_links_may_code(w, link)) {
            codec = codec_of(w, link);
        }
        if ((codec.is_auto || codec_is_plain(&codec.codec)) &&
            plan_links_may_code(w, link) && is_signs(w, link)) {
            codec = (struct cluster_codec){.codec = {.kind = CODEC_BITS}};
        }
        is_auto[i] = codec.is_auto;
        *any = *any || is_auto[i];
        w->codecs[i] = codec.codec;
    }
}

int plan_links(struct working *w, Edged__Placement *spec, struct err *err)
{
    bool *is_auto = mem_array(bool, w->parts.n_links);
    bool any = false;
    int rc = 0;

    w->codecs = mem_array(struct codec, w->parts.n_links);
    if (w->codecs == NULL || is_auto == NULL) {
        mem_free(is_auto);
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    take_codecs(w, is_auto, &any);
    if (any) {
        rc = plan_auto(w, is_auto, err);
    }
    mem_free(is_auto);
    if (rc == 0) {
        rc = plan_zstd(w, err);
    }
    for (size_t i = 0; i < w->parts.n_links && rc == 0; i++) {
        if (!codec_is_plain(&w->codecs[i])) {
            write_codec(w, spec, i);
        }
    }
    spec->likeness = likeness_of(w);
    w->is_lossy = w->is_lossy || w->is_coded;
    count_bytes(w, spec);
    return rc;
}

int plan_chain(const struct working *w, struct chain **chain, struct err *err)
{
    struct chain_link *links = mem_array(struct chain_link, w->parts.n_links);
    int rc;

    if (links == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < w->parts.n_links; i++) {
        const struct part_link *from = &w->parts.links[i];

        links[i] = (struct chain_link){
            .from = from->from,
            .to = from->to,
            .from_port = (size_t)from->from_port,
            .to_port = (size_t)from->to_port,
            .codec = w->codecs[i],
        };
    }
    rc = chain_make(w->parts.shards, w->parts.n, links, w->parts.n_links, chain,
                    err);
    mem_free(links);
    return rc;
}

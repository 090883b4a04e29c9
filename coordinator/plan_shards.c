/*
 * The model taken apart as its stages say: whole ones along the cuts between
 * them, the others piece by piece; what the placement says of each shard.
 */
#include "coordinator/plan_job.h"

#include "coordinator/plan/cut.h"

#include "base/mem.h"
#include "graph/infer.h"

#include <stdio.h>
#include <string.h>

static const struct cluster_stage *written(const struct working *w, size_t i)
{
    const struct cluster *cluster = w->job->cluster;

    return cluster->n_stages > 0 ? &cluster->stages[i] : NULL;
}

/* ---- as stages alone ------------------------------------------------------
 */

/* What goes out of one comes into the next, in the same order. */
static int chain(struct working *w, struct graph **shards, struct err *err)
{
    struct part_link link = {.from = PARTS_OUTSIDE};
    size_t n_ports = w->graph->n_inputs;
    size_t n = w->job->choices.best.n_stages;

    w->parts.shards = shards;
    w->parts.n = n;
    w->pieces = mem_array(struct piece, n);
    if (w->pieces == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i <= n; i++) {
        for (size_t k = 0; k < n_ports; k++) {
            link.from = (int)i - 1;
            link.to = i < n ? (int)i : PARTS_OUTSIDE;
            link.from_port = (int)k;
            link.to_port = (int)k;
            if (parts_link(&w->parts, &link) < 0) {
                return err_set(err, EDGE_ENOMEM, "out of memory");
            }
        }
        if (i < n) {
            w->pieces[i] = (struct piece){.stage = i, .role = PIECE_WHOLE};
            n_ports = shards[i]->n_outputs;
        }
    }
    return 0;
}

static int cut_whole(struct working *w, struct err *err)
{
    const struct choice *best = &w->job->choices.best;
    int positions[LIMIT_SHARDS];
    struct graph **shards = mem_array(struct graph *, best->n_stages);
    int rc;

    if (shards == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i + 1 < best->n_stages; i++) {
        positions[i] = best->stages[i].end;
    }
    rc = cut_split(w->graph, positions, best->n_stages - 1, shards, err);
    if (rc < 0) {
        mem_free(shards);
        return rc;
    }
    return chain(w, shards, err);
}

/* ---- in pieces ------------------------------------------------------------
 */

static struct pieces_stage stage_of(const struct choice_stage *from)
{
    return (struct pieces_stage){.first = from->first,
                                 .end = from->end,
                                 .kind = from->kind,
                                 .axis = from->axis,
                                 .halo = from->halo,
                                 .rows = from->rows,
                                 .columns = from->columns};
}

/* Behind its exits, so that they spare what they can. */
static void part_stage(const struct working *w, size_t i,
                       struct pieces_stage *stage, int positions[LIMIT_PORTS])
{
    const struct choice_stage *before =
        i > 0 ? &w->job->choices.best.stages[i - 1] : NULL;

    if (stage->kind == PIECES_WHOLE) {
        stage->parted = positions;
        stage->n_parted = leaving_parts(
            &w->leaving, stage->first, stage->end,
            before != NULL && before->kind != PIECES_WHOLE, positions);
    }
}

static int cut_pieces(struct working *w, const struct pieces_stage *stages,
                      struct err *err)
{
    int rc = pieces_make(w->graph, stages, w->job->choices.best.n_stages,
                         &w->parts, &w->pieces, &w->rewritten, err);

    if (rc < 0) {
        return rc;
    }
    return w->parts.n > LIMIT_SHARDS
               ? err_set(err, EDGE_ENOFIT, "%zu shards, at most %d can be",
                         w->parts.n, LIMIT_SHARDS)
               : 0;
}

static int cut_model(struct working *w, struct err *err)
{
    const struct choice *best = &w->job->choices.best;
    struct pieces_stage *stages =
        mem_array(struct pieces_stage, best->n_stages);
    int *parted = mem_array(int, LIMIT_PORTS * best->n_stages);
    bool is_cut = w->has_tiers || w->leaving.n > 0;
    int rc;

    if (stages == NULL || parted == NULL) {
        mem_free(stages);
        mem_free(parted);
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    if (best->n_stages > LIMIT_SHARDS) {
        mem_free(stages);
        mem_free(parted);
        return err_set(err, EDGE_ENOFIT, "%zu stages, at most %d can be",
                       best->n_stages, LIMIT_SHARDS);
    }
    for (size_t i = 0; i < best->n_stages; i++) {
        stages[i] = stage_of(&best->stages[i]);
        part_stage(w, i, &stages[i], parted + LIMIT_PORTS * i);
        is_cut = is_cut || stages[i].kind != PIECES_WHOLE;
        w->is_lossy = w->is_lossy || (stages[i].kind == PIECES_TILE &&
                                      stages[i].halo == TILE_NONE);
    }
    rc = is_cut ? cut_pieces(w, stages, err) : cut_whole(w, err);
    mem_free(stages);
    mem_free(parted);
    return rc;
}

/* ---- what is said of them -------------------------------------------------
 */

static char *name_of(const struct working *w, size_t i)
{
    const struct piece *p = &w->pieces[i];
    const struct cluster_stage *from = written(w, p->stage);
    char *stage = w->has_tiers ? plan_tiers_name(w, p->stage)
                  : from != NULL && from->name != NULL
                      ? mem_strdup(from->name)
                      : mem_printf("s%zu", p->stage);
    char *name = NULL;

    if (stage == NULL || (p->role == PIECE_WHOLE && p->level == 0)) {
        return stage;
    }
    if (p->role == PIECE_WHOLE) {
        name = p->level > 1 ? mem_printf("%s.then%d", stage, p->level)
                            : mem_printf("%s.then", stage);
    } else if (p->role == PIECE_PART) {
        name = p->level > 0 ? mem_printf("%s.%d.%d", stage, p->index, p->level)
                            : mem_printf("%s.%d", stage, p->index);
    } else if (p->role == PIECE_HEAD) {
        name = mem_printf("%s.in", stage);
    } else {
        name = p->level > 0 ? mem_printf("%s.join%d", stage, p->level)
                            : mem_printf("%s.out", stage);
    }
    mem_free(stage);
    return name;
}

static uint64_t bytes_out(const struct graph *graph)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < graph->n_outputs; i++) {
        const struct value *v = &graph->values[graph->outputs[i]];
        size_t bytes = 0;

        (void)shape_bytes(&v->shape, v->dtype, &bytes);
        sum += bytes;
    }
    return sum;
}

static Edged__StageText *text_of(const struct graph *shard)
{
    Edged__StageText *text = mem_new(Edged__StageText);

    if (text == NULL) {
        return NULL;
    }
    edged__stage_text__init(text);
    text->first = mem_strdup(shard->n_ops > 0 ? shard->ops[0].name : "");
    text->last =
        mem_strdup(shard->n_ops > 0 ? shard->ops[shard->n_ops - 1].name : "");
    text->link_bytes = bytes_out(shard);
    for (size_t i = 0; i < shard->n_ops; i++) {
        struct op_cost cost;

        infer_cost(shard, &shard->ops[i], &cost);
        text->macs += cost.macs;
    }
    return text;
}

static int say(struct working *w, Edged__Placement *spec)
{
    spec->texts = mem_array(Edged__StageText *, w->parts.n);
    for (size_t i = 0; i < w->parts.n && spec->texts != NULL; i++) {
        spec->texts[i] = text_of(w->parts.shards[i]);
        if (spec->texts[i] == NULL) {
            return EDGE_ENOMEM;
        }
        spec->n_texts = i + 1;
        mem_free(spec->shards[i]->name);
        spec->shards[i]->name = name_of(w, i);
        if (spec->shards[i]->name == NULL) {
            return EDGE_ENOMEM;
        }
    }
    return spec->texts == NULL ? EDGE_ENOMEM : 0;
}

int plan_shards(struct working *w, Edged__Placement *spec, struct err *err)
{
    int rc = cut_model(w, err);

    if (rc == 0) {
        rc = shards_describe(w->job->store, w->graph, &w->parts, spec, err);
    }
    if (rc == 0 && w->has_tiers) {
        rc = plan_tiers_describe(w, spec, err);
    }
    if (rc == 0 && (w->has_tiers || w->leaving.n > 0)) {
        rc = plan_exits_describe(w, spec, err);
    }
    if (rc < 0) {
        return rc;
    }
    w->n_places = w->parts.n;
    w->places = mem_array(struct shard_place, w->n_places);
    if (w->places == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < w->n_places; i++) {
        w->places[i].needs_bytes =
            spec->shards[i]->weight_bytes + spec->shards[i]->arena_bytes;
    }
    return say(w, spec) < 0 ? err_set(err, EDGE_ENOMEM, "out of memory") : 0;
}

static void forget_ports(Edged__Port ***ports, size_t *n)
{
    for (size_t i = 0; i < *n; i++) {
        edged__port__free_unpacked((*ports)[i], NULL);
    }
    mem_free(*ports);
    *ports = NULL;
    *n = 0;
}

void plan_shards_undo(struct working *w, Edged__Placement *spec)
{
    parts_deinit(&w->parts);
    mem_free(w->pieces);
    graph_free(w->rewritten);
    mem_free(w->codecs);
    mem_free(w->places);
    w->pieces = NULL;
    w->rewritten = NULL;
    w->codecs = NULL;
    w->places = NULL;
    w->n_places = 0;
    w->is_coded = w->is_lossy = false;
    forget_ports(&spec->inputs, &spec->n_inputs);
    forget_ports(&spec->outputs, &spec->n_outputs);
    for (size_t i = 0; i < spec->n_entries; i++) {
        edged__link__free_unpacked(spec->entries[i], NULL);
    }
    for (size_t i = 0; i < spec->n_shards; i++) {
        edged__shard__free_unpacked(spec->shards[i], NULL);
    }
    for (size_t i = 0; i < spec->n_texts; i++) {
        edged__stage_text__free_unpacked(spec->texts[i], NULL);
    }
    mem_free(spec->entries);
    mem_free(spec->shards);
    mem_free(spec->texts);
    spec->entries = NULL;
    spec->shards = NULL;
    spec->texts = NULL;
    spec->n_entries = spec->n_shards = spec->n_texts = 0;
}

#include "coordinator/explain.h"

#include "base/blob.h"
#include "base/mem.h"
#include "codec/codec.h"
#include "wire/convert.h"

#include <stdio.h>
#include <string.h>

/* ---- a stage ------------------------------------------------------------- */

static const char *axis_name(enum split_axis axis)
{
    static const char *const names[] = {[CLUSTER_AXIS_OUTPUT] = "output",
                                        [CLUSTER_AXIS_INPUT] = "input",
                                        [CLUSTER_AXIS_PAIR] = "pair"};

    return names[axis];
}

static const char *halo_name(enum tile_halo halo)
{
    static const char *const names[] = {[CLUSTER_HALO_RECOMPUTE] = "recompute",
                                        [CLUSTER_HALO_EXCHANGE] = "exchange",
                                        [CLUSTER_HALO_NONE] = "none"};

    return names[halo];
}

static const char *layer(const struct explain *e, int position)
{
    return e->graph->ops[e->order[position]].name;
}

/* The shard of a stage that is not cut. */
static const Edged__Shard *shard_of(const struct explain *e, size_t stage)
{
    for (size_t i = 0; i < e->spec->n_shards; i++) {
        if (e->spec->texts[i]->stage == stage) {
            return e->spec->shards[i];
        }
    }
    return NULL;
}

static bool has_tiers(const struct explain *e)
{
    return e->cluster->n_views > 0;
}

static char *stage_name(const struct explain *e, size_t i, bool is_best)
{
    const Edged__Shard *shard = is_best && has_tiers(e) ? shard_of(e, i) : NULL;

    if (shard != NULL) {
        return mem_strdup(shard->name);
    }
    return is_best && e->cluster->n_stages > i
               ? mem_strdup(e->cluster->stages[i].name)
               : mem_printf("s%zu", i);
}

static char *add_exit(char *text, const Edged__Shard *shard)
{
    const Edged__Exit *exit = shard->exit;
    char *longer =
        text == NULL
            ? NULL
            : mem_printf("%s%s%s, %s %g", text, text[0] != '\0' ? "; " : "",
                         shard->outputs[exit->port]->name,
                         exit->by_entropy ? "entropy below" : "confidence from",
                         exit->by_entropy ? exit->below : 1 - exit->below);

    mem_free(text);
    return longer;
}

/* When answers leave at a stage. */
static char *exit_text(const struct explain *e, size_t i, bool is_best)
{
    char *text = mem_strdup("");

    for (size_t k = 0; is_best && k < e->spec->n_texts; k++) {
        if (e->spec->texts[k]->stage == i && e->spec->shards[k]->exit != NULL) {
            text = add_exit(text, e->spec->shards[k]);
        }
    }
    return text;
}

static int fill_nodes(const struct explain *e, const struct choice_stage *s,
                      Edged__PlanPart *part)
{
    part->nodes = mem_array(char *, s->n_devices);
    for (size_t k = 0; k < s->n_devices && part->nodes != NULL; k++) {
        part->nodes[k] = mem_strdup(e->profile->devices[s->devices[k]].name);
        if (part->nodes[k] == NULL) {
            return EDGE_ENOMEM;
        }
        part->n_nodes = k + 1;
    }
    return part->nodes == NULL ? EDGE_ENOMEM : 0;
}

static int fill_part(const struct explain *e, const struct choice_stage *s,
                     Edged__PlanPart *part)
{
    static const char *const kinds[] = {[PIECES_WHOLE] = "whole",
                                        [PIECES_SPLIT] = "split",
                                        [PIECES_TILE] = "tile"};

    part->first = mem_strdup(layer(e, s->first));
    part->last = mem_strdup(layer(e, s->end - 1));
    part->kind = mem_strdup(kinds[s->kind]);
    part->axis = mem_strdup(s->kind == PIECES_SPLIT ? axis_name(s->axis) : "");
    part->halo = mem_strdup(s->kind == PIECES_TILE ? halo_name(s->halo) : "");
    part->rows = (uint32_t)s->rows;
    part->columns = (uint32_t)s->columns;
    part->compute_ms = s->compute_s * 1e3;
    part->busy_ms = s->busy_s * 1e3;
    part->in_bytes = s->in_bytes;
    part->inner_bytes = s->inner_bytes;
    return part->first == NULL || part->last == NULL || part->kind == NULL ||
                   part->axis == NULL || part->halo == NULL
               ? EDGE_ENOMEM
               : fill_nodes(e, s, part);
}

/* ---- a plan -------------------------------------------------------------- */

static int fill_parts(const struct explain *e, const struct choice *choice,
                      Edged__PlanShape *shape, bool is_best)
{
    shape->stages = mem_array(Edged__PlanPart *, choice->n_stages);
    for (size_t i = 0; i < choice->n_stages && shape->stages != NULL; i++) {
        Edged__PlanPart *part = mem_new(Edged__PlanPart);

        if (part == NULL) {
            return EDGE_ENOMEM;
        }
        edged__plan_part__init(part);
        shape->stages[i] = part;
        shape->n_stages = i + 1;
        part->name = stage_name(e, i, is_best);
        part->exit = exit_text(e, i, is_best);
        if (part->name == NULL || part->exit == NULL ||
            fill_part(e, &choice->stages[i], part) < 0) {
            return EDGE_ENOMEM;
        }
    }
    return shape->stages == NULL ? EDGE_ENOMEM : 0;
}

/* Those that it uses. */
static int fill_boards(const struct explain *e, const struct choice *choice,
                       Edged__PlanShape *shape)
{
    size_t n = choice->n_devices;

    shape->boards = mem_array(Edged__PlanBoard *, n);
    for (size_t d = 0; d < n && shape->boards != NULL; d++) {
        Edged__PlanBoard *board;

        if (choice->memory[d] == 0 && choice->busy_s[d] <= 0) {
            continue;
        }
        board = mem_new(Edged__PlanBoard);
        if (board == NULL) {
            return EDGE_ENOMEM;
        }
        edged__plan_board__init(board);
        shape->boards[shape->n_boards++] = board;
        board->name = mem_strdup(e->profile->devices[d].name);
        board->memory_bytes = choice->memory[d];
        board->free_bytes = e->profile->devices[d].free_bytes;
        board->busy_ms = choice->busy_s[d] * 1e3;
        board->sent_bytes = choice->sent[d];
        if (board->name == NULL) {
            return EDGE_ENOMEM;
        }
    }
    return shape->boards == NULL ? EDGE_ENOMEM : 0;
}

static Edged__PlanShape *describe(const struct explain *e,
                                  enum choice_shape kind,
                                  const struct choice *choice, const char *why,
                                  bool is_best)
{
    Edged__PlanShape *shape = mem_new(Edged__PlanShape);

    if (shape == NULL) {
        return NULL;
    }
    edged__plan_shape__init(shape);
    shape->shape = mem_strdup(
        is_best && has_tiers(e) ? "views and tiers" : choice_shape_name(kind));
    shape->why = mem_strdup(why);
    shape->possible = choice != NULL;
    if (choice != NULL) {
        shape->latency_ms = choice->latency_s * 1e3;
        shape->throughput = choice->throughput;
        shape->out_bytes = choice->out_bytes;
        shape->slowest = (uint32_t)choice->slowest;
    }
    if (shape->shape == NULL || shape->why == NULL ||
        (choice != NULL && (fill_parts(e, choice, shape, is_best) < 0 ||
                            fill_boards(e, choice, shape) < 0))) {
        edged__plan_shape__free_unpacked(shape, NULL);
        return NULL;
    }
    return shape;
}

/* Stages that are written are what they are, whatever they look like. */
static enum choice_shape best_shape(const struct explain *e)
{
    return e->cluster->n_stages > 0 ? CHOICE_WRITTEN : e->choices->shape;
}

static int fill_others(const struct explain *e, Edged__PlanExplain *message)
{
    const struct choices *choices = e->choices;

    message->others = mem_array(Edged__PlanShape *, CHOICE_SHAPES);
    for (int i = 0; i < CHOICE_SHAPES && message->others != NULL; i++) {
        const struct choice_other *other = &choices->others[i];

        if (i == (int)best_shape(e) ||
            (!other->is_possible && other->why[0] == '\0')) {
            continue;
        }
        message->others[message->n_others] = describe(
            e, (enum choice_shape)i, other->is_possible ? &other->choice : NULL,
            other->why, false);
        if (message->others[message->n_others] == NULL) {
            return EDGE_ENOMEM;
        }
        message->n_others++;
    }
    return message->others == NULL ? EDGE_ENOMEM : 0;
}

static int fill_left_out(const struct explain *e, Edged__PlanExplain *message)
{
    size_t n = e->choices->n_left_out;

    message->left_out = mem_array(Edged__PlanLeftOut *, n);
    for (size_t i = 0; i < n && message->left_out != NULL; i++) {
        const struct choice_left_out *from = &e->choices->left_out[i];
        Edged__PlanLeftOut *row = mem_new(Edged__PlanLeftOut);

        if (row == NULL) {
            return EDGE_ENOMEM;
        }
        edged__plan_left_out__init(row);
        message->left_out[i] = row;
        message->n_left_out = i + 1;
        row->node = mem_strdup(e->profile->devices[from->device].name);
        row->why = mem_strdup(from->why);
        if (row->node == NULL || row->why == NULL) {
            return EDGE_ENOMEM;
        }
    }
    return message->left_out == NULL ? EDGE_ENOMEM : 0;
}

/* ---- links --------------------------------------------------------------- */

static const char *shard_name(const struct explain *e, uint32_t id)
{
    for (size_t i = 0; i < e->spec->n_shards; i++) {
        if (e->spec->shards[i]->id == id) {
            return e->spec->shards[i]->name;
        }
    }
    return "gateway";
}

static uint64_t port_bytes(const Edged__Port *port)
{
    struct tensor t;
    size_t bytes = 0;

    if (convert_meta_in(port->tensor, NULL, &t, NULL) < 0 ||
        !shape_bytes(&t.shape, t.dtype, &bytes)) {
        return 0;
    }
    return bytes;
}

static Edged__PlanLink *find_link(Edged__PlanExplain *message, const char *from,
                                  const char *to, const char *codec)
{
    for (size_t i = 0; i < message->n_links; i++) {
        Edged__PlanLink *link = message->links[i];

        if (strcmp(link->from, from) == 0 && strcmp(link->to, to) == 0 &&
            strcmp(link->codec, codec) == 0) {
            return link;
        }
    }
    return NULL;
}

/* Empty for values as they are. */
static const char *codec_of(const Edged__Link *link, char text[CODEC_TEXT])
{
    struct codec codec;

    if (link->codec == 0 || codec_from_id(link->codec, &codec) < 0) {
        return "";
    }
    return codec_text(&codec, text);
}

/* All that goes from one to another in one codec is one link. */
static int add_link(Edged__PlanExplain *message, const char *from,
                    const char *to, const Edged__Port *port,
                    const Edged__Link *how)
{
    char text[CODEC_TEXT];
    const char *codec = codec_of(how, text);
    Edged__PlanLink *link = find_link(message, from, to, codec);

    if (link == NULL) {
        link = mem_new(Edged__PlanLink);
        if (link == NULL) {
            return EDGE_ENOMEM;
        }
        edged__plan_link__init(link);
        message->links[message->n_links++] = link;
        link->from = mem_strdup(from);
        link->to = mem_strdup(to);
        link->codec = mem_strdup(codec);
        if (link->from == NULL || link->to == NULL || link->codec == NULL) {
            return EDGE_ENOMEM;
        }
    }
    link->bytes += port_bytes(port);
    return 0;
}

static int fill_links(const struct explain *e, Edged__PlanExplain *message)
{
    const Edged__Placement *spec = e->spec;
    size_t n = spec->n_entries;
    int rc;

    for (size_t i = 0; i < spec->n_shards; i++) {
        n += spec->shards[i]->n_links;
    }
    message->links = mem_array(Edged__PlanLink *, n);
    rc = message->links == NULL ? EDGE_ENOMEM : 0;
    for (size_t i = 0; i < spec->n_entries && rc == 0; i++) {
        const Edged__Link *link = spec->entries[i];

        rc = add_link(message, "gateway", shard_name(e, link->to_shard),
                      spec->inputs[link->port], link);
    }
    for (size_t i = 0; i < spec->n_shards; i++) {
        const Edged__Shard *shard = spec->shards[i];

        for (size_t k = 0; k < shard->n_links && rc == 0; k++) {
            const Edged__Link *link = shard->links[k];

            rc = add_link(message, shard->name, shard_name(e, link->to_shard),
                          shard->outputs[link->port], link);
        }
    }
    return rc;
}

/* ---- all of it ----------------------------------------------------------- */

static bool is_measured(const struct profile *profile)
{
    for (size_t i = 0; i < profile->n_boards; i++) {
        if (!profile->boards[i].is_measured) {
            return false;
        }
    }
    return true;
}

static int fill(const struct explain *e, Edged__PlanExplain *message)
{
    const struct choices *c = e->choices;

    message->best = describe(e, best_shape(e), &c->best, "", true);
    message->has_more = c->has_more;
    message->more_kind =
        mem_strdup(c->has_more ? e->profile->boards[c->more_board].name : "");
    message->more_latency_ms = c->more_latency_s * 1e3;
    message->more_throughput = c->more_throughput;
    message->bound = mem_strdup(c->is_bounded ? c->bound : "");
    message->measured = is_measured(e->profile);
    return message->best == NULL || message->more_kind == NULL ||
                   message->bound == NULL || fill_others(e, message) < 0 ||
                   fill_left_out(e, message) < 0
               ? EDGE_ENOMEM
               : fill_links(e, message);
}

int explain_new(const struct explain *explain, Edged__PlanExplain **out)
{
    Edged__PlanExplain *message = mem_new(Edged__PlanExplain);

    if (message == NULL) {
        return EDGE_ENOMEM;
    }
    edged__plan_explain__init(message);
    if (fill(explain, message) < 0) {
        explain_free(message);
        return EDGE_ENOMEM;
    }
    *out = message;
    return 0;
}

void explain_free(Edged__PlanExplain *message)
{
    if (message != NULL) {
        edged__plan_explain__free_unpacked(message, NULL);
    }
}

struct blob *explain_pack(const Edged__PlanExplain *message)
{
    struct blob *blob = blob_new(edged__plan_explain__get_packed_size(message));

    if (blob != NULL) {
        (void)edged__plan_explain__pack(message, blob->data);
    }
    return blob;
}

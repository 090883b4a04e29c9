/*
 * What no single key of `views`, `tiers` and `exits` can tell to be wrong.
 * Whether the model has such inputs and outputs is seen when it is read.
 */
#include "config/cluster_parts.h"

#include "base/suggest.h"
#include "config/source.h"

#include <string.h>

#define EACH_VIEW "each-view"

/* ---- one exit, one view -------------------------------------------------- */

bool cluster_has_rule(const struct read_row *row, const void *base)
{
    const struct cluster_exit *exit = base;

    return exit->by_entropy == (strcmp(row->key, "entropy") == 0);
}

/* Of a key's value, or of all of it. */
static const struct config_at *place_of(const struct doc_node *node,
                                        const char *key)
{
    const struct doc_node *value = doc_get(node, key);

    return doc_at(value != NULL ? value : node);
}

int cluster_check_exit(struct reader *reader, const struct doc_node *node,
                       void *base)
{
    struct cluster_exit *exit = base;
    bool has_entropy = doc_get(node, "entropy") != NULL;
    bool has_confidence = doc_get(node, "confidence") != NULL;

    if (node == NULL) {
        return 0;
    }
    if (has_entropy == has_confidence) {
        read_error(
            reader, doc_at(node),
            "an exit needs %s \"entropy\" %s \"confidence\"",
            has_entropy ? "one of" : "a rule:", has_entropy ? "and" : "or");
    }
    exit->by_entropy = has_entropy;
    exit->at_output = *place_of(node, "output");
    exit->at_after = *place_of(node, "after");
    return 0;
}

int cluster_check_view(struct reader *reader, const struct doc_node *node,
                       void *base)
{
    const struct doc_node *from = doc_get(node, "from");
    struct cluster_view *view = base;
    struct source_form form;
    const char *why;

    if (node != NULL && node->key != NULL) {
        view->at = node->key->at;
    }
    if (view->from == NULL || from == NULL) {
        return 0;
    }
    why = source_form_read(view->from, &form);
    if (why != NULL) {
        read_error(reader, &from->at, "\"from\": %s", why);
    }
    return 0;
}

/* ---- where they are ------------------------------------------------------ */

/* A sample is made of what all of them see at one time. */
static void check_sources(struct reader *reader, const struct doc_node *map)
{
    const struct doc_node *with = NULL;

    for (const struct doc_node *it = map->first; it; it = it->next) {
        with = doc_get(it, "from") != NULL ? it : with;
    }
    for (const struct doc_node *it = map->first; it && with; it = it->next) {
        if (it->kind == DOC_MAP && doc_get(it, "from") == NULL) {
            read_error(reader, &it->key->at,
                       "\"%s\" has no \"from\", and \"%s\" has: all views come "
                       "from somewhere, or none does",
                       it->key->text, with->key->text);
        }
    }
}

static void check_views(struct reader *reader, const struct cluster *cluster,
                        const struct doc_node *map)
{
    for (const struct doc_node *it = map->first; it; it = it->next) {
        const struct doc_node *on = doc_get(it, "on");

        if (on != NULL && on->kind == DOC_SCALAR && cluster->n_devices > 0) {
            cluster_check_holder(reader, cluster, on);
        }
    }
}

static size_t find_tier(const struct cluster *cluster, const char *name)
{
    size_t i = 0;

    while (i < cluster->n_tiers &&
           (cluster->tiers[i].name == NULL ||
            strcmp(cluster->tiers[i].name, name) != 0)) {
        i++;
    }
    return i;
}

static bool has_exit(const struct cluster *cluster, const char *tier)
{
    for (size_t i = 0; i < cluster->n_exits; i++) {
        if (cluster->exits[i].at != NULL &&
            strcmp(cluster->exits[i].at, tier) == 0) {
            return true;
        }
    }
    return false;
}

/* The first tier is the views' own; whoever is neither it nor the last does
 * nothing that an answer needs, unless one leaves there. */
static void check_tier(struct reader *reader, const struct cluster *cluster,
                       size_t i, const struct doc_node *node)
{
    const struct cluster_tier *tier = &cluster->tiers[i];
    const struct doc_node *on = doc_get(node, "on");
    bool is_each = tier->on != NULL && strcmp(tier->on, EACH_VIEW) == 0;

    if (tier->name == NULL || on == NULL || on->kind != DOC_SCALAR) {
        return; /* it has its error */
    }
    if (is_each != (i == 0)) {
        read_error(reader, &on->at,
                   i == 0 ? "the first tier is \"on: each-view\""
                          : "only the first tier is \"on: each-view\"");
    } else if (!is_each && cluster->n_devices > 0) {
        cluster_check_holder(reader, cluster, on);
    }
    if (find_tier(cluster, tier->name) < i) {
        read_error(reader, doc_at(doc_get(node, "name")),
                   "two tiers have the name \"%s\"", tier->name);
    } else if (i > 0 && i + 1 < cluster->n_tiers &&
               !has_exit(cluster, tier->name)) {
        read_error(reader, doc_at(doc_get(node, "name")),
                   "tier \"%s\" is not the last one, so it needs an exit: "
                   "exits: [{at: %s, output: ..., entropy: ...}]",
                   tier->name, tier->name);
    }
}

static void check_tiers(struct reader *reader, const struct cluster *cluster,
                        const struct doc_node *list)
{
    const struct doc_node *node = list->first;

    for (size_t i = 0; i < cluster->n_tiers && node; i++) {
        check_tier(reader, cluster, i, node);
        node = node->next;
    }
    if (cluster->n_tiers < 2) {
        read_error(reader, doc_at(list),
                   "there are two tiers at least: the devices with a view "
                   "each, and one that answers");
    }
}

/* ---- exits --------------------------------------------------------------- */

/* Each of them is at a tier, or none is. */
static void check_keys(struct reader *reader, const struct doc_node *node,
                       bool has_tiers)
{
    static const char *const needed[] = {"at", "output"};
    const struct doc_node *odd = doc_get(node, has_tiers ? "after" : "at");

    if (odd != NULL) {
        read_error(reader, &odd->key->at,
                   has_tiers ? "\"after\" does not go with \"tiers\": an exit "
                               "is \"at\" a tier"
                             : "\"at\" means nothing without \"tiers\": say "
                               "\"after\" which layer or stage it is");
    }
    for (size_t i = 0; has_tiers && i < 2; i++) {
        if (doc_get(node, needed[i]) == NULL) {
            read_error(reader, doc_at(node),
                       "with \"tiers\" an exit needs \"%s\"", needed[i]);
        }
    }
}

/* No two say the same of themselves. */
static void check_twins(struct reader *reader, const struct cluster *cluster,
                        size_t i, const struct doc_node *node)
{
    const struct cluster_exit *exit = &cluster->exits[i];

    for (size_t k = 0; k < i && exit->output != NULL; k++) {
        const char *first = cluster->exits[k].output;

        if (first != NULL && strcmp(first, exit->output) == 0) {
            read_error(reader, &exit->at_output,
                       "another exit has the output \"%s\" already",
                       exit->output);
            return;
        }
    }
    if (i > 0 && exit->output == NULL && exit->after == NULL) {
        read_error(reader, doc_at(node),
                   "of several exits each needs \"after\" or \"output\"");
    }
}

static void check_exit(struct reader *reader, const struct cluster *cluster,
                       size_t i, const struct doc_node *node)
{
    const struct cluster_exit *exit = &cluster->exits[i];
    const struct doc_node *at = doc_get(node, "at");
    size_t tier = exit->at != NULL ? find_tier(cluster, exit->at) : 0;
    struct suggest suggest;
    const char *near;

    if (exit->at == NULL || at == NULL) {
        return; /* it has its error */
    }
    if (tier == cluster->n_tiers) {
        suggest_init(&suggest, exit->at);
        for (size_t k = 0; k < cluster->n_tiers; k++) {
            if (cluster->tiers[k].name != NULL) {
                suggest_try(&suggest, cluster->tiers[k].name);
            }
        }
        near = read_is_full(reader) ? NULL : suggest_best(&suggest);
        read_error(reader, &at->at, "no tier has the name \"%s\"%s%s%s",
                   exit->at, near != NULL ? "; did you mean \"" : "",
                   near != NULL ? near : "", near != NULL ? "\"?" : "");
    } else if (tier == 0 || tier + 1 == cluster->n_tiers) {
        read_error(reader, &at->at,
                   tier == 0 ? "no answer leaves at \"%s\", where each device "
                               "sees one view"
                             : "no exit is needed at \"%s\": the last tier "
                               "always answers",
                   exit->at);
    }
    for (size_t k = 0; k < i; k++) {
        if (cluster->exits[k].at != NULL &&
            strcmp(cluster->exits[k].at, exit->at) == 0) {
            read_error(reader, &at->at, "tier \"%s\" has an exit already",
                       exit->at);
            return;
        }
    }
}

static void check_exits(struct reader *reader, const struct cluster *cluster,
                        const struct doc_node *list)
{
    const struct doc_node *node = list->first;

    for (size_t i = 0; i < cluster->n_exits && node; i++) {
        check_keys(reader, node, cluster->n_tiers > 0);
        if (cluster->n_tiers > 0) {
            check_exit(reader, cluster, i, node);
        } else {
            check_twins(reader, cluster, i, node);
        }
        node = node->next;
    }
}

/* ---- all of it ----------------------------------------------------------- */

static void want(struct reader *reader, const struct doc_node *node,
                 const char *key, const char *other)
{
    read_error(reader, &node->key->at, "\"%s\" means nothing without \"%s\"",
               key, other);
}

static void clash(struct reader *reader, const struct doc_node *top,
                  const char *key, const char *why)
{
    const struct doc_node *node = doc_get(top, key);

    if (node != NULL) {
        read_error(reader, &node->key->at,
                   "\"%s\" does not go with \"tiers\": %s", key, why);
    }
}

void cluster_check_views(struct reader *reader, const struct doc_node *top,
                         const struct cluster *cluster)
{
    const struct doc_node *views = doc_get(top, "views");
    const struct doc_node *tiers = doc_get(top, "tiers");
    const struct doc_node *exits = doc_get(top, "exits");

    if (views != NULL) {
        check_views(reader, cluster, views);
        check_sources(reader, views);
        if (tiers == NULL) {
            want(reader, views, "views", "tiers");
        }
    }
    if (tiers != NULL) {
        check_tiers(reader, cluster, tiers);
        clash(reader, top, "stages", "what runs where follows from the model");
        if (cluster->replicas > 1) {
            clash(reader, top, "replicas",
                  "a tier is on one device; \"spares\" stand in for it");
        }
        if (views == NULL) {
            want(reader, tiers, "tiers", "views");
        }
    }
    if (exits != NULL) {
        check_exits(reader, cluster, exits);
    }
}

/* The forms of `training` that only one key has, read, written and checked. */
#include "config/cluster_parts.h"
#include "config/read_types.h"
#include "config/value.h"
#include "config/write.h"

#include "base/err.h"

#include <string.h>

#define LOCAL_STEPS_MAX 1000000
#define FREEZE_MAX 256 /* patterns */

/* ---- data ---- */

int cluster_own_data(struct reader *reader, const struct read_row *row,
                     const struct doc_node *node, void *base)
{
    static const struct read_row path = {
        .key = "data", .type = READ_PATH, FIELD(data, train)};
    struct cluster_data *data =
        (struct cluster_data *)((char *)base + row->offset);

    if (node->kind == DOC_MAP) {
        return read_push(reader, row->table, node, data);
    }
    if (node->kind != DOC_SCALAR || read_is_nothing(node)) {
        read_refuse(reader, row, node, NULL);
        return 0;
    }
    return read_value(reader, &path, node, data);
}

bool cluster_has_data(const struct read_row *row, const void *base)
{
    const struct cluster_data *data =
        (const struct cluster_data *)((const char *)base + row->offset);

    return data->train != NULL;
}

void cluster_write_data(const struct read_row *row, const void *base, FILE *out)
{
    const struct cluster_data *data =
        (const struct cluster_data *)((const char *)base + row->offset);
    static const char *const formats[] = {"auto", "idx", "cifar10", "folder"};

    (void)fputs("{train: ", out);
    write_text(data->train, out);
    if (data->test != NULL) {
        (void)fputs(", test: ", out);
        write_text(data->test, out);
    }
    if (data->classes != NULL) {
        (void)fputs(", classes: ", out);
        write_text(data->classes, out);
    }
    (void)fprintf(out, ", format: %s, mean_picture: %s}", formats[data->format],
                  data->mean_picture ? "true" : "false");
}

/* ---- sync ---- */

/* {local: 8} or {delta: epoch}. */
static bool take_sync(const struct doc_node *item, struct cluster_sync *sync)
{
    const char *why = NULL;
    int64_t steps;

    if (item->kind != DOC_SCALAR) {
        return false;
    }
    if (strcmp(item->key->text, "delta") == 0) {
        sync->kind = CLUSTER_SYNC_DELTA;
        return strcmp(item->text, "epoch") == 0;
    }
    if (strcmp(item->key->text, "local") != 0 ||
        !value_int(item->text, &steps, &why) || steps < 1 ||
        steps > LOCAL_STEPS_MAX) {
        return false;
    }
    sync->kind = CLUSTER_SYNC_LOCAL;
    sync->steps = (uint32_t)steps;
    return true;
}

int cluster_own_sync(struct reader *reader, const struct read_row *row,
                     const struct doc_node *node, void *base)
{
    struct cluster_sync *sync =
        (struct cluster_sync *)((char *)base + row->offset);
    struct cluster_sync found = {.kind = CLUSTER_SYNC_GRADIENT};
    bool is_good = node->kind == DOC_SCALAR
                       ? strcmp(node->text, "gradient") == 0
                       : node->kind == DOC_MAP && node->n == 1 &&
                             take_sync(node->first, &found);

    if (is_good) {
        *sync = found;
    } else {
        read_refuse(reader, row, node, NULL);
    }
    return 0;
}

void cluster_write_sync(const struct read_row *row, const void *base, FILE *out)
{
    const struct cluster_sync *sync =
        (const struct cluster_sync *)((const char *)base + row->offset);

    switch (sync->kind) {
    case CLUSTER_SYNC_LOCAL:
        (void)fprintf(out, "{local: %u}", sync->steps);
        break;
    case CLUSTER_SYNC_DELTA: (void)fputs("{delta: epoch}", out); break;
    default: (void)fputs("gradient", out); break;
    }
}

/* ---- freeze ---- */

static bool is_pattern(const struct doc_node *node)
{
    return node->kind == DOC_SCALAR && !read_is_nothing(node) &&
           node->length > 0 && node->length <= LIMIT_GRAPH_NAME &&
           strchr(node->text, '\n') == NULL;
}

static int take_patterns(struct reader *reader, const struct read_row *row,
                         const struct doc_node *list,
                         struct cluster_freeze *freeze)
{
    char **layers;
    size_t i = 0;

    if (list->n == 0 || list->n > FREEZE_MAX) {
        read_refuse(reader, row, list, list->n > 0 ? "it is too long" : NULL);
        return 0;
    }
    for (const struct doc_node *it = list->first; it; it = it->next) {
        if (!is_pattern(it)) {
            read_refuse(reader, row, it, NULL);
            return 0;
        }
    }
    layers = pool_alloc(read_pool(reader), list->n, sizeof(*layers));
    if (layers == NULL) {
        return EDGE_ENOMEM;
    }
    for (const struct doc_node *it = list->first; it; it = it->next) {
        layers[i] = read_text(reader, it);
        if (layers[i++] == NULL) {
            return EDGE_ENOMEM;
        }
    }
    *freeze = (struct cluster_freeze){.layers = layers, .n_layers = list->n};
    return 0;
}

int cluster_own_freeze(struct reader *reader, const struct read_row *row,
                       const struct doc_node *node, void *base)
{
    static const struct read_row part = {.key = "freeze",
                                         .type = READ_PERCENT,
                                         FIELD(freeze, part),
                                         .min = 0,
                                         .max = 1};
    struct cluster_freeze *freeze =
        (struct cluster_freeze *)((char *)base + row->offset);

    if (node->kind == DOC_LIST) {
        return take_patterns(reader, row, node, freeze);
    }
    if (node->kind != DOC_SCALAR || read_is_nothing(node)) {
        read_refuse(reader, row, node, NULL);
        return 0;
    }
    return read_value(reader, &part, node, freeze);
}

void cluster_write_freeze(const struct read_row *row, const void *base,
                          FILE *out)
{
    const struct cluster_freeze *freeze =
        (const struct cluster_freeze *)((const char *)base + row->offset);

    if (freeze->n_layers == 0) {
        (void)fprintf(out, "%.7g%%", freeze->part * 100);
        return;
    }
    (void)fputc('[', out);
    for (size_t i = 0; i < freeze->n_layers; i++) {
        (void)fputs(i > 0 ? ", " : "", out);
        write_text(freeze->layers[i], out);
    }
    (void)fputc(']', out);
}

/* ---- what no single key can tell ---- */

/* A key that the file gives but that means nothing beside `choice`. */
static void refuse_idle(struct reader *reader, const struct doc_node *map,
                        const char *key, const char *choice)
{
    const struct doc_node *node = doc_get(map, key);

    if (node != NULL) {
        read_error(reader, &node->key->at, "\"%s\" means nothing with \"%s\"",
                   key, choice);
    }
}

static const struct {
    const char *key;
    unsigned kinds; /* bits of those that it is for */
} rate_keys[] = {
    {"every", 1u << CLUSTER_RATE_STEP},
    {"factor", 1u << CLUSTER_RATE_STEP | 1u << CLUSTER_RATE_PLATEAU},
    {"least", 1u << CLUSTER_RATE_COSINE | 1u << CLUSTER_RATE_PLATEAU},
    {"patience", 1u << CLUSTER_RATE_PLATEAU},
};

bool cluster_has_rate_key(const struct read_row *row, const void *base)
{
    const struct cluster_rate *rate = base;

    for (size_t i = 0; i < READ_COUNT(rate_keys); i++) {
        if (strcmp(rate_keys[i].key, row->key) == 0) {
            return (rate_keys[i].kinds >> rate->kind & 1) != 0;
        }
    }
    return true;
}

int cluster_check_rate(struct reader *reader, const struct doc_node *node,
                       void *base)
{
    static const char *const choices[] = {"kind: constant", "kind: step",
                                          "kind: cosine", "kind: plateau"};
    const struct cluster_rate *rate = base;

    for (size_t i = 0; i < READ_COUNT(rate_keys); i++) {
        if ((rate_keys[i].kinds >> rate->kind & 1) == 0) {
            refuse_idle(reader, node, rate_keys[i].key, choices[rate->kind]);
        }
    }
    if (node != NULL && rate->kind == CLUSTER_RATE_STEP &&
        doc_get(node, "every") == NULL) {
        read_error(reader, doc_at(node),
                   "\"kind: step\" needs \"every\", the epochs between two "
                   "cuts of the rate");
    }
    return 0;
}

bool cluster_has_sgd(const struct read_row *row, const void *base)
{
    (void)row;
    return ((const struct cluster_training *)base)->optimizer ==
           CLUSTER_OPTIMIZER_SGD;
}

static void check_optimizer(struct reader *reader, const struct doc_node *node,
                            const struct cluster_training *t)
{
    const struct doc_node *nesterov = doc_get(node, "nesterov");

    if (t->optimizer == CLUSTER_OPTIMIZER_ADAM) {
        refuse_idle(reader, node, "momentum", "optimizer: adam");
        refuse_idle(reader, node, "nesterov", "optimizer: adam");
    } else if (t->nesterov && t->momentum <= 0 && nesterov != NULL) {
        read_error(reader, &nesterov->at,
                   "\"nesterov\" needs a \"momentum\" above 0");
    }
}

static void refuse_auto(struct reader *reader, const struct doc_node *node,
                        const struct cluster_codec *codec)
{
    if (codec->is_auto && node != NULL) {
        read_error(reader, &node->at,
                   "\"auto\" is for links of inference; name a codec, such as "
                   "q8");
    }
}

int cluster_check_training(struct reader *reader, const struct doc_node *node,
                           void *base)
{
    const struct cluster_training *t = base;
    const struct doc_node *parts = doc_get(node, "microbatches");

    if (node == NULL) {
        return 0;
    }
    refuse_auto(reader, doc_get(node, "codec"), &t->codec);
    refuse_auto(reader, doc_get(node, "reduce_codec"), &t->reduce_codec);
    check_optimizer(reader, node, t);
    cluster_check_lossy(reader, node, t);
    if (t->microbatches > t->batch && parts != NULL) {
        read_error(reader, &parts->at,
                   "a \"batch\" of %u cannot have %u \"microbatches\"",
                   t->batch, t->microbatches);
    }
    return 0;
}

/* The forms in a profiles file that only it has, and its checks. */
#include "config/profiles_parts.h"
#include "config/read_types.h"
#include "config/value.h"

#include "base/err.h"
#include "base/suggest.h"

#include <stdio.h>
#include <string.h>

#define LINK_BIT_S 1e9 /* where none is given */

/* ---- a number with a unit ------------------------------------------------ */

struct unit {
    const char *name;
    double factor;
};

static const struct unit times[] = {
    {"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {NULL, 0}};
static const struct unit bits[] = {
    {"bit/s", 1}, {"kbit/s", 1e3}, {"Mbit/s", 1e6}, {"Gbit/s", 1e9}, {NULL, 0}};
static const struct unit bytes[] = {{"B/s", 1},
                                    {"KiB/s", 1024},
                                    {"MiB/s", 1048576},
                                    {"GiB/s", 1073741824},
                                    {NULL, 0}};
static const struct unit macs[] = {
    {"M/s", 1e6}, {"G/s", 1e9}, {"T/s", 1e12}, {NULL, 0}};

/* The unit begins with the first character that no number has; "e" does, but
 * an exponent would only hide what is meant. */
static bool parse_quantity(const char *text, const struct unit *units,
                           double *out, const char **why)
{
    size_t n = strspn(text, "0123456789.");
    char number[32];

    *why = NULL;
    if (n == 0 || n >= sizeof(number)) {
        return false;
    }
    memcpy(number, text, n);
    number[n] = '\0';
    if (!value_real(number, out, why)) {
        return false;
    }
    *why = text[n] == '\0' ? "the unit is missing" : "there is no such unit";
    for (; units->name != NULL; units++) {
        if (strcmp(text + n, units->name) == 0) {
            *out *= units->factor;
            *why = NULL;
            return true;
        }
    }
    return false;
}

static bool take_quantity(struct reader *reader, const struct read_row *row,
                          const struct doc_node *node, const struct unit *units,
                          double *value)
{
    const char *why = NULL;
    double number = 0;

    if (node->kind == DOC_BAD) {
        return false;
    }
    if (node->kind != DOC_SCALAR || !node->is_plain ||
        !parse_quantity(node->text, units, &number, &why)) {
        read_refuse(reader, row, node, why);
        return false;
    }
    if (number < row->min || number > row->max) {
        read_refuse(reader, row, node,
                    number < row->min ? "it is too small" : "it is too large");
        return false;
    }
    *value = number;
    return true;
}

static int set_quantity(struct reader *reader, const struct read_row *row,
                        const struct doc_node *node, const struct unit *units,
                        void *base)
{
    double value = 0;

    if (take_quantity(reader, row, node, units, &value)) {
        memcpy((char *)base + row->offset, &value, sizeof(value));
    }
    return 0;
}

int profiles_own_time(struct reader *reader, const struct read_row *row,
                      const struct doc_node *node, void *base)
{
    return set_quantity(reader, row, node, times, base);
}

int profiles_own_bits(struct reader *reader, const struct read_row *row,
                      const struct doc_node *node, void *base)
{
    return set_quantity(reader, row, node, bits, base);
}

int profiles_own_bytes(struct reader *reader, const struct read_row *row,
                       const struct doc_node *node, void *base)
{
    return set_quantity(reader, row, node, bytes, base);
}

int profiles_own_macs(struct reader *reader, const struct read_row *row,
                      const struct doc_node *node, void *base)
{
    return set_quantity(reader, row, node, macs, base);
}

/* ---- layers and their times ---- */

/* "a..b" or "a", as in the stages of cluster.yaml. */
static int set_range(struct reader *reader, const struct read_row *row,
                     const struct doc_node *node, struct profiles_layer *layer)
{
    const char *text = node->key->text;
    const char *dots = strstr(text, "..");
    size_t n = dots != NULL ? (size_t)(dots - text) : node->key->length;

    if (n == 0 || n > LIMIT_GRAPH_NAME ||
        node->key->length > 2 * LIMIT_GRAPH_NAME ||
        strchr(text, '\n') != NULL ||
        (dots != NULL && (dots[2] == '\0' || strstr(dots + 2, "..") != NULL))) {
        read_refuse(reader, row, node->key, NULL);
        return 0;
    }
    layer->at = node->key->at;
    layer->first = pool_text(read_pool(reader), text, n);
    layer->last = dots == NULL ? layer->first
                               : pool_text(read_pool(reader), dots + 2,
                                           node->key->length - n - 2);
    return layer->first != NULL && layer->last != NULL ? 0 : EDGE_ENOMEM;
}

int profiles_own_layers(struct reader *reader, const struct read_row *row,
                        const struct doc_node *node, void *base)
{
    struct profiles_kind *kind = base;
    struct profiles_layer *layers;

    if (node->kind != DOC_MAP || node->n == 0 ||
        node->n > PROFILES_LAYERS_MAX) {
        read_refuse(reader, row, node, NULL);
        return 0;
    }
    layers = pool_alloc(read_pool(reader), node->n, sizeof(*layers));
    if (layers == NULL) {
        return EDGE_ENOMEM;
    }
    for (const struct doc_node *it = node->first; it; it = it->next) {
        struct profiles_layer *layer = &layers[kind->n_layers];

        if (!take_quantity(reader, row, it, times, &layer->seconds)) {
            continue;
        }
        if (set_range(reader, row, it, layer) < 0) {
            return EDGE_ENOMEM;
        }
        kind->n_layers += layer->first != NULL ? 1 : 0;
    }
    kind->layers = layers;
    return 0;
}

/* ---- devices ---- */

/* A name in which * stands for any characters and ? for one. */
static bool is_pattern(const char *text)
{
    char name[LIMIT_NAME + 1];
    size_t n = strlen(text);

    if (n == 0 || n > LIMIT_NAME) {
        return false;
    }
    for (size_t i = 0; i <= n; i++) {
        name[i] = text[i] == '*' || text[i] == '?' ? 'x' : text[i];
    }
    return read_is_name(name);
}

int profiles_own_patterns(struct reader *reader, const struct read_row *row,
                          const struct doc_node *node, void *base)
{
    struct profiles_boards *boards = base;
    const struct doc_node *it = node->kind == DOC_LIST ? node->first : node;
    size_t n = node->kind == DOC_LIST ? node->n : 1;

    if (n == 0 || n > LIMIT_NODES || node->kind == DOC_MAP) {
        read_refuse(reader, row, node, NULL);
        return 0;
    }
    boards->devices = pool_alloc(read_pool(reader), n, sizeof(char *));
    if (boards->devices == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        if (it->kind != DOC_SCALAR || !is_pattern(it->text)) {
            read_refuse(reader, row, it, NULL);
            return 0;
        }
        boards->devices[i] = read_text(reader, it);
        if (boards->devices[i] == NULL) {
            return EDGE_ENOMEM;
        }
        boards->n_devices = i + 1;
        it = it->next;
    }
    return 0;
}

/* ---- checks ---- */

int profiles_check_kind(struct reader *reader, const struct doc_node *node,
                        void *base)
{
    struct profiles_kind *kind = base;

    kind->at = *doc_at(node);
    if (kind->macs_per_s <= 0 && kind->n_layers == 0) {
        read_error(reader, doc_at(node),
                   "kind \"%s\" needs \"macs\" or \"layers\": nothing says how "
                   "fast it is",
                   kind->name);
    }
    return 0;
}

int profiles_check_boards(struct reader *reader, const struct doc_node *node,
                          void *base)
{
    struct profiles_boards *boards = base;
    bool by_what = boards->n_devices > 0 || boards->n_labels > 0;

    boards->at = *doc_at(node);
    if (by_what == (boards->count > 0)) {
        read_error(reader, doc_at(node),
                   by_what ? "boards that \"count\" adds are no devices of "
                             "cluster.yaml; make them an entry of their own"
                           : "say which boards: \"devices\" or \"labels\" of "
                             "cluster.yaml, or a \"count\" of more");
    }
    return 0;
}

static void find_kind(struct reader *reader, const struct profiles *profiles,
                      struct profiles_boards *boards)
{
    struct suggest suggest;
    const char *best;

    suggest_init(&suggest, boards->kind);
    for (size_t i = 0; i < profiles->n_kinds; i++) {
        if (strcmp(profiles->kinds[i].name, boards->kind) == 0) {
            boards->kind_index = i;
            return;
        }
        suggest_try(&suggest, profiles->kinds[i].name);
    }
    best = suggest_best(&suggest);
    read_error(reader, &boards->at, "there is no kind \"%s\"%s%s%s",
               boards->kind, best != NULL ? "; did you mean \"" : "",
               best != NULL ? best : "", best != NULL ? "\"?" : "");
}

/* A kind's own link, or that of all. */
static void fill_links(struct profiles *profiles)
{
    if (profiles->link.bit_s <= 0) {
        profiles->link.bit_s = LINK_BIT_S;
    }
    for (size_t i = 0; i < profiles->n_kinds; i++) {
        struct profiles_link *link = &profiles->kinds[i].link;

        *link = link->bit_s > 0 ? *link : profiles->link;
    }
}

int profiles_check_top(struct reader *reader, const struct doc_node *node,
                       void *base)
{
    struct profiles *profiles = base;
    uint64_t count = 0;

    fill_links(profiles);
    for (size_t i = 0; i < profiles->n_boards; i++) {
        struct profiles_boards *boards = &profiles->boards[i];

        if (boards->kind == NULL) {
            continue; /* reported already */
        }
        find_kind(reader, profiles, boards);
        count += boards->count;
        if (boards->name == NULL) {
            boards->name = boards->kind;
        }
    }
    if (count > LIMIT_NODES) {
        read_error(reader, doc_at(doc_get(node, "boards")),
                   "%llu boards, at most %d can be", (unsigned long long)count,
                   LIMIT_NODES);
    }
    return 0;
}

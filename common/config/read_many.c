/* Values that hold several: lists and mappings. */
#include "config/read_types.h"

#include "config/value.h"

#include "base/err.h"

#include <string.h>

static size_t limit_of(const struct read_row *row)
{
    return row->max > 0 ? (size_t)row->max : LIMIT_NODES;
}

/* True if `node` is of `kind` and holds something, but not too much. */
static bool check_many(struct reader *reader, const struct read_row *row,
                       const struct doc_node *node, enum doc_kind kind)
{
    char why[96];

    if (node->kind != kind || node->n == 0) {
        read_refuse(reader, row, node, NULL);
        return false;
    }
    if (node->n > limit_of(row)) {
        (void)snprintf(why, sizeof(why), "%zu are more than the %zu allowed",
                       node->n, limit_of(row));
        read_refuse(reader, row, node, why);
        return false;
    }
    return true;
}

/* An array of one zeroed item for each of `node`; NULL: out of memory. */
static char *make_array(struct reader *reader, const struct read_row *row,
                        const struct doc_node *node, void *base)
{
    char *items = pool_alloc(read_pool(reader), node->n, row->size);

    if (items != NULL) {
        memcpy((char *)base + row->offset, &items, sizeof(items));
        memcpy((char *)base + row->count, &node->n, sizeof(node->n));
    }
    return items;
}

static bool is_scalar(const struct doc_node *node)
{
    return node->kind == DOC_SCALAR && !read_is_nothing(node);
}

int read_names(struct reader *reader, const struct read_row *row,
               const struct doc_node *node, void *base)
{
    char *items;

    if (!check_many(reader, row, node, DOC_LIST)) {
        return 0;
    }
    for (const struct doc_node *it = node->first; it; it = it->next) {
        if (it->kind == DOC_BAD) {
            return 0;
        }
        if (!is_scalar(it) || !read_is_name(it->text)) {
            read_refuse(reader, row, it, NULL);
            return 0;
        }
    }
    items = make_array(reader, row, node, base);
    for (const struct doc_node *it = node->first; items && it; it = it->next) {
        char *name = read_text(reader, it);

        if (name == NULL) {
            return EDGE_ENOMEM;
        }
        memcpy(items, &name, sizeof(name));
        items += row->size;
    }
    return items != NULL ? 0 : EDGE_ENOMEM;
}

int read_pairs(struct reader *reader, const struct read_row *row,
               const struct doc_node *node, void *base)
{
    struct config_pair *pair;

    if (!check_many(reader, row, node, DOC_MAP)) {
        return 0;
    }
    pair = (void *)make_array(reader, row, node, base);
    for (const struct doc_node *it = node->first; pair && it; it = it->next) {
        if (!is_scalar(it)) {
            read_refuse(reader, row, it, NULL);
            break;
        }
        pair->name = read_text(reader, it->key);
        pair->value = read_text(reader, it);
        if (pair->name == NULL || pair->value == NULL) {
            return EDGE_ENOMEM;
        }
        pair++;
    }
    return pair != NULL ? 0 : EDGE_ENOMEM;
}

int read_numbers(struct reader *reader, const struct read_row *row,
                 const struct doc_node *node, void *base)
{
    struct config_number *number;
    const char *why = NULL;

    if (!check_many(reader, row, node, DOC_MAP)) {
        return 0;
    }
    number = (void *)make_array(reader, row, node, base);
    for (const struct doc_node *it = node->first; number && it; it = it->next) {
        if (!is_scalar(it) || !value_real(it->text, &number->value, &why)) {
            read_refuse(reader, row, it, why);
            break;
        }
        number->name = read_text(reader, it->key);
        if (number->name == NULL) {
            return EDGE_ENOMEM;
        }
        number++;
    }
    return number != NULL ? 0 : EDGE_ENOMEM;
}

int read_map(struct reader *reader, const struct read_row *row,
             const struct doc_node *node, void *base)
{
    if (node->kind != DOC_MAP) {
        read_refuse(reader, row, node, NULL);
        return 0;
    }
    return read_push(reader, row->table, node, (char *)base + row->offset);
}

int read_maps(struct reader *reader, const struct read_row *row,
              const struct doc_node *node, void *base)
{
    char *item;

    if (!check_many(reader, row, node, DOC_LIST)) {
        return 0;
    }
    item = make_array(reader, row, node, base);
    for (const struct doc_node *it = node->first; item && it; it = it->next) {
        if (it->kind == DOC_MAP) {
            if (read_push(reader, row->table, it, item) < 0) {
                return EDGE_ENOMEM;
            }
        } else if (it->kind != DOC_BAD) {
            read_refuse(reader, row, it, NULL);
        }
        item += row->size;
    }
    return item != NULL ? 0 : EDGE_ENOMEM;
}

int read_keyed(struct reader *reader, const struct read_row *row,
               const struct doc_node *node, void *base)
{
    char *item;

    if (!check_many(reader, row, node, DOC_MAP)) {
        return 0;
    }
    item = make_array(reader, row, node, base);
    for (const struct doc_node *it = node->first; item && it; it = it->next) {
        char *name = read_text(reader, it->key);

        if (name == NULL) {
            return EDGE_ENOMEM;
        }
        memcpy(item, &name, sizeof(name));
        if (it->kind == DOC_MAP) {
            if (read_push(reader, row->table, it, item) < 0) {
                return EDGE_ENOMEM;
            }
        } else if (it->kind != DOC_BAD) {
            read_refuse(reader, row, it, NULL);
        }
        item += row->size;
    }
    return item != NULL ? 0 : EDGE_ENOMEM;
}

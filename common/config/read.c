#include "config/read.h"

#include "config/read_types.h"
#include "config/text.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/suggest.h"

#include <string.h>

/* One mapping to read. */
struct read_work {
    const struct read_table *table;
    const struct doc_node *node; /* NULL: not in the file */
    void *base;
    bool has_error;
};

struct reader {
    const struct doc_node *root;
    const struct read_table *table; /* of the root */
    struct pool *pool;
    struct config_errors *errors;
    struct read_work *works;
    size_t n;
    size_t capacity;
};

/* ---- errors ---- */

struct pool *read_pool(const struct reader *reader)
{
    return reader->pool;
}

const struct doc_node *read_root(const struct reader *reader)
{
    return reader->root;
}

bool read_is_full(const struct reader *reader)
{
    return reader->errors->n == LIMIT_CONFIG_ERRORS;
}

void read_error(struct reader *reader, const struct config_at *at,
                const char *format, ...)
{
    va_list args;

    va_start(args, format);
    config_error_va(reader->errors, at, format, args);
    va_end(args);
}

void read_warning(struct reader *reader, const struct config_at *at,
                  const char *format, ...)
{
    char text[sizeof(reader->errors->items[0].text)];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    config_warning(reader->errors, at, "%s", text);
}

void read_later(struct reader *reader, const struct config_at *at,
                const char *what)
{
    read_error(reader, at, "%s is not supported by this version of edged yet",
               what);
}

static const char *name_node(const struct doc_node *node, char out[TEXT_QUOTE])
{
    switch (node->kind) {
    case DOC_LIST: return node->n > 0 ? "a list" : "an empty list";
    case DOC_MAP: return node->n > 0 ? "a mapping" : "an empty mapping";
    default: break;
    }
    return read_is_nothing(node) ? "nothing"
                                 : text_quote(out, node->text, node->length);
}

/* The nearest word that could be meant, or NULL. */
static const char *near_word(const struct read_row *row,
                             const struct doc_node *node)
{
    struct suggest suggest;

    if (row->words == NULL || node->kind != DOC_SCALAR) {
        return NULL;
    }
    suggest_init(&suggest, node->text);
    for (const struct read_word *w = row->words; w->word != NULL; w++) {
        suggest_try(&suggest, w->word);
    }
    return suggest_best(&suggest);
}

void read_refuse(struct reader *reader, const struct read_row *row,
                 const struct doc_node *node, const char *why)
{
    const char *hint = near_word(row, node);
    bool is_item = node->key == NULL || strcmp(node->key->text, row->key) != 0;
    char takes[READ_TAKES];
    char quoted[TEXT_QUOTE];

    read_error(reader, doc_at(node), "\"%s\" must be %s%s %s%s%s%s%s%s",
               row->key, read_takes(row, takes),
               is_item ? "; this is" : ", not", name_node(node, quoted),
               why != NULL ? ": " : "", why != NULL ? why : "",
               hint != NULL ? "; did you mean \"" : "",
               hint != NULL ? hint : "", hint != NULL ? "\"?" : "");
}

char *read_text(struct reader *reader, const struct doc_node *node)
{
    return pool_text(reader->pool, node->text, node->length);
}

int read_push(struct reader *reader, const struct read_table *table,
              const struct doc_node *node, void *base)
{
    int rc = mem_grow(&reader->works, &reader->capacity, reader->n,
                      sizeof(reader->works[0]));

    if (rc == 0) {
        reader->works[reader->n++] =
            (struct read_work){.table = table, .node = node, .base = base};
    }
    return rc;
}

/* ---- unknown keys ---- */

/* Puts `below` at place `at`, unless it is there already; returns the number
 * of tables. */
static size_t add_table(const struct read_table *out[READ_TABLES], size_t n,
                        size_t at, const struct read_table *below)
{
    for (size_t i = 0; i < n; i++) {
        if (out[i] == below) {
            return n;
        }
    }
    if (below == NULL || n == READ_TABLES) {
        return n;
    }
    memmove(&out[at + 1], &out[at], (n - at) * sizeof(out[0]));
    out[at] = below;
    return n + 1;
}

size_t read_tables(const struct read_table *table,
                   const struct read_table *out[READ_TABLES])
{
    size_t n = 1;

    out[0] = table;
    for (size_t i = 0; i < n; i++) {
        size_t at = i + 1;

        for (size_t j = 0; j < out[i]->n; j++) {
            size_t before = n;

            n = add_table(out, n, at, out[i]->rows[j].table);
            at += n - before;
        }
    }
    return n;
}

static const struct read_row *find_row(const struct read_table *table,
                                       const char *key)
{
    for (size_t i = 0; i < table->n; i++) {
        if (strcmp(table->rows[i].key, key) == 0) {
            return &table->rows[i];
        }
    }
    return NULL;
}

/* The one other table that has this key, or NULL. */
static const struct read_table *find_home(const struct reader *reader,
                                          const char *key)
{
    const struct read_table *tables[READ_TABLES];
    const struct read_table *home = NULL;
    size_t n = read_tables(reader->table, tables);

    for (size_t i = 0; i < n; i++) {
        if (find_row(tables[i], key) == NULL) {
            continue;
        }
        if (home != NULL) {
            return NULL;
        }
        home = tables[i];
    }
    return home;
}

static const struct read_row *near_row(const struct read_table *table,
                                       const char *key)
{
    struct suggest suggest;

    suggest_init(&suggest, key);
    for (size_t i = 0; i < table->n; i++) {
        suggest_try(&suggest, table->rows[i].key);
    }
    return suggest_best(&suggest) != NULL
               ? find_row(table, suggest_best(&suggest))
               : NULL;
}

/* Returns the row that was probably meant, or NULL. */
static const struct read_row *refuse_key(struct reader *reader,
                                         const struct read_table *table,
                                         const struct doc_node *key)
{
    const struct read_table *home = NULL;
    const struct read_row *near = NULL;
    char quoted[TEXT_QUOTE];

    if (!read_is_full(reader)) {
        home = find_home(reader, key->text);
        near = near_row(table, key->text);
    }
    (void)text_quote(quoted, key->text, key->length);
    if (home != NULL && home->name[0] == '\0') {
        read_error(reader, &key->at,
                   "unknown key %s; it belongs to the top of the file", quoted);
    } else if (home != NULL) {
        read_error(reader, &key->at, "unknown key %s; it belongs to \"%s\"",
                   quoted, home->name);
    } else if (near != NULL) {
        read_error(reader, &key->at, "unknown key %s; did you mean \"%s\"?",
                   quoted, near->key);
        return near;
    } else {
        read_error(reader, &key->at, "unknown key %s", quoted);
    }
    return NULL;
}

/* Bit i of *meant is set if a mistyped key probably stands for row i. */
static void check_keys(struct reader *reader, const struct read_work *work,
                       uint64_t *meant)
{
    const struct read_table *table = work->table;

    for (const struct doc_node *v = work->node->first; v; v = v->next) {
        const struct read_row *row;

        if (find_row(table, v->key->text) != NULL) {
            continue;
        }
        row = refuse_key(reader, table, v->key);
        if (row != NULL) {
            *meant |= (uint64_t)1 << (row - table->rows);
        }
    }
}

/* ---- rows ---- */

/* A default is read as if it stood in the file; tests see to it that each can
 * be. */
static int apply_default(struct reader *reader, const struct read_row *row,
                         void *base)
{
    const struct doc_node node = {
        .kind = DOC_SCALAR,
        .is_plain = true,
        .text = row->initial,
        .length = row->initial != NULL ? strlen(row->initial) : 0,
    };

    if (row->type == READ_MAP) {
        return read_push(reader, row->table, NULL, (char *)base + row->offset);
    }
    return row->initial != NULL ? read_value(reader, row, &node, base) : 0;
}

static void miss_key(struct reader *reader, const struct read_row *row,
                     const struct doc_node *node)
{
    struct config_at at = node->at;
    char takes[READ_TAKES];

    if (node == reader->root) { /* the text has no better place for it */
        at = (struct config_at){.line = 1, .column = 1};
    } else if (node->key != NULL) {
        at = node->key->at;
    }
    if (node->key == NULL && node != reader->root) {
        at.end_line = at.line;
        at.end_column = at.column;
    }
    read_error(reader, &at, "the key \"%s\" is missing%s%s", row->key,
               row->type == READ_MAP ? ": " : "; it takes ",
               row->type == READ_MAP ? row->help : read_takes(row, takes));
}

static int read_row(struct reader *reader, const struct read_work *work,
                    const struct read_row *row, bool is_meant)
{
    const struct doc_node *node = doc_get(work->node, row->key);
    char what[TEXT_QUOTE];
    int rc = 0;

    if (row->flags & READ_LATER) {
        if (node != NULL) {
            (void)snprintf(what, sizeof(what), "\"%s\"", row->key);
            read_later(reader, &node->key->at, what);
        }
        return 0;
    }
    if (node == NULL && work->node != NULL && !is_meant &&
        (row->flags & READ_REQUIRED)) {
        miss_key(reader, row, work->node);
    }
    /* A mapping in the file brings the defaults of its own keys. */
    if (row->type != READ_MAP || node == NULL || node->kind != DOC_MAP) {
        rc = apply_default(reader, row, work->base);
    }
    return rc == 0 && node != NULL ? read_value(reader, row, node, work->base)
                                   : rc;
}

static int read_mapping(struct reader *reader, size_t index)
{
    struct read_work work = reader->works[index]; /* the array may move */
    uint64_t meant = 0;
    size_t before;
    int rc = 0;

    if (work.node != NULL) {
        check_keys(reader, &work, &meant);
    }
    before = reader->errors->n_errors;
    for (size_t i = 0; i < work.table->n && rc == 0; i++) {
        rc = read_row(reader, &work, &work.table->rows[i], meant >> i & 1);
    }
    reader->works[index].has_error = reader->errors->n_errors > before;
    return rc;
}

/* What is below first: a table's check may rely on those of its parts. */
static int run_checks(struct reader *reader)
{
    int rc = 0;

    for (size_t i = reader->n; i > 0 && rc == 0; i--) {
        const struct read_work *work = &reader->works[i - 1];

        if (work->table->check != NULL &&
            (work->table->is_robust || !work->has_error)) {
            rc = work->table->check(reader, work->node, work->base);
        }
    }
    return rc;
}

static int read_all(struct reader *reader, void *base)
{
    int rc = read_push(reader, reader->table, reader->root, base);

    for (size_t i = 0; i < reader->n && rc == 0; i++) {
        rc = read_mapping(reader, i);
    }
    return rc == 0 ? run_checks(reader) : rc;
}

/* An empty file is fine where every key has a default. */
static bool check_root(struct reader *reader)
{
    static const struct config_at start = {.line = 1, .column = 1};
    const struct doc_node *root = reader->root;
    bool is_needed = false;

    for (size_t i = 0; i < reader->table->n; i++) {
        is_needed |= reader->table->rows[i].flags & READ_REQUIRED;
    }
    if (root == NULL || read_is_nothing(root)) {
        reader->root = NULL;
        if (is_needed) {
            config_error(reader->errors, &start, "the file is empty");
        }
        return !is_needed;
    }
    if (root->kind != DOC_MAP) {
        config_error(reader->errors, &root->at,
                     "the file must be a mapping of keys to values, such as "
                     "\"name: home\"");
        return false;
    }
    return true;
}

int read_tree(const struct doc *doc, const struct read_table *table, void *base,
              struct pool *pool, struct config_errors *errors)
{
    struct reader reader = {
        .root = doc_root(doc),
        .table = table,
        .pool = pool,
        .errors = errors,
    };
    int rc;

    if (!check_root(&reader)) {
        return EDGE_ECONFIG;
    }
    rc = read_all(&reader, base);
    mem_free(reader.works);
    if (rc == 0 && errors->n_errors > 0) {
        rc = EDGE_ECONFIG;
    }
    return rc;
}

int read_whole(const char *text, size_t size, const char *label,
               const struct read_table *table, void *base, struct pool *pool,
               struct config_errors *errors)
{
    struct doc *doc = NULL;
    int rc;

    config_errors_init(errors, label, text, size);
    rc = doc_read(text, size, errors, &doc);
    if (rc == 0) {
        rc = read_tree(doc, table, base, pool, errors);
    }
    doc_free(doc);
    return rc;
}

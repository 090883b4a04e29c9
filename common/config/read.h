/*
 * A doc's tree into a struct, by tables.
 *
 * A table is a mapping, a row one of its keys: type, field, range, default and
 * a line of help. From the same rows come checking and defaults (here), the
 * reference page and the JSON Schema (reference.h). A key that is in no row,
 * or not in this release, is an error; nothing is ignored. All errors of a
 * file are found in one go: a wrong value leaves the default in its place.
 *
 * What is read is allocated from one pool, the struct's owner's.
 */
#ifndef EDGE_CONFIG_READ_H
#define EDGE_CONFIG_READ_H

#include "config/doc.h"
#include "config/errors.h"
#include "config/pool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum read_type {
    READ_TEXT,     /* char *; one line of at most `max` bytes, 0: 1024 */
    READ_PATH,     /* char * */
    READ_NAME,     /* char *; of a node, shard or deployment */
    READ_HOST,     /* char *; a name or an address */
    READ_DIGEST,   /* char *; 64 hexadecimal digits */
    READ_INT,      /* any integer field */
    READ_REAL,     /* float or double */
    READ_PERCENT,  /* float or double, 1 is 100% */
    READ_DURATION, /* unsigned field, milliseconds */
    READ_BYTES,    /* unsigned field */
    READ_CHOICE,   /* int or enum: one of `words` */
    READ_NAMES,    /* char **, and its count */
    READ_PAIRS,    /* struct config_pair *, and its count */
    READ_NUMBERS,  /* struct config_number *, and its count */
    READ_MAP,      /* a struct, by `table` */
    READ_MAPS,     /* list of mappings: array of structs, and its count */
    READ_KEYED,    /* mapping of mappings: likewise; a struct begins with the
                      key, `char *name` */
    READ_OWN,      /* by the row's own function */
};

enum read_flags {
    READ_REQUIRED = 1,
    READ_LATER = 2, /* known, but not supported by this release: an error */
};

struct config_pair {
    char *name;
    char *value;
};

struct config_number {
    char *name;
    double value;
};

/* A word that stands for a value: "none", "auto", or a choice. Arrays of them
 * end with a NULL word. */
struct read_word {
    const char *word;
    int value;
    bool is_later; /* as READ_LATER */
};

struct reader;
struct read_row;
struct read_table;

/* Reads `node` into `base`, the struct of the row's table. Errors of the file
 * are reported with the functions below and are no failure: 0, or
 * EDGE_ENOMEM. */
typedef int (*read_own)(struct reader *reader, const struct read_row *row,
                        const struct doc_node *node, void *base);

/* Called when the whole file has been read, after those of the tables below,
 * to check what no single row can; not if a value of the table's own is wrong,
 * unless it is robust: then such fields hold their default, and what has none
 * is zero. `node` is NULL where the file does not have the mapping. 0 or
 * EDGE_ENOMEM. */
typedef int (*read_check)(struct reader *reader, const struct doc_node *node,
                          void *base);

struct read_row {
    const char *key;
    enum read_type type;
    size_t offset; /* of the field */
    size_t size;   /* of the field, or of one item of an array */
    size_t count;  /* offset of the count of an array, a size_t */
    double min;    /* of a number; both 0: any */
    double max;    /* of a number, a text's bytes, a list's items */
    double now;    /* larger numbers are READ_LATER; 0: none is */
    const struct read_word *words;
    const struct read_table *table;
    read_own own;
    /* For write.h, where the type does not tell: whether the value was given,
     * and how it is written, which own rows need. */
    bool (*is_set)(const struct read_row *row, const void *base);
    void (*write)(const struct read_row *row, const void *base, FILE *out);
    const char *takes;   /* what it takes, in words; most types know */
    const char *schema;  /* JSON Schema of an own row */
    const char *initial; /* the default, as it would be written; or NULL */
    const char *help;
    unsigned flags;
};

struct read_table {
    const char *name; /* its path from the top: "model.input"; "" is the top */
    const char *help;
    const struct read_row *rows;
    size_t n;
    read_check check;
    bool is_robust;
};

#define READ_COUNT(array) (sizeof(array) / sizeof((array)[0]))
/* The field of a row; an array with its count. */
#define READ_FIELD(type, member) \
    .offset = offsetof(type, member), .size = sizeof(((type *)NULL)->member)
#define READ_ARRAY(type, member, n)                                            \
    .offset = offsetof(type, member), .size = sizeof(*((type *)NULL)->member), \
    .count = offsetof(type, n)

/* Reads the tree into `base`, zeroed, by `table`; borrows nothing from `doc`.
 * 0, EDGE_ECONFIG if `errors` holds an error in the end, or EDGE_ENOMEM. */
int read_tree(const struct doc *doc, const struct read_table *table, void *base,
              struct pool *pool, struct config_errors *errors);

/* The same from a file's text, which `errors` quote as `label`'s: they are
 * begun here. */
int read_whole(const char *text, size_t size, const char *label,
               const struct read_table *table, void *base, struct pool *pool,
               struct config_errors *errors);

/* ---- for own rows and checks ---- */

struct pool *read_pool(const struct reader *reader);
/* The tree's root. */
const struct doc_node *read_root(const struct reader *reader);
void read_error(struct reader *reader, const struct config_at *at,
                const char *format, ...) __attribute__((format(printf, 3, 4)));
void read_warning(struct reader *reader, const struct config_at *at,
                  const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The error of a value that is not what the row takes; `why` adds to it, or is
 * NULL. */
void read_refuse(struct reader *reader, const struct read_row *row,
                 const struct doc_node *node, const char *why);
/* The error of what is known but not supported yet. */
void read_later(struct reader *reader, const struct config_at *at,
                const char *what);
/* Reads `node`, which must be a mapping or NULL for the defaults alone, into
 * `base` by `table`, later but before any check. */
int read_push(struct reader *reader, const struct read_table *table,
              const struct doc_node *node, void *base);
/* A scalar's text in the pool, NULL: out of memory. */
char *read_text(struct reader *reader, const struct doc_node *node);
/* True when more errors would only be counted: no need for hints. */
bool read_is_full(const struct reader *reader);

/* ---- for whoever shows the rows ---- */

/* "a whole number from 1 to 64, or none": what a row takes. Returns `out`. */
#define READ_TAKES 256
const char *read_takes(const struct read_row *row, char out[READ_TAKES]);

/* The table and those below it, in the order of their rows, each once and
 * after the one it is a part of; their number. */
#define READ_TABLES 48
size_t read_tables(const struct read_table *table,
                   const struct read_table *out[READ_TABLES]);

/* The rules of names and hosts (RELIABILITY, F24). */
bool read_is_name(const char *text);
bool read_is_host(const char *text);

#endif

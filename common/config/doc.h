/*
 * A YAML text as a tree in which every value knows its line and column.
 *
 * YAML here is the plain part of the language: one document of mappings, lists
 * and scalars. Anchors, aliases, tags, directives, duplicate keys and keys
 * that are no scalar are errors. Size, depth and the number of values are
 * bounded (limits.h), the depth as the text is read and not afterwards: libyaml
 * is slow on deep nesting. No I/O; any thread.
 */
#ifndef EDGE_CONFIG_DOC_H
#define EDGE_CONFIG_DOC_H

#include "config/errors.h"

#include <stdbool.h>
#include <stddef.h>

enum doc_kind {
    DOC_SCALAR,
    DOC_LIST,
    DOC_MAP,
    DOC_BAD /* not allowed and reported already: an alias, say */
};

/* Owned by its doc. Texts hold no control characters but tabs and line
 * breaks, and end in a NUL that `length` does not count. */
struct doc_node {
    enum doc_kind kind;
    bool is_plain; /* a scalar without quotes, so it may be a number */
    struct config_at at;
    const char *text; /* of a scalar */
    size_t length;
    const struct doc_node *key; /* of a mapping's value; NULL in a list */
    struct doc_node *first;     /* a list's items or a mapping's values */
    struct doc_node *next;      /* in the list or mapping it is in */
    size_t n;                   /* items or values */
};

struct doc;

/* 0: the tree is whole, though errors may have been added; EDGE_ECONFIG: there
 * is none, `errors` says why; EDGE_ENOMEM. A byte order mark is skipped. */
int doc_read(const char *text, size_t size, struct config_errors *errors,
             struct doc **doc);
void doc_free(struct doc *doc); /* NULL is fine */

/* NULL: the text is empty but for comments. */
const struct doc_node *doc_root(const struct doc *doc);

/* The value of a key, or NULL: no such key, or `map` is no mapping. */
const struct doc_node *doc_get(const struct doc_node *map, const char *key);

/* Where to point at for a value: itself, or its key if it has no text. */
const struct config_at *doc_at(const struct doc_node *node);

#endif

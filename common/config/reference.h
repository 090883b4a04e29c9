/*
 * The rows of a YAML file made readable: a page of Markdown for people and a
 * JSON Schema for editors. Both come from the rows that the reader uses, so
 * they cannot say anything else than it does.
 */
#ifndef EDGE_CONFIG_REFERENCE_H
#define EDGE_CONFIG_REFERENCE_H

#include "config/read.h"

#include <stdio.h>

/* A table of keys for each mapping; the caller writes the page's head. */
void reference_page(const struct read_table *table, FILE *out);

/* JSON Schema, draft 7. What this release does not support is refused. */
void reference_schema(const struct read_table *table, const char *title,
                      FILE *out);

#endif

/*
 * What a file was read into, as a file again: every key with its value, the
 * defaults filled in. Reading the result gives the same.
 */
#ifndef EDGE_CONFIG_WRITE_H
#define EDGE_CONFIG_WRITE_H

#include "config/read.h"

#include <stdio.h>

/* The mappings of a table are written on one line each, lists of them one item
 * a line. Keys that hold nothing, and those of later releases, are left out. */
void write_tree(const struct read_table *table, const void *base, FILE *out);

/* n mappings of a list, each on a line of its own. */
void write_items(const struct read_table *table, const void *items, size_t n,
                 size_t size, FILE *out);

/* For write functions of own rows: a text, in quotes if it needs them. */
void write_text(const char *text, FILE *out);

#endif

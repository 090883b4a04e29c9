/*
 * Private to read*.c: reading one value by its row.
 */
#ifndef EDGE_CONFIG_READ_TYPES_H
#define EDGE_CONFIG_READ_TYPES_H

#include "config/read.h"

/* 0, also after an error of the file; EDGE_ENOMEM. */
int read_value(struct reader *reader, const struct read_row *row,
               const struct doc_node *node, void *base);

/* Lists and mappings, in read_many.c. */
int read_names(struct reader *reader, const struct read_row *row,
               const struct doc_node *node, void *base);
int read_pairs(struct reader *reader, const struct read_row *row,
               const struct doc_node *node, void *base);
int read_numbers(struct reader *reader, const struct read_row *row,
                 const struct doc_node *node, void *base);
int read_map(struct reader *reader, const struct read_row *row,
             const struct doc_node *node, void *base);
int read_maps(struct reader *reader, const struct read_row *row,
              const struct doc_node *node, void *base);
int read_keyed(struct reader *reader, const struct read_row *row,
               const struct doc_node *node, void *base);

/* True for a key without a value, `null` and `~`. */
bool read_is_nothing(const struct doc_node *node);

#endif

/*
 * Private to profiles*.c: what the rows point to.
 */
#ifndef EDGE_CONFIG_PROFILES_PARTS_H
#define EDGE_CONFIG_PROFILES_PARTS_H

#include "config/profiles.h"

/* Own rows: a number with a unit, in seconds, bits, bytes, multiply-accumulates
 * a second. The row's min and max are in these, too. */
int profiles_own_time(struct reader *reader, const struct read_row *row,
                      const struct doc_node *node, void *base);
int profiles_own_bits(struct reader *reader, const struct read_row *row,
                      const struct doc_node *node, void *base);
int profiles_own_bytes(struct reader *reader, const struct read_row *row,
                       const struct doc_node *node, void *base);
int profiles_own_macs(struct reader *reader, const struct read_row *row,
                      const struct doc_node *node, void *base);
int profiles_own_layers(struct reader *reader, const struct read_row *row,
                        const struct doc_node *node, void *base);
int profiles_own_patterns(struct reader *reader, const struct read_row *row,
                          const struct doc_node *node, void *base);

/* Checks of a table. */
int profiles_check_kind(struct reader *reader, const struct doc_node *node,
                        void *base);
int profiles_check_boards(struct reader *reader, const struct doc_node *node,
                          void *base);
int profiles_check_top(struct reader *reader, const struct doc_node *node,
                       void *base);

#endif

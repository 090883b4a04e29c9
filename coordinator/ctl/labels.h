/*
 * The names of a model's classes: one per line of a text file, the first one
 * being class 0. Plain data; no I/O.
 */
#ifndef EDGE_CTL_LABELS_H
#define EDGE_CTL_LABELS_H

#include "base/err.h"

#include <stddef.h>

struct labels {
    char *text; /* owned; lines end in NUL */
    const char **names;
    size_t n;
};

/* A byte order mark, carriage returns and space at the end of lines are left
 * out, and so are empty lines at the end of the file. Bytes that are no UTF-8
 * and control characters become '?'. EDGE_ENOMEM. */
int labels_parse(const void *data, size_t size, struct labels *labels);
void labels_deinit(struct labels *labels); /* fine on a zeroed one */

/* The name of a class, "" if there is none. */
const char *labels_name(const struct labels *labels, size_t index);

#endif

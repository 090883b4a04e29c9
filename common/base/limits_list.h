/* All of limits.h as a list, for `edged --print-limits`. */
#ifndef EDGE_BASE_LIMITS_LIST_H
#define EDGE_BASE_LIMITS_LIST_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct limit {
    const char *name;
    uint64_t value;
    const char *what; /* its comment there; "": none */
};

/* Made from limits.h when this is built, so it lacks none. */
const struct limit *limits_list(size_t *n);
/* "LIMIT_HEAD 65536 the protobuf part of a frame", one a line. */
void limits_print(FILE *out);

#endif

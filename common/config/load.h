/* A YAML file of any kind, from its path to what its reader makes of it. */
#ifndef EDGE_CONFIG_LOAD_H
#define EDGE_CONFIG_LOAD_H

#include "config/errors.h"

#include "base/err.h"

/* One of the readers, such as cluster_read(); `out` is what it fills. */
typedef int (*config_reader)(const char *text, size_t size, const char *label,
                             void *out, struct config_errors *errors);

/* "-" is standard input. EDGE_ECONFIG with `errors`, which keep what they
 * quote; otherwise `err` says it. */
int config_load(const char *path, config_reader reader, void *out,
                struct config_errors *errors, struct err *err);

#endif

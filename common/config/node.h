/*
 * edged.yaml: the daemon's own settings, which belong to one board whatever
 * cluster it is in. Plain data, read only once it is made; whoever read it
 * frees it. Every key has a default, so the file may be empty or absent.
 */
#ifndef EDGE_CONFIG_NODE_H
#define EDGE_CONFIG_NODE_H

#include "config/errors.h"
#include "config/pool.h"
#include "config/read.h"

#include "base/err.h"
#include "base/log.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define NODE_CONFIG_PATH "/etc/edged/edged.yaml"

struct node_config {
    char *name;   /* NULL: the host's name */
    char *listen; /* address; NULL: every one */
    uint16_t port;
    char *state;      /* folder */
    uint64_t memory;  /* bytes for shards; 0: what is free */
    uint32_t threads; /* 0: one */
    char *coretype;   /* "auto", or what OpenBLAS calls a kind of core */
    enum log_level log;
    char *trace;      /* modules to trace, separated by commas; NULL: none */
    struct pool pool; /* private: holds all of the above */
};

/* As cluster_read() of config/cluster.h, and that from a file. */
int node_config_read(const char *text, size_t size, const char *label,
                     struct node_config **config, struct config_errors *errors);
int node_config_load(const char *path, struct node_config **config,
                     struct config_errors *errors, struct err *err);
/* What an empty file says. 0 or EDGE_ENOMEM. */
int node_config_default(struct node_config **config);
void node_config_free(struct node_config *config); /* NULL is fine */

const struct read_table *node_config_table(void);
void node_config_schema_json(FILE *out);
void node_config_reference(FILE *out);

#endif

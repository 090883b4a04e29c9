/*
 * The profiles file: what boards and links can do, for plans on paper
 * (`edgectl simulate`) and for boards that cannot be measured. Plain data,
 * read only once it is made; whoever read it frees it. What it means for a
 * model and for devices is coordinator/plan/profile_file.h.
 */
#ifndef EDGE_CONFIG_PROFILES_H
#define EDGE_CONFIG_PROFILES_H

#include "config/errors.h"
#include "config/pool.h"
#include "config/read.h"

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PROFILES_KINDS_MAX 16
#define PROFILES_LAYERS_MAX 256 /* of one kind */
#define PROFILES_BOARDS_MAX 64  /* entries, each of any number of boards */

struct profiles_layer { /* a range of layers and its time */
    char *first;        /* names of ops or values of the model */
    char *last;         /* the same where one was written */
    double seconds;
    struct config_at at; /* in the file */
};

struct profiles_link {
    double bit_s;
    double delay_s; /* one way */
};

struct profiles_kind {
    char *name;
    uint64_t memory; /* bytes for shards; 0: any amount */
    uint32_t threads;
    double macs_per_s;          /* 0: as its layers give it */
    double bytes_per_s;         /* of memory; 0: not a limit */
    double run_s;               /* to run a shard once, besides its layers */
    double message_s;           /* CPU time of a message sent or received */
    double message_bytes_per_s; /* and of its bytes; 0: none */
    struct profiles_link link;
    struct profiles_layer *layers;
    size_t n_layers;
    struct config_at at;
};

/* Which boards are of a kind: devices of cluster.yaml by patterns of their
 * names and by labels, or `count` more that are called NAME-1, NAME-2 ... */
struct profiles_boards {
    char *kind;
    char **devices;
    size_t n_devices;
    struct config_pair *labels;
    size_t n_labels;
    uint32_t count;
    char *name;
    size_t kind_index; /* into kinds */
    struct config_at at;
};

struct profiles {
    struct profiles_kind *kinds;
    size_t n_kinds;
    struct profiles_boards *boards; /* none: each device is of kind 0 */
    size_t n_boards;
    struct profiles_link link; /* of kinds that say nothing else; filled in */
    struct pool pool;          /* private: holds all of the above */
};

/* As cluster_read(), and that from a file, "-" being standard input. Other
 * codes, with a sentence in `err`: the file cannot be read; then `errors` is
 * empty. */
int profiles_read(const char *text, size_t size, const char *label,
                  struct profiles **profiles, struct config_errors *errors);
int profiles_load(const char *path, struct profiles **profiles,
                  struct config_errors *errors, struct err *err);
void profiles_free(struct profiles *profiles); /* NULL is fine */

/* The rows; the JSON Schema and the reference page made of them. */
const struct read_table *profiles_table(void);
void profiles_schema_json(FILE *out);
void profiles_reference(FILE *out);

#endif

/* Private to cmd_model.c and model_*.c: the verbs that need no cluster. */
#ifndef EDGE_CTL_MODEL_H
#define EDGE_CTL_MODEL_H

#include "coordinator/ctl/ctl.h"
#include "coordinator/ctl/named.h"
#include "coordinator/ctl/show.h"
#include "graph/graph.h"

struct model_options {
    const char *file;
    struct named_list inputs;
    const char *folder; /* NULL: none given */
    size_t stages;      /* 0: none given */
    const char *cut;    /* names with commas between; NULL: none given */
    struct ctl *ctl;    /* for options that all verbs share */
    /* new, head: */
    const char *out; /* the file; NULL: none given */
    uint64_t seed;
    bool is_seeded; /* one was given */
    size_t classes; /* 0: none given */
    /* new alone: */
    const char *form;   /* NULL: none given, as those below */
    const char *width;  /* a number, as "0.5" */
    const char *hidden; /* sizes with commas between */
    const char *init;   /* train or random */
    size_t devices;     /* ddnn: 0: none given, as the next */
    size_t filters;
    const char *aggregators; /* as "mp-cc" */
    bool has_edge;
};

/* Each returns 0 or an EDGE_E* with a sentence. */
int model_new(const struct ctl *ctl, struct model_options *options,
              struct err *err);
int model_head(const struct ctl *ctl, struct model_options *options,
               struct err *err);
int model_inspect(const struct ctl *ctl, struct model_options *options,
                  struct err *err);
int model_run(const struct ctl *ctl, struct model_options *options,
              struct err *err);
int model_export(const struct ctl *ctl, struct model_options *options,
                 struct err *err);

/* {"name":..., "type":..., "shape":[...]}; an open dimension is null. */
json_t *model_value_json(const struct graph *graph, int value);
json_t *model_shape_json(const struct shape *shape);
/* Constants that ops read: how many numbers, how many bytes. */
struct model_size {
    double parameters;
    double bytes;
    double macs;
};
struct model_size model_size(const struct graph *graph);

/* Writes it to `path` and says what was written; from here on the batch is
 * one. */
int model_write(const struct ctl *ctl, struct graph *graph, const char *path,
                struct err *err);

#endif

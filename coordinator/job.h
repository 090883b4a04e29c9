/*
 * What a deploy works out off the loop: the plan, its shards, and the golden
 * answer. The one who asks is rollout.c's; how it is done is plan_job.c's.
 */
#ifndef EDGE_COORDINATOR_JOB_H
#define EDGE_COORDINATOR_JOB_H

#include "base/store.h"
#include "config/cluster.h"
#include "coordinator/kept.h"
#include "coordinator/plan/choice.h"
#include "net/io.h"

struct plan_node { /* a device as it will be kept in state.db */
    char name[LIMIT_NAME + 1];
    char host[256];
    int port;
};

struct plan_device {
    char name[LIMIT_NAME + 1];
    uint64_t free_bytes;
    struct board_speed speed;
    double factor; /* by measure it computes so many times as long; 0: as said
                    */
};

struct plan_job {
    struct io_work work;
    void (*done)(struct plan_job *job);
    void *arg;
    /* In, borrowed until done. */
    struct store *store;
    struct state *state; /* NULL: a dry run, which needs no epoch */
    struct state *kept;  /* what was measured; NULL: nothing */
    /* Whether a model's file can be read without harm; NULL: not asked. */
    int (*guard)(const char *path, const char *label, struct err *err);
    const struct cluster *cluster;
    struct digest model;
    const struct digest *calibration; /* inputs to try codecs on; NULL: none */
    uint32_t generation;              /* what answers will name */
    const char *model_name;
    struct plan_device *devices; /* owned by the job */
    size_t n_devices;
    bool explain;          /* wanted */
    Edged__Placement *now; /* owned: what is in force, that the plan must be
                            * better than; NULL: any plan will do */
    double gain;           /* by so much, 0.15 being 15 % */
    bool stays;            /* else `now` is the plan; if not set, there is
                            * none: EDGE_EREFUSED */
    /* Out. */
    struct choices choices;        /* the plan, and what was rejected */
    Edged__PlanExplain *explained; /* the same in words, if it was asked for */
    int rc;
    struct err err;
    Edged__Placement *spec; /* taken by whoever reads it */
    uint64_t parameters;
    uint64_t weight_bytes;
    double macs;
    double slowest_s; /* predicted: of its stages */
    double total_s;
    double alone_s; /* of one device with the whole model; 0: cannot be */
    double
        now_s; /* unless `stays`: what it and the plan take by the goal, as */
    double best_s; /* boards are by measure: one request, or 1 / rate */
};
void plan_job_start(struct io *io, struct plan_job *job);
void plan_job_free(struct plan_job *job);
/* The model as it is cut; with `input`, what its metadata says of it. Off the
 * loop. */
struct graph;
int plan_read_model(const struct plan_job *job, struct graph **graph,
                    char **input, struct err *err);

/* shards.c: shard graphs -> exported blobs and links, for the job. */
struct parts;
int shards_describe(struct store *store, const struct graph *model,
                    const struct parts *parts, Edged__Placement *spec,
                    struct err *err);
/* golden.c: an input for the model, and what one process makes of it; with a
 * chain (NULL: none), what that makes of it, and how far it is from the
 * model's. */
struct chain;
struct rng;
void golden_fill(struct tensor *t, struct rng *rng);
struct working;
int golden_make(const struct working *w, const struct graph *model,
                struct chain *chain, Edged__Placement *spec, struct err *err);
/* The tensors of a golden blob; *tensors is for golden_free(). */
int golden_read(struct store *store, const Edged__BlobRef *ref,
                Edged__Port *const *ports, size_t n, struct tensor **tensors,
                struct err *err);
void golden_free(struct tensor *tensors, size_t n);
/* 0, or EDGE_ECORRUPT with the first value that differs too much; `loss` is
 * the placement's golden_loss. */
int golden_compare(const struct tensor *want, const struct tensor *got,
                   double loss, const char *name, struct err *err);
int placement_copy_ports(Edged__Placement *spec, const struct graph *model);

#endif

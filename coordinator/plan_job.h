/*
 * Between plan_*.c only: what one plan_job works with. Everything here runs on
 * the strand.
 */
#ifndef EDGE_COORDINATOR_PLAN_JOB_H
#define EDGE_COORDINATOR_PLAN_JOB_H

#include "chain/chain.h"
#include "coordinator/parts.h"
#include "coordinator/plan/leaving.h"
#include "coordinator/plan/pieces.h"
#include "coordinator/plan/search.h"
#include "coordinator/plan/tiers.h"

struct shard_place {      /* where a shard is */
    uint64_t needs_bytes; /* measured */
    size_t devices[LIMIT_REPLICAS];
    size_t n_devices;
};

struct working { /* released at the end of the job */
    struct plan_job *job;
    struct graph *graph;
    struct profile profile; /* of the job's devices, in their order */
    struct cost_model model;
    struct shard_place *places; /* one a shard */
    size_t n_places;
    struct parts parts;
    struct piece *pieces;    /* what each shard is */
    struct graph *rewritten; /* NULL: no stage is cut */
    struct codec *codecs;    /* one for each link of the parts */
    bool is_coded;           /* some of them round */
    bool is_lossy;           /* another answer than the model's */
    struct tiers tiers;
    bool has_tiers; /* the model has views; the graph is in their order */
    struct leaving leaving; /* its exits, if it has none; likewise */
};

/* plan_job.c: the model as it was sent, with nothing but that. Off the loop. */
int plan_import(const struct plan_job *job, struct graph **graph, char **input,
                struct err *err);

/* plan_profile.c: of the job's devices, in their order, for a model of so many
 * ops (cut.h); for profile_deinit(). Factors of devices that were profiled
 * since become 0. EDGE_ENOMEM or 0. */
int plan_profile(struct plan_job *job, size_t n_ops, struct profile *profile);

/* plan_stages.c: where the model may be cut; the plan, in job->choices. */
int plan_points(struct working *w, struct err *err);
int plan_stages(struct working *w, struct err *err);

/* plan_tiers.c: of a model with views, the graph in the order of its tiers, and
 * the stages that they are. */
int plan_tiers_arrange(struct working *w, Edged__Placement *spec,
                       struct err *err);
int plan_tiers_choose(struct working *w, struct err *err);
/* Its name, for mem_free(). */
char *plan_tiers_name(const struct working *w, size_t stage);
/* The graph's input that says which views there are, and that nobody sends. */
bool plan_tiers_is_present(const struct working *w, size_t input);
/* All are there, if it is that input. */
void plan_tiers_fill(const struct working *w, size_t input,
                     const struct tensor *t);
/* What the placement says of views; then where they are. */
int plan_tiers_describe(const struct working *w, Edged__Placement *spec,
                        struct err *err);
void plan_tiers_places(const struct working *w, Edged__Placement *spec);
/* plan_sources.c: where views come from, in the shards of their boards.
 * EDGE_ECONFIG: no picture becomes one of them. */
int plan_sources(const struct working *w, Edged__Placement *spec,
                 struct err *err);
/* How long a tier waits for views, and whoever waits for it, for its word. */
uint32_t plan_tiers_wait_ms(const struct working *w);

/* plan_exits.c: of a model without views, its ops in the order of its exits. */
int plan_exits_arrange(struct working *w, struct err *err);
/* Of either: who leaves where, and who waits for that; the gateway has one
 * output, whoever answers. */
int plan_exits_describe(const struct working *w, Edged__Placement *spec,
                        struct err *err);

/* plan_shards.c: the shards, and what the placement says of them. */
int plan_shards(struct working *w, Edged__Placement *spec, struct err *err);
/* As if plan_shards() and plan_links() had not been called. */
void plan_shards_undo(struct working *w, Edged__Placement *spec);

/* plan_links.c: how values travel from shard to shard; and all shards in this
 * process, for chain_free(). */
int plan_links(struct working *w, Edged__Placement *spec, struct err *err);
int plan_chain(const struct working *w, struct chain **chain, struct err *err);
/* What goes along a link. */
const struct value *plan_links_value(const struct working *w,
                                     const struct part_link *link);
/* False where values go as they are, whatever the file says. */
bool plan_links_may_code(const struct working *w, const struct part_link *link);
/* plan_auto.c: codecs[i] where is_auto[i], from what links can do and what the
 * codecs cost. */
int plan_auto(struct working *w, const bool *is_auto, struct err *err);
/* plan_zstd.c: zstd on top of the codecs, as links.zstd says. */
int plan_zstd(struct working *w, struct err *err);

struct plan_trial {        /* what codecs are tried with */
    struct chain *chain;   /* with the codecs that links had */
    struct tensor *inputs; /* n_inputs times n_ports */
    struct blob *pictures; /* of the user; NULL: the inputs are seeded */
    size_t n_inputs;
    size_t n_ports;
    size_t n_outputs;
};
struct plan_trial_rates {
    double bytes_per_s;
    double macs_per_s;
};
/* plan_trial.c: as many inputs as there is time for, at most inputs_max; for
 * plan_trial_deinit(), whatever comes back. */
int plan_trial_init(struct plan_trial *t, const struct working *w,
                    size_t inputs_max, struct err *err);
void plan_trial_deinit(struct plan_trial *t); /* fine on a zeroed one */
/* Input k through the shards; *first is their first output, for
 * tensor_deinit(). */
int plan_trial_run(struct plan_trial *t, size_t k, struct tensor *first,
                   struct err *err);
/* Bytes a second, the least of all pairs of devices that the link may join;
 * infinite where all stays on one device. */
double plan_trial_link(const struct working *w, const struct part_link *link);
/* The least of all boards. */
struct plan_trial_rates plan_trial_board(const struct working *w);

/* plan_devices.c: who gets which shard; EDGE_ENOFIT: it needs more than was
 * reckoned. */
int plan_devices(struct working *w, const Edged__Placement *spec,
                 struct err *err);
/* From the shards there are: what their like will take. */
void plan_learn(struct working *w);
int plan_places(const struct working *w, Edged__Placement *spec);

/* plan_drift.c: the plan, and what it was reckoned with, into the placement. */
int plan_drift_keep(const struct working *w, Edged__Placement *spec);
/* Whether job->now is to be the plan unless another one is better by enough:
 * not where it was guessed at, and now there are measurements. */
bool plan_drift_may_stay(const struct working *w);
/* job->now, reckoned with on the job's profile; for choice_deinit(), whatever
 * comes back. EDGE_ESTALE: it is not of these boards; EDGE_ENOMEM; or as
 * cost_choice(). */
int plan_drift_now(const struct working *w, struct choice *now,
                   struct err *err);
/* EDGE_EREFUSED: the plan is not better than job->now by enough, and why. */
int plan_drift_compare(struct working *w, struct err *err);

/* plan_say.c: what is predicted, for people. */
int plan_say(struct working *w, Edged__Placement *spec, struct err *err);

#endif

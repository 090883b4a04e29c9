/* Between rollout*.c, and replan.c and recovery.c, which begin some. */
#ifndef EDGE_COORDINATOR_ROLLOUT_H
#define EDGE_COORDINATOR_ROLLOUT_H

#include "coordinator/parts.h"

/*
 *   (STARTING ->) DEVICES -> PLANNING -> INSTALLING -> GOLDEN -> KEEPING ->
 * finished |          |            |           |          |
 *      +----------+------------+-----------+----------+--> failed
 *
 * A failure before the switch leaves everything as it was: the new placement
 * is retired, the old one has served all along.
 */
enum rollout_step {
    ROLLOUT_STARTING,   /* inside rollout_on_deploy() */
    ROLLOUT_DEVICES,    /* waiting for every device to be connected */
    ROLLOUT_PLANNING,   /* plan_job, on the compute strand */
    ROLLOUT_INSTALLING, /* seats push and plan */
    ROLLOUT_GOLDEN,     /* the golden input is on its way */
    ROLLOUT_KEEPING     /* state.db is written, on the disk strand */
};

struct rollout {
    struct list link;
    struct coordinator *c;
    struct io_peer *client; /* NULL: it left; the rollout goes on */
    enum rollout_step step;
    uint64_t started_us;
    uint64_t step_us;
    struct cluster *cluster; /* owned until the switch */
    struct deployment *deployment;
    bool is_new;      /* the deployment was made for this rollout */
    bool is_recovery; /* rollout_again.c; `client` is NULL and `cluster` too */
    bool is_urgent;
    bool is_replan; /* a recovery by its looks: rollout_replan.c */
    bool yields;    /* to a deploy, or because it is not needed any more */
    Edged__Placement *spec; /* of a recovery, until it is `next` */
    struct digest yaml;
    struct digest model;
    struct digest labels;
    bool has_labels;
    struct digest calibration;
    bool has_calibration;
    bool dry_run;
    bool explain;         /* the reply says why, in its payload */
    uint64_t plan_number; /* what the plan must be; 0: any */
    char model_name[256];
    struct member **members;
    size_t n_members;
    struct plan_job *job;
    Edged__PlanReport *report;
    struct placement *next;
    /* GOLDEN */
    struct tensor *want;
    size_t n_want;
    size_t n_golden; /* answers still to come */
    int golden_rc;
    struct err golden_err;
    /* KEEPING */
    struct io_work work;
    struct plan_node *nodes;
    int keep_rc;
    struct err keep_err;
    uint8_t *packed;
    size_t packed_size;
    uint32_t generation;
    uint64_t deployed_at_ms;
    uint64_t said_done; /* of the last Progress */
    uint64_t said_us;
};

void rollout_finish(struct rollout *r, int rc, const char *text);
/* To one whose deploy never became a rollout, or must end early; NULL: it has
 * left. */
void rollout_refuse(struct io_peer *client, int rc, const char *text);
/* Something has moved: is its step over? It may end, and be gone. */
void rollout_look(struct rollout *r);
void rollout_begin_planning(struct rollout *r);
void rollout_begin_golden(struct rollout *r);
void rollout_begin_keeping(struct rollout *r);
/* Takes over `spec`, without an epoch yet, unless it fails. */
int rollout_again(struct deployment *d, Edged__Placement *spec, bool is_urgent);
/* One of those, in PLANNING, in the list and its deployment's; NULL: out of
 * memory. */
struct rollout *rollout_new_again(struct deployment *d);
/* Plans `d` again: boards take factor(d, name) times as long as their profile
 * says, and the plan in force is to be beaten by `gain`. */
int rollout_replan(struct deployment *d, double gain,
                   double (*factor)(const struct deployment *d,
                                    const char *node));
/* Takes over a former placement, unless it fails. */
int rollout_back(struct deployment *d, Edged__Placement *spec);
/* The deployment goes while a job still works for it. */
void rollout_orphan(struct deployment *d);
/* As if it had not begun. */
void rollout_free(struct rollout *r);
/* A job for r->members, to be completed. NULL: out of memory. */
struct plan_job *rollout_job(struct rollout *r);
/* replan.c: may what was planned be tried? EDGE_EREFUSED says why not. */
int replan_accept(struct deployment *d, const struct plan_job *job,
                  struct err *err);
/* A user's deploy is under way, or waits for a recovery to give way. */
bool rollout_is_asked(const struct deployment *d);
/* A recovery ends, now or when a strand has given it back. */
void rollout_yield(struct rollout *r, const char *why);
/* recovery.c: how it ended; `blamed` kept it from succeeding, or is NULL. */
void recovery_ended(struct deployment *d, int rc, const char *text,
                    struct member *blamed);
void rollout_say(struct rollout *r, const char *phase, const char *node,
                 uint64_t done, uint64_t total, const char *text);

#endif

/*
 * Plans again when boards are not what was predicted of them, and goes back if
 * that was slower (docs/decisions/0022). What is decided, and when, is in
 * plan/drift.h; here it is fed, and done.
 *
 *   - only where the file leaves the plan to the planner and says `replan:
 *     auto`; otherwise what is seen is said, and nothing done
 *   - only while all is well: no board of the plan is lost, in doubt or
 *     drained, no deploy, recovery or other rollout is under way. A recovery
 *     or a deploy takes precedence
 *   - the new plan is a rollout like any other: the old one serves until the
 *     golden input came through the new one
 */
#ifndef EDGE_COORDINATOR_REPLAN_H
#define EDGE_COORDINATOR_REPLAN_H

#include "coordinator/plan/drift.h"

struct coordinator;
struct deployment;
struct replan_run;
struct Edged__Placement;

#define REPLAN_TEXT 400

struct replan { /* of a deployment */
    struct drift drift;
    uint32_t generation;     /* that it is about; 0: none yet */
    uint32_t epoch;          /* that its windows are about; 0: none */
    struct replan_run *runs; /* owned: what runs where in that epoch */
    size_t n_runs;
    struct drift_seen *seen; /* owned: by board */
    const char **boards;     /* owned; names, of the epoch's placement */
    size_t n_boards;
    struct Edged__Placement *former; /* owned: to go back to; NULL: none */
    struct Edged__Placement *tried;  /* owned: what is given up meanwhile */
    uint64_t plan;                   /* that the rollout brings */
    bool is_back;                    /* that brings the former one again */
    char cause[REPLAN_TEXT];         /* of the rollout that is under way */
    char said[REPLAN_TEXT];          /* what was last done or not, for people */
    uint32_t changes;
    uint32_t rollbacks;
};

/* placement_check.c: for edged__placement__free_unpacked(); NULL: out of
 * memory. */
struct Edged__Placement *placement_copy(const struct Edged__Placement *from);
/* Times as long as its profile says, by measure; 0: as it says. */
double placement_scale(const struct Edged__Placement *spec, const char *node);
/* Whether the planner put shard `i` there; and whether that is where it is,
 * spares apart. */
bool placement_is_planned_on(const struct Edged__Placement *spec, size_t i,
                             const char *node);
bool placement_is_as_planned(const struct Edged__Placement *spec, size_t i);

/* With every beat of the coordinator's own. */
void replan_tick(struct coordinator *c);
void replan_deinit(struct replan *replan);
/* How its rollout ended. */
void replan_ended(struct deployment *d, int rc, const char *text);
/* What is not as predicted now, for people; "": nothing, or not known yet. */
void replan_describe(const struct deployment *d, char *out, size_t size);

#endif

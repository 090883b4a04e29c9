/*
 * What outlives the coordinator, in SQLite: deployments, nodes, which of them
 * are drained, and the number of the next epoch. What was measured is in
 * kept.h.
 */
#ifndef EDGE_COORDINATOR_STATE_H
#define EDGE_COORDINATOR_STATE_H

#include "base/err.h"
#include "base/limits.h"
#include "base/store.h"

struct state;

struct state_row { /* a deployment, as kept */
    const char *name;
    uint32_t generation;
    uint32_t epoch;
    struct digest yaml;
    struct digest model;
    struct digest labels;
    bool has_labels;
    const char *model_name;
    uint64_t deployed_at_ms;
    const void *placement; /* a packed Placement */
    size_t placement_size;
};
struct state_node {
    const char *name;
    const char *host;
    int port;
};
/* `flags`: enum store_flags. */
int state_open(const char *path, int flags, struct state **state,
               struct err *err);
void state_close(struct state *state);
/* Each is one transaction, durable when it returns. */
int state_put(struct state *state, const struct state_row *row,
              struct err *err);
int state_delete(struct state *state, const char *name, struct err *err);
int state_put_node(struct state *state, const struct state_node *node,
                   struct err *err);
/* Forgets that it is drained, too. */
int state_delete_node(struct state *state, const char *name, struct err *err);
int state_put_drained(struct state *state, const char *name, bool on,
                      struct err *err);
typedef int (*state_each_name)(void *arg, const char *name, struct err *err);
int state_load_drained(struct state *state, state_each_name each, void *arg,
                       struct err *err);
/* The next epoch's number, never given out twice. */
int state_next_epoch(struct state *state, uint32_t *epoch, struct err *err);
typedef int (*state_each)(void *arg, const struct state_row *row,
                          struct err *err);
int state_load(struct state *state, state_each each, void *arg,
               struct err *err);
typedef int (*state_each_node)(void *arg, const struct state_node *node,
                               struct err *err);
int state_load_nodes(struct state *state, state_each_node each, void *arg,
                     struct err *err);

#endif

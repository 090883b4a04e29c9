/*
 * Asking the coordinator for faults on purpose: for the verbs fault and chaos.
 * Each is one request and one reply.
 */
#ifndef EDGE_CTL_FAULTS_H
#define EDGE_CTL_FAULTS_H

#include "coordinator/ctl/ctl.h"

#define FAULTS_PEERS 16

struct fault_wish { /* what a user asks for */
    Edged__FaultKind kind;
    const char *node;
    uint32_t ms;
    uint32_t permille;
    uint32_t factor_percent;
    uint32_t extra_ms;
    uint32_t rate_milli;
    Edged__FaultWay way;
    char *peers[FAULTS_PEERS]; /* borrowed */
    size_t n_peers;
};

/* Has the coordinator begin it; *id is its number then. */
int faults_begin(struct client *client, const struct fault_wish *wish,
                 uint32_t *id, struct err *err);
/* `id` 0, `node` "": any. The coordinator's sentence goes into `text`. */
int faults_clear(struct client *client, uint32_t id, const char *node,
                 char *text, size_t size, struct err *err);
/* A FaultList, for msg_deinit(). */
int faults_query(struct client *client, struct msg *msg, struct err *err);
/* A StatusReply, for msg_deinit(). */
int faults_status(struct client *client, struct msg *msg, struct err *err);
/* The state of a fault in a FaultList; NULL: it is not in there. */
const Edged__FaultState *faults_find(const Edged__FaultList *list, uint32_t id);

/* "kill", ...; NULL: none of them. */
const char *faults_name(Edged__FaultKind kind);
/* NONE: there is no such fault. */
Edged__FaultKind faults_kind(const char *name);
/* What it does, "x3.0 +20 ms" or "20 % of frames, from pi-1". */
void faults_describe(const Edged__Fault *fault, char *out, size_t size);

/* "30s", "500ms", "2m", a number of seconds -> ms; 0: none of these. */
uint32_t faults_duration(const char *text);

#endif

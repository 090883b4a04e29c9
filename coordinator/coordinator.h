/*
 * The coordinator: members, deployments, rollouts, the gateway. Lives on an
 * io, real or simulated; everything belongs to the loop thread.
 */
#ifndef EDGE_COORDINATOR_H
#define EDGE_COORDINATOR_H

#include "base/err.h"
#include "net/io.h"

struct coordinator;

/* What the program does with certificates; the simulation has none. */
struct coordinator_tls {
    void *arg;
    /* Those in the state folder are new, or others are refused: speak TLS with
     * them, and listen for nodes if that is not done yet. */
    int (*apply)(void *arg, struct err *err);
};

struct coordinator_config {
    const char *folder; /* state: blobs/ and state.db beneath it */
    int store_flags;    /* enum store_flags */
    bool insecure;      /* plain text: said in `status` */
    bool only_given;    /* forget kept nodes that are not given, nor needed */
    /* Looks whether a model can be read without harm, in a process of its own;
     * blocks, on the compute strand. NULL: it is read at once. */
    int (*guard)(const char *path, const char *label, struct err *err);
    void (*left)(void *arg); /* after coordinator_leave(): it may end */
    void *left_arg;
    bool allow_faults; /* as if a deployment said faults: allowed */
    const struct coordinator_tls *tls; /* borrowed; NULL: none */
    const char *cluster;               /* what `edgectl init` calls it */
    uint64_t token_ttl_ms;             /* 0: the defaults */
    uint64_t cert_ttl_ms;
};

int coordinator_new(struct io *io, const struct coordinator_config *config,
                    struct coordinator **coordinator, struct err *err);
/* Brings back the deployments that the folder keeps and dials every node. */
int coordinator_start(struct coordinator *coordinator, struct err *err);
/* A node that is known from the start: of `edgectl up`, or a list. */
int coordinator_add_node(struct coordinator *coordinator, const char *name,
                         const char *host, int port, struct err *err);
/* Begins nothing new, finishes what is under way within DRAIN_MS, then calls
 * left(). Once more: at once. */
void coordinator_leave(struct coordinator *coordinator);
/* Where nodes join. */
void coordinator_listens(struct coordinator *coordinator, const char *host,
                         int port);
/* "4 nodes, 1 deployment": for a service manager. */
void coordinator_summary(const struct coordinator *coordinator, char *out,
                         size_t size);
void coordinator_close(struct coordinator *coordinator);
void coordinator_free(struct coordinator *coordinator);

#endif

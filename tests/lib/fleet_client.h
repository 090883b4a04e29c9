/*
 * A client of a simulated cluster: what edgectl says, from a node of the
 * simulation. Each operation ends in one callback; when the connection goes
 * all that were under way end with EDGE_ECLOSED.
 */
#ifndef EDGE_TESTS_FLEET_CLIENT_H
#define EDGE_TESTS_FLEET_CLIENT_H

#include "base/store.h"
#include "tests/lib/fleet.h"
#include "tests/lib/fleet_model.h"

struct fleet_client {
    struct fleet *fleet;
    char name[24];
    struct io_identity id;
    struct io *io;
    struct io_peer *peer;
    struct list asks;    /* struct fleet_ask */
    struct list deploys; /* struct fleet_deploy */
    struct list undeploys;
    struct fleet_profile *profile; /* under way, or NULL */
    uint64_t next;                 /* number of a request */
    size_t strays; /* answers to nothing that was asked: must stay 0 */
    void (*on_up)(struct fleet_client *client); /* may be NULL */
    void *arg;
};

struct fleet_ask { /* one inference; the caller's memory until its callback */
    struct list link;
    struct fleet_client *client;
    uint64_t number;
    size_t set; /* of the model's inputs */
    struct tensor outputs[FLEET_PORTS];
    size_t n_outputs;
    int rc;
    char text[200];
    void (*done)(struct fleet_ask *ask); /* outputs go when it returns */
};

struct fleet_deploy {
    struct list link;
    struct fleet_client *client;
    struct blob *files[2]; /* the YAML and the model: the caller's */
    struct digest digests[2];
    size_t file; /* that is on its way; 2: the Deploy is */
    bool dry_run;
    int rc;
    char text[1000];
    uint64_t pushed;
    uint32_t generation;
    size_t n_progress;
    void (*done)(struct fleet_deploy *deploy);
};

struct fleet_undeploy {
    struct list link;
    int rc;
    char text[200];
    void (*done)(struct fleet_undeploy *undeploy);
};

struct fleet_profile { /* of what is deployed */
    bool fresh;
    int rc;
    char text[200];
    size_t n_boards;
    size_t n_whole; /* boards whose every op was measured */
    size_t n_links;
    double total_s; /* of the model, the sum over boards */
    void (*done)(struct fleet_profile *profile);
};

/* Dials at once. */
void fleet_client_init(struct fleet_client *client, struct fleet *fleet,
                       const char *name);
/* As by the end of its process; nothing may be under way. */
void fleet_client_deinit(struct fleet_client *client);
bool fleet_client_is_up(const struct fleet_client *client);

/* Each needs a client that is up; 0, or why it could not be sent (then there
 * is no callback). `deadline_ms` 0: the coordinator's. */
int fleet_ask(struct fleet_client *client, const char *deployment,
              const struct fleet_model *model, uint32_t deadline_ms,
              struct fleet_ask *ask);
/* One at a time. */
int fleet_deploy(struct fleet_client *client, struct fleet_deploy *deploy);
int fleet_undeploy(struct fleet_client *client, const char *deployment,
                   struct fleet_undeploy *undeploy);
/* One at a time. */
int fleet_profile(struct fleet_client *client, const char *deployment,
                  struct fleet_profile *profile);

#endif

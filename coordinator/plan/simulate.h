/*
 * A placement run on paper: a discrete-event simulation of requests through
 * shards on boards and links. Pure; the same seed gives the same figures.
 *
 * A board computes one shard at a time, first come first served; a message
 * costs processor time at both ends. A device sends over one port and takes in
 * over another, one message after the other each; a message is under way for
 * half the round trip and is passed on as it comes. Queues have no bound, but
 * the gateway admits LIMIT_GATEWAY_WINDOW requests at once and refuses more.
 * A shard that several feed gets all of a request on the replica that the
 * first of them chose.
 */
#ifndef EDGE_PLAN_SIMULATE_H
#define EDGE_PLAN_SIMULATE_H

#include "coordinator/plan/profile.h"

#include "base/err.h"

#define SIMULATE_OUTSIDE (-1) /* instead of a shard: the gateway */

struct simulate_shard {
    const size_t *devices; /* its replicas, of the profile */
    const double *seconds; /* of one run on each */
    size_t n_devices;
    size_t like; /* 1 + another shard on the same devices, whose choice of a
                    replica it shares for a request; 0: none */
};

struct simulate_link { /* one message a request */
    int from;          /* shard, or OUTSIDE */
    int to;
    double bytes;
};

struct simulate_model { /* all borrowed */
    const struct profile *profile;
    const struct simulate_shard *shards;
    size_t n_shards;
    const struct simulate_link *links; /* at most one between two */
    size_t n_links;
};

enum simulate_policy {
    SIMULATE_LEAST_EXPECTED, /* the replica that should be done first */
    SIMULATE_ROUND_ROBIN
};

struct simulate_options {
    enum simulate_policy policy;
    size_t clients;  /* each asks again once it is answered; or, if 0, */
    double rate;     /* so many requests a second, at random times */
    double for_s;    /* simulated; 0: until `requests` are answered */
    size_t requests; /* besides `warm_up`; 0: as long as for_s */
    size_t warm_up;  /* answers before anything is measured */
    uint64_t seed;
};

struct simulate_result {
    /* All in all, until the last request was answered: */
    uint64_t admitted;
    uint64_t answered;
    uint64_t refused;
    uint64_t events;
    /* Measured, after the warm-up: */
    double seconds;
    uint64_t requests; /* answered */
    double throughput; /* a second */
    double mean_s;     /* latency */
    double p50_s;
    double p99_s;
    bool is_cut;     /* it took too many events, and ended early */
    double *busy;    /* by device of the profile: share of the time */
    double *sent;    /* likewise: bytes */
    double *carried; /* by link of the model: bytes */
    uint64_t *runs;  /* by device: of shards */
    size_t n_devices;
    size_t n_links;
};

/* EDGE_EINVAL names what is wrong with the model or the options: a shard
 * without a replica or an input, a link to nowhere, shards that wait for each
 * other. EDGE_ENOMEM. */
int simulate_run(const struct simulate_model *model,
                 const struct simulate_options *options,
                 struct simulate_result *result, struct err *err);
void simulate_deinit(struct simulate_result *result); /* fine on a zeroed one */

#endif

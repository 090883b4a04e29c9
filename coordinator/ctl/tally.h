/*
 * What a benchmark counts: answers, how long they took, and who gave them.
 * Pure but for printing.
 */
#ifndef EDGE_CTL_TALLY_H
#define EDGE_CTL_TALLY_H

#include "coordinator/ctl/flights.h"

struct tally_replica { /* one node's share of one shard */
    char shard[LIMIT_NAME + 1];
    char node[LIMIT_NAME + 1];
    uint64_t requests;
    uint64_t compute_us;
    uint64_t queue_us;
    uint64_t wire_us;
};

struct tally {
    uint64_t answered;
    uint64_t failed;
    uint64_t wrong;      /* unlike an earlier answer to the same input */
    uint64_t repeated;   /* answered twice */
    uint64_t incomplete; /* without some view; not compared */
    uint64_t resent;     /* hops that a loss made repeat */
    double seconds;
    uint32_t *took_us; /* of each that was answered */
    size_t n_took;
    size_t took_room;
    struct tally_replica *replicas; /* sorted by shard and node when printed */
    size_t n_replicas;
    size_t replicas_room;
};

/* Counts an answer that is right or wrong, its time and its hops. */
int tally_add(struct tally *tally, uint64_t took_us,
              const Edged__Answer *answer);
void tally_deinit(struct tally *tally);

/* The time that so large a part of answers took at most (nearest rank), in
 * ms; 0 without answers. Sorts the times. */
double tally_quantile(struct tally *tally, double part);

int tally_print(const struct ctl *ctl, const char *deployment,
                struct tally *tally, struct err *err);

#endif

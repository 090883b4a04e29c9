/*
 * What came of a run of chaos: requests as the load recorded them, faults as
 * they were begun and taken. Pure but for printing.
 */
#ifndef EDGE_CTL_CHAOS_SCORE_H
#define EDGE_CTL_CHAOS_SCORE_H

#include "base/limits.h"
#include "coordinator/ctl/ctl.h"

#include <stdio.h>

struct score_request { /* times of the monotonic clock */
    uint64_t sent_us;
    uint64_t done_us;
    uint32_t resent;
    bool lost; /* no answer, but an error */
    bool wrong;
};

struct score_fault {
    char node[LIMIT_NAME + 1];
    char kind[16];
    char what[200];
    uint32_t ms;
    uint64_t began_us;
    uint64_t healed_us; /* over, and the node ready; 0: it never was */
    uint32_t suspect_ms;
    uint32_t lost_ms;
    uint32_t back_ms;
};

/* Of the requests that were under way at some time of a span. */
struct score_span {
    uint64_t from_us;
    uint64_t to_us;
    uint64_t requests;
    uint64_t lost;
    uint64_t wrong;
    uint64_t resent;
    double rate;   /* answers per second */
    double gap_ms; /* the longest time without an answer */
    double p50_ms;
    double p99_ms;
    double max_ms;
};

struct score {
    uint64_t seed;
    double least; /* part of the rate before that must be kept */
    struct score_request *requests; /* owned */
    size_t n_requests;
    size_t requests_room;
    struct score_fault *faults; /* owned */
    size_t n_faults;
    size_t faults_room;
    uint64_t duplicated; /* answered twice, as the load counted */
    uint64_t start_us;   /* of the load */
    uint64_t calm_us;    /* the first fault */
    uint64_t settled_us; /* the last one is healed */
    uint64_t end_us;
};

void score_deinit(struct score *score);
/* One line of `edgectl bench --record`. EDGE_EPROTO, EDGE_ENOMEM. */
int score_line(struct score *score, const char *line, struct err *err);
int score_fault(struct score *score, const struct score_fault *fault);
/* EDGE_ENOMEM. */
int score_span(const struct score *score, uint64_t from_us, uint64_t to_us,
               struct score_span *span);

/* The report; *passed: nothing lost, wrong or twice, every node back, and the
 * rate kept. */
int score_print(const struct ctl *ctl, const struct score *score, bool *passed,
                struct err *err);

#endif

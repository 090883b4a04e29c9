/*
 * What `edgectl verify` has found, and how it says so. Answers of the cluster
 * are held against the same shards in one process, bit for bit, and those
 * against the model itself.
 */
#ifndef EDGE_CTL_VERDICT_H
#define EDGE_CTL_VERDICT_H

#include "chain/chain.h"
#include "coordinator/ctl/ctl.h"
#include "coordinator/plan/alike.h"

struct gap {      /* between two answers to the same inputs, over all inputs */
    size_t n;     /* of inputs compared */
    size_t same;  /* of them the same bits */
    size_t first; /* of them the same first choice */
    double most;  /* the largest difference of a value */
    double largest; /* the largest value */
    bool is_other;  /* another type or shape somewhere */
};

void gap_add(struct gap *gap, const struct tensor *want,
             const struct tensor *got, size_t n);
/* Every input within `bound` of the largest value; 0: the same bits. */
bool gap_is_within(const struct gap *gap, double bound);

struct verdict {
    const char *deployment;
    const char *model;
    enum likeness likeness;
    double within; /* of the largest value, what the cluster may differ */
    bool has_chain;
    bool is_coded;
    struct gap cluster; /* against the shards here, or the model */
    struct gap shards;  /* without codecs, against the model */
    struct gap loss;    /* the cluster against the model */
    const struct chain *chain;
    const struct chain_link *links;
    size_t n_links;
    const Edged__Placement *spec;
    size_t n_exits; /* 0: none. Where answers left; number 0: at no exit */
    const char *exits[LIMIT_PORTS];
    size_t left[LIMIT_PORTS];
};

bool verdict_is_good(const struct verdict *verdict);
int verdict_print(const struct ctl *ctl, const struct verdict *verdict,
                  struct err *err);

#endif

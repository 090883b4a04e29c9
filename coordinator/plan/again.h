/*
 * Where the stages of a deployment go when its devices have changed: pure, no
 * I/O. The cuts stay; what is on a device and ready stays there and costs
 * nothing; what has no device left, or too few, gets others.
 *
 *   firm    computes the stage
 *   spare   holds it, and computes it only while no firm one is there
 */
#ifndef EDGE_PLAN_AGAIN_H
#define EDGE_PLAN_AGAIN_H

#include "base/err.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum again_role { AGAIN_NONE, AGAIN_FIRM, AGAIN_SPARE };

struct again_device {
    bool usable;
    uint64_t free_bytes;
    uint64_t loan; /* spares of others, which make way for a firm one */
};

struct again_stage {
    uint64_t needs_bytes;
    size_t wanted; /* firm; 0: it stays where it is, or is nowhere */
    size_t spares; /* wanted */
};

struct again {
    const struct again_device *devices;
    size_t n_devices;
    const struct again_stage *stages;
    size_t n_stages;
    /* By stage * n_devices + device. */
    const uint8_t *now;  /* enum again_role of what is there and ready */
    const bool *may;     /* where the user wants it; in need it goes anywhere */
    bool only_needs;     /* nothing but what lets requests go on */
    uint8_t *role;       /* out */
    size_t failed_stage; /* of EDGE_ENOFIT */
};

/* How far from what is wanted: the less the better, the first counts most. */
struct again_score {
    size_t missing;   /* firm ones */
    size_t misplaced; /* firm, but not where the user wants it */
    size_t crowd;     /* sum of the squares of firm stages per device */
    size_t spares;    /* missing */
};

/* Fills role[]. EDGE_ENOFIT: a stage, `failed_stage`, fits nowhere. */
int again_place(struct again *again);
struct again_score again_score(const struct again *again, const uint8_t *role);
bool again_is_better(const struct again_score *a, const struct again_score *b);

#endif

/*
 * From what was measured to what a plan reckons with (profile.h). Pure.
 *
 * A device has what was measured on it; otherwise what was measured on
 * another of its kind; otherwise what its board found out by itself when its
 * daemon began; otherwise what is taken for granted. Devices that come out
 * alike (PROFILE_ALIKE) share one board, so that noise does not make a kind of
 * each; what boards of one kind found out in a few milliseconds at their start
 * may differ by PROFILE_NOISE, and the best of it counts for all of them.
 *
 * Of links only some pairs are measured. What an end is capable of is the best
 * that was seen with it; a pair that was not measured is as good as the worse
 * of its ends, and so is one that was, unless it is worse by PROFILE_WORSE.
 */
#ifndef EDGE_PLAN_PROFILE_BUILD_H
#define EDGE_PLAN_PROFILE_BUILD_H

#include "coordinator/plan/profile.h"

#include "base/err.h"

#define PROFILE_ALIKE 1.2 /* times apart: still alike */
#define PROFILE_WORSE 2.0
#define PROFILE_NOISE 2.0 /* of what boards of one kind found out at start */

struct profile_times { /* one model on one device */
    const char *device;
    const char *kind;
    const double *op_s; /* by position; 0: not measured */
    size_t n_ops;
};

struct profile_pair { /* one link */
    const char *from;
    const char *to; /* or NULL, either: the gateway */
    double rtt_s;
    double bytes_per_s;
    double send_s; /* of the processor of `from`; 0: not known */
    double send_bytes_per_s;
};

struct profile_known { /* of a device: what its board found out */
    const char *name;
    const char *kind;  /* "": nothing is known */
    double macs_per_s; /* 0: not known; likewise below */
    double bytes_per_s;
    double run_s;
    uint32_t threads;
    uint64_t free_bytes;
};

struct profile_sources {                 /* borrowed, all of them */
    const struct profile_known *devices; /* in the order of the profile's */
    size_t n_devices;
    const struct profile_times *times; /* the newest first */
    size_t n_times;
    const struct profile_pair *pairs;
    size_t n_pairs;
    size_t n_ops; /* of the model: times of another number are of another */
};

/* For profile_deinit(). EDGE_ENOMEM or 0. */
int profile_build(struct profile *profile,
                  const struct profile_sources *sources);

#endif

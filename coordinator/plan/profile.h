/*
 * What boards and links can do: all that a plan reckons with. Pure data, made
 * by whoever measured it, read it from a file or takes it for granted.
 *
 * Devices that are alike share a board; pairs of devices whose links are
 * alike share a link. The gateway, where requests come in and answers go out,
 * is an end of links too.
 */
#ifndef EDGE_PLAN_PROFILE_H
#define EDGE_PLAN_PROFILE_H

#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROFILE_GATEWAY ((size_t)-1) /* instead of a device */

struct profile_board { /* one kind of board */
    char name[LIMIT_NAME + 1];
    double *op_s; /* seconds of each op of this model, by its position (cut.h);
                   * what fuses with a product is in the product's. 0 or less:
                   * not measured. NULL: none was. Owned */
    size_t n_ops; /* of op_s */
    /* Of ops, and of parts of ops, that were not measured, seconds are the
     * larger of macs / macs_per_s and of bytes touched / bytes_per_s. */
    double macs_per_s;
    double bytes_per_s;
    double run_s;            /* fixed cost of running a shard once */
    double send_s;           /* processor's time for a message, at each end, */
    double send_bytes_per_s; /* and for its bytes */
    uint64_t free_bytes;     /* for shards, of a board without a device */
    uint32_t threads;
    bool is_measured;
};

struct profile_link {
    double rtt_s;
    double bytes_per_s; /* each way; what a device sends to or takes from all
                         * others over such links shares it */
    bool is_measured;
};

struct profile_device {
    char name[LIMIT_NAME + 1];
    size_t board;        /* index */
    uint64_t free_bytes; /* for shards */
};

struct profile {
    struct profile_board *boards;
    size_t n_boards;
    struct profile_device *devices;
    size_t n_devices;
    struct profile_link *links; /* kinds */
    size_t n_links;
    /* Kind of the link between a and b: link_of[a * (n_devices + 1) + b],
     * where index n_devices is the gateway. NULL: all are links[0]. */
    uint8_t *link_of;
};

/* Arrays of these sizes, at least one link and one board among them: the
 * boards and links with the figures of profile_default(), the devices all of
 * board 0, without a name and without memory. EDGE_ENOMEM or 0. */
int profile_init(struct profile *profile, size_t n_devices, size_t n_boards,
                 size_t n_links);
void profile_deinit(struct profile *profile); /* fine on a zeroed one */

/* What is taken for granted until something was measured. */
struct profile_board profile_default_board(void);
struct profile_link profile_default_link(void);
/* n equal boards on equal links; the caller names the devices and says what
 * memory they have. EDGE_ENOMEM or 0. */
int profile_default(struct profile *profile, size_t n_devices);

/* Room for n_ops measured ops of a board, all "not measured" yet. EDGE_ENOMEM
 * or 0. */
int profile_board_set_ops(struct profile_board *board, size_t n_ops);
/* Makes room for a link of each pair, all links[0] at first. EDGE_ENOMEM or
 * 0. */
int profile_set_pairs(struct profile *profile);
/* Both ways. Needs profile_set_pairs(). */
void profile_set_link(struct profile *profile, size_t a, size_t b, size_t link);

/* Devices that compute slower than their board is said to, by measure: of
 * device d everything that it computes takes factors[d] times as long. Those
 * of one board with factors that differ by less than PROFILE_STEP still share
 * one. EDGE_ENOMEM or 0. */
#define PROFILE_STEP 1.05
int profile_scale(struct profile *profile, const double *factors);

/* Between two devices, or one and PROFILE_GATEWAY. From a device to itself
 * nothing is sent: no time, no bound. */
const struct profile_link *profile_link(const struct profile *profile, size_t a,
                                        size_t b);

#endif

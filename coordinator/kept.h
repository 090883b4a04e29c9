/*
 * What was measured, as state.db keeps it (state_profiles.c): models on
 * boards, and links.
 */
#ifndef EDGE_COORDINATOR_KEPT_H
#define EDGE_COORDINATOR_KEPT_H

#include "base/limits.h"
#include "base/store.h"

struct state;

struct kept_profile { /* a model on a board */
    char node[LIMIT_NAME + 1];
    char kind[192];
    uint64_t at_ms; /* wall clock */
    double macs;
    double *op_s; /* by position (cut.h); 0: not measured */
    size_t n_ops;
    char note[200]; /* what was not measured, and why */
};
struct kept_link { /* from one end to the other; the coordinator is one */
    char from[LIMIT_NAME + 1];
    char to[LIMIT_NAME + 1];
    uint64_t at_ms;
    double rtt_s;
    double bytes_per_s;
    double send_s; /* of the processor of `from`; 0: not known */
    double send_bytes_per_s;
};
struct kept { /* of one model, the newest first; and every link */
    struct kept_profile *rows;
    size_t n;
    size_t room;
    struct kept_link *links;
    size_t n_links;
    size_t links_room;
};
int state_put_profile(struct state *state, const struct digest *model,
                      const struct kept_profile *row, struct err *err);
int state_put_link(struct state *state, const struct kept_link *link,
                   struct err *err);
/* What is damaged is left out. For kept_deinit(). */
int state_load_kept(struct state *state, const struct digest *model,
                    struct kept *kept, struct err *err);
void kept_deinit(struct kept *kept); /* fine on a zeroed one */
/* A number of seconds, or of something a second, that can be. */
bool kept_is_seconds(double value);
bool kept_is_rate(double value);

struct board_speed {  /* what a board found out when its daemon began */
    char kind[192];   /* "": not known */
    char machine[40]; /* likewise */
    uint32_t threads;
    double macs_per_s;
    double bytes_per_s;
    double run_s;
};

#endif

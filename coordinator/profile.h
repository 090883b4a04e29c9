/*
 * Between profile*.c only: one `edgectl profile` under way.
 *
 *   0. all boards are there and say how fast they are, or BOARDS_MS pass
 *   1. what is kept is looked up                         (disk strand)
 *   2. the model is read and taken into parts, if a board is to be measured
 *                                                        (compute strand)
 *   3. the boards measure it, part by part; boards of one machine one after
 *      the other                                         (profile_boards.c)
 *   4. links, one after the other                        (profile_links.c)
 *   5. all of it is kept                                 (disk strand)
 *   6. it is looked up again: that is the answer
 *
 *   a board is lost, silent or busy   noted in its row, the others go on
 *   the client goes away              it goes on; what is measured is kept
 */
#ifndef EDGE_COORDINATOR_PROFILE_H
#define EDGE_COORDINATOR_PROFILE_H

#include "coordinator/parts.h"
#include "coordinator/plan/profile_parts.h"
#include "relay/burst.h"

#define PROFILE_COORDINATOR "coordinator" /* an end of links */

enum profile_step {
    PROFILE_WAITING,
    PROFILE_LOOKING,
    PROFILE_READING,
    PROFILE_BOARDS,
    PROFILE_LINKS,
    PROFILE_KEEPING,
    PROFILE_ANSWERING
};

enum sitting_state {
    SITTING_KNOWN,
    SITTING_WAITS,
    SITTING_ASKED,
    SITTING_DONE
};

struct sitting { /* of a board */
    char name[LIMIT_NAME + 1];
    enum sitting_state state;
    size_t part;     /* asked for */
    uint32_t number; /* of the question */
    uint64_t asked_us;
    struct kept_profile made;
    bool is_made; /* something was measured: `made` is kept */
};

struct profile_piece { /* a part, ready to be sent */
    struct profile_part part;
    struct blob *model; /* NULL: it cannot be, `why` */
    char why[160];
};

struct profile_ends { /* ends, as indices of sittings; or the coordinator */
    size_t from;      /* PROFILE_GATE: the coordinator */
    size_t to;
};
#define PROFILE_GATE ((size_t)-1)

struct profiling {
    struct coordinator *c;
    struct io_peer *client; /* NULL: gone */
    enum profile_step step;
    bool fresh;
    bool wants_ops;
    uint64_t started_us;
    struct digest model;
    char model_name[256];
    struct sitting *boards;
    size_t n_boards;
    size_t n_measured; /* boards, this time */
    struct kept kept;
    /* Off the loop: what a job reads and writes. */
    struct io_work work;
    void (*job)(struct profiling *p); /* of the work */
    void (*job_done)(struct profiling *p);
    struct store *store;
    int rc;
    struct err err;
    /* The model, once it is read. */
    uint64_t most_bytes; /* of a part */
    struct profile_piece *pieces;
    size_t n_pieces;
    uint64_t *op_numbers; /* by position: the first 8 bytes of SHA-256 */
    bool *is_product;     /* by position: it multiplies, so it takes time */
    size_t n_ops;
    double macs;
    /* Links. */
    struct profile_ends *pairs;
    size_t n_pairs;
    size_t pair;
    bool is_bursting;
    bool is_over; /* the burst: the tick goes on */
    struct burst burst;
    uint32_t number; /* of the question under way; 0: none */
    uint64_t asked_us;
    struct kept_link *made; /* what came out */
    size_t n_made;
    struct io_timer timer;
};

/* profile.c */
void profile_say(struct profiling *p, const char *phase, const char *node,
                 size_t done, size_t total);
void profile_finish(struct profiling *p, int rc, const char *text);
/* To the step after this one. */
void profile_boards_done(struct profiling *p);
void profile_links_done(struct profiling *p);
uint64_t profile_wall_ms(void);

/* profile_job.c: off the loop; done() is called on it. */
void profile_look(struct profiling *p, void (*done)(struct profiling *p));
void profile_read(struct profiling *p, void (*done)(struct profiling *p));
void profile_keep(struct profiling *p, void (*done)(struct profiling *p));

/* profile_boards.c */
/* True if a board is to be measured. */
bool profile_boards_pick(struct profiling *p);
void profile_boards_start(struct profiling *p);
void profile_boards_tick(struct profiling *p);
/* What is known of a board: of its own, or of its kind; or NULL. */
const struct kept_profile *profile_row_of(const struct kept *kept,
                                          const char *node, const char *kind);

/* profile_links.c */
void profile_links_start(struct profiling *p);
void profile_links_tick(struct profiling *p);
void profile_links_stop(struct profiling *p);

/* profile_reply.c */
void profile_reply_all(struct profiling *p);

#endif

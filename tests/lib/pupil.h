/*
 * One board of a school (school.h) on a fake io (io_fake.h): the daemon is
 * real, the test plays its coordinator, its mates and whoever else comes by,
 * and says when a job is done. What mates would have computed is made up, the
 * same numbers for the same message.
 */
#ifndef EDGE_TESTS_PUPIL_H
#define EDGE_TESTS_PUPIL_H

#include "daemon/train.h"
#include "tests/lib/io_fake.h"
#include "tests/lib/school.h"

#define PUPIL_MATES (SCHOOL_BOARDS + 1) /* and a stranger */

struct pupil {
    struct school school; /* its model, data and papers; no network */
    struct io_fake fake;
    struct board board;
    struct daemon *daemon;
    size_t which; /* of the school's boards */
    struct io_fake_peer *coordinator;
    struct io_fake_peer *mates[PUPIL_MATES]; /* by board; its own: nobody */
    struct io wire; /* what the school sends to its board comes in here */
    struct io_peer to_daemon;
    struct digest state; /* that is on its way to the coordinator, and */
    uint64_t state_came; /* bytes of it that came */
    bool has_state;
};

/* A Flow or Reduce on its way to the pupil. */
struct pupil_note {
    size_t from; /* mate */
    bool is_reduce;
    uint32_t epoch;
    uint64_t step;
    uint32_t shard;
    uint32_t micro; /* or the round */
    uint32_t port;
    bool back;
    uint64_t offset;
    uint32_t dtype;
    uint32_t codec;
    uint32_t rank;
    int64_t dims[LIMIT_RANK];
    struct blob *blob; /* owned; NULL: nothing */
};

void pupil_init(struct pupil *p, const struct school_ask *ask, size_t which);
void pupil_deinit(struct pupil *p);

/* A peer goes, and comes (back). NULL places stay so. */
void pupil_leave(struct pupil *p, struct io_fake_peer **place);
void pupil_come(struct pupil *p, struct io_fake_peer **place);
/* Whoever was hung up on or is away is there again. */
void pupil_gather(struct pupil *p);

/* A new placement; the ones before are over. True: it is ready. */
bool pupil_install(struct pupil *p, uint32_t epoch);
/* What the board said to the coordinator is heard and answered, but for a
 * state on its way. */
void pupil_hear(struct pupil *p);

/* What is trained here in the newest epoch; NULL: nothing, any more. */
struct train *pupil_train(const struct pupil *p, size_t shard);

/* What a mate has for a micro-batch of the step that is under way: a value, or
 * a gradient, or a piece of a sum (micro: the round; mate: the replica).
 * False: nobody has anything. */
bool pupil_value(const struct pupil *p, const struct train *t, size_t micro,
                 size_t source, struct pupil_note *note);
bool pupil_gradient(const struct pupil *p, const struct train *t, size_t micro,
                    size_t link, struct pupil_note *note);
bool pupil_piece(const struct pupil *p, const struct train *t, size_t array,
                 size_t replica, uint32_t round, struct pupil_note *note);
/* Says it, and drops its blob. */
void pupil_say(struct pupil *p, struct pupil_note *note);

/* All that mates have for the step; nothing is computed meanwhile. */
void pupil_answer(struct pupil *p);
/* Until the board has said something of the newest step; false: it has not. */
bool pupil_finish(struct pupil *p);

#endif

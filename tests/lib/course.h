/*
 * A desk (desk.h) with a training: the test plays the boards that learn, and
 * may let them lie. The model has two layers, "one" and "two"; samples are the
 * boards' affair, so there are none.
 */
#ifndef EDGE_TESTS_COURSE_H
#define EDGE_TESTS_COURSE_H

#include "tests/lib/desk.h"

#define COURSE_SAMPLES 20
#define COURSE_TESTS 10

/* What a cluster.yaml begins with. */
#define COURSE_HEAD                                                \
    "name: home\n"                                                 \
    "model: {file: m.onnx, input: {size: 4x4, color: gray, mean: " \
    "0, std: 1}}\n"                                                \
    "devices:\n  - {name: n0, host: 127.0.0.1, port: 700}\n"       \
    "  - {name: n1, host: 127.0.0.1, port: 701}\n"

struct course {
    struct desk d;
    struct blob *model;
    struct blob *state; /* of the whole model */
    struct digest manifests[2];
    uint64_t sizes[2];
    uint64_t applied[DESK_NODES]; /* the last Step that was, by board */
    const char *slow;             /* takes four times as long as the other */
    uint32_t ready[DESK_NODES];   /* epoch that a board said it is ready for */
    uint32_t epoch[DESK_NODES];   /* of the last Step that was answered */
};

/* What is wrong with one answer. */
struct course_wrong {
    int code;
    uint8_t mark;
    bool is_short;
    double square;
    void (*stepped)(void *arg,
                    Edged__Stepped *out); /* the last word; or NULL */
    void (*saved)(void *arg, Edged__Saved *out);
    void *arg;
};

void course_init(struct course *f);
void course_deinit(struct course *f);
/* For cmocka: its state is a course. */
int course_set_up(void **state);
int course_tear_down(void **state);

/* ---- what is asked for ---- */

/* Sends the files and Train; what was replied to it, NULL: nothing yet. */
void course_send_train(struct course *f, const char *yaml);
const Edged__TrainReply *course_reply(const struct course *f);
struct io_fake_peer *course_node(struct course *f, const char *name);
/* The newest to it; there must be one. */
const Edged__Install *course_install(struct course *f, const char *name);
/* The newest Step to it; NULL: it has got none. */
const Edged__Step *course_step(struct course *f, const char *name);
uint64_t course_sum_of(const Edged__Step *at); /* samples */
/* Samples of the step that go through a replica of the last stage. */
uint64_t course_samples_of(const Edged__Step *at, uint32_t replica);
uint32_t course_place_of(const Edged__Place *place, const char *name);

/* ---- what boards say ---- */

void course_be_ready(struct course *f, const char *name);
/* That its part of the newest Step is done. */
void course_stepped(struct course *f, const char *name);
void course_say_stepped(struct course *f, const char *name,
                        const struct course_wrong *wrong);
/* A board that was told to sends its states, after step `number`. */
void course_save(struct course *f, const char *name, uint64_t number);
void course_say_saved(struct course *f, const char *name, uint64_t number,
                      const struct course_wrong *wrong);

/* Until both have the first Step. */
void course_begin(struct course *f, const char *yaml);
/* All that is asked for until it is over, or `n` steps are done. */
void course_go(struct course *f, size_t n);

/* As a board would that is there: ready for what is installed, done with what
 * is asked for. Nothing, if it is not there or has nothing to do. */
void course_serve(struct course *f, const char *name);
/* Time passes, in which boards that are there beat. */
void course_pass(struct course *f, uint64_t ms);

#endif

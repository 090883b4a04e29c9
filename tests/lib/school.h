/*
 * Boards that train, on simulated time and network: real daemons, and a test
 * that plays the trainer to them. The model is pipe_model(), the samples are a
 * data set of random levels that is written for it.
 */
#ifndef EDGE_TESTS_SCHOOL_H
#define EDGE_TESTS_SCHOOL_H

#include "daemon/board.h"
#include "daemon/daemon.h"
#include "onnx/export.h"
#include "tests/lib/io_sim.h"
#include "tests/lib/pipe.h"
#include "tests/lib/tmp.h"

#define SCHOOL_BOARDS 6
#define SCHOOL_SHARDS 8 /* replicas counted */
#define SCHOOL_FILES 32
#define SCHOOL_SAMPLES 64
#define SCHOOL_WAIT_MS 60000
#define SCHOOL_TESTS 24 /* samples to evaluate on */

struct school_ask {
    size_t boards;
    size_t stages;
    size_t replicas;
    size_t micros;
    uint32_t batch;
    bool backward_first; /* 1f1b; else gpipe */
    uint32_t slots;
    bool adam;
    bool home;          /* first and last stage on the first board */
    const char *codec;  /* forward; NULL: none */
    const char *back;   /* of gradients between stages */
    bool straight;      /* of all, whatever forward's codec leaves out */
    const char *reduce; /* and between replicas */
    bool no_norm;
    double slack; /* of sparse codecs, while training */
    size_t local; /* steps until replicas agree; 0: gradients, each step */
};

struct school_file {
    struct digest digest;
    struct blob *blob;
    size_t have; /* of one that comes in */
};

struct school_board {
    char name[8];
    char folder[TMP_PATH];
    struct io_identity id;
    struct io *io;
    struct daemon *daemon;
    struct io_peer *peer; /* of the trainer */
    uint64_t heard;       /* its newest beat */
    struct io_ops ops;
    const struct io_ops *real;
    bool doubles; /* its Flow and Reduce go twice */
    bool ready;
    bool failed;
};

struct school_said { /* the newest of one board and stage */
    uint64_t step;
    size_t times; /* that it was said, for this step */
    int code;
    double square;
    double loss;
    uint64_t samples;
    uint64_t correct;
    uint64_t sent;
    uint64_t plain;
    uint64_t reduced;
    uint64_t reduced_plain;
    uint8_t mark[8];
};

struct school {
    struct school_ask ask;
    struct tmp tmp;
    struct sim *sim;
    struct board board;
    struct io_identity id;
    struct io *io;
    struct school_board boards[SCHOOL_BOARDS];
    struct graph *shards[PIPE_SHARDS];
    struct export exports[PIPE_SHARDS];
    struct school_file files[SCHOOL_FILES]; /* the trainer's store */
    size_t n_files;
    struct digest manifest;
    struct digest labels;
    struct digest samples;
    struct digest test;
    uint32_t epoch;
    uint64_t step;    /* the newest that was asked for */
    uint64_t waiting; /* whose gradients wait */
    uint64_t at;      /* its first sample */
    uint32_t pass;
    double square;
    size_t apart; /* steps since replicas agreed */
    bool alike;   /* they began the newest step with the same */
    struct school_said said[SCHOOL_BOARDS][PIPE_SHARDS];
    struct digest saved[SCHOOL_BOARDS][PIPE_SHARDS];
    bool has_saved[SCHOOL_BOARDS][PIPE_SHARDS];
    uint64_t beat;
    const struct digest *state; /* by stage; to begin with, or NULL */
    uint64_t state_step;
    char why[256]; /* of the last failure */
};

void school_init(struct school *s, const struct school_ask *ask);
void school_deinit(struct school *s);
/* Which board has that replica of a stage. */
size_t school_board_of(const struct school *s, size_t stage, size_t replica);

/* A new placement with the number `epoch`, until all boards are ready. */
void school_install(struct school *s, uint32_t epoch);
/* Asks for the next step (and applies the last) without waiting for it. */
void school_ask_step(struct school *s);
/* What a test says itself, with its own ways if it has any: epoch, step and
 * what is applied are filled in. */
void school_send(struct school *s, Edged__Step *step);
/* As by SIGKILL. */
void school_kill(struct school *s, size_t board);
/* Until all have said something of the newest step: false if that was not
 * within `ms`, or a board failed. */
bool school_wait(struct school *s, uint64_t ms);
/* `n` steps, all of which must be done; the loss of the last. */
double school_train(struct school *s, size_t n);
/* The last of them once more, in its place: it was not applied yet. */
void school_again(struct school *s);
/* Applies what waits and saves: the state of each stage, which is the same on
 * all its replicas. */
void school_save(struct school *s, struct digest states[PIPE_SHARDS]);
/* The mean loss over the samples to evaluate on. */
double school_evaluate(struct school *s, uint64_t *correct);
const struct blob *school_file(const struct school *s,
                               const struct digest *digest);
/* Time passes while the trainer lives. */
void school_run_for(struct school *s, uint64_t ms);

#endif

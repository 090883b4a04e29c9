/*
 * Whether a plan still does what was predicted of it, and whether another one
 * that was put in its place did better (docs/decisions/0022). Pure: no clock,
 * no I/O.
 *
 *   WATCHING -> ASKED    every sample of a window says that some board is not
 *                        as fast as was predicted: REPLAN
 *   ASKED -> WATCHING    there is no plan that is better by enough
 *   ASKED -> TRIAL       another plan is in force
 *   TRIAL -> WATCHING    KEEP, or ROLLBACK if a window of it was slower than
 *                        the last one before
 *
 * It does not flap: a window long nothing but drift must be seen, changes
 * keep apart by a pause that doubles with each until all was calm for long,
 * and a plan that turned out slower is not tried again for eight pauses,
 * sixteen the next time, and so on.
 */
#ifndef EDGE_PLAN_DRIFT_H
#define EDGE_PLAN_DRIFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DRIFT_SAMPLES 16 /* of a window */
#define DRIFT_BANS 4     /* plans that are not tried again */
#define DRIFT_RUNS 20    /* of a board in a window; less say little */
#define DRIFT_ANSWERS 20 /* likewise, of the whole */

enum drift_say {
    DRIFT_NOTHING,
    DRIFT_REPLAN,   /* drift_gave_up(), _refused() or _moved() follows */
    DRIFT_ROLLBACK, /* drift_gave_up() or _went_back() follows */
    DRIFT_KEEP      /* the plan of the trial stays */
};

enum drift_goal { DRIFT_LATENCY, DRIFT_RATE };

struct drift_rules {
    uint64_t window_us; /* at least DRIFT_SAMPLES us */
    uint64_t pause_us;
    double threshold; /* times predicted, or below its inverse: drift. > 1 */
    enum drift_goal goal;
};

struct drift_seen {     /* of a board that computes something */
    double predicted_s; /* of one run of each of its shards; 0: not known */
    double measured_s;  /* 0: not known */
    uint64_t runs;      /* so far */
};

struct drift_totals { /* of the deployment */
    uint64_t answers; /* so far, and the sum of their latencies */
    double latency_s;
    uint64_t alone; /* those that nothing else was under way with */
    double alone_s;
    double in_flight; /* now */
    double work_s;    /* that boards take for one request, by measure: all it
                       * waits for, or for the goal RATE the busiest board; 0:
                       * not known */
};

struct drift_figure { /* of a window */
    double seconds;
    double rate;   /* answers a second */
    double mean_s; /* latency; 0: there were none */
    uint64_t answers;
    double alone_s; /* likewise, of those that were alone */
    uint64_t alone;
    double in_flight; /* mean */
    double work_s;    /* mean; 0: not known */
};

struct drift_sample {
    uint64_t at_us;
    struct drift_totals totals;
};

struct drift_board {
    double ratio[DRIFT_SAMPLES]; /* measured to predicted; 0: it did not run */
    uint32_t runs[DRIFT_SAMPLES];
    uint64_t runs_so_far;
};

struct drift_ban {
    uint64_t plan; /* 0: none */
    uint64_t until_us;
    unsigned times;
};

enum drift_state { DRIFT_WATCHING, DRIFT_ASKED, DRIFT_TRIAL };

struct drift {
    struct drift_rules rules;
    enum drift_state state;
    struct drift_board *boards; /* owned; NULL before drift_begin() */
    size_t n_boards;
    struct drift_sample ring[DRIFT_SAMPLES];
    size_t n_samples;    /* so far */
    bool has_begun;      /* runs_so_far is set */
    uint64_t next_us;    /* of the next sample */
    double base;         /* what predictions are wrong by on all boards;
                            0: not known yet */
    double former_base;  /* of the plan before */
    uint64_t quiet_us;   /* nothing is asked for before */
    unsigned level;      /* changes, doubling the pause */
    unsigned refused;    /* in a row, likewise */
    uint64_t drifted_us; /* when a whole window last showed drift */
    uint64_t decide_us;  /* the end of a trial that too few requests came in */
    uint64_t trying;     /* the plan of the trial */
    struct drift_ban bans[DRIFT_BANS];
    struct drift_figure before; /* of the last trial */
    struct drift_figure after;
    double worse; /* times as slow as before: of the last trial; 0: too few
                     requests came to tell */
};

void drift_init(struct drift *drift, const struct drift_rules *rules);
void drift_deinit(struct drift *drift); /* fine on a zeroed one */
/* A placement with so many boards that compute: windows begin anew. EDGE_ENOMEM
 * or 0. */
int drift_begin(struct drift *drift, uint64_t now_us, size_t n_boards);
/* What was predicted includes all that was measured before: nothing is wrong
 * on all boards. */
void drift_is_calibrated(struct drift *drift);
/* Whether drift_look() would take a sample. */
bool drift_is_due(const struct drift *drift, uint64_t now_us);
/* To be called more often than every window / DRIFT_SAMPLES. seen[i] is board
 * i's. */
enum drift_say drift_look(struct drift *drift, uint64_t now_us,
                          const struct drift_seen *seen,
                          const struct drift_totals *totals);

/* What predictions for board i are to be multiplied with: by measure if it
 * drifts, else as all of them. */
double drift_factor(const struct drift *drift, size_t i);
double drift_base(const struct drift *drift); /* 1: not known */
/* The board that is the farthest from what was predicted, of those that drift;
 * n_boards: none does. */
size_t drift_worst(const struct drift *drift);

/* False: it was tried before, and was slower. */
bool drift_may_try(const struct drift *drift, uint64_t now_us, uint64_t plan);
/* Something else came between: again after another window. */
void drift_gave_up(struct drift *drift, uint64_t now_us);
void drift_refused(struct drift *drift, uint64_t now_us);
/* Another plan is in force; its drift_begin() follows. */
void drift_moved(struct drift *drift, uint64_t now_us, uint64_t plan);
void drift_went_back(struct drift *drift, uint64_t now_us);

#endif

/*
 * Private to coordinator/train: one training, from request to result.
 *
 *   PLANNING -> WAITING -> NUMBERING -> INSTALLING -> STEPPING -> ENDING
 *      |           ^           |            |            |          |
 *      |           +-----------+------------+------------+          |
 *      +-----------------------------> OVER <------- ... -----------+
 *
 * Back to WAITING leads whatever goes wrong, and who comes or goes: then a new
 * placement, with a new epoch, works on from the newest checkpoint. Step 0,
 * the model's own weights, is one.
 */
#ifndef EDGE_COORDINATOR_TRAIN_TRAINER_H
#define EDGE_COORDINATOR_TRAIN_TRAINER_H

#include "coordinator/plan/staff.h"
#include "coordinator/plan/ways.h"
#include "coordinator/train/job.h"
#include "coordinator/train/settings.h"
#include "coordinator/train/train.h"

#define TRAINER_WATCHERS 16

enum trainer_phase {
    TRAINER_PLANNING,   /* train_job, on the compute strand */
    TRAINER_WAITING,    /* for boards, or for a moment */
    TRAINER_NUMBERING,  /* the next epoch's number, on the disk strand */
    TRAINER_INSTALLING, /* seats push and prepare */
    TRAINER_STEPPING,
    TRAINER_ENDING, /* the model's file is made, on the compute strand */
    TRAINER_OVER
};

/* A shard on a board. */
struct trainer_part {
    struct member *member;
    size_t stage;
    size_t replica;
    bool told; /* the step under way, and */
    bool stepped;
    uint8_t weights[8]; /* that it began the step with */
    size_t n_weights;
    double square;
    double busy_us; /* since shares were looked at */
    uint64_t samples;
    uint64_t learnt; /* samples since replicas agreed */
    /* Since the last progress: */
    double said_busy_us;
    uint64_t sent_bytes;
    uint64_t plain_bytes;
    uint64_t reduce_bytes;
    uint64_t reduce_plain;
    uint64_t peak_bytes;
};

/* What is summed up over samples. */
struct trainer_sums {
    double loss;
    uint64_t samples;
    uint64_t correct;
};

void trainer_sums_add(struct trainer_sums *sums,
                      const struct trainer_sums *more);
double trainer_mean_loss(const struct trainer_sums *sums); /* 0: of none */
double trainer_accuracy(const struct trainer_sums *sums);

/* What an evaluation counts of several outputs, as Stepped has it. */

struct trainer_exits {
    uint64_t samples[LIMIT_LOSSES]; /* by loss */
    uint64_t correct[LIMIT_LOSSES];
    size_t n;
    uint64_t left[LIMIT_LEFT];
    uint64_t left_correct[LIMIT_LEFT];
    size_t n_left;
};

struct trainer_said { /* room for what a reply says of them */
    Edged__ExitCount counts[LIMIT_LOSSES];
    Edged__ExitCount *list[LIMIT_LOSSES];
    char *gates[LIMIT_LOSSES];
};

enum trainer_kind { STEP_TRAINS, STEP_EVALUATES, STEP_APPLIES };

struct trainer {
    struct list link;
    struct coordinator *c;
    enum trainer_phase phase;
    uint64_t phase_us;
    struct cluster *cluster;   /* owned */
    Edged__KeptTraining *kept; /* owned; the strands' while they work */
    struct train_settings settings;
    struct io_peer *watchers[TRAINER_WATCHERS];
    struct train_job *job;
    bool stops;      /* asked for: after a checkpoint */
    bool is_looking; /* one look does not begin another */

    /* disk strand: the next epoch's number */
    struct io_work number_work;
    bool is_numbering;
    uint32_t epoch;
    int number_rc;
    struct err number_err;
    Edged__Placement *spec; /* that gets it */

    /* disk strand: the row of state.db */
    struct io_work keep_work;
    bool is_keeping;
    bool keeps_again;
    uint8_t *packed;
    size_t packed_size;
    struct digest *dropped; /* files of checkpoints that make way */
    size_t n_dropped;
    char *forgets; /* a training that made way for this one; NULL: none */
    int keep_rc;
    struct err keep_err;

    /* the placement */
    struct placement *placement; /* NULL: none */
    struct staff_stage *staff;   /* by stage, of cluster->devices */
    struct trainer_part *parts;
    size_t n_parts;
    double *speeds; /* by part: what shares go by */
    bool *shunned;  /* by device: it failed, until ... */
    uint64_t *shunned_us;
    bool *is_other;    /* by device: it was said to be of another version */
    uint32_t fails;    /* in a row, without a checkpoint between them */
    uint64_t retry_us; /* not before */
    char why[400];     /* the last of them */

    /* the step under way */
    enum trainer_kind kind;
    Edged__Step step; /* `sizes` and `ways` are those of `ways` */
    struct trainer_sums step_sums;
    struct trainer_exits step_exits;
    struct ways ways;
    uint64_t step_us;  /* since when */
    double typical_us; /* of a step; 0: not known */
    bool is_asked;     /* one is */

    /* where it is */
    Edged__KeptCheckpoint point; /* after `pending`, without states */
    uint64_t number;             /* of the last Step */
    uint64_t pending;            /* Step whose gradients wait; 0: none */
    uint64_t applied;            /* the last one that was */
    double square;               /* of them */
    uint64_t apart;              /* steps since replicas agreed */
    bool owes;                   /* codecs between replicas left something out
                                    of the last step */
    bool began_alike;            /* with the step under way */
    struct trainer_sums pass;    /* of the pass under way */
    struct trainer_sums test;    /* of the evaluation under way */
    struct trainer_exits exits;  /* the same */
    struct trainer_sums bend;    /* of the curve's point under way */
    uint32_t bend_steps;         /* in it */
    uint64_t tested;             /* samples of it */
    uint64_t share_steps;        /* since shares were looked at */
    uint32_t drifts;             /* looks in a row that found them wrong */
    uint64_t began_us;           /* stepping, in this placement */

    /* the checkpoint under way */
    bool is_saving;
    Edged__KeptCheckpoint *saving; /* what it will be */
    uint64_t saving_us;            /* since when nothing came of it */
    uint64_t saved_us;             /* the last one, or begin */
    uint64_t save_lag;             /* steps done while it was being made */
    bool drains;  /* nothing but saving is under way: somebody comes, it ends */
    bool is_done; /* all passes are over, or early stopping said so */

    /* what is told */
    int over_rc; /* how it ended */
    char over_text[600];
    struct trainer_sums said;
    uint64_t said_us;
    uint64_t rest_us; /* since then, not spent on steps that train */
    double rate;      /* samples a second of such steps, lately */
    double all_us;    /* of the last minute or so, with all that there was, */
    double all_samples;
};

/* ---- trainer.c ----------------------------------------------------------- */

struct trainer *trainer_of_epoch(struct coordinator *c, uint32_t epoch);
void trainer_to(struct trainer *t, enum trainer_phase phase);
/* The newest checkpoint. */
const Edged__KeptCheckpoint *trainer_newest(const struct trainer *t);
struct trainer *trainer_find(struct coordinator *c, const char *name);
struct trainer *trainer_new(struct coordinator *c); /* in no list yet */
void trainer_free(struct trainer *t);
bool trainer_is_over(const struct trainer *t);
bool trainer_has_strand(const struct trainer *t);
/* Once there are `cluster` and `kept`. EDGE_ENOMEM or 0. */
int trainer_make_job(struct trainer *t);
void trainer_set_up(struct trainer *t); /* what the file says is taken over */
int trainer_read_cluster(struct trainer *t, char **text, struct err *err);
int trainer_dial(struct trainer *t, struct err *err);
/* Those who watch hear how it ended, once that is kept. */
void trainer_tell_end(struct trainer *t);
/* It is over: watchers are told. EDGE_ECANCELED: it was asked to stop. */
void trainer_finish(struct trainer *t, int rc, const char *text);

/* ---- place.c: the placement ---------------------------------------------- */

/* Goes on, in WAITING, if there is anybody to go on with. */
void trainer_look_waiting(struct trainer *t);
void trainer_look_installing(struct trainer *t);
/* Every board of it is there and trusted; else one that is not. */
const struct member *trainer_find_lost(const struct trainer *t);
/* Boards that are there would work and do not. */
bool trainer_has_others(const struct trainer *t);
void trainer_drop_placement(struct trainer *t);
/* What goes wrong; `blamed` (NULL: nobody) is left out for a while. */
void trainer_again(struct trainer *t, int rc, struct member *blamed,
                   const char *why);
/* Somebody came or went: nobody is to blame, and nothing is held against it. */
void trainer_move(struct trainer *t, const char *why);
/* As the file's `on_loss` says. */
void trainer_lost(struct trainer *t, const struct member *m);
size_t trainer_lanes(const struct trainer *t);

/* ---- steps.c ------------------------------------------------------------- */

void trainer_begin_steps(struct trainer *t);
/* Sends what could not be sent, and looks at the time. */
void trainer_look_stepping(struct trainer *t);
/* A checkpoint is kept, or could not be. */
void trainer_saved(struct trainer *t, int rc, const char *why);
void trainer_drop_step(struct trainer *t);
/* answers.c has heard of all shards. */
void trainer_end_step(struct trainer *t);

/* ---- answers.c ----------------------------------------------------------- */

/* What a board has of a shard; NULL: it has none. */
struct trainer_part *trainer_part_of(const struct trainer *t,
                                     const struct member *m, uint32_t shard);

/* ---- exits.c ------------------------------------------------------------- */

void trainer_exits_add(struct trainer_exits *to,
                       const struct trainer_exits *more);
void trainer_exits_take(struct trainer_exits *to, const Edged__Stepped *from);
/* `room` outlives the reply. */
void trainer_exits_say(const struct trainer *t, struct trainer_said *room,
                       Edged__TrainReply *reply);

/* ---- agree.c: replicas that take steps of their own ---------------------- */

bool trainer_is_local(const struct trainer *t);
/* The next Step shall have them agree. */
bool trainer_must_agree(const struct trainer *t);
/* False: they are not alike, and will not be by the next Step. */
bool trainer_may_save(const struct trainer *t);
/* Of the Step that goes out: whether they agree, and on what. */
void trainer_agree(struct trainer *t);
/* What a board's part in the mean is. */
double trainer_share(const struct trainer *t, const struct trainer_part *part);
/* Of a step that goes out: codecs between replicas leave nothing out, so that a
 * checkpoint may follow. */
bool trainer_is_whole(const struct trainer *t);
/* A step was trained. */
void trainer_drift_apart(struct trainer *t);

/* ---- keep.c: checkpoints and the row of state.db ------------------------- */

int trainer_keep(struct trainer *t);
void trainer_begin_saving(struct trainer *t);
void trainer_drop_saving(struct trainer *t);
bool trainer_is_save_due(const struct trainer *t);
/* Nothing came of a state for too long: it is given up. */
void trainer_look_saving(struct trainer *t);
/* A copy, without states; *to is zeroed first. */
void trainer_copy_point(const Edged__KeptCheckpoint *from,
                        Edged__KeptCheckpoint *to);

/* ---- curve.c: how it went, in bounded space ------------------------------ */

/* A step was trained. */
void trainer_curve_step(struct trainer *t);
/* A pass is over. */
void trainer_curve_pass(struct trainer *t, const Edged__KeptPass *pass);
/* Forgets what came after the point that is gone on from. */
void trainer_curve_back(struct trainer *t);

/* ---- say.c --------------------------------------------------------------- */

/* Tells all watchers; `phase` as in TrainProgress. */
void trainer_say(struct trainer *t, const char *phase, const char *text);
/* The same after a step, not too often. */
void trainer_say_step(struct trainer *t);
void trainer_say_pass(struct trainer *t, const Edged__KeptPass *pass,
                      bool is_tested);
void trainer_reply(const struct trainer *t, struct io_peer *peer, int rc,
                   const char *text);
void trainer_refuse(struct io_peer *peer, int rc, const char *text);

#endif

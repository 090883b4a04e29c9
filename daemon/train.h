/*
 * The daemon's half of training (docs/decisions/0024). A hosted shard with a
 * recipe has a `struct train` instead of a plan; one Step of the trainer at a
 * time is under way on it:
 *
 *   Step -> APPLY    the optimizer takes what waits
 *        -> MEAN     replicas with steps of their own agree (Reduce)
 *        -> NOTE     the parameters' mark, the state is saved
 *        -> MICROS   loaded (IO_CODE), computed (IO_COMPUTE, one job of the
 *                    daemon at a time), values and gradients go as Flow; while
 *                    the last one goes back, what is final is added up
 *        -> REDUCE   the rest of the replicas' gradients is (Reduce)
 *        -> FINISH   the mean, and its square
 *        -> Stepped
 *
 *   a job fails, a neighbour is lost, a Step cannot be: Stepped with a negative
 *   code, and nothing more is done in this epoch. A message that cannot be is
 *   dropped. What comes before its Step, or before its turn, is kept.
 *
 * What jobs read and write is theirs while they run: a micro-batch, the step,
 * the set of samples. All else is the loop's.
 */
#ifndef EDGED_TRAIN_H
#define EDGED_TRAIN_H

#include "daemon/parts.h"
#include "dataset/dataset.h"
#include "dataset/loader.h"
#include "dataset/order.h"
#include "graph/views.h"
#include "train/step.h"

#define TRAIN_OUTPUTS (LIMIT_PORTS + LIMIT_LOSSES)
#define TRAIN_PLANS 2 /* sizes of micro-batches to evaluate with */
#define TRAIN_MARK 8  /* bytes */

struct train_port {
    enum dtype dtype;
    struct shape shape; /* of the largest micro-batch */
};

struct train_set { /* samples to train or to evaluate on */
    uint64_t samples;
    struct loader *loader; /* NULL: this shard needs none of what they are */
};

struct train_made { /* what the disk strand makes of a recipe */
    struct train_step *step;
    struct graph *graph; /* as imported, for evaluation */
    struct train_set train;
    struct train_set test;
    struct train_port in[LIMIT_PORTS];
    struct train_port out[TRAIN_OUTPUTS];
    size_t n_out;                /* the shard's, and then scores beside them */
    size_t scores[LIMIT_LOSSES]; /* among the outputs */
    struct views views;
    int view_of[LIMIT_LOSSES]; /* that alone leads to it; -1: there is none */
    bool has_seeds;
    bool wants_input_grads;
    bool takes_output_grads;
    struct step_memory memory;
    uint64_t bytes; /* all of it */
    double pace_us; /* a sample forward shall take; 0: as it does */
    struct plan *plans[TRAIN_PLANS]; /* to evaluate with, of these */
    int64_t plan_sizes[TRAIN_PLANS];
    size_t next_plan;
    /* What the codec between replicas left out of this board's gradients: after
     * the step that was applied last, and as the one behind it would have it.
     * NULL: it leaves nothing out. */
    float *residual;
    float *next_residual;
    /* Of replicas that take steps of their own: what they last agreed on, and
     * what became of it since. NULL: they agree on each step. */
    float *agreed;
    float *changes;
    size_t n_agreed;
};

enum micro_state {
    MICRO_WAITS,    /* for inputs, samples, its turn */
    MICRO_FORWARD,  /* a job has it */
    MICRO_STANDS,   /* forward is done */
    MICRO_BACKWARD, /* a job has it */
    MICRO_DONE
};

struct value_in {         /* what came of a value or gradient */
    struct tensor tensor; /* no type: nothing yet */
    uint32_t codec;
};

struct train_mask { /* what a sparse codec kept of a value; no marks: all */
    uint8_t *marks;
    bool haar; /* of its wavelets */
};

struct micro { /* a micro-batch, as far as it is here */
    bool is_mine;
    enum micro_state state;
    uint32_t samples;
    uint64_t first; /* position of its first sample */
    size_t slot;
    bool is_loaded;
    struct value_in *in; /* by input */
    size_t n_in;
    struct value_in *back; /* by link */
    size_t n_back;
    struct tensor *x;  /* by input, out of their coded form */
    struct tensor *y;  /* by output */
    struct tensor *dx; /* by input: gradients */
    struct tensor *dy; /* by output: gradients, while it goes back */
    struct tensor labels;
    struct tensor seeds;
    struct blob **coded;      /* by coder, then by input; NULL: as it is */
    struct train_mask *masks; /* the same */
};

enum work_phase {
    WORK_APPLY,
    WORK_MEAN,
    WORK_NOTE,
    WORK_MICROS,
    WORK_REDUCE,
    WORK_FINISH
};

#define REDUCE_ARRAYS 2 /* gradients, sums of batch statistics */

struct reduce_piece {
    size_t open;  /* elements that are not final here yet */
    size_t came;  /* replicas that sent what they have of it, if it is ours */
    bool is_out;  /* what this board has to send of it */
    bool is_done; /* the result is in its place */
};

struct reduce_array {
    enum dtype dtype;
    uint8_t *data;
    size_t n; /* elements */
    struct reduce_piece *pieces;
    size_t n_pieces;        /* as many of each replica */
    struct value_in *parts; /* by own piece and replica: what it has of it */
    uint8_t *room;          /* for one piece, out of its coded form */
};

struct reduce {
    struct reduce_array arrays[REDUCE_ARRAYS];
    size_t left; /* pieces that are not done */
};

struct train_exits {                /* of an evaluation */
    uint64_t samples[LIMIT_LOSSES]; /* whose view is there */
    uint64_t correct[LIMIT_LOSSES];
    uint64_t left[EXIT_LEVELS][LIMIT_EXITS + 1];
    uint64_t left_correct[EXIT_LEVELS][LIMIT_EXITS + 1];
};

struct train_result {
    uint64_t step; /* 0: nothing was said */
    double square;
    double losses[LIMIT_LOSSES];
    uint64_t samples;
    uint64_t correct;
    bool has_exits;
    struct train_exits exits;
    uint64_t busy_us;
    uint64_t took_us;
    uint64_t sent;
    uint64_t plain;
    uint64_t reduced;
    uint64_t reduced_plain;
    uint8_t mark[TRAIN_MARK];
    int code;
    char text[256];
};

struct work { /* a Step under way */
    uint64_t step;
    uint64_t applies;
    double rate;
    double square;
    uint32_t pass;
    bool evaluates;
    bool saves;
    bool averages;
    double share;    /* of this board, in the mean */
    uint64_t absent; /* of an evaluation: views that are left out, or 0 */
    bool is_grey;
    bool is_whole; /* replicas leave nothing out of their gradients */
    double slack;  /* of what sparse links leave out, kept all the same */
    enum work_phase phase;
    struct micro *micros;
    uint32_t *ways;
    size_t n_micros;
    size_t n_mine;
    size_t n_forward; /* of mine, done or under way */
    size_t n_loaded;
    double samples; /* that the gradient is the mean over */
    uint64_t began_us;
    struct reduce reduce;
    struct train_result result;
};

enum job_kind { JOB_APPLY, JOB_NOTE, JOB_FORWARD, JOB_BACKWARD, JOB_FINISH };

struct train_job {
    struct io_work work;
    struct train *train;
    enum job_kind kind;
    struct micro *micro;
    const struct step_legs *legs; /* of its way back; NULL: it has none */
    float losses[LIMIT_LOSSES];
    uint64_t correct;
    struct train_exits exits;
    struct blob *state; /* to be saved */
    int rc;
    struct err why;
};

struct train_leg { /* of the job's way back, but for the last */
    struct io_work work;
    struct train *train;
    size_t at;
    int rc;
};

struct early { /* a message whose time has not come */
    struct list link;
    char from[LIMIT_NAME + 1];
    bool is_reduce;
    bool back;
    uint64_t step;
    uint32_t micro; /* or the round */
    uint32_t port;
    uint64_t offset;
    struct value_in value;
};

struct save;

struct train {
    struct hosted *shard;
    struct daemon *daemon;
    struct threads *threads;     /* its; NULL: none */
    const Edged__Recipe *recipe; /* in epoch->recipes */
    const Edged__Shard *spec;
    const Edged__Place **places; /* by stage */
    size_t replica;
    size_t n_replicas;
    struct codec *back;      /* by source: how gradients go */
    struct codec reduce;     /* how they go between replicas */
    struct train_made *made; /* NULL until it is */
    uint64_t applied;        /* step */
    uint64_t waiting;        /* step whose gradients wait; 0: none */
    struct work *work;       /* NULL: nothing is asked for */
    struct train_result said;
    int broken; /* why nothing more is done; 0: it is not so */
    char why[256];
    bool ended;
    struct train_job job; /* one at a time */
    struct train_leg legs[STEP_LEGS - 1];
    bool is_computing;
    struct train_job load;
    bool is_loading;
    struct list early;
    size_t early_bytes;
    size_t n_early;
    struct list posts;
    struct save *save;
};

/* train_spec.c */
/* Checks the recipe of each shard, once all of them are read; makes `train`.
 * EDGE_EPROTO, EDGE_EUNSUPPORTED, EDGE_ENOMEM. */
int train_read(struct epoch *epoch, const Edged__Install *from,
               struct err *err);
void train_free(struct train *t); /* NULL is fine; no job may run */
const Edged__Source *train_source(const struct train *t, uint32_t port);
bool train_is_mate(const struct train *t, const char *name);

/* train_make.c, on the disk strand. */
int train_make(struct store *store, const struct train *t,
               const struct paced *pace, struct train_made **made,
               struct err *err);
void train_made_free(struct train_made *made); /* NULL is fine */

/* train_data.c */
int train_data_open(struct store *store, const Edged__DataSpec *spec,
                    uint64_t seed, bool trains, struct train_set *set,
                    struct err *err);
void train_data_pump(struct train *t);

/* train.c: Steps begin and end. */
void train_take(struct hosted *shard, struct train_made *made);
void train_on_step(struct daemon *d, struct io_peer *peer, struct msg *msg);
void train_fail(struct train *t, int rc, const char *why);
void train_go_on(struct train *t); /* a part of the Step is over */
/* WORK_MEAN or WORK_REDUCE; what is behind it is the next phase. */
void train_enter_reduce(struct train *t, enum work_phase phase);
void train_stepped(struct train *t);
void train_peer_gone(struct daemon *d, const struct io_peer *peer);
void train_end_all(struct epoch *epoch);
/* A job came back: false if its epoch or Step is over, and it is cleaned up. */
bool train_came_back(struct train *t);

/* train_work.c: what a Step needs in memory. */
int train_work_new(struct train *t, const Edged__Step *step, struct work **work,
                   struct err *err);
void train_work_free(const struct train *t, struct work *work);
void train_micro_clear(const struct train *t, struct micro *m);

/* train_pick.c: what the compute strand does next. */
void train_pump(struct daemon *d);

/* train_job.c: what it does. */
void train_forward(struct train_job *job);
void train_backward(struct train_job *job); /* or the last leg of it */
void train_backward_leg(struct train_job *job, size_t leg);
void train_apply(struct train_job *job);
void train_note(struct train_job *job);
void train_finish(struct train_job *job);

/* train_code.c, on the strand: values in their coded forms and out of them. */
int train_open_inputs(struct train *t, struct micro *m, struct err *err);
int train_close_outputs(struct train *t, struct micro *m, struct err *err);
/* The gradient that came back over a link, for tensor_deinit(). */
int train_open_grad(struct train *t, struct micro *m, size_t link,
                    struct tensor *grad, struct err *err);
int train_close_grads(struct train *t, struct micro *m, struct err *err);
/* In which codec a gradient goes back, of a value that went with that mask. */
uint32_t train_back_id(const struct codec *back, const struct train_mask *mask);
/* The mask of what went over a link of this shard. */
const struct train_mask *train_mask(const struct train *t,
                                    const struct micro *m, size_t link);

/* train_lossy.c: `lossy` of a recipe makes sense; NULL does. */
bool train_lossy_ok(const Edged__Lossy *lossy);
/* `graph` as it is to be trained, or evaluated. */
int train_lossy(const Edged__Lossy *lossy, bool evaluates, struct graph *graph,
                struct err *err);
/* What is lost by chance while evaluating has seeds. */
bool train_lossy_evaluates(const Edged__Lossy *lossy);

/* train_views.c: a picture of several views. What a recipe says of them makes
 * sense; nothing does. */
bool train_views_ok(const Edged__Shard *shard, const Edged__DataSpec *spec);
/* That input is filled from the data; so many are. */
bool train_is_data(const Edged__DataSpec *spec, size_t port);
size_t train_data_ports(const Edged__DataSpec *spec);
/* Which losses are one view's. */
int train_views_find(const struct train *t, struct train_made *made,
                     struct err *err);
/* *scores of a loss, in the graph to be trained, become those that count only
 * where their view is there. */
int train_views_mask(const struct train_made *made, struct graph *graph,
                     size_t loss, const char **scores, struct err *err);
/* On the code strand: room for a micro-batch's inputs, and what is in them, of
 * pictures of `count` numbers. */
int train_views_room(const struct train *t, struct micro *m);
void train_views_fill(const struct train *t, struct micro *m,
                      const float *pictures, size_t count,
                      const uint64_t *samples);
/* -1: of no view; that is. */
bool train_view_is_there(const struct train *t, const struct micro *m,
                         size_t sample, int view);

/* train_exits.c */
void train_exits_count(const struct train *t, const struct micro *m,
                       struct train_exits *to);
void train_exits_add(struct train_exits *to, const struct train_exits *more);

/* train_eval.c, on the strand. */
int train_evaluate(struct train *t, struct micro *m, float *losses,
                   struct err *err);
void train_plans_free(struct train_made *made);
/* Of scores (samples, classes, 1...): mean cross-entropy, and how many of the
 * highest are the labels'. */
double train_entropy(const struct tensor *scores, const int64_t *labels);
uint64_t train_count(const struct tensor *scores, const int64_t *labels);
int64_t train_best(const float *scores, int64_t n); /* the highest, the first */

/* train_flow.c */
void train_on_flow(struct daemon *d, struct io_peer *peer, struct msg *msg);
void train_send_values(struct train *t, struct micro *m);
void train_send_grads(struct train *t, struct micro *m);
/* What came too early is looked at again. */
void train_again(struct train *t);
void train_drop_early(struct train *t);
int train_keep_early(struct train *t, const struct early *from);
void train_flow(struct train *t, const struct early *from);

/* train_pieces.c: of an array that is added up. Room for what a Step adds up,
 * before anything of it can come. */
int train_reduce_open(const struct train *t, struct work *w);
void train_reduce_free(struct reduce *reduce);
size_t train_piece_begin(const struct reduce_array *a, size_t piece);
size_t train_piece_size(const struct reduce_array *a, size_t piece);
/* The last one that begins at element `at` or before. */
size_t train_piece_at(const struct reduce_array *a, size_t at);
/* `n` elements from `at` on are final. */
void train_pieces_close(struct reduce_array *a, size_t at, size_t n);

/* train_reduce.c */
void train_on_reduce(struct daemon *d, struct io_peer *peer, struct msg *msg);
/* Values are what they will be: those of a leg, all others. */
int train_reduce_some(struct train *t, const struct step_leg *leg,
                      struct err *err);
int train_reduce_rest(struct train *t, struct err *err);
void train_reduce_take(struct train *t, const struct early *from);

/* train_legs.c: the way back in legs, while others take its gradients. That of
 * a micro-batch; NULL: it is gone at once. */
const struct step_legs *train_legs_of(const struct train *t,
                                      const struct micro *m);
/* All but the last, which is t->job itself; of its stretch each gets a part. */
void train_legs_start(struct train *t);

/* train_mean.c: what replicas with steps of their own agree on. */
int train_mean_make(const struct train *t, struct train_made *made,
                    struct err *err);
void train_mean_free(struct train_made *made);
/* Before adding up: the changes, times what they count. */
void train_mean_leave(struct train_made *made, double share);
/* Behind it: the state is what all agree on now. */
void train_mean_arrive(struct train_made *made);

/* train_squeeze.c: gradients between replicas in their codec. What comes (`n`
 * elements) becomes `to`. */
int train_squeeze_open(const struct value_in *from, size_t n, float *to,
                       struct err *err);
/* `values`, which begin at `offset` of the whole array, with what was left out
 * of them before: *coded is what is sent, *codec its codec, and `values` become
 * what that is read as. */
int train_squeeze(struct train *t, size_t offset, struct blob *values,
                  struct blob **coded, uint32_t *codec, struct err *err);
/* What was left out of a step counts from now on: it was applied. */
void train_squeeze_applied(struct train_made *made);

/* train_post.c: messages to other boards, in order, as sockets take them. */
struct post {
    struct list link;
    const char *to;
    bool is_reduce;
    bool back;
    uint32_t shard;
    uint64_t step;
    uint32_t micro; /* or the round */
    uint32_t port;
    uint64_t offset;
    enum dtype dtype;
    struct shape shape;
    uint32_t codec;
    struct blob *blob;
};
/* Takes over `post->blob`'s reference whatever happens. */
void train_post(struct train *t, const struct post *post);
void train_post_drop(struct train *t);
void train_post_all(struct daemon *d);
void train_post_init(struct daemon *d);
/* The connection to a board that is used, of those there are; or NULL. */
struct io_peer *train_peer(struct daemon *d, const char *name);

/* train_save.c */
void train_save(struct train *t, struct blob *state, uint64_t step);
void train_on_ack(struct daemon *d, struct io_peer *peer, struct msg *msg);
void train_save_drop(struct train *t); /* as soon as no job has it */
void train_save_free(struct train *t); /* no job may run */
void train_coordinator_gone(struct daemon *d);

/* Each trained shard of this daemon. */
void train_each(struct daemon *d, void (*each)(struct train *t, void *arg),
                void *arg);

#endif

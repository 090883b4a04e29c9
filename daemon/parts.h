/*
 * What the daemon's files share. An epoch owns its shards, a shard its runs.
 *
 *   epoch   INSTALLING -> PLANNING -> READY -> ENDING -> freed
 *                |            |                  ^
 *                +--> FAILED -+------------------+  (Retire, or not in Epochs)
 *
 *   run     GATHERING -> QUEUED -> COMPUTING -> HOLDING -> freed
 *           any of them may end early: deadline, retire, a final Nack.
 */
#ifndef EDGED_PARTS_H
#define EDGED_PARTS_H

#include "base/list.h"
#include "base/store.h"
#include "codec/coded.h"
#include "daemon/board.h"
#include "daemon/heat.h"
#include "daemon/daemon.h"
#include "daemon/paced.h"
#include "daemon/seen.h"
#include "daemon/source.h"
#include "engine/plan.h"
#include "relay/intake.h"
#include "relay/pulse.h"
#include "relay/relay.h"
#include "relay/sweep.h"

/* No node can be called so. */
#define GATEWAY_NAME "/gateway"

struct epoch;
struct train;

struct link_out { /* an output's way: one per destination shard */
    uint32_t port;
    uint32_t to_shard;
    uint32_t to_port;
    uint32_t coder; /* 0: values go as they are; else coders[coder - 1] */
    uint32_t after; /* exits that must have let the request pass */
};

/* A shard that goes on without some of its inputs: views.c. */
struct gather {
    uint32_t all;               /* the model's views, as a mask */
    uint32_t present;           /* + 1: the input that nobody sends; 0: none */
    uint32_t deadline_ms;       /* from its first input on */
    uint8_t views[LIMIT_PORTS]; /* of each input, + 1; 0: it is always needed */
    char nodes[LIMIT_PORTS][LIMIT_NAME + 1]; /* who sends it; "": several may */
    bool has_come[LIMIT_PORTS];              /* ever, from there */
};

struct exit_rule {   /* when an answer leaves: exits.c */
    uint32_t number; /* from 1, in their order; 0: none leaves */
    uint32_t port;
    bool by_entropy;
    bool of_probabilities; /* not of scores */
    double below;
};

struct coder { /* an output in the coded form that some links want */
    uint32_t port;
    struct codec codec;
};

struct hosted { /* a shard on this node */
    struct epoch *epoch;
    uint32_t id;
    char name[LIMIT_NAME + 1];
    struct digest model;
    struct digest *blobs; /* external data */
    size_t n_blobs;
    size_t n_inputs;
    size_t n_outputs;
    struct link_out *links;
    size_t n_links;
    struct coder *coders;
    size_t n_coders;
    uint32_t comes_in[LIMIT_PORTS]; /* codecs of its inputs */
    struct relay_sent sent;
    uint64_t bytes;      /* what the planner reckoned with */
    struct plan *plan;   /* NULL until planned; other epochs may share it */
    struct train *train; /* it is trained, and has no plan; or NULL */
    bool is_spare;       /* here in case the others are lost */
    bool evicted;        /* a spare that made way: not ready any more */
    struct list runs;
    uint32_t waiting;    /* runs gathering or queued */
    uint32_t compute_us; /* moving average, 0: never ran */
    uint32_t pace_us;    /* a run is made to take so long; 0: as it does */
    uint64_t gather_us;  /* from a run's first input to its last, of late */
    bool has_gathered;
    uint64_t n_runs;
    struct seen finished;  /* requests */
    struct gather *gather; /* NULL: it needs all of its inputs */
    struct exit_rule exit;
    uint32_t view;           /* + 1: whose own part it is */
    struct sensing *sensing; /* where that comes from; NULL: from clients */
    uint32_t wait_ms;        /* for an exit, at most; 0: as long as it takes */
    bool is_tiered; /* an exit is here, or is waited for: one Ack of all that
                     * it sends says that the request is answered */
};

struct sensing { /* sense.c */
    char *from;
    uint64_t stale_us;
    struct image_spec spec;
    bool blank_absent;     /* what is black everywhere was not seen */
    struct source *source; /* NULL: the shard is not ready yet */
};

enum epoch_state {
    EPOCH_INSTALLING,
    EPOCH_PLANNING,
    EPOCH_READY,
    EPOCH_FAILED,
    EPOCH_ENDING
};

struct lack { /* a blob that is not here yet */
    struct digest digest;
    uint64_t size;
};

struct epoch {
    struct list link;
    struct daemon *daemon;
    uint32_t number;
    char deployment[LIMIT_NAME + 1];
    enum epoch_state state;
    struct hosted *shards;
    size_t n_shards;
    struct lack *lacks; /* the first n_asked of them were asked for */
    size_t n_lacks;
    size_t n_asked;
    struct relay_policy policy;
    uint8_t *message; /* the Install, packed: what the state folder keeps */
    size_t message_size;
    Edged__Install *recipes;  /* the same, unpacked; NULL: nothing is trained */
    struct io_peer *asked_by; /* who wants to hear Ready; NULL: nobody */
    struct neighbour **neighbours;
    size_t n_neighbours;
    struct prepare_job *job; /* the disk strand has it; NULL: it has not */
    int rc;                  /* of planning, with `why` */
    struct err why;
    uint32_t computing; /* runs on the strand, which cannot be taken back */
};

struct neighbour { /* a node that shards here send to; dialed by us */
    struct list link;
    struct io_peer *peer;
    struct relay_node *node;
    char host[256];
    int port;
    uint32_t refs; /* epochs */
};

enum run_state { RUN_GATHERING, RUN_QUEUED, RUN_COMPUTING, RUN_HOLDING };

#define RUN_SENDERS (2 * LIMIT_PORTS) /* each input, and again */

struct sender {           /* who waits for our Ack */
    struct io_peer *peer; /* NULL: a shard of this very process */
    uint32_t from;        /* which shard there */
};

struct run {           /* one request through one shard */
    struct list link;  /* in hosted.runs */
    struct list queue; /* in daemon.runnable */
    struct daemon *daemon;
    struct hosted *shard;
    uint64_t request;
    uint64_t deadline_us;
    enum run_state state;
    bool ended;    /* while computing: throw the outputs away */
    bool unwanted; /* while computing: its senders took it back */
    bool parked;   /* computed, and unwanted */
    struct tensor *inputs;
    uint32_t comes_in[LIMIT_PORTS]; /* codecs; 0: the tensor is whole */
    size_t n_have;
    struct tensor *opened; /* inputs out of their coded form, where need be */
    struct tensor *outputs;
    struct blob **coded;    /* one for each coder; NULL: goes as it is */
    struct relay_hop *hops; /* the way here, and this shard last */
    size_t n_hops;
    uint32_t wire_us;
    struct sender senders[RUN_SENDERS];
    size_t n_senders;
    struct run_hold *holds; /* one per destination shard */
    size_t n_holds;
    size_t holds_left;
    struct relay_views views;
    struct source_ask ask; /* of a view's board: what was seen */
    bool asks;             /* it waits for that */
    bool is_blank;         /* nothing was seen: it has no outputs */
    uint32_t passed;       /* exits up to this one did not end it */
    bool leaves;           /* here */
    bool is_answered;      /* nobody else need work on it */
    uint64_t began_us;     /* when its first input came; 0: not yet */
    uint64_t queued_us;
    uint64_t given_us; /* when its outputs began to go; 0: not yet */
    struct plan *plan; /* for the job: nothing else of the daemon's */
    int rc;            /* of the job */
    struct io_work work;
};

struct run_hold {
    struct run *run;
    struct relay_part *parts;
    uint32_t after;  /* exits that it waits for */
    bool is_started; /* else it waits, or is not sent at all */
    struct hold hold;
};

struct faults;
struct membership {               /* this node's certificate: member.c */
    const struct daemon_tls *tls; /* NULL: plain text, or simulated */
    int64_t renew_at_s;           /* wall clock; 0: no certificate */
    uint64_t renew_after_ms;      /* monotonic: not before */
    struct member_job *job;       /* on the disk strand, or NULL */
    struct member_job *next_denied;
    struct io_peer *asker; /* `edged join`, waiting for its Result */
    bool knows_denied;
    struct digest denied; /* of the list that is in force */
};

#define SPEED_THREADS 1 /* that compute one run: the strand alone */

struct speed { /* of this board: speed.c */
    char kind[BOARD_KIND];
    char machine[BOARD_MACHINE];
    double macs_per_s;
    double bytes_per_s;
    double run_s;
    double share; /* of one processor, that a run has in the long run */
    bool is_known;
};
struct speed_job;
struct measure;
struct link_ask;

struct daemon {
    struct io *io;
    struct log *log;
    char name[LIMIT_NAME + 1];
    char *folder;
    struct store *store;
    uint64_t memory_budget;    /* configured; 0: what is free */
    const struct board *board; /* of a test; NULL: this one */
    struct heat heat;          /* likewise nothing of a test's board */
    const struct paced *pace;  /* NULL: as fast as this board is */
    struct threads *threads;   /* the compute strand's; NULL: it is alone */
    int store_flags;
    struct relay relay;
    struct relay_node *gateway;
    struct io_peer *coordinator; /* the newest connection; NULL: away */
    struct list peers;           /* struct visitor: all that are up */
    struct list epochs;
    struct list forgets; /* struct forget: files on their way out */
    struct list neighbours;
    struct intake intake; /* blobs on their way in */
    struct sweep sweep;   /* and those that nobody needs any more, out */
    struct list runnable;
    size_t on_strand;       /* runs handed to the compute strand */
    uint64_t progress;      /* runs that came back from it */
    uint64_t seen_progress; /* of daemon_is_well(): then, and when */
    uint64_t seen_ms;
    uint64_t said_progress; /* of daemon_summary(), likewise */
    uint64_t said_us;
    size_t n_live;           /* runs, all in all */
    size_t n_parked;         /* of them */
    bool training;           /* a job of a training is on the compute strand */
    struct io_timer posting; /* train_post.c */
    struct io_timer beat;
    struct io_timer gathering; /* views.c: the next deadline */
    uint64_t gathering_us;     /* when it is due; 0: it does not run */
    uint64_t beat_seq;
    struct faults *faults;                /* on purpose: fault.c */
    const struct daemon_process *process; /* NULL: cannot be stopped */
    uint32_t looks;                       /* since the last beat went out */
    struct list sources;                  /* source.c */
    bool allow_exec;                      /* views may come from commands */
    struct list probes;
    size_t n_probes;
    uint32_t alone_ms; /* nobody heard for so long, up to DEAD_MS */
    struct membership member;
    struct speed speed;
    struct speed_job *speed_job; /* on the compute strand, or NULL */
    struct measure *measure;     /* under way, or NULL */
    struct link_ask *link_ask;   /* likewise */
    bool closing;
    bool drained;        /* the coordinator wants it to have no work */
    uint64_t leaving_us; /* since when it is leaving; 0: it is not */
    struct io_timer leave;
    void (*left)(void *arg);
    void *left_arg;
};

struct visitor { /* per peer that is up, in peer->user */
    struct list link;
    struct io_peer *peer;
    struct pulse pulse;
    bool suspect;
};

/* install.c */
void install_on_install(struct daemon *d, struct io_peer *peer,
                        struct msg *msg);
void install_on_retire(struct daemon *d, struct io_peer *peer, struct msg *msg);
void install_on_epochs(struct daemon *d, struct io_peer *peer, struct msg *msg);
void install_blob_arrived(void *daemon, const struct digest *digest);
void install_peer_gone(struct daemon *d, struct io_peer *peer);
/* Begins an epoch that the state folder keeps. */
int install_kept(struct daemon *d, const Edged__Install *from, struct err *err);
struct epoch *install_find(struct daemon *d, uint32_t number);
struct hosted *install_shard(struct epoch *epoch, uint32_t id);
/* Frees an epoch whose runs are gone, if it is ending. */
void install_settle(struct epoch *epoch);
void install_free_all(struct daemon *d);

/* leave.c */
bool leave_declines(const struct daemon *d); /* drained, or leaving */
void leave_drain(struct daemon *d, bool on);
void leave_on_leave(struct daemon *d, struct io_peer *peer, struct msg *msg);
void leave_stop(struct daemon *d);

/* kept.c */
int kept_write(const char *path, const void *data, size_t size, bool sync,
               struct err *err);
void kept_forget(struct epoch *epoch);
void kept_load(struct daemon *d);
void kept_free_all(struct daemon *d);

/* spec.c: an Install message -> struct epoch, every number checked. */
int spec_read(struct daemon *d, const Edged__Install *from,
              struct epoch **epoch, struct err *err);
void spec_free(struct epoch *epoch);

/* True if this Install says the same, but for addresses. */
bool spec_is_same(const struct epoch *epoch, const Edged__Install *from);

/* share.c: one plan for all epochs that hold a shard; spares make way. */
/* Takes the plans of shards that are ready here. */
void share_plans(struct epoch *epoch);
/* Lets go of a shard's plan, which is freed with its last holder. */
void share_release(struct epoch *epoch, size_t i);
/* What it takes, less what epochs in the list before it have as well. */
uint64_t share_bytes(const struct epoch *epoch);
/* Drops idle spares until so many bytes are free; false: not enough. */
bool share_make_room(struct daemon *d, uint64_t bytes);

/* need.c */
void need_name(void *daemon, struct sweep *sweep); /* all that epochs have */
int need_init(struct epoch *epoch, const Edged__Install *from);
void need_ask(struct epoch *epoch, struct io_peer *peer);
/* True if nothing is lacking any more. */
bool need_arrived(struct epoch *epoch, const struct digest *digest);

/* prepare.c: what planning an epoch does off the loop. */
void prepare_start(struct epoch *epoch, void (*done)(struct epoch *epoch));
void prepare_drop(struct epoch *epoch); /* its job will never be done */

/* route.c */
int route_open(struct epoch *epoch, const Edged__Install *from,
               struct err *err);
void route_refresh(struct epoch *epoch, const Edged__Install *from);
void route_close(struct epoch *epoch);
void route_peer_up(struct daemon *d, struct io_peer *peer);
void route_peer_down(struct daemon *d, struct io_peer *peer);
struct relay_node *route_node_of(struct daemon *d, struct io_peer *peer);

/* gather.c: inputs come in. */
void run_on_data(struct daemon *d, struct io_peer *peer, struct msg *msg);
void run_on_local(void *daemon, struct hold *hold);
struct run *run_find(struct hosted *shard, uint64_t request); /* or NULL */
/* Some inputs came and the rest, it seems, went to another node. */
bool run_is_left_alone(const struct run *run, uint64_t now_us);

/* views.c: who is there. */
int views_read(const Edged__Shard *from, struct hosted *shard, struct err *err);
void views_init(struct daemon *d);
void views_stop(struct daemon *d);
/* True if nothing more is waited for. */
bool views_are_whole(const struct run *run);
/* Queues it if nothing more is waited for, or ends it if nothing is there at
 * all. */
void views_go_on(struct run *run);
/* An input is here, or will not come: who else need not be waited for. */
void views_note(struct run *run, size_t port);
/* What is missing is taken for 0, and `present` says so. EDGE_ENOMEM. */
int views_complete(struct run *run);
/* Only views lack: it goes on without them when its deadline comes. */
bool views_may_go_on(const struct run *run);
/* A node is gone, and with it the views that it sends. */
void views_node_gone(struct daemon *d, const char *node);

/* sense.c: what a view's own board sees. */
int sense_read(const Edged__Shard *from, struct hosted *shard, struct err *err);
/* Its shards are planned. */
int sense_start(struct epoch *epoch, struct err *err);
void sense_free(struct hosted *shard);
/* NULL, or why such Data without values cannot be taken. */
const char *sense_refuses(const struct hosted *shard,
                          const struct relay_data *data);
/* Data without values: what was seen is asked for, or somebody saw nothing. */
void sense_take(struct run *run, const struct relay_data *data);
void sense_stop(struct run *run);

/* exits.c: who leaves, and who waits for that. */
int exits_read(const Edged__Shard *from, struct hosted *shard, struct err *err);
/* On the strand, when the outputs are there. */
void exits_judge(struct run *run);
/* Whether a hold may go now. */
bool exits_allow(const struct run *run, const struct run_hold *rh);
/* The run after this one says that exits let the request pass. */
void exits_on_computed(struct daemon *d, const Edged__Computed *computed);
/* Nothing is sent or held any more: it only knows that the request passed. */
bool exits_is_idle(const struct run *run);
/* Who waits for an exit that nobody decides does not wait for ever. */
void exits_look(struct run *run);
void exits_look_all(struct daemon *d);

/* run.c */
/* All that it waits for is here: for run_pump(). */
void run_queue(struct run *run);
/* There is nothing to compute: who waits for its outputs hears so. */
void run_skip(struct run *run);
void run_peer_gone(struct daemon *d, struct io_peer *peer);
void run_end_all(struct epoch *epoch);
void run_end_late(struct daemon *d);
/* Its outputs go on their way. False: they cannot, and the run has ended. */
bool run_give(struct run *run);
void run_unpark(struct run *run);
void run_pump(struct daemon *d); /* starts what the strand has room for */
void run_compute(struct io_work *work); /* the strand's part of a run */
void run_free_all(struct epoch *epoch); /* without a word; no job may run */

/* coding.c: values out of and into what links write. */
int coding_make_room(struct run *run);
/* On the strand, before and after the shard: EDGE_ECORRUPT, EDGE_ENOMEM. */
int coding_open(struct run *run, struct tensor *given);
int coding_close(struct run *run);
/* On the loop: lets go of what the coded form stands for. */
void coding_settle(struct run *run);
void coding_free(struct run *run);
/* What goes along a link. */
struct relay_part coding_part(const struct run *run,
                              const struct link_out *link);

/* hand.c: a run's outputs on their way, and Acks back. */
int hand_on(struct run *run);
/* Those that have become allowed. */
void hand_more(struct run *run);
void hand_stop(struct run *run);
void hand_ack(struct run *run, int rc, const char *text);
/* Tells the senders that the outputs are made and held here. */
void hand_computed(struct run *run);
void hand_computed_to(struct run *run, const struct sender *sender);
void run_finish(struct run *run, int rc, const char *text);

/* probe.c: whether another node is there. */
void probe_on_probe(struct daemon *d, struct io_peer *peer, struct msg *msg);
void probe_peer_up(struct daemon *d, const struct io_peer *peer);
void probe_free_all(struct daemon *d);

/* recall.c: the sender takes it back. */
void run_on_cancel(struct daemon *d, struct io_peer *peer, struct msg *msg);
void run_on_recall(void *daemon, const struct relay_key *key);

/* beat.c */
void beat_start(struct daemon *d);
void beat_now(struct daemon *d);
void beat_on_beat(struct daemon *d, struct io_peer *peer, struct msg *msg);
/* Nobody has been heard for DEAD_MS: no new work is started. */
bool beat_is_alone(const struct daemon *d);
/* Looks again whether somebody is heard. */
void beat_company(struct daemon *d);
uint64_t beat_memory_budget(const struct daemon *d);
uint64_t beat_memory_used(const struct daemon *d);

/* fault.c */
int fault_init(struct daemon *d);
void fault_free(struct daemon *d);
void fault_end_all(struct daemon *d);
void fault_on_fault(struct daemon *d, struct io_peer *peer, struct msg *msg);
void fault_on_clear(struct daemon *d, struct io_peer *peer, struct msg *msg);
void fault_peer_up(struct daemon *d, struct io_peer *peer);
void fault_stretch(const struct daemon *d, struct io_stretch *stretch);
/* member.c */
void member_start(struct daemon *d);
void member_tick(struct daemon *d);
void member_on_join(struct daemon *d, struct io_peer *peer, struct msg *msg);
void member_on_reply(struct daemon *d, struct io_peer *peer, struct msg *msg);
void member_on_denied(struct daemon *d, struct io_peer *peer, struct msg *msg);
void member_peer_gone(struct daemon *d, const struct io_peer *peer);
void member_free(struct daemon *d);

/* speed.c: what the board can do, found out when the daemon begins. */
void speed_start(struct daemon *d);
void speed_free(struct daemon *d);
bool speed_fill(const struct daemon *d, Edged__Speed *out); /* or not known */

/* measure.c: how long each op of a model takes here. */
void measure_on_measure(struct daemon *d, struct io_peer *peer,
                        struct msg *msg);
void measure_go_on(struct daemon *d); /* the strand has room again */
void measure_peer_gone(struct daemon *d, const struct io_peer *peer);
void measure_free(struct daemon *d);

/* link.c: how the way to another node is. */
void link_on_measure(struct daemon *d, struct io_peer *peer, struct msg *msg);
void link_on_burst(struct daemon *d, struct io_peer *peer, struct msg *msg);
void link_on_ack(struct daemon *d, struct io_peer *peer, struct msg *msg);
void link_peer_up(struct daemon *d, const struct io_peer *peer);
void link_peer_gone(struct daemon *d, const struct io_peer *peer);
void link_free(struct daemon *d);

/* dispatch.c */
void daemon_on_message(void *arg, struct io_peer *peer, struct msg *msg);

#endif

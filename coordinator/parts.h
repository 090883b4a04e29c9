/*
 * What the coordinator's files share.
 *
 *   member      a node of the cluster: dialed for ever, its beats watched
 *   placement   one epoch: shards, where they are, how it is entered
 *   seat        one placement on one member
 *   deployment  a model under a name: its placement in force, and the next
 *   request     one inference, from admission to answer
 *
 *   seat        AWAY -> ASKED -> READY          (a member that comes back
 *                 ^       |  \-> FAILED          starts at AWAY again)
 *                 +-------+  connection lost
 */
#ifndef EDGE_COORDINATOR_PARTS_H
#define EDGE_COORDINATOR_PARTS_H

#include "base/list.h"
#include "base/store.h"
#include "config/cluster.h"
#include "coordinator/coordinator.h"
#include "coordinator/events.h"
#include "coordinator/job.h"
#include "coordinator/recovery.h"
#include "coordinator/replan.h"
#include "coordinator/state.h"
#include "relay/intake.h"
#include "relay/logs.h"
#include "relay/pulse.h"
#include "relay/relay.h"
#include "relay/sweep.h"

enum member_state {
    MEMBER_NEVER,   /* has not been heard since the coordinator began */
    MEMBER_UP,      /* works */
    MEMBER_SUSPECT, /* silent or stuck for a while, or we are cut off */
    MEMBER_LOST     /* its connection is gone, or it was silent for long */
};

enum member_doubt { MEMBER_TRUSTED, MEMBER_SILENT, MEMBER_STUCK };

/* What another member said when asked about a silent one. */
enum member_probe { PROBE_NONE, PROBE_HEARD, PROBE_SILENT };

struct member {
    struct list link;
    char name[LIMIT_NAME + 1];
    char host[256];
    int port;
    struct io_peer *peer;
    struct relay_node *node;
    bool beaten; /* a beat has come since it came up */
    enum member_doubt suspect;
    uint64_t suspect_us; /* since when */
    enum member_probe probe;
    char probe_by[LIMIT_NAME + 1];
    uint32_t probe_number; /* of the question; 0: none was asked */
    bool unsure;           /* lost while the coordinator was cut off */
    bool moved; /* its address changed: its neighbours must hear of it */
    struct io_peer *next; /* dialed at its new address; NULL: none */
    char next_host[256];
    int next_port;
    uint64_t down_us; /* when it was lost; 0: never seen */
    char why[256];    /* of the loss, or of a refused dial */
    struct pulse pulse;
    struct steady steady;
    uint64_t memory_budget;
    uint64_t memory_used;
    uint64_t rss;
    int32_t temperature_mc;
    uint32_t throttled; /* enum throttle */
    uint32_t pid;
    struct board_speed speed;
    struct list pushes; /* struct push_blob: the first one is on its way */
    size_t in_window;   /* pieces of it that are not acknowledged */
    bool drained;       /* asked for; kept in state.db */
    bool told;          /* that it is drained, and gets no work */
    bool given;         /* named on the command line */
    struct io_peer *log_asker; /* a client that waits for this node's log */
};

enum seat_state { SEAT_AWAY, SEAT_ASKED, SEAT_READY, SEAT_FAILED };

struct seat {
    struct placement *placement;
    struct member *member;
    enum seat_state state;
    int rc; /* of FAILED, with `why` */
    char why[300];
    uint32_t fails; /* since it was ready */
    uint64_t retry_us;
    uint64_t pushed; /* bytes sent for this placement */
    uint64_t to_push;
};

struct placement {
    struct list link;
    struct coordinator *c;
    struct deployment *deployment;
    uint32_t epoch;
    Edged__Placement *spec; /* owned, unpacked */
    struct seat *seats;
    size_t n_seats;
    uint32_t in_flight;     /* requests that entered here */
    struct request *alone;  /* the only one of them, if it came to none */
    struct relay_sent sent; /* inputs that went to devices */
    bool leaving;           /* retired as soon as nothing is in flight */
    struct io_timer drain;
    bool is_quiet;        /* nobody waits for it: its pushes step back */
    uint64_t progress_us; /* when any seat last moved */
};

#define RECENT 512 /* answers whose latency is kept for quantiles */

struct counts { /* of a deployment */
    uint64_t answered;
    uint64_t failed;
    uint32_t recent_us[RECENT];
    uint64_t recent_at_us[RECENT];
    double alone_us; /* moving average of requests that nothing else was under
                      * way with; 0: there were none */
    uint64_t alone;  /* so many, and the sum of their latencies */
    double alone_sum_us;
    double sum_us; /* of all that were answered */
    /* Of a model of several views: */
    uint64_t by_exit[LIMIT_PORTS]; /* by the exit's number; 0: the last */
    uint64_t incomplete;
    /* By view, what its board sent for those that were answered: */
    uint64_t view_samples[LIMIT_PORTS];
    uint64_t view_bytes[LIMIT_PORTS];
    uint64_t view_heads[LIMIT_PORTS];
};

struct deployment {
    struct list link;
    struct coordinator *c;
    char name[LIMIT_NAME + 1];
    uint32_t generation;
    struct digest yaml;
    struct digest model;
    struct digest labels; /* zero: none */
    bool has_labels;
    char model_name[256];
    uint64_t deployed_at_ms;   /* wall clock, for people */
    struct cluster *cluster;   /* owned */
    struct placement *current; /* NULL: nothing in force yet */
    struct rollout *rollout;   /* NULL: none under way */
    bool is_leaving;           /* an undeploy is under way */
    struct counts counts;
    struct recovery recovery;
    struct replan replan;
};

struct authority {                     /* who is a member: authority.h */
    const struct coordinator_tls *tls; /* NULL: none here */
    bool is_made;
    bool has_key; /* else others issue certificates, not this one */
    bool is_renewing;
    int store_flags;
    char host[128]; /* that nodes join at; "": every one of the machine */
    int port;
    char cluster[LIMIT_NAME + 1];
    uint64_t token_ttl_ms;
    uint64_t cert_ttl_ms;
    int64_t renew_at_s; /* wall clock: of the coordinator's own certificate */
    uint64_t renew_after_ms; /* monotonic: not before */
    uint64_t refused_us;     /* a board was refused, and it was said */
    struct digest *denied;   /* owned */
    size_t n_denied;
    struct list jobs;
};

struct coordinator {
    struct io *io;
    struct log *log;
    char *folder;
    struct store *store;
    struct intake intake;
    struct sweep sweep; /* of the store */
    struct relay relay;
    struct state *state;
    struct authority authority;
    bool insecure;
    bool allow_faults;
    struct faults *faults;
    struct list members;
    struct list deployments;
    struct list placements;
    struct list clients; /* struct client: who is connected */
    struct list requests;
    struct list codes; /* inputs on their way into a codec */
    struct list rollouts;
    struct list undeploys;
    struct list node_asks;
    struct list trainers;        /* coordinator/train */
    struct profiling *profiling; /* under way, or NULL */
    int (*guard)(const char *path, const char *label, struct err *err);
    bool only_given;     /* kept nodes that are not given are forgotten */
    uint64_t leaving_us; /* since when it is leaving; 0: it is not */
    struct io_timer leave;
    void (*left)(void *arg);
    void *left_arg;
    size_t n_requests;
    uint64_t next_request;
    uint32_t next_epoch;
    uint64_t beat_seq;
    uint32_t looks; /* since the last beat went out */
    struct io_timer beat;
    uint32_t probe_number;
    bool cut_off;            /* every member that was up is silent */
    uint64_t heard_again_us; /* when that ended; 0: it never was so */
    struct io_timer recovery;
    uint64_t started_us;
    bool closing;
    struct events events;
};

/* ---- members.c ----------------------------------------------------------- */

struct member *members_find(struct coordinator *c, const char *name);
struct member *members_of(struct coordinator *c, const struct io_peer *peer);
/* Finds or makes it and dials it. At another address it is dialed beside the
 * connection that there is, which goes once the other one is up. */
int members_add(struct coordinator *c, const char *name, const char *host,
                int port, struct member **member, struct err *err);
void members_peer_up(struct coordinator *c, struct io_peer *peer);
void members_peer_down(struct coordinator *c, struct io_peer *peer,
                       const char *why);
void members_refused(struct coordinator *c, struct io_peer *peer,
                     const char *why);
/* Forgets one that has no seat anywhere. */
void members_remove(struct coordinator *c, struct member *m);
void members_free_all(struct coordinator *c);
bool members_is_ready(const struct member *m); /* up, and beaten */
/* Tells it which epochs there are; it drops any other. */
void members_send_epochs(struct coordinator *c, struct member *m);
/* Gives up addresses where nobody has answered. */
void members_stay(struct coordinator *c);
/* Its certificate is revoked: it is told so, and dialed no more until it joins
 * again. Kept, as deployments may name it. */
void members_revoke(struct coordinator *c, struct member *m);
/* One of those, after a restart. */
int members_keep_out(struct coordinator *c, const char *name, const char *host,
                     int port, struct err *err);

/* ---- watch.c: beats, and what their absence means ------------------------*/

void watch_start(struct coordinator *c);
void watch_on_beat(struct coordinator *c, struct io_peer *peer,
                   struct msg *msg);
/* Its connection is gone; called while it still counts as beaten. */
void watch_lost(struct coordinator *c, struct member *m, const char *why);
/* The one word on how a member is: whoever places work asks this. */
enum member_state members_state(const struct coordinator *c,
                                const struct member *m);
/* Of its own beats; 0: never. */
uint64_t members_seen_us(const struct member *m);

/* probe.c: another member is asked whether it hears a silent one. */
void probe_ask(struct coordinator *c, struct member *m);
void probe_on_reply(struct coordinator *c, struct io_peer *peer,
                    struct msg *msg);
/* Puts what is known into m->why; leaves it if nothing is. */
void probe_say(struct member *m);

/* ---- seat.c -------------------------------------------------------------- */

/* placement_check.c: EDGE_ECORRUPT unless all of it fits together. */
int placement_check(const Edged__Placement *spec, struct err *err);
/* Takes over `spec`. The members named in it are there already. */
int placement_new(struct coordinator *c, struct deployment *deployment,
                  Edged__Placement *spec, struct placement **placement,
                  struct err *err);
void placement_free(struct placement *p);
/* Asks every member that is up to install its part. */
void placement_install(struct placement *p);
/* Tells members to drop it, forgets its route, frees it. */
void placement_retire(struct placement *p);
/* Retires it once nothing is in flight, at the latest after DRAIN_MS. */
void placement_leave(struct placement *p);
void placement_settle(struct placement *p);
bool placement_is_ready(const struct placement *p); /* every needed seat */
/* Not that of a board that is away and has nothing but views, which may lack.
 */
bool seat_is_needed(const struct seat *seat);
/* A view's own part, which stays on its board and whose loss is borne. */
bool placement_may_lack(const struct placement *p, size_t place);
const struct seat *placement_failed(const struct placement *p); /* or NULL */
struct placement *placement_find(struct coordinator *c, uint32_t epoch);

void seat_member_up(struct coordinator *c, struct member *m); /* 1st beat */
void seat_member_down(struct coordinator *c, struct member *m);
void seat_member_beats(struct coordinator *c, struct member *m); /* others */
void seat_member_moved(struct coordinator *c, struct member *m);
void seat_on_need(struct coordinator *c, struct io_peer *peer, struct msg *msg);
void seat_on_ready(struct coordinator *c, struct io_peer *peer,
                   struct msg *msg);
void seat_on_failed(struct coordinator *c, struct io_peer *peer,
                    struct msg *msg);
struct seat *seat_of(struct placement *p, const struct member *m);
void seat_fail(struct seat *seat, int rc, const char *why);

/* ---- push.c -------------------------------------------------------------- */

/* Queues a blob for a seat's member, unless it is queued already. */
int push_blob(struct seat *seat, const struct digest *digest, uint64_t size,
              struct err *err);
void push_on_ack(struct coordinator *c, struct io_peer *peer, struct msg *msg);
void push_stop(struct member *m); /* its connection is gone */
void push_forget(struct placement *p);
void push_go_on(struct member *m);
void push_on_beat(struct member *m); /* once more what has come to a halt */

/* ---- rollout.c ----------------------------------------------------------- */

void rollout_on_deploy(struct coordinator *c, struct io_peer *peer,
                       struct msg *msg);
void rollout_peer_gone(struct coordinator *c, struct io_peer *peer);
/* A member or a seat has moved: look at every rollout under way. */
void rollout_poke(struct coordinator *c);
void rollout_tick(struct coordinator *c);
/* Tells those who wait for a deploy that the coordinator leaves. */
void rollout_stop_all(struct coordinator *c);
void rollout_free_all(struct coordinator *c);
/* report.c: what a plan is, for people; released with report_free(). */
int report_new(const struct coordinator *c, const struct deployment *old,
               const struct plan_job *job, Edged__PlanReport **report);
void report_free(Edged__PlanReport *report);

/* ---- gateway.c ----------------------------------------------------------- */

struct answer {
    int rc;
    const char *text;
    struct tensor *outputs; /* n_outputs; NULL when rc < 0 */
    size_t n_outputs;
    const struct relay_hop *hops;
    size_t n_hops;
    uint32_t latency_us;
    uint32_t resent;
    const Edged__Placement *version; /* what answered; NULL when rc < 0 */
    uint32_t retry_ms;               /* EDGE_EBUSY: when there may be room */
    const Edged__Exit *exit;         /* where it left; NULL: at the last tier */
    const struct relay_views *views; /* NULL: it was refused */
    uint64_t at_us;   /* what was seen then; 0: a client sent it */
    uint64_t skipped; /* of the samples before it */
};
typedef void (*gateway_cb)(void *arg, const struct answer *answer);
struct request;

/* Admits a request: inputs[i] (borrowed, referenced) for model input i; one
 * without a type is not there. The callback comes once, later, unless
 * gateway_cancel() was called. EDGE_EBUSY: there is no room, or it could not
 * be done within its deadline; EDGE_EUNAVAILABLE: no view is there. */
int gateway_submit(struct placement *p, const struct tensor *inputs,
                   uint32_t deadline_ms, gateway_cb cb, void *arg,
                   struct request **request);
/* The same of what the views' own boards saw at a time (since 1970); the model
 * has sources. */
int gateway_sense(struct placement *p, uint64_t at_us, uint32_t deadline_ms,
                  gateway_cb cb, void *arg, struct request **request);
void gateway_cancel(struct request *request); /* no callback any more */
/* A placement ends: its requests begin again in the one in force, or fail. */
void gateway_leave(struct placement *p);
/* Its requests fail now: there is no use in waiting. */
void gateway_refuse(struct placement *p, const char *why);
void gateway_on_data(struct coordinator *c, struct io_peer *peer,
                     struct msg *msg);
void gateway_end_late(struct coordinator *c);
void gateway_end_all(struct coordinator *c);
void gateway_free_all(struct coordinator *c); /* without a word */

/* admit.c: true if there is room for one more, and time; `stays`: it is about
 * this very placement. */
bool admit(const struct placement *p, bool stays, uint32_t deadline_ms);
/* When to try again after EDGE_EBUSY, in ms. */
uint32_t admit_retry_ms(const struct placement *p);

/* client.c: requests of edgectl. */
void client_up(struct coordinator *c, struct io_peer *peer);
void client_down(struct coordinator *c, struct io_peer *peer);
void client_free_all(struct coordinator *c);
/* ticks.c: a client wants to see what a model's sources see. */
void ticks_on_watch(struct coordinator *c, struct io_peer *peer,
                    struct msg *msg);
void client_on_data(struct coordinator *c, struct io_peer *peer,
                    struct msg *msg);

/* ---- deployments.c -------------------------------------------------------*/

/* By name; with "" the only one. EDGE_ENOENT says which there are. */
int deployments_find(struct coordinator *c, const char *name,
                     struct deployment **d, struct err *err);
struct deployment *deployments_get(struct coordinator *c, const char *name);
struct deployment *deployments_make(struct coordinator *c, const char *name);
void deployments_free(struct deployment *d);
/* Brings back what the state folder keeps. */
int deployments_load(struct coordinator *c, struct err *err);
void counts_add(struct counts *counts, uint64_t now_us, uint32_t latency_us,
                bool ok);
/* Another version answers: what is counted of exits and views begins anew. */
void counts_forget_views(struct counts *counts);
/* status_views.c: what was sent and where answers left, of a model of several
 * views; nothing of another. What there is no memory for is left out. */
void status_fill_views(Edged__DeploymentStatus *row,
                       const struct deployment *d);
void counts_add_alone(struct counts *counts, uint32_t latency_us);
void counts_quantiles(const struct counts *counts, uint64_t now_us,
                      double *rate, double *p50_ms, double *p99_ms);

/* ---- admin.c, status.c ---------------------------------------------------*/

/* io_send(); a client that does not read its replies is hung up on. */
int admin_send(struct io_peer *peer, const Edged__Envelope *env,
               const struct io_payload *payload);
/* A Result. */
void admin_reply(struct io_peer *peer, int rc, const char *text);
void admin_on_undeploy(struct coordinator *c, struct io_peer *peer,
                       struct msg *msg);
/* files.c: what a deployment is made of, for clients that check it. */
void files_on_placement(struct coordinator *c, struct io_peer *peer,
                        struct msg *msg);
void files_on_file(struct coordinator *c, struct io_peer *peer,
                   struct msg *msg);
/* Those that must stay in the store. */
void files_name(void *coordinator, struct sweep *sweep);
void admin_on_model(struct coordinator *c, struct io_peer *peer,
                    struct msg *msg);
void admin_on_logs(struct coordinator *c, struct io_peer *peer,
                   struct msg *msg);
void admin_on_log_reply(struct coordinator *c, struct io_peer *peer,
                        struct msg *msg);
void admin_peer_gone(struct coordinator *c, struct io_peer *peer);
void admin_free_all(struct coordinator *c);
void status_on_request(struct coordinator *c, struct io_peer *peer,
                       struct msg *msg);

/* ---- nodes.c, leave.c ----------------------------------------------------*/

void nodes_on_request(struct coordinator *c, struct io_peer *peer,
                      struct msg *msg);
void nodes_peer_gone(struct coordinator *c, const struct io_peer *peer);
void nodes_free_all(struct coordinator *c);
/* Tells who is drained as soon as others can do its work. */
void nodes_tick(struct coordinator *c);
/* Who is drained; forgets nodes that nobody needs, if that was asked for. */
int nodes_load(struct coordinator *c, struct err *err);
/* The coordinator is leaving: nothing new begins. */
bool leave_refuses(const struct coordinator *c);
/* ---- authority.c, enrol.c ------------------------------------------------*/

int authority_start(struct coordinator *c, struct err *err);
void authority_tick(struct coordinator *c); /* renews its own certificate */
void authority_member_up(struct coordinator *c, struct io_peer *peer);
void authority_peer_gone(struct coordinator *c, const struct io_peer *peer);
void authority_free(struct coordinator *c);
void authority_on_init(struct coordinator *c, struct io_peer *peer,
                       struct msg *msg);
void authority_on_token(struct coordinator *c, struct io_peer *peer,
                        struct msg *msg);
void authority_on_enrol(struct coordinator *c, struct io_peer *peer,
                        struct msg *msg);
void authority_on_renew(struct coordinator *c, struct io_peer *peer,
                        struct msg *msg);
void authority_on_revoke(struct coordinator *c, struct io_peer *peer,
                         struct msg *msg);

/* ---- profile.c: edgectl profile -------------------------------------------
 */

void profile_on_request(struct coordinator *c, struct io_peer *peer,
                        struct msg *msg);
void profile_on_measured(struct coordinator *c, struct io_peer *peer,
                         struct msg *msg);
void profile_on_link(struct coordinator *c, struct io_peer *peer,
                     struct msg *msg);
void profile_on_burst_ack(struct coordinator *c, struct io_peer *peer,
                          struct msg *msg);
void profile_peer_gone(struct coordinator *c, const struct io_peer *peer);
void profile_free(struct coordinator *c);
/* Every number of it checked; what cannot be is not known. */
void profile_take_speed(struct member *m, const Edged__Speed *from);

/* ---- faults.c: on purpose ------------------------------------------------*/

int faults_init(struct coordinator *c);
void faults_free(struct coordinator *c);
void faults_peer_gone(struct coordinator *c, struct io_peer *peer);
void faults_on_fault(struct coordinator *c, struct io_peer *peer,
                     struct msg *msg);
void faults_on_reply(struct coordinator *c, struct io_peer *peer,
                     struct msg *msg);
void faults_on_clear(struct coordinator *c, struct io_peer *peer,
                     struct msg *msg);
void faults_on_query(struct coordinator *c, struct io_peer *peer,
                     struct msg *msg);
void faults_on_list(struct coordinator *c, struct io_peer *peer,
                    struct msg *msg);

/* dispatch.c */
void coordinator_on_message(void *arg, struct io_peer *peer, struct msg *msg);

#endif

/*
 * Getting tensors to one of several nodes and not losing them on the way.
 *
 * Gateway and daemons share this: a `hold` is a set of tensors on its way to
 * one replica of one shard. It is kept until the replica acknowledges that
 * what follows from it is done (docs/PROTOCOL.md, "who holds what"); when the
 * replica's connection breaks, or it declines, the hold is sent to another
 * one, or waits for one to come back.
 *
 *   start -> choose -> send -> ack                       done(0)
 *                        |  -> nack, try another: choose again
 *                        |  -> nack, final               done(code)
 *                        |  -> connection lost: choose again
 *                        |  -> computed there: only its loss counts now
 *                        |  -> late: a second copy to another replica, or the
 *                        |     same once more if there is none
 *          none ready -> wait -> a beat, an ack, a retry: choose again
 *   the deadline passes at any moment                    done(EDGE_ETIMEOUT)
 *   it is larger than a frame                            done(EDGE_ETOOBIG)
 *
 * The relay owns its nodes and places; a hold belongs to its caller, who
 * embeds it and keeps parts and hops alive until `done`. Loop thread only;
 * `done` is never called from inside hold_start().
 */
#ifndef EDGE_RELAY_RELAY_H
#define EDGE_RELAY_RELAY_H

#include "net/io.h"
#include "relay/budget.h"
#include "relay/times.h"
#include "relay/trust.h"
#include "tensor/tensor.h"

struct relay_load { /* what a node's beat said of one shard */
    uint32_t epoch;
    uint32_t shard;
    bool ready;
    bool named; /* in its last beat */
    uint32_t queue;
    uint32_t compute_us; /* 0: unknown */
    uint64_t runs;
    uint64_t hot_runs; /* of them, when its node began to be throttled */
    uint64_t sent_bytes;
    uint64_t plain_bytes;
    uint32_t unacked; /* our own holds on their way to it */
    /* So many of them may be: it shrinks when it declines for want of room
     * and grows with its Acks. 0: as the policy says. */
    uint32_t window;
    uint32_t credit; /* Acks since it last grew */
};

struct relay_node {
    struct list link;
    char name[LIMIT_NAME + 1];
    struct io_peer *peer; /* NULL: not known, or this process itself */
    bool self;            /* shards here are fed without a socket */
    bool up;
    bool suspect;   /* gets no new work while others are there */
    bool leaving;   /* said that it takes no new work */
    bool throttled; /* said that its board is slower than it could be */
    uint32_t ups;   /* connections so far */
    bool always;    /* takes data of any epoch: the gateway */
    struct relay_trust trust;
    struct relay_load *loads;
    size_t n_loads;
    size_t loads_room;
};

struct relay_policy {         /* how an epoch wants its requests treated */
    uint32_t queue;           /* of one shard on one node */
    uint32_t retries;         /* copies beyond the first, of a late one */
    uint32_t hedge;           /* percentile; 0: never */
    uint32_t hop_deadline_ms; /* 0: by measurement */
    uint32_t derate;          /* percent: expected of a throttled node */
};
#define RELAY_POLICY \
    ((struct relay_policy){LIMIT_SHARD_QUEUE, RETRIES, HEDGE, 0, DERATE})

struct relay_place { /* where one shard of one epoch is */
    struct list link;
    uint32_t epoch;
    uint32_t shard;
    struct relay_node **nodes;
    size_t n_nodes;
    size_t n_spares; /* the last ones, for when none of the others is well */
    bool gathers;    /* several shards send to it, so all must choose alike */
    struct relay_policy policy;
    struct relay_times times; /* from sent to computed */
};

struct relay_part { /* one tensor for one input of the shard */
    uint32_t port;
    struct tensor tensor;
    uint32_t codec; /* 0: as it is; else the whole blob is the coded values */
};

struct relay_sent { /* payload that went to sockets, copies included */
    uint64_t bytes; /* as it was written */
    uint64_t plain; /* and would have been without codecs */
};

struct relay_hop { /* one line of the way that a request came */
    char node[LIMIT_NAME + 1];
    char shard[LIMIT_NAME + 1];
    uint32_t compute_us;
    uint32_t queue_us;
    uint32_t wire_us;
};

/* What goes along with the data of a model of several views; bit k of a mask is
 * view k of the model's inputs. */
struct relay_views {
    uint32_t absent;   /* not there: nobody waits for them */
    bool through;      /* no exit ends it */
    double confidence; /* of an exit's answer */
    /* By view: payload that its board has sent for the request, and what it
     * was wrapped in: frame and head, but for length and checksum of values. */
    uint32_t bytes[LIMIT_PORTS];
    uint32_t heads[LIMIT_PORTS];
};
/* What another input of the same request knows, too. */
void relay_views_merge(struct relay_views *views,
                       const struct relay_views *more);
/* The rows of a message; how many. */
struct relay_views_list {
    Edged__ViewSent rows[LIMIT_PORTS];
    Edged__ViewSent *pointers[LIMIT_PORTS];
};
size_t relay_views_sent(const struct relay_views *views,
                        struct relay_views_list *list);

struct hold {
    uint64_t request;
    uint32_t epoch;
    uint32_t shard;
    uint32_t from;        /* the shard that made it; 0: the gateway */
    uint32_t attempt;     /* sends so far */
    uint64_t deadline_us; /* 0: none */
    const struct relay_part *parts;
    size_t n_parts;
    const struct relay_hop *hops;
    size_t n_hops;
    struct relay_sent *sent;   /* counted there; NULL: not counted */
    struct relay_views *views; /* sent along, and counted in; NULL: none */
    uint32_t own_view; /* + 1: the view whose board this is; 0: it is none's */
    uint64_t at_us;    /* its parts have no tensors: take what you saw then */
    void (*done)(struct hold *hold, int rc, const char *text);
    /* private */
    struct list link; /* sent, waiting or local, in the relay */
    struct list hash;
    struct relay_place *place;
    struct relay_node *sent_to;
    uint64_t sent_us;
    uint64_t expected_us; /* until it is computed, by what was there before */
    struct relay_node *second; /* has a copy, too; NULL: nobody */
    uint64_t second_us;
    uint64_t asked_us; /* sent last, to whomever */
    uint32_t copies;   /* on another one, drawn from the budget */
    uint32_t repeats;  /* to one that has it, up to a few */
    bool computed;     /* there: what follows from it is held by others */
    struct relay_node *avoid;  /* declined last; not asked while others are */
    struct relay_node *out_to; /* some of the parts are out, not all */
    uint32_t out_ups;
    size_t n_out;
    uint32_t declines;
    uint32_t apart; /* of those: the rest of its inputs went elsewhere */
    int rc;         /* negative: it can never be sent */
    uint64_t retry_us;
    bool backs_off; /* only time helps, not a change elsewhere */
    bool active;
};

/* Which Data an Ack, Nack, Computed or Cancel is about. */
struct relay_key {
    uint64_t request;
    uint32_t epoch;
    uint32_t shard;
    uint32_t from;
};

#define RELAY_BUCKETS 256

struct relay {
    struct io *io;
    struct list nodes;
    struct list places;
    struct list sent;
    struct list waiting;
    struct list local; /* to be handed over at the next turn of the loop */
    struct list buckets[RELAY_BUCKETS];
    struct io_timer tick;
    struct io_timer turn;
    uint64_t tick_us; /* when the tick is due; 0: it does not run */
    bool woken;       /* something changed: try those that wait */
    /* Takes a hold for a shard of this very process; borrowed parts. */
    void (*deliver)(void *arg, struct hold *hold);
    /* Takes back what was delivered so, if it has not been computed. */
    void (*recall)(void *arg, const struct relay_key *key);
    void *arg;
    struct relay_budget budget;
    uint64_t resent; /* holds sent more than once, ever */
    uint64_t hedged; /* of them because the first was slow */
};

void relay_init(struct relay *relay, struct io *io);
/* Every hold must be done or cancelled. */
void relay_deinit(struct relay *relay);

/* The node of that name, made if need be; NULL: out of memory. */
struct relay_node *relay_node(struct relay *relay, const char *name);
struct relay_node *relay_find(struct relay *relay, const char *name);
void relay_node_up(struct relay *relay, struct relay_node *node,
                   struct io_peer *peer);
/* Its holds are sent elsewhere at once. */
void relay_node_down(struct relay *relay, struct relay_node *node);
/* Suspicion is reversible: holds are sent elsewhere where there is one. */
void relay_node_suspect(struct relay *relay, struct relay_node *node,
                        bool suspect);
/* Forgets a node, which is in no place any more. */
void relay_node_drop(struct relay *relay, struct relay_node *node);
/* Takes in what a beat says of the node's shards; what it does not name is
 * not there. */
int relay_beat(struct relay *relay, struct relay_node *node,
               const Edged__Beat *beat);
/* True if the node said that it is ready for this shard. */
bool relay_is_ready(const struct relay_node *node, uint32_t epoch,
                    uint32_t shard);
const struct relay_load *relay_load(const struct relay_node *node,
                                    uint32_t epoch, uint32_t shard);

/* Says which nodes hold a shard; replaces what was said before, but for
 * relay_gathers(). */
int relay_place(struct relay *relay, uint32_t epoch, uint32_t shard,
                struct relay_node **nodes, size_t n);
/* The last `n` nodes of that place are its spares. */
void relay_spares(struct relay *relay, uint32_t epoch, uint32_t shard,
                  size_t n);
/* Several senders bring the inputs of one request: each of them chooses the
 * same node for it, by the request's number. */
void relay_gathers(struct relay *relay, uint32_t epoch, uint32_t shard,
                   bool gathers);
/* For all places of an epoch, those that come later too. */
void relay_set_policy(struct relay *relay, uint32_t epoch,
                      const struct relay_policy *policy);
/* From its form on the wire, every number within bounds. */
struct relay_policy relay_policy_read(uint32_t queue,
                                      const Edged__Routing *routing);
/* How many requests the nodes of this shard may have in hand when all of them
 * are there, spares not counted; 0: none that could work is. */
size_t relay_capacity(struct relay *relay, uint32_t epoch, uint32_t shard);
/* Microseconds per request of all of them together; 0: not known. */
uint64_t relay_pace_us(struct relay *relay, uint32_t epoch, uint32_t shard);
/* Forgets an epoch. Its holds are done with EDGE_ESTALE. */
void relay_retire(struct relay *relay, uint32_t epoch);

/* Starts; `hold` was zeroed and its public part filled. */
void hold_start(struct relay *relay, struct hold *hold);
/* Stops without a callback; fine on one that is not active. */
void hold_cancel(struct relay *relay, struct hold *hold);
/* The same, and tells who has it that nobody waits for it any more. */
void hold_abandon(struct relay *relay, struct hold *hold);
/* True while the hold has found no node to go to. */
bool hold_is_waiting(const struct hold *hold);
/* The same, and nobody whom it could go to is well; or whoever has it is not.
 */
bool hold_is_stranded(const struct hold *hold);

/* Ack, Nack and Computed as they come from `node`; of an unknown hold:
 * ignored. */
void relay_on_ack(struct relay *relay, const Edged__Ack *ack);
void relay_on_computed(struct relay *relay, const struct relay_node *node,
                       const Edged__Computed *computed);
void relay_on_nack(struct relay *relay, struct relay_node *node,
                   const Edged__Nack *nack);

/* True if a Nack of this code asks for another try. */
bool relay_may_retry(int code);

/* choose.c: the candidate with the least expected finish, or NULL. One that
 * has LIMIT_SHARD_QUEUE of our holds is no candidate. */
struct relay_node *relay_choose(struct relay *relay,
                                const struct relay_place *place,
                                const struct relay_node *avoid);

/* The same for a hold that has a place; one that gathers has an order of its
 * own for each request. */
struct relay_node *relay_choose_for(struct relay *relay,
                                    const struct hold *hold,
                                    const struct relay_node *avoid);

/* data.c: Data as it came, checked. `hops` is for mem_free(). */
struct relay_data {
    uint64_t request;
    uint32_t epoch;
    uint32_t shard;
    uint32_t port;
    uint32_t from;
    uint32_t attempt;
    uint64_t deadline_us; /* on our clock; 0: none */
    struct tensor tensor; /* owns a reference; none: no type, and then */
    uint64_t at_us;       /* what was seen then is asked for; 0: nothing was */
    uint32_t codec;       /* as relay_part's */
    struct relay_hop *hops;
    size_t n_hops;
    struct relay_views views;
};
int relay_data_read(struct io *io, const struct msg *msg,
                    struct relay_data *data, struct err *err);
void relay_data_deinit(struct relay_data *data);
/* Sends one part of a hold to a peer. */
int relay_data_send(struct io_peer *peer, const struct hold *hold,
                    const struct relay_part *part);
int relay_ack_send(struct io_peer *peer, const struct relay_key *key);
int relay_nack_send(struct io_peer *peer, const struct relay_key *key, int code,
                    const char *text);
/* Exits up to `passed` did not end it, and these views were not there; 0: that
 * is not what it says. */
int relay_computed_send(struct io_peer *peer, const struct relay_key *key,
                        uint32_t passed, uint32_t absent);
int relay_cancel_send(struct io_peer *peer, const struct relay_key *key);
/* The same for Data that came from this very process. */
void relay_ack_local(struct relay *relay, const struct relay_key *key);
void relay_computed_local(struct relay *relay, const struct relay_node *self,
                          const struct relay_key *key);
void relay_nack_local(struct relay *relay, struct relay_node *self,
                      const struct relay_key *key, int code, const char *text);
/* Copies hops from or to their protobuf form. */
int relay_hops_read(Edged__Hop *const *from, size_t n, struct relay_hop **hops,
                    size_t *n_hops);

#endif

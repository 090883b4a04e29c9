/*
 * One seed of the cluster simulation: a topology, one or two deployments of a
 * model in several generations, clients that ask all the time, and rounds of
 * faults with calm between them. What must hold is checked at every answer,
 * all the time (bounds), after each round (everything is ready again, and
 * then at rest) and at the end.
 *
 * A mild trial has two replicas of everything and one fault at a time, none
 * of them the coordinator's: no request may fail then.
 */
#ifndef EDGE_TESTS_TRIAL_H
#define EDGE_TESTS_TRIAL_H

#include "tests/lib/fleet_client.h"

#define TRIAL_GENERATIONS 3
#define TRIAL_HOMES 2
#define TRIAL_CLIENTS 3
#define TRIAL_WIDTH 4 /* requests that a client has under way */

/* A defence that is taken away; the trial must then go red. */
enum trial_control {
    TRIAL_HONEST,
    TRIAL_NO_RESENDS, /* what is sent again never arrives */
    TRIAL_SPOILED,    /* one board computes wrongly after the golden input */
    TRIAL_FORGETFUL   /* nodes do not remember what they have run */
};

struct trial;

struct trial_home { /* one deployment */
    struct trial *trial;
    char name[8];
    struct fleet_model models[TRIAL_GENERATIONS];
    struct blob *yaml;
    struct fleet_client admin;
    struct fleet_deploy deploy;
    struct fleet_undeploy undeploy;
    bool busy;         /* one of these two is under way */
    unsigned target;   /* generation of the deploy that is */
    bool was_allowed;  /* it could be in force before */
    unsigned in_force; /* bits; 0: none */
    bool is_deployed;  /* surely */
};

struct trial_ask {
    struct fleet_ask ask; /* first */
    struct trial *trial;
    struct trial_home *home;
    struct io_timer pause; /* before the next one */
    bool under_way;
    bool may_be_gone;     /* there was no deployment for a while */
    unsigned generations; /* bits: in force while it was under way */
    uint64_t started_us;
};

struct trial_client {
    struct fleet_client client; /* first */
    struct trial_ask asks[TRIAL_WIDTH];
    size_t width;
};

struct trial {
    uint64_t seed;
    bool verbose;
    enum trial_control control;
    struct fleet fleet;
    bool mild;
    bool tight; /* nodes come back with little memory */
    size_t replicas;
    struct trial_home homes[TRIAL_HOMES];
    size_t n_homes;
    struct trial_client clients[TRIAL_CLIENTS];
    size_t n_clients;
    bool draining;    /* no new requests */
    bool calm;        /* no fault is there, everything was ready */
    uint64_t calm_us; /* since then */
    uint32_t least_pause_ms;
    uint32_t most_pause_ms;
    /* What came of it. */
    size_t n_asked;
    size_t n_right;
    size_t n_cut;     /* the coordinator's end was the answer */
    size_t n_refused; /* while there was no deployment */
    size_t n_failed;  /* while a storm had left a shard without a holder */
    size_t n_faults;
    size_t n_deploys;
    size_t n_rounds;
    uint64_t slowest_us;
    uint64_t ready_us;   /* the longest from the last fault to ready again */
    uint64_t virtual_us; /* how long it lasted */
    char why[400];       /* of the first failure; "": none */
    uint64_t hash;       /* of all events of the simulation */
};

struct trial_config {
    uint64_t seed;
    uint64_t minutes; /* of virtual time, at least */
    enum trial_control control;
    bool verbose;
};

/* Runs one; false: it failed, and `why` says how. */
bool trial_run(struct trial *trial, const struct trial_config *config);

/* ---- between the trial's files --------------------------------------------
 */

/* Notes the first failure. */
void trial_fail(struct trial *trial, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Logs what the trial does, if it is verbose. */
void trial_say(struct trial *trial, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
uint64_t trial_random(struct trial *trial, uint64_t below);

uint64_t trial_between(struct trial *trial, uint64_t least, uint64_t most);
/* Some virtual time; what must hold at every moment is looked at. */
void trial_run_for(struct trial *trial, uint64_t ms);

/* trial_setup.c: the topology, the models and cluster.yaml. */
void trial_set_up(struct trial *trial);
void trial_tear_down(struct trial *trial);

void trial_start_clients(struct trial *trial);
bool trial_is_asking(const struct trial *trial);
bool trial_is_busy(const struct trial *trial);
void trial_begin_deploy(struct trial_home *home, unsigned generation);
void trial_begin_undeploy(struct trial_home *home);

/* One schedule: some seconds of faults under load, all of them ended. */
void trial_play(struct trial *trial);

/* ---- faults ---------------------------------------------------------------
 */

#define TRIAL_UNDOS 64

/* Something that happens when its time has come: mostly the end of a fault. */
struct trial_undo {
    uint64_t at_us; /* 0: this place is free */
    void (*act)(struct trial *trial, size_t i, size_t k);
    size_t i;
    size_t k;
};

struct trial_play {
    struct trial *trial;
    struct trial_undo undos[TRIAL_UNDOS];
};

/* False: there is no room, and nothing will happen. */
bool trial_later(struct trial_play *play, uint64_t ms,
                 void (*act)(struct trial *trial, size_t i, size_t k), size_t i,
                 size_t k);
/* Processes by number: the nodes, then the coordinator. */
struct fleet_process *trial_process(struct trial *trial, size_t i);

/* trial_net.c */
void trial_reset(struct trial_play *play);
void trial_cut(struct trial_play *play);
void trial_cut_off(struct trial_play *play); /* one from all others */
void trial_split(struct trial_play *play);   /* into two halves */
void trial_swizzle(struct trial_play *play); /* clogged one by one */
void trial_flap(struct trial_play *play);
void trial_bad_link(struct trial_play *play); /* slow, far, lossy */

#endif

/*
 * Between the files of search only.
 */
#ifndef EDGE_PLAN_SEARCH_INNER_H
#define EDGE_PLAN_SEARCH_INNER_H

#include "coordinator/plan/search.h"

#define SEARCH_KINDS 16
#define SEARCH_STATES 4000000 /* of one table; kinds are merged until then */
#define SEARCH_NONE ((uint32_t)-1)

struct kind { /* devices that are alike */
    size_t board;
    double memory;   /* bytes: of the one that has least */
    double whole_s;  /* seconds of the whole model: of the slowest */
    size_t *devices; /* as listed; into searching.order */
    size_t n;
};

struct option {  /* a range of points on devices of a kind */
    size_t from; /* indices of points */
    size_t to;
    size_t kind;
    struct cost_shape shape;
    size_t k;
    bool is_cut;   /* in pieces */
    bool slices;   /* needs a whole stage, or a head, before it */
    bool is_fixed; /* on devices that were written: takes none of the pool */
    size_t stage;  /* index of the written one */
    double cpu_s;  /* of a piece, by request */
    double takes;  /* bytes on the wire, of a piece */
    double sends;
    double in_bytes; /* all pieces, and what passes them */
    double out_bytes;
    double alone_s; /* latency without the wire */
    double inner_s; /* wire among the pieces */
    double inner_bytes;
    double memory;
};

struct searching {
    const struct search *spec;
    const struct cost_model *m;
    const struct searching *known; /* with a device less, or NULL: its options
                                      are taken over */
    size_t replicas;
    int *points; /* 0, the cuts, the end */
    size_t n_points;
    size_t *order; /* devices by kind */
    struct kind kinds[SEARCH_KINDS];
    size_t n_kinds;
    bool has_pairs;         /* links differ */
    bool is_merged;         /* kinds that differ are taken for one */
    bool stays;             /* the best is spec->stays */
    struct option *options; /* by `from` */
    size_t n_options;
    size_t options_room;
    size_t *first_option; /* by point; n_points + 1 of them */
    size_t *first_cut;    /* of these, the first in pieces; by point */
    /* Devices in use, kind by kind, as one number. */
    size_t n_uses;
    size_t stride[SEARCH_KINDS];
    const struct profile_link *links[SEARCH_KINDS + 1][SEARCH_KINDS + 1];
    struct err *err;
};

/* search_kinds.c */
int kinds_make(struct searching *s);
/* Between devices of two kinds, or SEARCH_KINDS: the gateway. */
const struct profile_link *kinds_link(const struct searching *s, size_t a,
                                      size_t b);

/* search_options.c */
int options_make(struct searching *s);
/* Where no board has another of its kind nothing can be cut. */
bool options_have_cuts(const struct searching *s);

/* search_dp.c: the least latency under bounds. */
struct bounds {
    double longest_s; /* of any device, by request */
    double memory;    /* bytes of any device */
    bool is_single;   /* no replicas beyond those asked for */
    bool wants_cuts;  /* at least two stages */
    bool may_split;
    bool may_tile;
    bool wants_split; /* at least one */
    bool wants_tile;
    bool is_asked; /* whether anything is within them, and not what is best */
};

struct step {
    const struct option *option;
    size_t replicas;
};

struct route {          /* stages in order */
    struct step *steps; /* room for n_points */
    size_t n;
    double latency_s;
};

/* Whether a stage was cut so far, and whether the last one was. */
enum mode { MODE_PLAIN, MODE_AFTER_CUT, MODE_CUT, MODES };

static inline enum mode mode_after(enum mode mode, bool is_cut)
{
    return is_cut ? MODE_CUT : mode == MODE_PLAIN ? MODE_PLAIN : MODE_AFTER_CUT;
}

/* search_leads.c: from which points the devices that are left suffice. */
struct leads {
    const struct searching *s;
    bool has_room; /* false: there are too many devices, and all may */
    bool is_set;
    bool wants_cut;
    size_t n_devices;
    size_t n_points;
    size_t words; /* of a set of points */
    size_t base[SEARCH_KINDS];
    uint64_t *coming; /* sets: [whole or cut, kind and devices, where to] */
    uint64_t *own;    /* sets: [devices, with a cut still to come] */
    uint64_t *within; /* with these or fewer devices */
    bool *is_any;     /* [whole or cut, kind and devices] */
};

int leads_init(const struct searching *s, struct leads *leads);
void leads_deinit(struct leads *leads);
/* For other bounds: all options within them, then leads_close(). */
void leads_begin(struct leads *leads, const struct bounds *bounds);
void leads_add(struct leads *leads, const struct option *option,
               size_t devices);
void leads_close(struct leads *leads);
/* False: with these devices taken no plan goes on from `point`. */
bool leads_on(const struct leads *leads, size_t taken, enum mode mode,
              size_t point);

/* search_reach.c: what a solve need not look at. */
struct lean;
struct reach {
    struct lean *lean;           /* by option */
    double weight[SEARCH_KINDS]; /* of a device */
    double total;                /* of all devices */
    double *taken;               /* of those in use, by use */
    double *rest;                /* by point, at least: of stages behind it */
    double (*ahead)[MODES];      /* by point: the latency of these, at least */
    double slowest;              /* bytes a second, of any link */
    uint32_t *within;            /* options within the bounds, from */
    size_t *n_within;            /* first_option[point] on so many, by point */
    struct leads leads;
};

bool bounds_allow(const struct searching *s, const struct bounds *bounds,
                  const struct option *option);
/* What one request keeps a piece for, that comes in over `in`. */
double option_busy_s(const struct searching *s, const struct option *option,
                     const struct profile_link *in);
/* So many replicas are within the bounds; 0: none are. */
size_t reach_replicas(const struct searching *s, const struct bounds *bounds,
                      double busy_s);
int reach_init(const struct searching *s, struct reach *reach);
void reach_deinit(struct reach *reach);
/* For other bounds. False: nothing is within them. */
bool reach_set(struct reach *reach, const struct searching *s,
               const struct bounds *bounds);
/* Of these, some may be part of a plan with so much taken before, and this
 * latency behind them, that takes `most_s` altogether. */
bool reach_may(const struct reach *reach, size_t option, double taken,
               enum mode mode, double latency_s, double most_s);
/* What may be taken before an option on so many devices. */
double reach_left(const struct reach *reach, const struct option *option,
                  size_t devices);

/* search_enter.c: the wire. */
/* Bytes that cross at a point. */
double enter_bytes(const struct searching *s, size_t point);
double enter_wire_s(const struct profile_link *link, double bytes);
/* Seconds from the stage before, which left `mode`, over `link` to an
 * option's, and out of that if it is cut. */
double enter_s(const struct searching *s, const struct option *option,
               enum mode mode, const struct profile_link *link);
/* From the last stage to the gateway. */
double enter_gateway_s(const struct searching *s, size_t kind, enum mode mode);

struct table; /* of the dynamic programme */
int table_make(const struct searching *s, struct table **table);
void table_free(struct table *table);
/* Whether there is one, as far as that is told sooner than found. */
enum table_answer { TABLE_NO, TABLE_YES, TABLE_UNTOLD };
enum table_answer table_tell(struct table *table, const struct bounds *bounds);
/* False: there is none. */
bool table_solve(struct table *table, const struct bounds *bounds,
                 struct route *route);

/* search_goal.c: by the dynamic programme of devices of their own, within
 * `bounds`. False: there is none; *rc is then left alone. `trial` and `best`
 * have room for a route; `choice` is the caller's to release. */
bool goal_solve(const struct searching *s, struct table *table,
                struct bounds bounds, struct route *trial, struct route *best,
                struct choice *choice, int *rc);

/* search_shared.c: the least latency when stages may share devices. 0;
 * EDGE_ENOENT: there is none; EDGE_ENOMEM. */
int shared_solve(const struct searching *s, const struct bounds *bounds,
                 struct route *route);

/* search_packed.c: several stages on a device, where nothing else fits. As
 * shared_solve(). */
int packed_solve(const struct searching *s, struct choice *choice);

/* search_build.c: a route on devices, with predictions. */
int build_choice(const struct searching *s, const struct route *route,
                 bool is_shared, struct choice *choice);
/* One stage, the whole model, on these devices. */
int build_whole(const struct searching *s, const size_t *devices, size_t n,
                struct choice *choice);
/* Devices without work help, where nothing gets worse by it. */
int build_help(const struct searching *s, struct choice *choice);
bool build_fits(const struct searching *s, const struct choice *choice);

/* search_why.c: for people. */
double why_value(const struct choice *choice, enum search_goal goal);
uint64_t why_most_memory(const struct choice *choice);
bool why_is_better(const struct choice *a, const struct choice *b,
                   enum search_goal goal);
void why_rejected(const struct searching *s, const struct choice *other,
                  const struct choice *best, char why[CHOICE_WHY]);
int why_left_out(const struct searching *s, struct choices *choices);
/* Why not even packed; returns EDGE_ENOFIT. */
int why_nothing_fits(struct searching *s);

#endif

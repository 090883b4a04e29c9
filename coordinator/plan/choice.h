/*
 * What a search came to: the stages, who computes them, what they will take,
 * and what was rejected. Pure data; "position" is cut.h's, a device is an
 * index into the profile's.
 */
#ifndef EDGE_PLAN_CHOICE_H
#define EDGE_PLAN_CHOICE_H

#include "coordinator/plan/pieces.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHOICE_WHY 240 /* bytes of a reason, with its NUL */

/* `k` pieces (1 of a whole stage; rows * columns) over devices: piece t is on
 * devices[t], devices[t + k], ..., each of which can compute it. What slices
 * and joins, where no whole stage beside it does, is on devices[0]. */
struct choice_stage {
    int first; /* position of its first op */
    int end;   /* after its last */
    enum pieces_kind kind;
    enum split_axis axis;
    enum tile_halo halo;
    int rows; /* of tiles; 1 for a split, and for a whole one */
    int columns;
    size_t *devices; /* owned */
    size_t n_devices;
    double in_factor; /* of what comes in: bytes on the wire for a byte of the
                         tensor (its codec); 1: as it is */
    /* Predicted, of one request: */
    double compute_s;   /* of its slowest piece on its slowest device */
    double busy_s;      /* of the device that it keeps longest, its share */
    double in_bytes;    /* sent to it, each piece counted */
    double inner_bytes; /* sent among its pieces: borders, partial layers */
};

struct choice {
    struct choice_stage *stages; /* owned */
    size_t n_stages;
    /* Predicted: */
    double latency_s;  /* of one request while nothing else is under way */
    double throughput; /* requests a second */
    size_t slowest;    /* the stage that bounds the throughput */
    double out_bytes;  /* of the answer, to the gateway */
    /* By device of the profile, n_devices of them; owned. */
    uint64_t *memory; /* bytes: weights, arenas, queues */
    double *busy_s;   /* of the processor, by request of the whole */
    double *sent;     /* bytes by request */
    size_t n_devices;
};

enum choice_shape {                  /* what sort of plan */
                    CHOICE_ALONE,    /* one board */
                    CHOICE_COPIES,   /* the whole model on several */
                    CHOICE_PIPELINE, /* stages, each on one */
                    CHOICE_PIPELINE_REPLICAS,
                    CHOICE_SPLIT,   /* with some stage's weights over several */
                    CHOICE_TILE,    /* with some stage's images over several */
                    CHOICE_WRITTEN, /* stages as the file says, completed */
                    CHOICE_SHAPES
};

struct choice_other { /* the best plan of a shape */
    bool is_possible; /* `choice` is set, and fits */
    struct choice choice;
    char why[CHOICE_WHY]; /* it was rejected; or not possible */
};

struct choice_left_out {
    size_t device;
    char why[CHOICE_WHY];
};

struct choices {
    struct choice best;
    enum choice_shape shape;                   /* of the best */
    struct choice_other others[CHOICE_SHAPES]; /* the best's own shape: its
                                                  runner-up is not kept */
    struct choice_left_out *left_out;          /* owned */
    size_t n_left_out;
    /* One board more, of the most common kind: */
    bool has_more;
    size_t more_board; /* index in the profile */
    double more_latency_s;
    double more_throughput;
    bool is_bounded;        /* the search was not exact: */
    char bound[CHOICE_WHY]; /* where not */
};

const char *choice_shape_name(enum choice_shape shape); /* for people */
enum choice_shape choice_shape_of(const struct choice *choice);
/* Pieces of a stage. */
size_t choice_pieces(const struct choice_stage *stage);

int choice_copy(const struct choice *from, struct choice *to);
void choice_deinit(struct choice *choice);    /* fine on a zeroed one */
void choices_deinit(struct choices *choices); /* likewise */

#endif

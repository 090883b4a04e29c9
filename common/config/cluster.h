/*
 * cluster.yaml: what a user wants of a cluster (UX.md, "cluster.yaml"). Plain
 * data, read only once it is made; whoever read it frees it. Every field is
 * checked and every default filled in. Paths are as written, relative to the
 * file's folder: cluster_resolve_path().
 */
#ifndef EDGE_CONFIG_CLUSTER_H
#define EDGE_CONFIG_CLUSTER_H

#include "config/errors.h"
#include "config/pool.h"
#include "config/read.h"

#include "base/err.h"
#include "codec/codec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CLUSTER_PORT 7433             /* of edged */
#define CLUSTER_COORDINATOR_PORT 7434 /* of edge-coordinator */
#define CLUSTER_CHANNELS 3

enum cluster_goal {
    CLUSTER_GOAL_LATENCY,
    CLUSTER_GOAL_THROUGHPUT,
    CLUSTER_GOAL_MEMORY
};

enum cluster_resize {
    CLUSTER_RESIZE_CROP,
    CLUSTER_RESIZE_STRETCH,
    CLUSTER_RESIZE_LETTERBOX,
    CLUSTER_RESIZE_PAD
};

enum cluster_blank { CLUSTER_BLANK_PRESENT, CLUSTER_BLANK_ABSENT };

enum cluster_color { CLUSTER_COLOR_RGB, CLUSTER_COLOR_BGR, CLUSTER_COLOR_GRAY };

/* What a pixel's 0..255 becomes before mean and std are applied. */
enum cluster_range { CLUSTER_RANGE_1, CLUSTER_RANGE_255 };

/* How a picture becomes the model's input, or its views'. */
struct cluster_input {
    uint32_t width; /* 0: as the model says */
    uint32_t height;
    uint32_t columns; /* of views in a picture; 0: it is one input */
    uint32_t rows;
    enum cluster_blank blank; /* a view that is black in all places */
    enum cluster_resize resize;
    double crop; /* of the shorter side, in (0, 1]; for CROP */
    enum cluster_color color;
    enum cluster_range range;
    float mean[CLUSTER_CHANNELS]; /* all filled in, whatever n */
    float std[CLUSTER_CHANNELS];
    unsigned n;    /* channels: 1 for gray, otherwise 3 */
    bool is_given; /* the file has it: what the model itself says is void */
};

enum cluster_precision {
    CLUSTER_PRECISION_FP32,
    CLUSTER_PRECISION_FP16,
    CLUSTER_PRECISION_INT8
};

struct cluster_model {
    char *file;
    char *labels; /* NULL: none */
    char *sha256; /* NULL: any */
    int format;   /* ONNX alone */
    enum cluster_precision precision;
    uint32_t batch_max;
    uint32_t batch_wait_ms;
    struct cluster_input input;
};

struct cluster_coordinator {
    char *host; /* never NULL */
    uint16_t port;
    char *http;  /* NULL: none given */
    char *state; /* NULL: where the program keeps it by default */
};

enum cluster_devices {
    CLUSTER_DEVICES_LIST,
    CLUSTER_DEVICES_LOCAL, /* daemons of `edgectl up --local`, port 0 */
    CLUSTER_DEVICES_AUTO
};

struct cluster_device {
    char *name; /* unique */
    char *host;
    uint16_t port;
    uint64_t memory;  /* bytes; 0: as measured */
    uint32_t threads; /* 0: as measured */
    char *coretype;   /* "auto", or what OpenBLAS calls a kind of core */
    struct config_pair *labels;
    size_t n_labels;
    struct config_at at; /* in the file */
};

/* How values travel on a link. */
struct cluster_codec {
    struct codec codec;
    bool is_given;       /* the file has it */
    bool is_auto;        /* the planner chooses; `codec` is plain */
    struct config_at at; /* in the file, if that has it */
};

enum cluster_axis {
    CLUSTER_AXIS_OUTPUT,
    CLUSTER_AXIS_INPUT,
    CLUSTER_AXIS_PAIR
};
enum cluster_halo {
    CLUSTER_HALO_RECOMPUTE,
    CLUSTER_HALO_EXCHANGE,
    CLUSTER_HALO_NONE
};

struct cluster_split {
    enum cluster_axis axis;
    uint32_t parts; /* as many as devices, unless pieces have replicas */
    char **over;    /* names of devices */
    size_t n_over;
};

struct cluster_tile {
    uint32_t columns;
    uint32_t rows;
    enum cluster_halo halo;
    struct cluster_codec codec; /* of borders; not given: the stage's */
    char **over;
    size_t n_over;
};

/* A stage written by hand. */
struct cluster_stage {
    char *name;
    char *first;     /* layers, by the names of ops or values in the graph */
    char *last;      /* the same as `first` where one was written */
    char **replicas; /* names of devices; NULL: the planner chooses */
    size_t n_replicas;
    struct cluster_split split;
    struct cluster_tile tile;
    struct cluster_codec codec; /* of what it sends; not given: links.codec */
    struct config_at at;        /* in the file */
    struct config_at layers;    /* the same of `layers` */
};

enum cluster_policy { CLUSTER_POLICY_EXPECTED_FINISH };
enum cluster_on_full { CLUSTER_ON_FULL_REJECT };

struct cluster_routing {
    enum cluster_policy policy;
    uint32_t deadline_ms;     /* of a request; 0: none */
    uint32_t hop_deadline_ms; /* 0: by measurement */
    uint32_t retries;
    uint32_t hedge; /* percentile after which a second replica is asked; 0:
                       never */
    uint32_t queue;
    enum cluster_on_full on_full;
};

enum cluster_switch {
    CLUSTER_SWITCH_OFF,
    CLUSTER_SWITCH_ON,
    CLUSTER_SWITCH_AUTO
};

struct cluster_links {
    struct cluster_codec codec;
    struct cluster_codec input; /* of the model's inputs */
    double max_loss;
    char *calibrate;          /* a folder of pictures, or of .npy; NULL: none */
    enum cluster_switch zstd; /* on top of codecs that do not have it */
    uint64_t max_frame;       /* bytes */
};

struct cluster_health {
    uint32_t heartbeat_ms;
    uint32_t suspect_ms;
    uint32_t dead_ms;
    double throttle_derate;
};

enum cluster_mode { CLUSTER_MODE_MTLS, CLUSTER_MODE_INSECURE };

enum cluster_cipher {
    CLUSTER_CIPHER_AUTO,
    CLUSTER_CIPHER_AES,
    CLUSTER_CIPHER_CHACHA20
};

struct cluster_security {
    enum cluster_mode mode;
    enum cluster_cipher cipher;
    uint64_t token_ttl_ms;
    uint64_t cert_ttl_ms;
};

enum cluster_golden { CLUSTER_GOLDEN_NONE, CLUSTER_GOLDEN_AUTO };

struct cluster_rollout {
    int strategy; /* rolling alone */
    enum cluster_golden golden;
    uint32_t probation_ms;
    int on_fail; /* roll back, alone */
};

/* An answer that leaves early if it is sure enough. */
struct cluster_exit {
    char *after;       /* a layer or a stage, without tiers; or NULL */
    char *at;          /* a tier, with them */
    char *output;      /* NULL: the one that fits; never with tiers */
    double confidence; /* at least; unless by_entropy */
    double entropy;    /* below */
    bool by_entropy;
    struct config_at at_output; /* in the file; of what is not given, where */
    struct config_at at_after;  /* the exit itself is */
};

/* An input of the model, and who takes it. */
struct cluster_view {
    char *name;
    char *on;
    char *from;          /* config/source.h; NULL: clients send it */
    struct config_at at; /* in the file */
};

/* The first one is on each view's device. */
struct cluster_tier {
    char *name;
    char *on;
};

struct cluster_checkpoint {
    uint32_t steps;
    uint32_t time_ms;
    uint32_t keep;
};

enum cluster_tiled_halo {
    CLUSTER_TILED_LOSSY,
    CLUSTER_TILED_EXACT,
    CLUSTER_TILED_NONE
};

/* Layers that learn as if their maps lay on boards in tiles. */
struct cluster_tiled {
    struct cluster_tile tile; /* its grid alone */
    char *first;              /* layers, as in a stage */
    char *last;
    enum cluster_tiled_halo halo;
};

enum cluster_loss_model { CLUSTER_LOSS_BERNOULLI, CLUSTER_LOSS_MARKOV };

struct cluster_tile_loss {
    enum cluster_loss_model model;
    double p;   /* the part that is lost; below 0: p11 and p22 are given */
    double p11; /* what is kept is followed by what is kept */
    double p22; /* and what is lost by what is lost */
    int train;
    int eval;
};

struct cluster_margin {
    double clip[2]; /* both 0: not given */
    uint32_t bits;
    int own;
};

/* A part of the layers from the first on, or those with names like these. */
struct cluster_freeze {
    double part;
    char **layers;
    size_t n_layers;
};

/* Of parameters with names like these; of several rows the last decides. */
struct cluster_param_rate {
    struct cluster_freeze parameters;
    double lr;    /* the learning rate is multiplied by it; 0: they stay */
    double decay; /* and the weight decay by this */
};

struct cluster_block_loss {
    struct cluster_freeze layers; /* by their names */
    double p;
    uint32_t blocks;
    int train;
    int eval;
};

/* What is learnt from. */
struct cluster_data {
    char *train;      /* NULL: the file has no training */
    char *test;       /* NULL: the test part beside `train` */
    int format;       /* enum dataset_format of dataset/origin.h */
    char *classes;    /* a file of their names; NULL: none */
    int mean_picture; /* is taken off each picture first */
};

enum cluster_order { CLUSTER_ORDER_GPIPE, CLUSTER_ORDER_1F1B };
enum cluster_train_mode {
    CLUSTER_TRAIN_AUTO,
    CLUSTER_TRAIN_PIPELINE,
    CLUSTER_TRAIN_DATA
};
enum cluster_optimizer { CLUSTER_OPTIMIZER_SGD, CLUSTER_OPTIMIZER_ADAM };
enum cluster_shares {
    CLUSTER_SHARES_MEASURED, /* who is slower gets less */
    CLUSTER_SHARES_EQUAL
};
enum cluster_on_loss {
    CLUSTER_ON_LOSS_CONTINUE,
    CLUSTER_ON_LOSS_WAIT, /* until the device is back */
    CLUSTER_ON_LOSS_STOP
};

/* What replicas agree on, and when. */
enum cluster_sync_kind {
    CLUSTER_SYNC_GRADIENT, /* the sum of the gradients, each step */
    CLUSTER_SYNC_LOCAL,    /* the mean of the weights, after `steps` */
    CLUSTER_SYNC_DELTA     /* the changes of the weights, each epoch */
};

struct cluster_sync {
    enum cluster_sync_kind kind;
    uint32_t steps;
};

enum cluster_rate_kind {
    CLUSTER_RATE_CONSTANT,
    CLUSTER_RATE_STEP,
    CLUSTER_RATE_COSINE,
    CLUSTER_RATE_PLATEAU
};

/* Times are in epochs; only those of the kind are written. */
struct cluster_rate {
    enum cluster_rate_kind kind;
    double warmup;
    double every; /* STEP */
    double factor;
    double least;
    uint32_t patience;
};

/* Values of `crop` that are no padding. */
#define CLUSTER_CROP_NONE 0
#define CLUSTER_CROP_RESIZED (-1)

struct cluster_augment {
    int32_t crop; /* pixels of padding, or one of the above */
    int flip;     /* with probability 1/2 */
    double colour;
};

struct cluster_stop {
    uint32_t patience; /* epochs; 0: none */
    double target;     /* accuracy, 1 is 100%; 0: none */
};

struct cluster_training {
    struct cluster_data data;
    uint32_t epochs;
    uint32_t evaluate; /* epochs from one evaluation to the next */
    uint32_t batch;
    uint32_t microbatches;
    enum cluster_order order;
    enum cluster_train_mode mode;
    struct cluster_sync sync;
    struct cluster_codec codec;        /* of gradients; not given: plain */
    struct cluster_codec reduce_codec; /* between replicas; not given: codec */
    double codec_warmup;               /* epochs */
    int straight; /* gradients of what sparse links left out go back */
    int recompute;
    enum cluster_optimizer optimizer;
    double lr;
    struct cluster_rate rate;
    double momentum;
    int nesterov;
    double weight_decay;
    double clip; /* 0: none */
    struct cluster_freeze freeze;
    struct cluster_param_rate *rates;
    size_t n_rates;
    uint64_t seed;
    struct cluster_augment augment;
    struct config_number *losses;
    size_t n_losses;
    struct cluster_checkpoint checkpoint;
    struct cluster_stop stop;
    enum cluster_shares shares;
    enum cluster_on_loss on_loss;
    struct cluster_tiled *tiles;
    size_t n_tiles;
    struct cluster_tile_loss tile_loss;
    struct cluster_margin margin;
    struct cluster_block_loss block_loss;
    double view_dropout;
};

struct cluster_replan {
    bool on; /* else what drifts is shown, and nothing is done */
    uint32_t after_ms;
    uint32_t pause_ms;
    double gain;
};

#define CLUSTER_SPARES_AUTO (-1) /* one where there is one replica */

struct cluster {
    int version;
    char *name; /* of the deployment */
    struct cluster_coordinator coordinator;
    enum cluster_devices devices_kind;
    struct cluster_device *devices;
    size_t n_devices;
    struct cluster_model model;
    enum cluster_goal goal;
    uint32_t replicas; /* at least, of each stage */
    int spares;        /* of each stage, besides; CLUSTER_SPARES_AUTO */
    struct cluster_stage *stages; /* none: the planner cuts */
    size_t n_stages;
    struct cluster_routing routing;
    struct cluster_links links;
    struct cluster_health health;
    struct cluster_security security;
    struct cluster_rollout rollout;
    struct cluster_replan replan;
    bool faults_allowed;
    uint32_t deadline_ms; /* 0: none */
    struct cluster_exit *exits;
    size_t n_exits;
    struct cluster_view *views;
    size_t n_views;
    struct cluster_tier *tiers;
    size_t n_tiers;
    struct cluster_training training;
    struct pool pool; /* private: holds all of the above */
};

/* 0; EDGE_ECONFIG and the reasons in `errors`; EDGE_ENOMEM. `label` is the
 * file's name as its user knows it. On success `errors` may hold warnings.
 * `errors` is zeroed, or was used before; it borrows `text` for more errors
 * that a caller may add at places of the file. */
int cluster_read(const char *text, size_t size, const char *label,
                 struct cluster **cluster, struct config_errors *errors);
void cluster_free(struct cluster *cluster); /* NULL is fine */

/* A device's name where none was written: the host without ".local", and the
 * port unless it is the usual one. False: that makes no name. */
bool cluster_device_name(const char *host, uint16_t port,
                         char name[LIMIT_NAME + 1]);

/* The mapping below `model.input` alone, "{size: 64x64, mean: 0.5}": what a
 * model's metadata says of itself. As cluster_read(), but borrows nothing from
 * `text` in the end. */
int cluster_read_input(const char *text, size_t size, const char *label,
                       struct cluster_input *input,
                       struct config_errors *errors);

/* `path` as it is to be opened, being written in the file `yaml`: relative
 * ones start at its folder. Release it with mem_free(); NULL: out of memory. */
char *cluster_resolve_path(const char *yaml, const char *path);

/* The file again, every key with its value: reading it gives the same. */
void cluster_write(const struct cluster *cluster, FILE *out);

/* The rows of the file. */
const struct read_table *cluster_table(void);

/* The JSON Schema, for editors, and the reference as a page of Markdown. */
void cluster_schema_json(FILE *out);
void cluster_reference(FILE *out);

#endif

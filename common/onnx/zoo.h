/*
 * Known architectures with weights to start training from, or random ones
 * for plans, benchmarks and tests that need no file from elsewhere. Same name
 * and options, same graph, bit for bit, on every machine.
 *
 * The graph has one input "input" with an open batch N, and one output of
 * N x classes; ddnn has several of either (docs/decisions/0032). Outputs are
 * scores, never probabilities: a loss reads them
 * as they are, and `edgectl infer` makes probabilities of them
 * (docs/decisions/0027). Batch normalisations and dropouts are ops of their
 * own.
 *
 * An architecture is a function in a file zoo_*.c and a row for each of its
 * forms in zoo.c.
 */
#ifndef EDGE_ONNX_ZOO_H
#define EDGE_ONNX_ZOO_H

#include "graph/graph.h"

#define ZOO_HIDDEN_MAX 16
#define ZOO_VIEWS_MAX 12 /* inputs and outputs are ports of a shard */

/* How what several views gave becomes one. */
enum zoo_aggregator {
    ZOO_AGGREGATE_MAX,
    ZOO_AGGREGATE_MEAN,
    ZOO_AGGREGATE_CONCAT
};

/* What the constants are at first. */
enum zoo_init {
    /* As those who published the net began to train it, or as has become
     * usual since (zoo_fill.c has the sources). Biases are 0, and so is what
     * a batch normalisation changes. */
    ZOO_INIT_TRAIN,
    /* For a net that nobody trains: no constant is neutral, so that each one
     * shows in the answers, and values keep their size through any depth.
     * Weights are uniform within +-sqrt(6 / fan-in) (He et al. 2015,
     * "Delving Deep into Rectifiers", eq. 10 as a uniform distribution),
     * biases within +-1 / sqrt(fan-in). */
    ZOO_INIT_RANDOM
};

struct zoo_options { /* zeroed: as published */
    uint64_t seed;
    enum zoo_init init;
    const char *form; /* "cifar", ...; NULL: the architecture's first */
    double width;     /* channels and hidden layers are multiplied by it */
    int64_t classes;
    int64_t input[3];  /* channels, height, width; or one length alone */
    const int *hidden; /* sizes of the hidden layers, of mlp and parity */
    size_t n_hidden;
    /* Of ddnn: */
    int devices;             /* each has a view, as large as `input` */
    int64_t filters;         /* of a device's one layer */
    const char *aggregators; /* "mp-cc": of scores, of features */
    bool has_edge; /* a tier between those near devices and the last */
};

/* *graph is for graph_free(). EDGE_ENOENT: no such architecture or form (the
 * sentence says which there are), EDGE_EINVAL: the input is too small for its
 * layers, or an option is out of range or not one of this architecture,
 * EDGE_ETOOBIG: more weights than one ONNX file holds. */
int zoo_make(const char *name, const struct zoo_options *options,
             struct graph **graph, struct err *err);

struct zoo_entry { /* one form of an architecture, as published */
    const char *name;
    const char *form;
    const char *about;
    int64_t input[3]; /* {n, 0, 0}: n numbers */
    int64_t classes;
    int64_t parameters; /* what gradients change */
    double mmacs;       /* 1e6 multiply-accumulates for one input */
};
/* The i-th; false behind the last. Forms of one architecture follow each
 * other, its usual one first. */
bool zoo_list(size_t i, struct zoo_entry *entry);
/* How many numbers of a graph from here gradients change. */
int64_t zoo_parameters(const struct graph *graph);

#endif

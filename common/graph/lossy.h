/*
 * Layers computed as if their maps lay on boards in tiles and their weights in
 * blocks, with what boards say to each other lost now and then, or coarse: so
 * that a network learns to do without it (docs/decisions/0031).
 *
 * A rewrite of a model, whole or a part: each layer by itself, found by the
 * name of what it makes. A window (Conv, MaxPool, AveragePool) that reads
 * across inner borders becomes
 *
 *   TileCut -> the same op, valid, over (samples, channels, tiles, ...)
 *           -> TileJoin
 *
 * which is as many multiply-adds; a Gemm becomes a BlockGemm. Pure.
 */
#ifndef EDGE_GRAPH_LOSSY_H
#define EDGE_GRAPH_LOSSY_H

#include "graph/tile_form.h"

enum lossy_halo {
    LOSSY_RULE, /* as the rule says */
    LOSSY_EXACT,
    LOSSY_NONE
};

/* What belongs to which tile, along rows and columns: 0, ..., the extent. */
struct lossy_axis {
    int bands;
    int64_t in[TILE_FORM_BANDS + 1];  /* of the layer's input */
    int64_t out[TILE_FORM_BANDS + 1]; /* and of its output */
};

struct lossy_layer {
    const char *value; /* that it makes */
    enum lossy_halo halo;
    struct lossy_axis axis[2];
};

struct lossy_rule {
    enum tile_form_loss loss; /* with p, p11 and p22 as in tile_form.h */
    float p;
    float p11;
    float p22;
    float block_p;
};

struct lossy {
    const struct lossy_layer *layers;
    size_t n_layers;
    const char *const *products; /* values that a Gemm makes */
    size_t n_products;
    int64_t blocks;
    struct lossy_rule rule;
    int64_t levels; /* of margins; 0: they are as they are */
    float low;
    float high;
    bool own;
};

/* `graph` is inferred, and is again. Layers that it has not are of another
 * part. What a rule leaves as it is stays. EDGE_EUNSUPPORTED names the layer
 * that cannot be in tiles or blocks; EDGE_ENOMEM. */
int lossy_rewrite(struct graph *graph, const struct lossy *lossy,
                  struct err *err);

/* For graphs that do not train: makes an input (samples), int64, behind the
 * others, of what decides what is lost. False: nothing is lost by chance. */
int lossy_add_seeds(struct graph *graph, bool *has_seeds, struct err *err);

#endif

/*
 * The rows of what training loses on purpose: tiles and blocks of layers. What
 * they do is in common/graph/lossy.h.
 */
#include "config/cluster_parts.h"

#define BLOCKS_MAX 16

static const struct read_word yes_no[] = {
    {"true", 1, false}, {"false", 0, false}, {0}};

/* ---- tiles --------------------------------------------------------------- */

static const struct read_word halos[] = {{"lossy", CLUSTER_TILED_LOSSY, false},
                                         {"exact", CLUSTER_TILED_EXACT, false},
                                         {"none", CLUSTER_TILED_NONE, false},
                                         {0}};

static const struct read_row tiled_rows[] = {
    {.key = "layers",
     .type = READ_OWN,
     .own = cluster_own_tiled,
     .is_set = cluster_has_tiled,
     .write = cluster_write_tiled,
     .takes = "FIRST..LAST, or one layer",
     .schema = "{\"type\":\"string\"}",
     .help = "its part of the model, both ends included",
     .flags = READ_REQUIRED},
    GRID_ROW("the tiles"),
    {.key = "halo",
     .type = READ_CHOICE,
     FIELD(tiled, halo),
     .words = halos,
     .initial = "lossy",
     .help = "what a tile gets of its neighbours: what tile_loss leaves, as "
             "coarse as margin says; all of it; nothing"},
};

const struct read_table cluster_tiled_table = {
    TABLE("training.tiles[]", tiled_rows, "layers that learn as if in tiles")};

/* ---- what is lost between them ------------------------------------------- */

static const struct read_word models[] = {
    {"bernoulli", CLUSTER_LOSS_BERNOULLI, false},
    {"markov", CLUSTER_LOSS_MARKOV, false},
    {0}};

static const struct read_row tile_loss_rows[] = {
    {.key = "model",
     .type = READ_CHOICE,
     FIELD(tile_loss, model),
     .words = models,
     .initial = "bernoulli",
     .is_set = cluster_has_loss,
     .help = "bernoulli: each element by itself; markov: a side of a tile as a "
             "whole, in bursts"},
    {.key = "p",
     .type = READ_REAL,
     FIELD(tile_loss, p),
     .min = 0,
     .max = 1,
     .is_set = cluster_has_loss,
     .help = "the part that is lost; of markov: without bursts"},
    {.key = "p11",
     .type = READ_REAL,
     FIELD(tile_loss, p11),
     .min = 0,
     .max = 1,
     .is_set = cluster_has_loss,
     .help = "for markov: how likely a side arrives after one that did"},
    {.key = "p22",
     .type = READ_REAL,
     FIELD(tile_loss, p22),
     .min = 0,
     .max = 1,
     .is_set = cluster_has_loss,
     .help = "for markov: how likely a side is lost after one that was"},
    {.key = "train",
     .type = READ_CHOICE,
     FIELD(tile_loss, train),
     .words = yes_no,
     .initial = "true",
     .is_set = cluster_has_loss,
     .help = "while training"},
    {.key = "eval",
     .type = READ_CHOICE,
     FIELD(tile_loss, eval),
     .words = yes_no,
     .initial = "true",
     .is_set = cluster_has_loss,
     .help = "while evaluating"},
};

const struct read_table cluster_tile_loss_table = {
    TABLE("training.tile_loss", tile_loss_rows, "what is lost between tiles"),
    .check = cluster_check_tile_loss};

static const struct read_row margin_rows[] = {
    {.key = "clip",
     .type = READ_OWN,
     .own = cluster_own_clip,
     .is_set = cluster_has_margin,
     .write = cluster_write_clip,
     .takes = "a list of two numbers",
     .schema = "{\"type\":\"array\",\"items\":{\"type\":\"number\"},"
               "\"minItems\":2,\"maxItems\":2}",
     .help = "values are clipped to these; the lower one is what 0 stands for",
     .flags = READ_REQUIRED},
    {.key = "bits",
     .type = READ_INT,
     FIELD(margin, bits),
     .min = 1,
     .max = 16,
     .initial = "4",
     .is_set = cluster_has_margin,
     .help = "bits of a value"},
    {.key = "own",
     .type = READ_CHOICE,
     FIELD(margin, own),
     .words = yes_no,
     .initial = "false",
     .is_set = cluster_has_margin,
     .help = "a tile reads its own margin like that too, not only what its "
             "neighbours send"},
};

const struct read_table cluster_margin_table = {
    TABLE("training.margin", margin_rows, "how coarse a tile's margin is"),
    .check = cluster_check_margin};

/* ---- blocks -------------------------------------------------------------- */

static const struct read_row block_rows[] = {
    {.key = "layers",
     .type = READ_OWN,
     FIELD(block_loss, layers),
     .own = cluster_own_patterns,
     .is_set = cluster_has_patterns,
     .write = cluster_write_freeze,
     .takes = "a list of layers such as [fc1, \"fc*\"]",
     .schema = "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}",
     .help = "dense layers; * stands for any letters",
     .flags = READ_REQUIRED},
    {.key = "p",
     .type = READ_REAL,
     FIELD(block_loss, p),
     .min = 0,
     .max = 1,
     .initial = "0.1",
     .help = "the part of blocks that is lost, by picture"},
    {.key = "blocks",
     .type = READ_INT,
     FIELD(block_loss, blocks),
     .min = 1,
     .max = BLOCKS_MAX,
     .initial = "4",
     .help = "parts of the inputs, and of the outputs"},
    {.key = "train",
     .type = READ_CHOICE,
     FIELD(block_loss, train),
     .words = yes_no,
     .initial = "true",
     .help = "while training"},
    {.key = "eval",
     .type = READ_CHOICE,
     FIELD(block_loss, eval),
     .words = yes_no,
     .initial = "true",
     .help = "while evaluating"},
};

const struct read_table cluster_block_loss_table = {
    TABLE("training.block_loss", block_rows,
          "what is lost between blocks of dense layers' weights")};

/* The keys below `model` and `stages`. */
#include "config/cluster_parts.h"

/* ---- model ---- */

static const struct read_word resizes[] = {
    {"crop", CLUSTER_RESIZE_CROP, false},
    {"stretch", CLUSTER_RESIZE_STRETCH, false},
    {"letterbox", CLUSTER_RESIZE_LETTERBOX, false},
    {"pad", CLUSTER_RESIZE_PAD, false},
    {0}};
static const struct read_word colors[] = {{"rgb", CLUSTER_COLOR_RGB, false},
                                          {"bgr", CLUSTER_COLOR_BGR, false},
                                          {"gray", CLUSTER_COLOR_GRAY, false},
                                          {0}};
static const struct read_word ranges[] = {{"0..1", CLUSTER_RANGE_1, false},
                                          {"0..255", CLUSTER_RANGE_255, false},
                                          {0}};

static const struct read_word blanks[] = {
    {"present", CLUSTER_BLANK_PRESENT, false},
    {"absent", CLUSTER_BLANK_ABSENT, false},
    {0}};

#define CHANNELS_SCHEMA                                      \
    "{\"anyOf\":[{\"type\":\"number\"},{\"type\":\"array\"," \
    "\"items\":{\"type\":\"number\"},\"minItems\":1,\"maxItems\":3}]}"

static const struct read_row input_rows[] = {
    {.key = "size",
     .type = READ_OWN,
     .own = cluster_own_size,
     .write = cluster_write_size,
     .takes = "WIDTHxHEIGHT such as 224x224, sides up to 4096, or auto",
     .schema = "{\"type\":\"string\",\"pattern\":"
               "\"^([1-9][0-9]*x[1-9][0-9]*|auto)$\"}",
     .initial = "auto",
     .help = "size of the picture given to the model; auto: the model's"},
    {.key = "resize",
     .type = READ_CHOICE,
     FIELD(input, resize),
     .words = resizes,
     .initial = "crop",
     .help = "how a picture of another form is fitted: its centre, squeezed, "
             "with borders, or as large as it is, amid black"},
    {.key = "grid",
     .type = READ_OWN,
     .own = cluster_own_views,
     .is_set = cluster_has_views,
     .write = cluster_write_views,
     .takes = "COLUMNSxROWS such as 3x2, each up to 16",
     .schema = "{\"type\":\"string\",\"pattern\":"
               "\"^[1-9][0-9]*x[1-9][0-9]*$\"}",
     .help = "a picture is cut into so many views, numbered down the columns; "
             "size is then that of the whole"},
    {.key = "blank",
     .type = READ_CHOICE,
     FIELD(input, blank),
     .words = blanks,
     .initial = "present",
     .help = "what a view of a grid, or of a source, is that is black in all "
             "places"},
    {.key = "crop",
     .type = READ_REAL,
     FIELD(input, crop),
     .min = 0.01,
     .max = 1,
     .initial = "0.875",
     .help = "for resize: crop, the part of the shorter side that is kept"},
    {.key = "color",
     .type = READ_CHOICE,
     FIELD(input, color),
     .words = colors,
     .initial = "rgb",
     .help = "order of the channels"},
    {.key = "range",
     .type = READ_CHOICE,
     FIELD(input, range),
     .words = ranges,
     .initial = "0..1",
     .help = "what black..white become, before mean and std"},
    {.key = "mean",
     .type = READ_OWN,
     .own = cluster_own_channels,
     .write = cluster_write_channels,
     FIELD(input, mean),
     .min = -1000,
     .max = 1000,
     .takes = "a number from -1000 to 1000, or a list of one a channel",
     .schema = CHANNELS_SCHEMA,
     .initial = "0",
     .help = "subtracted from each value"},
    {.key = "std",
     .type = READ_OWN,
     .own = cluster_own_channels,
     .write = cluster_write_channels,
     FIELD(input, std),
     .min = 1e-6,
     .max = 1000,
     .takes = "a number from 0.000001 to 1000, or a list of one a channel",
     .schema = CHANNELS_SCHEMA,
     .initial = "1",
     .help = "each value is divided by it, after mean"},
};

const struct read_table cluster_input_table = {
    TABLE("model.input", input_rows, "how a picture becomes the model's input"),
    .check = cluster_check_input};

static const struct read_row batch_rows[] = {
    {.key = "max",
     .type = READ_INT,
     FIELD(model, batch_max),
     .min = 1,
     .max = 64,
     .now = 1,
     .initial = "1",
     .help = "requests computed together, at most"},
    {.key = "wait",
     .type = READ_DURATION,
     FIELD(model, batch_wait_ms),
     .min = 0,
     .max = 1000,
     .initial = "2ms",
     .help = "how long a request waits for others to join it",
     .flags = READ_LATER},
};

/* Its fields are the model's own. */
static const struct read_table batch_table = {
    TABLE("model.batch", batch_rows, "computing several requests at once")};

static const struct read_word formats[] = {{"onnx", 0, false}, {0}};
static const struct read_word precisions[] = {
    {"fp32", CLUSTER_PRECISION_FP32, false},
    {"fp16", CLUSTER_PRECISION_FP16, true},
    {"int8", CLUSTER_PRECISION_INT8, true},
    {0}};

static const struct read_row model_rows[] = {
    {.key = "file",
     .type = READ_PATH,
     FIELD(model, file),
     .help = "the ONNX model; relative to this file's folder",
     .flags = READ_REQUIRED},
    {.key = "labels",
     .type = READ_PATH,
     FIELD(model, labels),
     .help =
         "names of the classes, one a line; relative to this file's folder"},
    {.key = "sha256",
     .type = READ_DIGEST,
     FIELD(model, sha256),
     .help = "what the model's file must be: as sha256sum prints it; of one "
             "with external data, as plan -o yaml does"},
    {.key = "format",
     .type = READ_CHOICE,
     FIELD(model, format),
     .words = formats,
     .initial = "onnx",
     .help = "of the model's file"},
    {.key = "precision",
     .type = READ_CHOICE,
     FIELD(model, precision),
     .words = precisions,
     .initial = "fp32",
     .help = "what is computed with"},
    {.key = "batch",
     .type = READ_MAP,
     .offset = 0,
     .table = &batch_table,
     .help = "computing several requests at once"},
    {.key = "input",
     .type = READ_MAP,
     FIELD(model, input),
     .is_set = cluster_has_input,
     .table = &cluster_input_table,
     .help = "how a picture becomes the model's input"},
};

const struct read_table cluster_model_table = {
    TABLE("model", model_rows, "the neural network")};

/* ---- stages ---- */

static const struct read_word axes[] = {{"output", CLUSTER_AXIS_OUTPUT, false},
                                        {"input", CLUSTER_AXIS_INPUT, false},
                                        {"pair", CLUSTER_AXIS_PAIR, false},
                                        {0}};
static const struct read_word halos[] = {
    {"recompute", CLUSTER_HALO_RECOMPUTE, false},
    {"exchange", CLUSTER_HALO_EXCHANGE, false},
    {"none", CLUSTER_HALO_NONE, false},
    {0}};

static const struct read_row split_rows[] = {
    {.key = "axis",
     .type = READ_CHOICE,
     FIELD(split, axis),
     .words = axes,
     .initial = "output",
     .help = "which channels of the weights are cut"},
    {.key = "parts",
     .type = READ_INT,
     FIELD(split, parts),
     .min = 2,
     .max = SPLIT_PARTS_MAX,
     .help = "so many, each on as many devices; not given: one a device"},
    {.key = "over",
     .type = READ_NAMES,
     ARRAY(split, over),
     .max = LIMIT_REPLICAS,
     .help = "devices, each taking a part",
     .flags = READ_REQUIRED},
};

static const struct read_table split_table = {
    TABLE("stages[].split", split_rows, "a stage's weights cut over devices")};

static const struct read_row tile_rows[] = {
    GRID_ROW("the parts a picture is cut into"),
    {.key = "halo",
     .type = READ_CHOICE,
     FIELD(tile, halo),
     .words = halos,
     .initial = "recompute",
     .help = "where the values beyond a part's border come from"},
    {.key = "codec",
     .type = READ_OWN,
     .own = cluster_own_codec,
     FIELD(tile, codec),
     CODEC,
     .help = "how borders travel with halo: exchange; not given: as all that "
             "the stage sends"},
    {.key = "over",
     .type = READ_NAMES,
     ARRAY(tile, over),
     .max = LIMIT_REPLICAS,
     .help = "devices, each taking a part",
     .flags = READ_REQUIRED},
};

static const struct read_table tile_table = {
    TABLE("stages[].tile", tile_rows, "a stage's picture cut over devices")};

static const struct read_row stage_rows[] = {
    {.key = "name",
     .type = READ_NAME,
     FIELD(stage, name),
     .help = "its name",
     .flags = READ_REQUIRED},
    {.key = "layers",
     .type = READ_OWN,
     .own = cluster_own_layers,
     .is_set = cluster_has_layers,
     .write = cluster_write_layers,
     .takes = "FIRST..LAST, or one layer",
     .schema = "{\"type\":\"string\"}",
     .help = "its part of the model, both ends included",
     .flags = READ_REQUIRED},
    {.key = "replicas",
     .type = READ_NAMES,
     ARRAY(stage, replicas),
     .max = LIMIT_REPLICAS,
     .help = "devices, each computing the whole stage; not given: the "
             "planner chooses"},
    {.key = "split",
     .type = READ_MAP,
     FIELD(stage, split),
     .table = &split_table,
     .help = "cut the weights over devices"},
    {.key = "tile",
     .type = READ_MAP,
     FIELD(stage, tile),
     .table = &tile_table,
     .help = "cut the picture over devices"},
    {.key = "codec",
     .type = READ_OWN,
     .own = cluster_own_codec,
     FIELD(stage, codec),
     CODEC,
     .help = "how what it sends to other shards travels; not given: as links "
             "says"},
};

const struct read_table cluster_stage_table = {
    TABLE("stages[]", stage_rows, "a stage written by hand"),
    .check = cluster_check_stage, .is_robust = true};

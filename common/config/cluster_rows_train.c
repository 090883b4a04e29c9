/*
 * The rows of `training`: what edgectl train acts on. Choices stand in the
 * order of the enums of common/train/optim.h and schedule.h.
 */
#include "config/cluster_parts.h"

#define SEED_MAX 4294967295.0
#define EPOCHS_MAX 100000
#define RATES_MAX 64 /* rows */

static const struct read_word yes_no[] = {
    {"true", 1, false}, {"false", 0, false}, {0}};

/* ---- data ---- */

static const struct read_word formats[] = {{"auto", 0, false},
                                           {"idx", 1, false},
                                           {"cifar10", 2, false},
                                           {"folder", 3, false},
                                           {0}};

static const struct read_row data_rows[] = {
    {.key = "train",
     .type = READ_PATH,
     FIELD(data, train),
     .help = "a folder, or a file, to learn from",
     .flags = READ_REQUIRED},
    {.key = "test",
     .type = READ_PATH,
     FIELD(data, test),
     .help =
         "what accuracy is measured on; without it, the test part that lies "
         "beside the training part"},
    {.key = "format",
     .type = READ_CHOICE,
     FIELD(data, format),
     .words = formats,
     .initial = "auto",
     .help = "MNIST idx files, CIFAR-10 in binary form, or a folder for each "
             "class; auto: by the names of the files"},
    {.key = "classes",
     .type = READ_PATH,
     FIELD(data, classes),
     .help = "a file with the name of each class, one a line, for MNIST and "
             "CIFAR-10; folders name theirs"},
    {.key = "mean_picture",
     .type = READ_CHOICE,
     FIELD(data, mean_picture),
     .words = yes_no,
     .initial = "false",
     .help = "the mean of all training pictures is taken off each, place by "
             "place; they must have the size of the model"},
};

static const struct read_table data_table = {
    TABLE("training.data", data_rows, "what is learnt from")};

/* ---- how the rate goes ---- */

static const struct read_word schedules[] = {
    {"constant", CLUSTER_RATE_CONSTANT, false},
    {"step", CLUSTER_RATE_STEP, false},
    {"cosine", CLUSTER_RATE_COSINE, false},
    {"plateau", CLUSTER_RATE_PLATEAU, false},
    {0}};

static const struct read_row rate_rows[] = {
    {.key = "kind",
     .type = READ_CHOICE,
     FIELD(rate, kind),
     .words = schedules,
     .initial = "constant",
     .help = "step: times factor after every so many epochs; cosine: half a "
             "wave down to least at the last epoch; plateau: times factor when "
             "the test loss stops falling"},
    {.key = "warmup",
     .type = READ_REAL,
     FIELD(rate, warmup),
     .min = 0,
     .max = EPOCHS_MAX,
     .initial = "0",
     .help = "epochs in which the rate first grows to lr, by equal steps"},
    {.key = "every",
     .type = READ_REAL,
     FIELD(rate, every),
     .min = 0.001,
     .max = EPOCHS_MAX,
     .is_set = cluster_has_rate_key,
     .help = "for step: epochs between two cuts"},
    {.key = "factor",
     .type = READ_REAL,
     FIELD(rate, factor),
     .min = 0,
     .max = 1,
     .initial = "0.1",
     .is_set = cluster_has_rate_key,
     .help = "for step and plateau: what the rate is multiplied by"},
    {.key = "least",
     .type = READ_REAL,
     FIELD(rate, least),
     .min = 0,
     .max = 100,
     .initial = "0",
     .is_set = cluster_has_rate_key,
     .help = "for cosine and plateau: the rate does not fall below"},
    {.key = "patience",
     .type = READ_INT,
     FIELD(rate, patience),
     .min = 0,
     .max = EPOCHS_MAX,
     .initial = "10",
     .is_set = cluster_has_rate_key,
     .help = "for plateau: evaluations without a better loss that are borne"},
};

static const struct read_table rate_table = {
    TABLE("training.lr_schedule", rate_rows, "how the learning rate changes"),
    .check = cluster_check_rate};

/* ---- what is done to pictures ---- */

static const struct read_word crops[] = {
    {"none", CLUSTER_CROP_NONE, false},
    {"resized", CLUSTER_CROP_RESIZED, false},
    {0}};

static const struct read_row augment_rows[] = {
    {.key = "crop",
     .type = READ_INT,
     FIELD(augment, crop),
     .min = 1,
     .max = 128,
     .words = crops,
     .initial = "none",
     .help = "pixels of black around a picture before it is cut out again at a "
             "random place; resized: a random part of it, made the size of "
             "the model"},
    {.key = "flip",
     .type = READ_CHOICE,
     FIELD(augment, flip),
     .words = yes_no,
     .initial = "false",
     .help = "left and right exchanged in half of the pictures"},
    {.key = "colour",
     .type = READ_REAL,
     FIELD(augment, colour),
     .min = 0,
     .max = 1,
     .initial = "0",
     .help = "brightness, contrast and saturation changed by a factor of up to "
             "1 - this and 1 + this"},
};

static const struct read_table augment_table = {
    TABLE("training.augment", augment_rows,
          "pictures changed at random before they are learnt from")};

/* ---- when it is kept, and when it ends ---- */

static const struct read_row checkpoint_rows[] = {
    {.key = "steps",
     .type = READ_INT,
     FIELD(checkpoint, steps),
     .min = 1,
     .max = 1e6,
     .initial = "50",
     .help = "steps between two"},
    {.key = "time",
     .type = READ_DURATION,
     FIELD(checkpoint, time_ms),
     .min = 1000,
     .max = DAY_MS,
     .initial = "30s",
     .help = "time between two, at most"},
    {.key = "keep",
     .type = READ_INT,
     FIELD(checkpoint, keep),
     .min = 1,
     .max = 100,
     .initial = "3",
     .help = "how many are kept"},
};

static const struct read_table checkpoint_table = {TABLE(
    "training.checkpoint", checkpoint_rows, "what a restart goes on from")};

static const struct read_row stop_rows[] = {
    {.key = "patience",
     .type = READ_INT,
     FIELD(stop, patience),
     .min = 1,
     .max = EPOCHS_MAX,
     .words = cluster_none_is_0,
     .initial = "none",
     .help = "evaluations without a better test loss after which training "
             "ends"},
    {.key = "target",
     .type = READ_PERCENT,
     FIELD(stop, target),
     .min = 0.0001,
     .max = 1,
     .words = cluster_none_is_0,
     .initial = "none",
     .help = "accuracy on the test data at which it ends"},
};

static const struct read_table stop_table = {
    TABLE("training.stop", stop_rows, "when it ends before the last epoch")};

/* ---- training ---- */

static const struct read_word orders[] = {{"gpipe", CLUSTER_ORDER_GPIPE, false},
                                          {"1f1b", CLUSTER_ORDER_1F1B, false},
                                          {0}};
static const struct read_word modes[] = {
    {"auto", CLUSTER_TRAIN_AUTO, false},
    {"pipeline", CLUSTER_TRAIN_PIPELINE, false},
    {"data", CLUSTER_TRAIN_DATA, false},
    {0}};
static const struct read_word optimizers[] = {
    {"sgd", CLUSTER_OPTIMIZER_SGD, false},
    {"adam", CLUSTER_OPTIMIZER_ADAM, false},
    {0}};
static const struct read_word shares[] = {
    {"measured", CLUSTER_SHARES_MEASURED, false},
    {"equal", CLUSTER_SHARES_EQUAL, false},
    {0}};
static const struct read_word on_losses[] = {
    {"continue", CLUSTER_ON_LOSS_CONTINUE, false},
    {"wait", CLUSTER_ON_LOSS_WAIT, false},
    {"stop", CLUSTER_ON_LOSS_STOP, false},
    {0}};

static const struct read_row rates_rows[] = {
    {.key = "parameters",
     .type = READ_OWN,
     FIELD(param_rate, parameters),
     .own = cluster_own_patterns,
     .is_set = cluster_has_patterns,
     .write = cluster_write_freeze,
     .takes = "a list of parameters such as [\"*.bias\"]",
     .schema = "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}",
     .help = "of which; * stands for any letters",
     .flags = READ_REQUIRED},
    {.key = "lr",
     .type = READ_REAL,
     FIELD(param_rate, lr),
     .min = 0,
     .max = 1000,
     .initial = "1",
     .help = "their learning rate is lr times this; 0: they stay as they are"},
    {.key = "decay",
     .type = READ_REAL,
     FIELD(param_rate, decay),
     .min = 0,
     .max = 1000,
     .initial = "1",
     .help = "their weight decay is weight_decay times this"},
};

static const struct read_table rates_table = {TABLE(
    "training.rates[]", rates_rows, "parameters with rates of their own")};

static const struct read_row training_rows[] = {
    {.key = "data",
     .type = READ_OWN,
     FIELD(training, data),
     .own = cluster_own_data,
     .table = &data_table,
     .is_set = cluster_has_data,
     .write = cluster_write_data,
     .takes = "a path, or {train, test, format, classes, mean_picture}",
     .schema = "{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"object\"}]}",
     .help = "the pictures: MNIST, CIFAR-10, or a folder with a folder for "
             "each class",
     .flags = READ_REQUIRED},
    {.key = "epochs",
     .type = READ_INT,
     FIELD(training, epochs),
     .min = 1,
     .max = EPOCHS_MAX,
     .initial = "1",
     .help = "passes over the data"},
    {.key = "evaluate",
     .type = READ_INT,
     FIELD(training, evaluate),
     .min = 1,
     .max = EPOCHS_MAX,
     .initial = "1",
     .help = "epochs from one look at the test data to the next; there is one "
             "after the last epoch anyway"},
    {.key = "batch",
     .type = READ_INT,
     FIELD(training, batch),
     .min = 1,
     .max = 65536,
     .initial = "32",
     .help = "pictures of one step, over all devices"},
    {.key = "microbatches",
     .type = READ_INT,
     FIELD(training, microbatches),
     .min = 1,
     .max = 1024,
     .initial = "4",
     .help = "parts of a batch that follow one another through the stages"},
    {.key = "schedule",
     .type = READ_CHOICE,
     FIELD(training, order),
     .words = orders,
     .initial = "1f1b",
     .help = "gpipe: all parts forward, then all back; 1f1b: each back as soon "
             "as it can be, which needs less memory"},
    {.key = "mode",
     .type = READ_CHOICE,
     FIELD(training, mode),
     .words = modes,
     .initial = "auto",
     .help = "how the work is shared: by stages, or by pictures"},
    {.key = "shares",
     .type = READ_CHOICE,
     FIELD(training, shares),
     .words = shares,
     .initial = "measured",
     .help = "how a batch is divided between replicas: by their speed, or "
             "equally, which makes runs repeatable bit for bit"},
    {.key = "sync",
     .type = READ_OWN,
     FIELD(training, sync),
     .own = cluster_own_sync,
     .write = cluster_write_sync,
     .initial = "gradient",
     .takes = "gradient, {local: STEPS} or {delta: epoch}",
     .schema = "{\"oneOf\":[{\"const\":\"gradient\"},{\"type\":\"object\","
               "\"properties\":{\"local\":{\"type\":\"integer\"},\"delta\":"
               "{\"const\":\"epoch\"}},\"additionalProperties\":false,"
               "\"minProperties\":1,\"maxProperties\":1}]}",
     .help = "what replicas agree on: the gradient of each step, the weights "
             "after so many steps of their own, or the changes of weights "
             "after each epoch"},
    {.key = "codec",
     .type = READ_OWN,
     FIELD(training, codec),
     .own = cluster_own_codec,
     CODEC,
     .help = "how gradients travel, back over links and between replicas; "
             "without it, as they are"},
    {.key = "reduce_codec",
     .type = READ_OWN,
     FIELD(training, reduce_codec),
     .own = cluster_own_codec,
     CODEC,
     .help = "how gradients travel between replicas; without it, as codec "
             "says"},
    {.key = "codec_warmup",
     .type = READ_REAL,
     FIELD(training, codec_warmup),
     .min = 0,
     .max = 100000,
     .initial = "0",
     .help = "epochs in which links with a sparse codec go from keeping all "
             "values to what the codec says; evaluations keep what it says"},
    {.key = "straight_through",
     .type = READ_CHOICE,
     FIELD(training, straight),
     .words = yes_no,
     .initial = "false",
     .help = "gradients of what a sparse codec left out go back as well, all "
             "of them as codec says"},
    {.key = "recompute",
     .type = READ_CHOICE,
     FIELD(training, recompute),
     .words = yes_no,
     .initial = "false",
     .help = "values are computed again on the way back, not kept: a third "
             "more work, less memory"},
    {.key = "optimizer",
     .type = READ_CHOICE,
     FIELD(training, optimizer),
     .words = optimizers,
     .initial = "sgd",
     .help = "how weights are updated"},
    {.key = "lr",
     .type = READ_REAL,
     FIELD(training, lr),
     .min = 1e-9,
     .max = 100,
     .initial = "0.01",
     .help = "learning rate"},
    {.key = "lr_schedule",
     .type = READ_MAP,
     FIELD(training, rate),
     .table = &rate_table,
     .help = "how the learning rate changes"},
    {.key = "momentum",
     .type = READ_REAL,
     FIELD(training, momentum),
     .min = 0,
     .max = 1,
     .initial = "0.9",
     .is_set = cluster_has_sgd,
     .help = "for sgd"},
    {.key = "nesterov",
     .type = READ_CHOICE,
     FIELD(training, nesterov),
     .words = yes_no,
     .initial = "false",
     .is_set = cluster_has_sgd,
     .help = "for sgd: the momentum is looked ahead along"},
    {.key = "weight_decay",
     .type = READ_REAL,
     FIELD(training, weight_decay),
     .min = 0,
     .max = 10,
     .initial = "0",
     .help = "this part of a weight is added to its gradient"},
    {.key = "clip",
     .type = READ_REAL,
     FIELD(training, clip),
     .min = 1e-6,
     .max = 1e6,
     .words = cluster_none_is_0,
     .initial = "none",
     .help = "the norm of all gradients together is held to this"},
    {.key = "freeze",
     .type = READ_OWN,
     FIELD(training, freeze),
     .own = cluster_own_freeze,
     .write = cluster_write_freeze,
     .initial = "0%",
     .takes = "a percentage, or a list of layers such as [stem, block*]",
     .schema = "{\"oneOf\":[{\"type\":\"string\"},{\"type\":\"array\","
               "\"items\":{\"type\":\"string\"}}]}",
     .help = "what stays as it is: this part of the layers, from the first on, "
             "or those with these names; * stands for any letters"},
    {.key = "rates",
     .type = READ_MAPS,
     ARRAY(training, rates),
     .table = &rates_table,
     .max = RATES_MAX,
     .help = "parameters that learn faster or slower, or with another decay; "
             "of several that name one the last decides"},
    {.key = "seed",
     .type = READ_INT,
     FIELD(training, seed),
     .min = 0,
     .max = SEED_MAX,
     .initial = "1",
     .help = "decides the order of pictures, how they are changed, and what is "
             "dropped out"},
    {.key = "augment",
     .type = READ_MAP,
     FIELD(training, augment),
     .table = &augment_table,
     .help = "pictures changed at random before they are learnt from"},
    {.key = "losses",
     .type = READ_NUMBERS,
     ARRAY(training, losses),
     .max = LIMIT_PORTS,
     .help = "the weight of each output's loss; * stands for any letters"},
    {.key = "checkpoint",
     .type = READ_MAP,
     FIELD(training, checkpoint),
     .table = &checkpoint_table,
     .help = "what a restart goes on from"},
    {.key = "stop",
     .type = READ_MAP,
     FIELD(training, stop),
     .table = &stop_table,
     .help = "when it ends before the last epoch"},
    {.key = "on_loss",
     .type = READ_CHOICE,
     FIELD(training, on_loss),
     .words = on_losses,
     .initial = "continue",
     .help = "what happens when a device is lost"},
    {.key = "view_dropout",
     .type = READ_REAL,
     FIELD(training, view_dropout),
     .min = 0,
     .max = 0.95,
     .initial = "0",
     .help = "the part of views left out at random, so that the network learns "
             "to answer without them"},
    {.key = "tiles",
     .type = READ_MAPS,
     ARRAY(training, tiles),
     .table = &cluster_tiled_table,
     .max = TILED_MAX,
     .help = "layers that learn as if their maps lay on boards in tiles"},
    {.key = "tile_loss",
     .type = READ_MAP,
     FIELD(training, tile_loss),
     .table = &cluster_tile_loss_table,
     .help = "what is lost between tiles"},
    {.key = "margin",
     .type = READ_MAP,
     FIELD(training, margin),
     .table = &cluster_margin_table,
     .help = "how coarse a tile's margin is"},
    {.key = "block_loss",
     .type = READ_MAP,
     FIELD(training, block_loss),
     .table = &cluster_block_loss_table,
     .help = "what is lost between blocks of dense layers' weights"},
};

const struct read_table cluster_training_table = {
    TABLE("training", training_rows, "training on the cluster"),
    .check = cluster_check_training};

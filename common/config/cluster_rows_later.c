/*
 * The keys that no release acts on yet: exits, views and tiers. The rows that
 * lead here have READ_LATER; with that flag gone these are read.
 */
#include "config/cluster_parts.h"

static const struct read_row exit_rows[] = {
    {.key = "after",
     .type = READ_TEXT,
     FIELD(exit, after),
     .takes = "a layer",
     .help = "the layer whose output is looked at"},
    {.key = "at",
     .type = READ_NAME,
     FIELD(exit, at),
     .help = "the tier that is left early"},
    {.key = "output",
     .type = READ_TEXT,
     FIELD(exit, output),
     .takes = "an output of the model",
     .help = "the answer that leaves"},
    {.key = "confidence",
     .type = READ_REAL,
     FIELD(exit, confidence),
     .min = 0,
     .max = 1,
     .help = "an answer at least this sure leaves"},
    {.key = "entropy",
     .type = READ_REAL,
     FIELD(exit, entropy),
     .min = 0,
     .max = 1,
     .help = "an answer with a normalised entropy below this leaves"},
};

const struct read_table cluster_exit_table = {
    TABLE("exits[]", exit_rows, "an answer taken early")};

static const struct read_row view_rows[] = {
    {.key = "on",
     .type = READ_NAME,
     FIELD(view, on),
     .help = "the device that takes it",
     .flags = READ_REQUIRED},
    {.key = "from",
     .type = READ_TEXT,
     FIELD(view, from),
     .takes = "dir:FOLDER, exec:COMMAND or v4l2:DEVICE",
     .help = "where it comes from",
     .flags = READ_REQUIRED},
};

const struct read_table cluster_view_table = {
    TABLE("views.NAME", view_rows, "an input taken by a device")};

static const struct read_row tier_rows[] = {
    {.key = "name",
     .type = READ_NAME,
     FIELD(tier, name),
     .help = "its name",
     .flags = READ_REQUIRED},
    {.key = "on",
     .type = READ_NAME,
     FIELD(tier, on),
     .takes = "a device, or each-view",
     .help = "where it runs",
     .flags = READ_REQUIRED},
};

const struct read_table cluster_tier_table = {
    TABLE("tiers[]", tier_rows, "a part between exits")};

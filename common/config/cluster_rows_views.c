/*
 * The rows of models with a view on each of several devices: who takes which,
 * where the parts between exits run, and when an answer leaves early.
 */
#include "config/cluster_parts.h"
#include "config/source.h"

static const struct read_row exit_rows[] = {
    {.key = "after",
     .type = READ_TEXT,
     FIELD(exit, after),
     .takes = "a layer or a stage",
     .help = "without tiers: where it is, behind this; not given: where what "
             "the output needs is computed"},
    {.key = "at",
     .type = READ_NAME,
     FIELD(exit, at),
     .help = "with tiers, and needed there: the tier that is left early"},
    {.key = "output",
     .type = READ_TEXT,
     FIELD(exit, output),
     .takes = "an output of the model",
     .help = "the scores that leave, of as many classes as the model's first "
             "output; needed with tiers, and where several would do"},
    {.key = "confidence",
     .type = READ_REAL,
     FIELD(exit, confidence),
     .min = 0,
     .max = 1,
     .is_set = cluster_has_rule,
     .help = "an answer whose best class has at least this probability leaves"},
    {.key = "entropy",
     .type = READ_REAL,
     FIELD(exit, entropy),
     .min = 0,
     .max = 1,
     .is_set = cluster_has_rule,
     .help = "an answer with a normalised entropy below this leaves"},
};

const struct read_table cluster_exit_table = {
    TABLE("exits[]", exit_rows, "an answer taken early"),
    .check = cluster_check_exit};

static const struct read_row view_rows[] = {
    {.key = "on",
     .type = READ_NAME,
     FIELD(view, on),
     .help = "the device that takes it, and computes what depends on it alone",
     .flags = READ_REQUIRED},
    {.key = "from",
     .type = READ_TEXT,
     FIELD(view, from),
     .takes = SOURCE_FORMS,
     .help = "where it comes from, on its device: the newest picture in a "
             "folder, what a command prints, or a camera; for edgectl watch"},
};

const struct read_table cluster_view_table = {
    TABLE("views.NAME", view_rows, "an input taken by a device"),
    .check = cluster_check_view};

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
     .help = "where it runs; each-view, for the first one: each device "
             "computes what depends on its own view alone",
     .flags = READ_REQUIRED},
};

const struct read_table cluster_tier_table = {
    TABLE("tiers[]", tier_rows, "a part between exits")};

/* The keys of a profiles file. */
#include "config/profiles_parts.h"

#define KIND(member) READ_FIELD(struct profiles_kind, member)
#define BOARDS(member) READ_FIELD(struct profiles_boards, member)
#define LINK(member) READ_FIELD(struct profiles_link, member)
#define QUANTITY(units) \
    "{\"type\":\"string\",\"pattern\":\"^[0-9]+([.][0-9]+)?(" units ")$\"}"
#define TIME_SCHEMA QUANTITY("us|ms|s|m")
#define TIME_TAKES "a time such as 250us, 12ms or 1.5s"

static const struct read_row link_rows[] = {
    {.key = "rate",
     .type = READ_OWN,
     .own = profiles_own_bits,
     LINK(bit_s),
     .min = 1e3,
     .max = 1e12,
     .takes = "a rate such as 94Mbit/s or 1Gbit/s",
     .schema = QUANTITY("bit/s|kbit/s|Mbit/s|Gbit/s"),
     .help = "what it carries, in each direction",
     .flags = READ_REQUIRED},
    {.key = "delay",
     .type = READ_OWN,
     .own = profiles_own_time,
     LINK(delay_s),
     .min = 0,
     .max = 60,
     .takes = TIME_TAKES,
     .schema = TIME_SCHEMA,
     .initial = "0.2ms",
     .help = "how long a byte is under way, in one direction"},
};

static const struct read_table link_table = {
    .name = "link",
    .rows = link_rows,
    .n = READ_COUNT(link_rows),
    .help = "The link of a board; between two boards the slower one counts."};

static const struct read_row kind_rows[] = {
    {.key = "memory",
     .type = READ_BYTES,
     KIND(memory),
     .min = (double)MIB(1),
     .max = (double)((uint64_t)1 << 40),
     .help = "memory that models may fill; not given: as much as needed"},
    {.key = "threads",
     .type = READ_INT,
     KIND(threads),
     .min = 1,
     .max = 256,
     .initial = "1",
     .help = "compute threads that the figures are for"},
    {.key = "macs",
     .type = READ_OWN,
     .own = profiles_own_macs,
     KIND(macs_per_s),
     .min = 1e6,
     .max = 1e15,
     .takes = "a rate such as 800M/s or 4.2G/s",
     .schema = QUANTITY("M/s|G/s|T/s"),
     .help = "multiply-accumulates a second, of layers that have no time of "
             "their own; not given: as those that have one"},
    {.key = "memory_rate",
     .type = READ_OWN,
     .own = profiles_own_bytes,
     KIND(bytes_per_s),
     .min = 1e3,
     .max = 1e14,
     .takes = "a rate such as 400MiB/s",
     .schema = QUANTITY("B/s|KiB/s|MiB/s|GiB/s"),
     .help = "bytes of weights and tensors that such layers can touch in a "
             "second; not given: they do not matter"},
    {.key = "run",
     .type = READ_OWN,
     .own = profiles_own_time,
     KIND(run_s),
     .min = 0,
     .max = 60,
     .takes = TIME_TAKES,
     .schema = TIME_SCHEMA,
     .initial = "0ms",
     .help = "what it costs to run a shard once, besides its layers"},
    {.key = "message",
     .type = READ_OWN,
     .own = profiles_own_time,
     KIND(message_s),
     .min = 0,
     .max = 60,
     .takes = TIME_TAKES,
     .schema = TIME_SCHEMA,
     .initial = "0ms",
     .help = "compute time that a message takes where it is sent, and where "
             "it is received"},
    {.key = "message_rate",
     .type = READ_OWN,
     .own = profiles_own_bytes,
     KIND(message_bytes_per_s),
     .min = 1e3,
     .max = 1e14,
     .takes = "a rate such as 400MiB/s",
     .schema = QUANTITY("B/s|KiB/s|MiB/s|GiB/s"),
     .help = "and its bytes: so many a second; not given: they cost nothing"},
    {.key = "link",
     .type = READ_MAP,
     KIND(link),
     .table = &link_table,
     .help = "the link of boards of this kind; not given: that of the file"},
    {.key = "layers",
     .type = READ_OWN,
     .own = profiles_own_layers,
     READ_ARRAY(struct profiles_kind, layers, n_layers),
     .min = 0,
     .max = 86400,
     .takes = "a mapping of layers or ranges of them (\"a..b\") to times, such "
              "as {conv1..pool1: 45ms}",
     .schema = "{\"type\":\"object\",\"additionalProperties\":" TIME_SCHEMA "}",
     .help = "times of one model's layers; that of a range is shared by "
             "their work"},
};

static const struct read_table kind_table = {.name = "kinds",
                                             .rows = kind_rows,
                                             .n = READ_COUNT(kind_rows),
                                             .help = "A kind of board.",
                                             .check = profiles_check_kind};

static const struct read_row boards_rows[] = {
    {.key = "kind",
     .type = READ_NAME,
     BOARDS(kind),
     .help = "one of `kinds`",
     .flags = READ_REQUIRED},
    {.key = "devices",
     .type = READ_OWN,
     .own = profiles_own_patterns,
     READ_ARRAY(struct profiles_boards, devices, n_devices),
     .takes = "a name, a pattern such as \"pi-*\", or a list of them",
     .schema = "{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\","
               "\"minItems\":1,\"items\":{\"type\":\"string\"}}]}",
     .help = "devices of cluster.yaml, by name"},
    {.key = "labels",
     .type = READ_PAIRS,
     READ_ARRAY(struct profiles_boards, labels, n_labels),
     .max = 16,
     .help = "devices of cluster.yaml that have all of these labels"},
    {.key = "count",
     .type = READ_INT,
     BOARDS(count),
     .min = 1,
     .max = LIMIT_NODES,
     .help = "so many boards besides those of cluster.yaml"},
    {.key = "name",
     .type = READ_NAME,
     BOARDS(name),
     .help = "what those are called: NAME-1, NAME-2 and so on; not given: as "
             "their kind"},
};

static const struct read_table boards_table = {.name = "boards[]",
                                               .rows = boards_rows,
                                               .n = READ_COUNT(boards_rows),
                                               .help = "Boards of one kind.",
                                               .check = profiles_check_boards};

static const struct read_row top_rows[] = {
    {.key = "kinds",
     .type = READ_KEYED,
     READ_ARRAY(struct profiles, kinds, n_kinds),
     .max = PROFILES_KINDS_MAX,
     .table = &kind_table,
     .help = "kinds of boards, by name",
     .flags = READ_REQUIRED},
    {.key = "boards",
     .type = READ_MAPS,
     READ_ARRAY(struct profiles, boards, n_boards),
     .max = PROFILES_BOARDS_MAX,
     .table = &boards_table,
     .help = "which boards are of which kind, the first entry that fits a "
             "device; one that none fits is left out. Not given: every "
             "device is of the first kind"},
    {.key = "link",
     .type = READ_MAP,
     READ_FIELD(struct profiles, link),
     .table = &link_table,
     .help = "the link of each board; not given: 1Gbit/s, 0.2ms"},
};

static const struct read_table top_table = {.name = "",
                                            .rows = top_rows,
                                            .n = READ_COUNT(top_rows),
                                            .help = "",
                                            .check = profiles_check_top};

const struct read_table *profiles_table(void)
{
    return &top_table;
}

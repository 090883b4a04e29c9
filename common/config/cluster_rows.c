/*
 * The keys of cluster.yaml: the top, coordinator and devices. A row with
 * READ_LATER is known, so that it is not taken for a typing mistake, but
 * refused until a release acts on it.
 */
#include "config/cluster_parts.h"

/* Words that several rows take. */
const struct read_word cluster_auto_is_0[] = {{"auto", 0, false}, {0}};
const struct read_word cluster_none_is_0[] = {{"none", 0, false}, {0}};

/* ---- coordinator, devices ---- */

static const struct read_row coordinator_rows[] = {
    {.key = "host",
     .type = READ_HOST,
     FIELD(coordinator, host),
     .initial = "127.0.0.1",
     .help = "where edge-coordinator runs"},
    {.key = "port",
     .type = READ_INT,
     FIELD(coordinator, port),
     .min = 1,
     .max = 65535,
     .initial = "7434",
     .help = "its port for devices"},
    {.key = "http",
     .type = READ_TEXT,
     FIELD(coordinator, http),
     .takes = "HOST:PORT",
     .help = "where it answers HTTP",
     .flags = READ_LATER},
    {.key = "state",
     .type = READ_PATH,
     FIELD(coordinator, state),
     .help = "the folder it keeps its state in; not given: "
             "/var/lib/edge-coordinator, or the user's own state folder for a "
             "local cluster"},
};

static const struct read_table coordinator_table = {
    TABLE("coordinator", coordinator_rows, "the coordinator")};

static const struct read_row device_rows[] = {
    {.key = "name",
     .type = READ_NAME,
     FIELD(device, name),
     .help = "its name; not given: the host without .local"},
    {.key = "host",
     .type = READ_HOST,
     FIELD(device, host),
     .help = "its host name or address",
     .flags = READ_REQUIRED},
    {.key = "port",
     .type = READ_INT,
     FIELD(device, port),
     .min = 1,
     .max = 65535,
     .initial = "7433",
     .help = "the port edged listens on"},
    {.key = "memory",
     .type = READ_BYTES,
     FIELD(device, memory),
     .min = (double)MIB(1),
     .max = (double)((uint64_t)1 << 40),
     .words = cluster_auto_is_0,
     .initial = "auto",
     .help = "memory that plans may fill there; auto: what is free"},
    {.key = "threads",
     .type = READ_INT,
     FIELD(device, threads),
     .min = 1,
     .max = 256,
     .words = cluster_auto_is_0,
     .initial = "auto",
     .help = "compute threads; auto: the fastest number"},
    {.key = "coretype",
     .type = READ_TEXT,
     FIELD(device, coretype),
     .max = LIMIT_NAME,
     .takes = "a core type of OpenBLAS, such as NEOVERSEN1, or auto",
     .initial = "auto",
     .help = "which of OpenBLAS's kernels to use"},
    {.key = "labels",
     .type = READ_PAIRS,
     ARRAY(device, labels),
     .max = 32,
     .help = "notes of your own, shown with the device"},
};

const struct read_table cluster_device_table = {
    TABLE("devices[]", device_rows, "a device written out"),
    .check = cluster_check_device, .is_robust = true};

/* ---- the top ---- */

static const struct read_word versions[] = {{"edged/v1", 1, false}, {0}};
static const struct read_word goals[] = {
    {"latency", CLUSTER_GOAL_LATENCY, false},
    {"throughput", CLUSTER_GOAL_THROUGHPUT, false},
    {"memory", CLUSTER_GOAL_MEMORY, false},
    {0}};
static const struct read_word faults[] = {
    {"refused", false, false}, {"allowed", true, false}, {0}};

static const struct read_word spares[] = {
    {"auto", CLUSTER_SPARES_AUTO, false}, {"none", 0, false}, {0}};

#define TOP(member) READ_FIELD(struct cluster, member)
#define TOP_ARRAY(member) READ_ARRAY(struct cluster, member, n_##member)

static const struct read_row top_rows[] = {
    {.key = "apiVersion",
     .type = READ_CHOICE,
     TOP(version),
     .words = versions,
     .initial = "edged/v1",
     .help = "what the keys of this file mean"},
    {.key = "name",
     .type = READ_NAME,
     TOP(name),
     .help = "the deployment's name",
     .flags = READ_REQUIRED},
    {.key = "coordinator",
     .type = READ_MAP,
     TOP(coordinator),
     .table = &coordinator_table,
     .help = "where the coordinator runs"},
    {.key = "devices",
     .type = READ_OWN,
     .own = cluster_own_devices,
     .write = cluster_write_devices,
     .table = &cluster_device_table,
     .max = LIMIT_NODES,
     .takes = "a list of hosts, host:port or mappings, or local N",
     .schema = "{\"anyOf\":[{\"type\":\"string\",\"pattern\":"
               "\"^local [1-9][0-9]?$\"},{\"type\":\"array\",\"minItems\":1,"
               "\"items\":{\"anyOf\":[{\"type\":\"string\"},"
               "{\"$ref\":\"#/definitions/devices\"}]}}]}",
     .help = "the devices to use; local N: the N daemons of edgectl up",
     .flags = READ_REQUIRED},
    {.key = "model",
     .type = READ_MAP,
     TOP(model),
     .table = &cluster_model_table,
     .help = "the neural network",
     .flags = READ_REQUIRED},
    {.key = "goal",
     .type = READ_CHOICE,
     TOP(goal),
     .words = goals,
     .initial = "latency",
     .help = "what the planner makes small or large: the time of one request, "
             "the requests a second, or the memory of each device"},
    {.key = "replicas",
     .type = READ_INT,
     TOP(replicas),
     .min = 1,
     .max = LIMIT_REPLICAS,
     .initial = "1",
     .help = "devices that hold each stage, at least; 2 survive the loss of "
             "any one"},
    {.key = "spares",
     .type = READ_INT,
     TOP(spares),
     .min = 0,
     .max = LIMIT_REPLICAS - 1,
     .words = spares,
     .initial = "auto",
     .help = "devices that hold each stage besides, where memory is left, and "
             "compute it only when the others are lost; auto: one where "
             "replicas is 1"},
    {.key = "stages",
     .type = READ_MAPS,
     TOP_ARRAY(stages),
     .max = LIMIT_SHARDS,
     .table = &cluster_stage_table,
     .help = "cuts of your own; not given: the planner cuts"},
    {.key = "routing",
     .type = READ_MAP,
     TOP(routing),
     .table = &cluster_routing_table,
     .help = "how requests find their way"},
    {.key = "links",
     .type = READ_MAP,
     TOP(links),
     .table = &cluster_link_table,
     .help = "what travels between devices"},
    {.key = "health",
     .type = READ_MAP,
     TOP(health),
     .table = &cluster_health_table,
     .help = "when a device counts as lost"},
    {.key = "security",
     .type = READ_MAP,
     TOP(security),
     .table = &cluster_security_table,
     .help = "who may talk to whom"},
    {.key = "rollout",
     .type = READ_MAP,
     TOP(rollout),
     .table = &cluster_rollout_table,
     .help = "how a new deployment takes over"},
    {.key = "replan",
     .type = READ_MAP,
     TOP(replan),
     .table = &cluster_replan_table,
     .help = "what happens when devices are not as fast as was predicted"},
    {.key = "faults",
     .type = READ_CHOICE,
     TOP(faults_allowed),
     .words = faults,
     .initial = "refused",
     .help = "whether edgectl fault may break things on purpose"},
    {.key = "deadline",
     .type = READ_DURATION,
     TOP(deadline_ms),
     .min = 1,
     .max = HOUR_MS,
     .words = cluster_none_is_0,
     .initial = "none",
     .help = "what joins parts goes on by then with those that are there; the "
             "answer says what was missing"},
    {.key = "exits",
     .type = READ_MAPS,
     TOP_ARRAY(exits),
     .max = 16,
     .table = &cluster_exit_table,
     .help = "answers taken early when they are sure enough"},
    {.key = "views",
     .type = READ_KEYED,
     TOP_ARRAY(views),
     .max = LIMIT_PORTS,
     .table = &cluster_view_table,
     .help = "inputs of the model that devices take, each its own, by the "
             "input's name"},
    {.key = "tiers",
     .type = READ_MAPS,
     TOP_ARRAY(tiers),
     .max = 16,
     .table = &cluster_tier_table,
     .help = "where the parts between exits run"},
    {.key = "training",
     .type = READ_MAP,
     TOP(training),
     .table = &cluster_training_table,
     .help = "how edgectl train goes about it"},
};

static const struct read_table top_table = {
    TABLE("", top_rows, "The keys of the file itself."),
    .check = cluster_check_top, .is_robust = true};

const struct read_table *cluster_table(void)
{
    return &top_table;
}

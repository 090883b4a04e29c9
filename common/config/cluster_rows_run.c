/* The keys about running: routing, links, health, security, rollout. */
#include "config/cluster_parts.h"

static const struct read_word policies[] = {
    {"expected-finish", CLUSTER_POLICY_EXPECTED_FINISH, false}, {0}};
static const struct read_word hedges[] = {{"none", 0, false},
                                          {"p50", 50, false},
                                          {"p75", 75, false},
                                          {"p90", 90, false},
                                          {"p95", 95, false},
                                          {"p99", 99, false},
                                          {0}};
static const struct read_word on_fulls[] = {
    {"reject", CLUSTER_ON_FULL_REJECT, false}, {0}};

static const struct read_row routing_rows[] = {
    {.key = "policy",
     .type = READ_CHOICE,
     FIELD(routing, policy),
     .words = policies,
     .initial = "expected-finish",
     .help = "how one of several replicas is chosen"},
    {.key = "deadline",
     .type = READ_DURATION,
     FIELD(routing, deadline_ms),
     .min = 1,
     .max = HOUR_MS,
     .words = cluster_none_is_0,
     .initial = "none",
     .help = "a request not answered by then has failed"},
    {.key = "hop_deadline",
     .type = READ_DURATION,
     FIELD(routing, hop_deadline_ms),
     .min = 1,
     .max = HOUR_MS,
     .words = cluster_auto_is_0,
     .initial = "auto",
     .help = "a stage not done by then is tried on another replica"},
    {.key = "retries",
     .type = READ_INT,
     FIELD(routing, retries),
     .min = 0,
     .max = LIMIT_ATTEMPTS - 1,
     .initial = "2",
     .help = "times a stage is tried again"},
    {.key = "hedge",
     .type = READ_CHOICE,
     FIELD(routing, hedge),
     .words = hedges,
     .initial = "p95",
     .help = "ask a second replica when the first takes longer than this "
             "part of requests did"},
    {.key = "queue",
     .type = READ_INT,
     FIELD(routing, queue),
     .min = 1,
     .max = LIMIT_SHARD_QUEUE,
     .initial = "32",
     .help = "requests waiting for one stage on one device, at most"},
    {.key = "on_full",
     .type = READ_CHOICE,
     FIELD(routing, on_full),
     .words = on_fulls,
     .initial = "reject",
     .help = "what happens to a request when all queues are full"},
};

const struct read_table cluster_routing_table = {
    TABLE("routing", routing_rows, "how requests find their way"),
    .check = cluster_check_routing};

static const struct read_word switches[] = {
    {"auto", CLUSTER_SWITCH_AUTO, false},
    {"on", CLUSTER_SWITCH_ON, false},
    {"off", CLUSTER_SWITCH_OFF, false},
    {0}};

static const struct read_row link_rows[] = {
    {.key = "codec",
     .type = READ_OWN,
     .own = cluster_own_codec,
     FIELD(links, codec),
     CODEC,
     .initial = "fp32",
     .help = "how values travel from shard to shard; the model's outputs "
             "travel as they are"},
    {.key = "input",
     .type = READ_OWN,
     .own = cluster_own_codec,
     FIELD(links, input),
     CODEC,
     .initial = "fp32",
     .help = "how the model's inputs travel from the coordinator to the "
             "devices"},
    {.key = "max_loss",
     .type = READ_PERCENT,
     FIELD(links, max_loss),
     .min = 0,
     .max = 1,
     .initial = "0.5%",
     .help = "answers whose first choice codec: auto may change, of the "
             "pictures of calibrate; without those, put at risk, of a few "
             "seeded inputs"},
    {.key = "calibrate",
     .type = READ_PATH,
     FIELD(links, calibrate),
     .help = "a folder of pictures, or .npy, that codec: auto and zstd: auto "
             "are tried on; relative to this file's folder"},
    {.key = "zstd",
     .type = READ_CHOICE,
     FIELD(links, zstd),
     .words = switches,
     .initial = "off",
     .help = "compress what travels, on top of the codecs; auto: where the "
             "link is slower than that; predictions leave it out"},
    {.key = "max_frame",
     .type = READ_BYTES,
     FIELD(links, max_frame),
     .min = (double)KIB(64),
     .max = (double)LIMIT_PAYLOAD,
     .initial = "64MiB",
     .help = "the largest message"},
};

const struct read_table cluster_link_table = {
    TABLE("links", link_rows, "what travels between devices")};

static const struct read_row health_rows[] = {
    {.key = "heartbeat",
     .type = READ_DURATION,
     FIELD(health, heartbeat_ms),
     .min = 50,
     .max = MINUTE_MS,
     .initial = "500ms",
     .help = "how often a device says that it lives"},
    {.key = "suspect",
     .type = READ_DURATION,
     FIELD(health, suspect_ms),
     .min = 150,
     .max = HOUR_MS,
     .initial = "1.5s",
     .help = "silent for so long: its work is also given to others"},
    {.key = "dead",
     .type = READ_DURATION,
     FIELD(health, dead_ms),
     .min = 200,
     .max = HOUR_MS,
     .initial = "3s",
     .help = "silent for so long: it is lost"},
    {.key = "throttle_derate",
     .type = READ_REAL,
     FIELD(health, throttle_derate),
     .min = 0.01,
     .max = 1,
     .initial = "0.6",
     .help = "the part of its speed expected of a device that begins to be "
             "throttled, until measurements say how slow it is"},
};

const struct read_table cluster_health_table = {
    TABLE("health", health_rows, "when a device counts as lost"),
    .check = cluster_check_health};

static const struct read_word modes[] = {
    {"mtls", CLUSTER_MODE_MTLS, false},
    {"insecure", CLUSTER_MODE_INSECURE, false},
    {0}};
static const struct read_word ciphers[] = {
    {"auto", CLUSTER_CIPHER_AUTO, false},
    {"aes", CLUSTER_CIPHER_AES, false},
    {"chacha20", CLUSTER_CIPHER_CHACHA20, false},
    {0}};

static const struct read_row security_rows[] = {
    {.key = "mode",
     .type = READ_CHOICE,
     FIELD(security, mode),
     .words = modes,
     .initial = "mtls",
     .help = "insecure is plain text, on loopback alone"},
    {.key = "cipher",
     .type = READ_CHOICE,
     FIELD(security, cipher),
     .words = ciphers,
     .initial = "auto",
     .help = "auto: AES where the CPU has instructions for it",
     .flags = READ_LATER},
    {.key = "token_ttl",
     .type = READ_DURATION,
     FIELD(security, token_ttl_ms),
     .min = MINUTE_MS,
     .max = 7 * DAY_MS,
     .help = "how long a join token is good for; not given: as the "
             "coordinator's --token-ttl, 15m"},
    {.key = "cert_ttl",
     .type = READ_DURATION,
     FIELD(security, cert_ttl_ms),
     .min = HOUR_MS,
     .max = 3650 * DAY_MS,
     .help = "how long a device's certificate is good for; not given: as the "
             "coordinator's --cert-ttl, 30d"},
};

const struct read_table cluster_security_table = {
    TABLE("security", security_rows, "who may talk to whom")};

static const struct read_word strategies[] = {{"rolling", 0, false}, {0}};
static const struct read_word goldens[] = {{"auto", CLUSTER_GOLDEN_AUTO, false},
                                           {"none", CLUSTER_GOLDEN_NONE, false},
                                           {0}};
static const struct read_word on_fails[] = {{"rollback", 0, false}, {0}};

static const struct read_row rollout_rows[] = {
    {.key = "strategy",
     .type = READ_CHOICE,
     FIELD(rollout, strategy),
     .words = strategies,
     .initial = "rolling",
     .help = "how devices change over; rolling: the old deployment serves "
             "until the new one, installed beside it, is ready everywhere"},
    {.key = "golden",
     .type = READ_CHOICE,
     FIELD(rollout, golden),
     .words = goldens,
     .initial = "auto",
     .help = "compare the new deployment's answer with one computed beforehand "
             "before it takes requests"},
    {.key = "probation",
     .type = READ_DURATION,
     FIELD(rollout, probation_ms),
     .min = 1000,
     .max = HOUR_MS,
     .initial = "60s",
     .help = "how long a new deployment is watched",
     .flags = READ_LATER},
    {.key = "on_fail",
     .type = READ_CHOICE,
     FIELD(rollout, on_fail),
     .words = on_fails,
     .initial = "rollback",
     .help = "what happens if it does not work"},
};

const struct read_table cluster_rollout_table = {
    TABLE("rollout", rollout_rows, "how a new deployment takes over")};

static const struct read_word replans[] = {
    {"auto", true, false}, {"off", false, false}, {0}};

static const struct read_row replan_rows[] = {
    {.key = "mode",
     .type = READ_CHOICE,
     FIELD(replan, on),
     .words = replans,
     .initial = "auto",
     .help =
         "auto: plan again, and go back if that was slower, unless `stages` "
         "are written; off: only show it (edgectl status --plan)"},
    {.key = "after",
     .type = READ_DURATION,
     FIELD(replan, after_ms),
     .min = 1000,
     .max = DAY_MS,
     .initial = "60s",
     .help = "how long nothing else must have been measured; likewise how long "
             "a new plan is watched"},
    {.key = "pause",
     .type = READ_DURATION,
     FIELD(replan, pause_ms),
     .min = 1000,
     .max = DAY_MS,
     .initial = "10m",
     .help = "between two changes at least; it doubles with each until all was "
             "calm for long"},
    {.key = "gain",
     .type = READ_PERCENT,
     FIELD(replan, gain),
     .min = 0.01,
     .max = 0.99,
     .initial = "15%",
     .help = "what a new plan must save, of a request's time or for the goal "
             "throughput of the time between two answers; also of one when "
             "the same file is deployed again"},
};

const struct read_table cluster_replan_table = {
    TABLE("replan", replan_rows,
          "what happens when devices are not as fast as was predicted")};

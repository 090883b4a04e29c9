/* The verbs. Help, completion and man page come from this one table. */
#include "coordinator/ctl/ctl.h"

#include <stddef.h>

static const struct argp_option up_options[] = {
    {"insecure", 'i', NULL, 0, "plain text on loopback, no certificates", 0},
    {"local", 'l', "N", OPTION_ARG_OPTIONAL, "so many daemons here (4)", 0},
    {"memory", 'M', "MIB", 0, "memory for shards, of each daemon", 0},
    {"foreground", 'f', NULL, 0, "stay, and stop the cluster on Ctrl-C", 0},
    {"allow-faults", 'F', NULL, 0, "let edgectl fault break things", 0},
    {"allow-exec", 'E', NULL, 0,
     "let deployments take views from commands (exec:)", 0},
    {0},
};

static const struct argp_option init_options[] = {
    {"name", 'N', "NAME", 0, "what the cluster is called (home)", 0},
    {0},
};

static const struct argp_option token_options[] = {
    {"ttl", 'T', "TIME", 0, "how long it is good (15m)", 0},
    {"host", 'H', "ADDRESS", 0,
     "where boards reach the coordinator (this machine's addresses)", 0},
    {0},
};

static const struct argp_option plan_options[] = {
    {"detailed-exitcode", 'd', NULL, 0, "10 if something would change", 0},
    {"explain", 'e', NULL, 0, "and what was rejected, and why", 0},
    {"dot", 'D', NULL, 0, "shards and links as a Graphviz graph", 0},
    {0},
};

static const struct argp_option simulate_options[] = {
    {"profiles", 'P', "FILE", 0, "what boards and links can do", 0},
    {"clients", 'C', "N", 0, "so many, each asks again once it is answered", 0},
    {"rate", 'R', "N", 0, "so many requests a second, at random times", 0},
    {"for", 'F', "TIME", 0, "simulated: 90s, 10m (2000 requests)", 0},
    {"policy", 'O', "HOW", 0, "expected-finish, or round-robin to compare", 0},
    {"seed", 's', "S", 0, "of the random times (1)", 0},
    {0},
};

static const struct argp_option profile_options[] = {
    {"fresh", 'R', NULL, 0, "measure again what is known", 0},
    {0},
};

static const struct argp_option deploy_options[] = {
    {"plan", 'P', "NUMBER", 0, "refuse unless this is still the plan", 0},
    {0},
};

static const struct argp_option status_options[] = {
    {"plan", 'P', NULL, 0, "what was predicted, and what is measured", 0},
    {0},
};

static const struct argp_option logs_options[] = {
    {"follow", 'f', NULL, 0, "go on as lines come", 0},
    {"lines", 'n', "N", 0, "so many of the newest lines (50)", 0},
    {0},
};

static const struct argp_option events_options[] = {
    {"follow", 'f', NULL, 0, "go on as events come", 0},
    {"lines", 'n', "N", 0, "so many of the newest events (50)", 0},
    {0},
};

static const struct argp_option infer_options[] = {
    {"top", 'k', "K", 0, "so many classes (3)", 0},
    {"input", 'i', "NAME=FILE.npy", 0, "a tensor instead of a picture", 0},
    {"output-dir", 'd', "DIR", 0, "every output as DIR/NAME.npy", 0},
    {"deadline", 'D', "MS", 0, "an answer within so long, or none", 0},
    {"views", 'V', "A,B,...", 0,
     "a picture for each input of the model; - for one that is not there", 0},
    {"grid", 'G', "3x2", 0,
     "cut each picture into so many columns and rows, a view each, numbered "
     "down the columns",
     0},
    {"strict", 'S', NULL, 0, "exit with 6 if an answer lacks a view", 0},
    {0},
};

static const struct argp_option watch_options[] = {
    {"rate", 'R', "N", 0, "so many samples a second, at most (1)", 0},
    {"every", 'E', "TIME", 0, "the same: one each 500ms, 10s", 0},
    {"samples", 'n', "COUNT", 0, "so many (until Ctrl-C)", 0},
    {"for", 'F', "TIME", 0, "so long: 30s, 10m", 0},
    {"top", 'k', "K", 0, "so many classes (1)", 0},
    {"deadline", 'D', "MS", 0, "an answer within so long, or none", 0},
    {"strict", 'S', NULL, 0, "exit with 6 if an answer lacks a view", 0},
    {0},
};

static const struct argp_option model_options[] = {
    {"input", 'i', "NAME=FILE.npy", 0,
     "run: a tensor; new: a size, as 3x224x224", 0},
    {"output", 'o', "FILE.onnx", 0,
     "new, head: where to write (NAME.onnx, MODEL-head.onnx)", 0},
    {"form", 'f', "FORM", 0, "new: imagenet, cifar, ...; see below", 0},
    {"arch", 'f', NULL, OPTION_ALIAS, NULL, 0},
    {"width", 'W', "X", 0, "new: so many times the channels, as 0.5 (1)", 0},
    {"hidden", 'H', "N,...", 0, "new: sizes of hidden layers (mlp, parity)", 0},
    {"devices", 'V', "N", 0, "new: so many, each with a view (ddnn; 6)", 0},
    {"device-filters", 'F', "N", 0, "new: of a device's layer (ddnn; 4)", 0},
    {"aggregators", 'A', "S-F", 0,
     "new: of scores and of features, each mp (max), ap (mean) or cc (concat) "
     "(ddnn; mp-cc)",
     0},
    {"edge", 'E', NULL, 0,
     "new: a tier with an exit of its own between local and cloud (ddnn)", 0},
    {"classes", 'N', "N", 0, "new, head: so many outputs (as published)", 0},
    {"seed", 'S', "S", 0, "new, head: the weights are made of it (1)", 0},
    {"init", 'I', "HOW", 0,
     "new: train, or random for a net that nobody trains (train)", 0},
    {"output-dir", 'd', "DIR", 0, "run, export-shards: where to write", 0},
    {"stages", 's', "K", 0, "export-shards: so many", 0},
    {"cut", 'C', "NAME,...", 0, "export-shards: after these layers", 0},
    {0},
};

static const struct argp_option bench_options[] = {
    {"requests", 'n', "N", 0, "so many in all (1000)", 0},
    {"clients", 'C', "N", 0, "so many at once (8)", 0},
    {"for", 'F', "SECONDS", 0, "so long, however many", 0},
    {"input", 'i', "NAME=FILE.npy", 0, "this, not seeded inputs", 0},
    {"deadline", 'D', "MS", 0, "of each request", 0},
    {"rate", 'R', "N", 0, "so many a second, answered or not", 0},
    {"check", 'K', "MODEL.onnx", 0, "compare answers with this model's", 0},
    {"record", 'W', "FILE", 0, "write one line for each request", 0},
    {0},
};

static const struct argp_option verify_options[] = {
    {"input", 'i', "NAME=FILE.npy", 0, "this input", 0},
    {"random", 'n', "N", 0, "so many random inputs (16 if none are given)", 0},
    {"seed", 's', "S", 0, "random inputs of this seed (1)", 0},
    {"file", 'f', "MODEL.onnx", 0, "against this file, not the stored one", 0},
    {"within", 'W', "X", 0,
     "of the largest value: the cluster may differ so much (0: no bit)", 0},
    {0},
};

static const struct argp_option fault_options[] = {
    {"for", 'F', "TIME", 0, "so long: 500ms, 30s, 2m (30s; at most 10m)", 0},
    {"factor", 'x', "X", 0, "slow: runs take so many times as long (3)", 0},
    {"extra", 'e', "MS", 0, "slow: and so much longer", 0},
    {"rate", 'r', "N", 0, "slow: at most so many runs a second", 0},
    {"percent", 'p', "P", 0, "drop, corrupt: of the frames (10; 1)", 0},
    {"from", 'f', "NAME,...", 0,
     "drop, partition: with these nodes (or \"coordinator\") alone", 0},
    {"direction", 'd', "WAY", 0, "drop, partition: in, out or both", 0},
    {"all", 'a', NULL, 0, "clear: every one", 0},
    {"no-watch", 'W', NULL, 0, "return at once", 0},
    {0},
};

static const struct argp_option chaos_options[] = {
    {"seed", 's', "S", 0, "the faults are chosen by it (1)", 0},
    {"for", 'F', "TIME", 0, "begin faults for so long: 30s, 5m (60s)", 0},
    {"mix", 'M', "FAULT,...", 0, "of these (kill,pause,slow,drop,partition)",
     0},
    {"clients", 'C', "N", 0, "load: so many at once (8)", 0},
    {"rate", 'R', "N", 0, "load: so many requests a second", 0},
    {"input", 'i', "NAME=FILE.npy", 0, "load: this, not seeded inputs", 0},
    {"check", 'K', "FILE.onnx", 0, "load: answers are those of this model", 0},
    {"record", 'W', "FILE", 0, "load: keep one line for each request", 0},
    {"least", 'L', "PERCENT", 0, "of the calm rate, to be kept (20)", 0},
    {"brutal", 'B', NULL, 0, "take the last holder of a shard as well", 0},
    {0},
};

static const struct argp_option train_options[] = {
    {"resume", 'R', NULL, 0, "go on from the newest checkpoint", 0},
    {"stop", 'S', NULL, 0, "end what runs, after a checkpoint", 0},
    {"file", 'f', "FILE.onnx", 0, "where to write (MODEL-trained.onnx)", 0},
    {0},
};

static const struct argp_option evaluate_options[] = {
    {"missing", 'x', "VIEW,...", 0, "without these views, numbered from 0", 0},
    {"missing-table", 'T', NULL, 0,
     "without none, each, and more and more of the views", 0},
    {"all", 'A', NULL, 0, "the same, with all sets that there are", 0},
    {"grey", 'G', NULL, 0, "missing views are there, with zeros for a picture",
     0},
    {"file", 'f', "FILE.onnx", 0,
     "write the model with the table's figures, which incomplete answers then "
     "name",
     0},
    {0},
};

static const struct argp_option exits_options[] = {
    {"loss", 'l', "POINTS", 0,
     "propose a threshold that loses at most so much accuracy (0.5)", 0},
    {0},
};

const struct command ctl_commands[] = {
    {"up", "start", "", "start a cluster on this machine",
     "  edgectl up\n  edgectl up --local 7 -c lab", up_options, cmd_up},
    {"down", "start", "", "stop it; what is deployed stays",
     "  edgectl down\n  edgectl down -c lab", NULL, cmd_down},
    {"init", "start", "", "make the cluster's certificates, once",
     "  edgectl init\n  edgectl init --name home", init_options, cmd_init},
    {"token", "start", "create", "let one board join",
     "  edgectl token create | ssh pi-2.local sudo edged join -\n  edgectl "
     "token create --ttl 1h --host 192.168.1.10",
     token_options, cmd_token},
    {"validate", "deploy", "CLUSTER.yaml", "check a file and its model",
     "  edgectl validate cluster.yaml\n  edgectl validate cluster.yaml -o json",
     NULL, cmd_validate},
    {"profile", "deploy", "[FILE]", "measure a model on the boards, and links",
     "  edgectl profile cluster.yaml\n  edgectl profile --fresh -o yaml "
     "cluster.yaml >boards.yaml",
     profile_options, cmd_profile},
    {"plan", "deploy", "CLUSTER.yaml", "show what deploy would do",
     "  edgectl plan cluster.yaml --explain\n  edgectl plan cluster.yaml -o "
     "yaml >pinned.yaml",
     plan_options, cmd_plan},
    {"simulate", "deploy", "CLUSTER.yaml",
     "try it on paper, for boards that are not there",
     "  edgectl simulate cluster.yaml --profiles pi3-vgg16.profile.yaml\n  "
     "edgectl simulate cluster.yaml --rate 20 --for 10m -o json",
     simulate_options, cmd_simulate},
    {"deploy", "deploy", "CLUSTER.yaml", "bring a model onto the boards",
     "  edgectl deploy cluster.yaml\n  edgectl deploy --dry-run cluster.yaml",
     deploy_options, cmd_deploy},
    {"undeploy", "deploy", "[NAME]", "take a model off the boards",
     "  edgectl undeploy\n  edgectl undeploy home", NULL, cmd_undeploy},
    {"infer", "use", "FILE|FOLDER|-...", "classify pictures, run tensors",
     "  edgectl infer cat.jpg\n  cat cat.jpg | edgectl infer - -o json",
     infer_options, cmd_infer},
    {"watch", "use", "", "what the boards' cameras see, answer by answer",
     "  edgectl watch --rate 24\n  edgectl watch -m cameras --every 10s -o "
     "json",
     watch_options, cmd_watch},
    {"bench", "use", "", "measure requests per second",
     "  edgectl bench\n  edgectl bench --requests 10000 --clients 8",
     bench_options, cmd_bench},
    {"verify", "use", "[FILE|FOLDER...]", "compare answers with one process's",
     "  edgectl verify photos/\n  edgectl verify --random 100 --seed 7",
     verify_options, cmd_verify},
    {"train", "use", "[CLUSTER.yaml]", "train a model on the boards",
     "  edgectl train cluster.yaml\n  edgectl train --watch", train_options,
     cmd_train},
    {"evaluate", "use", "CLUSTER.yaml", "the model's accuracy on a test set",
     "  edgectl evaluate cluster.yaml\n  edgectl evaluate cluster.yaml "
     "--missing-table",
     evaluate_options, cmd_evaluate},
    {"exits", "use", "tune CLUSTER.yaml",
     "when a sample may leave early: thresholds on a test set",
     "  edgectl exits tune cluster.yaml\n  edgectl exits tune cluster.yaml "
     "--loss 0.2",
     exits_options, cmd_exits},
    {"model", "use", "inspect|run|head|export-shards FILE.onnx\nnew NAME",
     "look at a model, run it here, cut it, make one",
     "  edgectl model inspect m.onnx\n  edgectl model new mobilenetv2 --form "
     "cifar --width 0.5 -o m.onnx",
     model_options, cmd_model},
    {"status", "observe", "", "how the deployments are",
     "  edgectl status -w\n  edgectl status --plan", status_options,
     cmd_status},
    {"nodes", "observe", "", "how the boards are",
     "  edgectl nodes\n  edgectl nodes -o json", NULL, cmd_nodes},
    {"logs", "observe", "[NODE]", "what a board or the coordinator logged",
     "  edgectl logs local-1 -n 50\n  edgectl logs coordinator -f",
     logs_options, cmd_logs},
    {"drain", "nodes", "NODE", "give a board no more work",
     "  edgectl drain local-2\n  edgectl drain pi-3 -c home", NULL, cmd_drain},
    {"undrain", "nodes", "NODE", "give it work again",
     "  edgectl undrain local-2\n  edgectl undrain pi-3 -c home", NULL,
     cmd_undrain},
    {"remove", "nodes", "NODE", "forget a board that is drained or lost",
     "  edgectl remove local-4\n  edgectl remove pi-3 --yes", NULL, cmd_remove},
    {"upgrade", "nodes", "[NODE...]", "restart boards, one after the other",
     "  edgectl upgrade\n  edgectl upgrade pi-1 pi-2 -c home", NULL,
     cmd_upgrade},
    {"events", "observe", "", "what has happened in the cluster",
     "  edgectl events\n  edgectl events -f -o json", events_options,
     cmd_events},
    {"fault", "faults",
     "kill|pause|slow|drop|partition|corrupt NODE\nlist\nclear ID|NODE|--all",
     "break something on purpose, for a while",
     "  edgectl fault kill local-2 --for 30s\n  edgectl fault partition "
     "local-1 --from local-2 --direction in --for 10s",
     fault_options, cmd_fault},
    {"chaos", "faults", "", "faults one after another, under load; a score",
     "  edgectl chaos --seed 7 --for 60s\n  edgectl chaos --mix kill,pause "
     "--rate 200 -o json",
     chaos_options, cmd_chaos},
    {"revoke", "nodes", "NODE", "refuse a board's certificate from now on",
     "  edgectl revoke pi-2\n  edgectl revoke pi-2 && edgectl status", NULL,
     cmd_revoke},
    {"version", "meta", "", "print the version",
     "  edgectl version\n  edgectl version -o json", NULL, cmd_version},
    {"help", "meta", "[VERB]", "this, or more of one verb",
     "  edgectl help\n  edgectl help deploy", NULL, cmd_help},
    {0},
};

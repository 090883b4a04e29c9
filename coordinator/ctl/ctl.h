/*
 * edgectl: a command table; each verb is a file cmd_*.c: parse, one request,
 * print. stdout carries results alone, stderr progress and errors.
 */
#ifndef EDGE_CTL_CTL_H
#define EDGE_CTL_CTL_H

#include "base/err.h"
#include "coordinator/ctl/client.h"

#include <argp.h>
#include <stdbool.h>

/* Exit codes: UX.md, "CLI conventions". */
enum ctl_exit {
    CTL_OK = 0,
    CTL_FAILED = 1,
    CTL_USAGE = 2,
    CTL_CONFIG = 3,
    CTL_UNREACHABLE = 4,
    CTL_TIMEOUT = 5,
    CTL_PARTIAL = 6,
    CTL_CHANGES = 10,
    CTL_INTERRUPTED = 130
};

/* For a coordinator that restarts to be back. */
#define CTL_PATIENCE_MS 10000

enum ctl_format { CTL_TABLE, CTL_WIDE, CTL_JSON, CTL_YAML, CTL_NAME };

enum ctl_when { CTL_AUTO, CTL_ALWAYS, CTL_NEVER };

enum ctl_progress {
    CTL_PROGRESS_AUTO,
    CTL_PROGRESS_BAR,
    CTL_PROGRESS_PLAIN,
    CTL_PROGRESS_JSON,
    CTL_PROGRESS_NONE
};

struct ctl {             /* what is the same for every verb */
    const char *cluster; /* NULL: the current one */
    const char *model;   /* -m; "": the only one */
    enum ctl_format format;
    enum ctl_when color;
    enum ctl_progress progress;
    bool quiet;
    bool yes;
    bool dry_run;
    bool watch;
    bool no_headers;
    int timeout_ms; /* 0: the verb's own */
    const char *verb;
};

struct command {
    const char *name;
    const char *group;                 /* "start", "deploy", ... */
    const char *arguments;             /* "FILE...", for the usage line */
    const char *summary;               /* one line */
    const char *examples;              /* two lines */
    const struct argp_option *options; /* its own; NULL: none */
    /* argv[0] is the verb. Returns an exit code. */
    int (*run)(struct ctl *ctl, int argc, char **argv);
};

/* All verbs, ended by one without a name. */
extern const struct command ctl_commands[];

/* Reads the verb's own options (into `input`, by `parser`) and those that all
 * verbs share (into `ctl`); what is left is argv[*first..argc). Exits with a
 * usage message if they are wrong. */
void ctl_parse(struct ctl *ctl, argp_parser_t parser, void *input, int argc,
               char **argv, int *first);
/* For the parser of a verb that has an option of its own under a letter that
 * all verbs share: what the shared one does with it. */
error_t ctl_parse_shared(struct ctl *ctl, int key, char *arg,
                         struct argp_state *state);
/* From here on --timeout, if given, ends the program with exit code 5. */
void ctl_limit(const struct ctl *ctl);
/* Ctrl-C ends the program with exit code 130; the cluster goes on. */
void ctl_catch_interrupt(void);
/* For parsers: a number in a range, or a usage error. */
long ctl_number(struct argp_state *state, const char *text, long least,
                long most);
const struct command *ctl_find(const char *name); /* NULL: no such verb */

/* Says the error on stderr as "edgectl: ..." and gives its exit code. */
int ctl_fail(const struct err *err, int rc);
int ctl_exit_code(int rc);

/* The admin socket of the chosen cluster; for mem_free(). */
char *ctl_socket(const struct ctl *ctl);
/* The folder of a local cluster's state, and that of its sockets. */
char *ctl_state_folder(const char *name);
char *ctl_run_folder(const char *name);
const char *ctl_cluster_name(const struct ctl *ctl);
int ctl_connect(const struct ctl *ctl, struct client **client, struct err *err);

/* For --help: the architectures that `model new` knows, a line each; for
 * mem_free(), NULL: out of memory. */
char *model_list(void);

int cmd_up(struct ctl *ctl, int argc, char **argv);
int cmd_init(struct ctl *ctl, int argc, char **argv);
int cmd_token(struct ctl *ctl, int argc, char **argv);
int cmd_revoke(struct ctl *ctl, int argc, char **argv);
int cmd_down(struct ctl *ctl, int argc, char **argv);
int cmd_deploy(struct ctl *ctl, int argc, char **argv);
int cmd_plan(struct ctl *ctl, int argc, char **argv);
int cmd_simulate(struct ctl *ctl, int argc, char **argv);
int cmd_profile(struct ctl *ctl, int argc, char **argv);
int cmd_undeploy(struct ctl *ctl, int argc, char **argv);
int cmd_validate(struct ctl *ctl, int argc, char **argv);
int cmd_infer(struct ctl *ctl, int argc, char **argv);
int cmd_status(struct ctl *ctl, int argc, char **argv);
int cmd_nodes(struct ctl *ctl, int argc, char **argv);
int cmd_logs(struct ctl *ctl, int argc, char **argv);
int cmd_drain(struct ctl *ctl, int argc, char **argv);
int cmd_undrain(struct ctl *ctl, int argc, char **argv);
int cmd_remove(struct ctl *ctl, int argc, char **argv);
int cmd_upgrade(struct ctl *ctl, int argc, char **argv);
int cmd_events(struct ctl *ctl, int argc, char **argv);
int cmd_model(struct ctl *ctl, int argc, char **argv);
int cmd_chaos(struct ctl *ctl, int argc, char **argv);
int cmd_fault(struct ctl *ctl, int argc, char **argv);
int cmd_watch(struct ctl *ctl, int argc, char **argv);
int cmd_bench(struct ctl *ctl, int argc, char **argv);
int cmd_verify(struct ctl *ctl, int argc, char **argv);
int cmd_train(struct ctl *ctl, int argc, char **argv);
int cmd_evaluate(struct ctl *ctl, int argc, char **argv);
int cmd_exits(struct ctl *ctl, int argc, char **argv);
int cmd_version(struct ctl *ctl, int argc, char **argv);
int cmd_help(struct ctl *ctl, int argc, char **argv);

#endif

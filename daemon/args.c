#include "daemon/args.h"

#include "base/limits_list.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BAD_CONFIG 3 /* exit code: UX.md, "CLI conventions" */

static const struct argp_option options[] = {
    {"config", 'f', "FILE", 0, "settings (/etc/edged/edged.yaml)", 0},
    {"name", 'n', "NAME", 0, "this node's name (the host's)", 0},
    {"listen", 'l', "HOST", 0,
     "address to listen on (0.0.0.0; with --insecure 127.0.0.1)", 0},
    {"port", 'p', "PORT", 0, "port to listen on (7433; 0: any free one)", 0},
    {"advertise", 'a', "HOST", 0,
     "where others reach this node (the address that it joins from)", 0},
    {"state", 's', "DIR", 0, "state folder (/var/lib/edged)", 0},
    {"run", 'r', "DIR", 0, "folder of join.sock (the state folder)", 0},
    {"cluster", 'c', "NAME", 0, "refuse peers of another cluster", 0},
    {"memory", 'm', "MIB", 0, "memory for shards (what the board has free)", 0},
    {"pace", 'P', "FILE", 0, "be as slow as its table says (OPERATIONS.md)", 0},
    {"allow-exec", 'e', NULL, 0,
     "let deployments take views from commands (exec:): whoever may deploy can "
     "then run any program here",
     0},
    {"insecure", 'i', NULL, 0, "plain text; on loopback only", 0},
    {"version", 'V', NULL, 0, "print the version", 0},
    {"print-limits", 'L', NULL, 0, "print every bound and its value", 0},
    {"trace", 't', "MODULES", 0, "log these modules in detail: net,run,...", 0},
    {0},
};

static error_t parse_number(struct argp_state *state, const char *text,
                            unsigned long long max, unsigned long long *out)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 10);
    if (errno != 0 || *end != '\0' || end == text || *out > max) {
        argp_error(state, "\"%s\" is not a number up to %llu", text, max);
    }
    return 0;
}

struct both {
    struct args *args;
    const char *rest;
    bool join;
};

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct both *both = state->input;
    struct args *args = both->args;
    unsigned long long number = 0;

    switch (key) {
    case 'f': args->config = text; return 0;
    case 'n': args->name = text; return 0;
    case 'l': args->host = text; return 0;
    case 'a': args->advertise = text; return 0;
    case 's': args->set_folder = text; return 0;
    case 'r': args->run = text; return 0;
    case 'c': args->cluster = text; return 0;
    case 't': args->trace = text; return 0;
    case 'e': args->allow_exec = true; return 0;
    case 'i': args->insecure = true; return 0;
    case 'P': args->pace = text; return 0;
    case 'V': (void)puts("edged " EDGE_VERSION); exit(0);
    case 'L': limits_print(stdout); exit(0);
    case 'p':
        (void)parse_number(state, text, 65535, &number);
        args->set_port = (long)number;
        return 0;
    case 'm':
        (void)parse_number(state, text, 1u << 24, &number);
        args->memory = number << 20;
        return 0;
    case ARGP_KEY_ARG:
        if (!both->join || both->rest != NULL) {
            return ARGP_ERR_UNKNOWN;
        }
        both->rest = text;
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* ---- edged.yaml ---------------------------------------------------------- */

static int read_file(struct args *args, struct config_errors *errors)
{
    const char *path = args->config != NULL ? args->config : NODE_CONFIG_PATH;
    struct err err;
    int rc;

    if (path[0] == '\0' || (args->config == NULL && access(path, F_OK) < 0)) {
        return node_config_default(&args->file);
    }
    (void)err_set(&err, 0, " ");
    rc = node_config_load(path, &args->file, errors, &err);
    if (rc == EDGE_ECONFIG) {
        config_errors_print(errors, "edged did not start", stderr);
    } else if (rc < 0) {
        (void)fprintf(stderr, "edged: %s\n", err.text);
    }
    return rc;
}

static void load_file(struct args *args)
{
    struct config_errors *errors = mem_new(struct config_errors);
    int rc = errors == NULL ? EDGE_ENOMEM : read_file(args, errors);

    mem_free(errors);
    if (rc < 0) {
        exit(rc == EDGE_ECONFIG ? BAD_CONFIG : 1);
    }
}

static const char *or_else(const char *text, const char *otherwise)
{
    return text != NULL && text[0] != '\0' ? text : otherwise;
}

/* "pi-2" of "pi-2.local": names of nodes are those of machines. */
static const char *host_name(struct args *args)
{
    if (gethostname(args->hostname, sizeof(args->hostname) - 1) < 0) {
        return "edged";
    }
    args->hostname[strcspn(args->hostname, ".")] = '\0';
    return or_else(args->hostname, "edged");
}

static void merge(struct args *args)
{
    const struct node_config *file = args->file;
    const char *open = args->insecure ? "127.0.0.1" : "0.0.0.0";

    args->name = or_else(args->name, file->name);
    args->name = args->name != NULL ? args->name : host_name(args);
    args->host = or_else(or_else(args->host, file->listen), open);
    args->port = args->set_port >= 0 ? args->set_port : file->port;
    args->folder = or_else(args->set_folder,
                           or_else(getenv("STATE_DIRECTORY"), file->state));
    args->run = or_else(args->run, getenv("RUNTIME_DIRECTORY"));
    args->memory = args->memory > 0 ? args->memory : file->memory;
    args->threads = file->threads > 0 ? file->threads : 1;
    args->trace =
        or_else(args->trace, or_else(getenv("EDGED_TRACE"), file->trace));
    args->log = file->log;
}

const char *args_read(struct args *args, bool join, int argc, char **argv)
{
    static const struct argp daemon = {
        options,
        parse,
        NULL,
        "Hosts shards of neural networks and streams tensors to its peers.\v"
        "edged join - reads a token and makes this board a member.",
        NULL,
        NULL,
        NULL};
    static const struct argp joiner = {
        options,
        parse,
        "-|FILE",
        "Makes this board a member with the token that is read:\v"
        "  edgectl token create | ssh pi-2.local sudo edged join -",
        NULL,
        NULL,
        NULL};
    struct both both = {args, NULL, join};

    *args = (struct args){.cluster = "", .advertise = "", .set_port = -1};
    argp_err_exit_status = 2;
    (void)argp_parse(join ? &joiner : &daemon, argc, argv, 0, NULL, &both);
    load_file(args);
    merge(args);
    return both.rest;
}

struct enrol_config args_enrolment(const struct args *args)
{
    return (struct enrol_config){
        .name = args->name,
        .folder = args->folder,
        .cluster = args->cluster,
        .version = EDGE_VERSION,
        .host = args->advertise,
        .port = (int)args->port,
    };
}

void args_free(struct args *args)
{
    node_config_free(args->file);
}

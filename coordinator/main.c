/* edge-coordinator: arguments, signals, and the loop. */
#include "coordinator/coordinator.h"
#include "base/mem.h"
#include "config/value.h"
#include "net/io_uv.h"
#include "net/notify.h"
#include "net/tls.h"
#include "onnx/guard.h"

#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef EDGE_VERSION
#define EDGE_VERSION "0.1.0"
#endif

struct node_arg { /* --node NAME=HOST:PORT */
    char name[LIMIT_NAME + 1];
    char host[256];
    int port;
};

struct args {
    const char *folder;
    const char *socket;
    const char *cluster;
    const char *trace;
    const char *host; /* NULL: every address */
    long port;
    uint64_t token_ttl_ms;
    uint64_t cert_ttl_ms;
    struct node_arg nodes[64];
    size_t n_nodes;
    bool only_given;
    bool insecure;
    bool allow_faults;
};

static const struct argp_option options[] = {
    {"state", 's', "DIR", 0, "state folder (/var/lib/edge-coordinator)", 0},
    {"socket", 'S', "PATH", 0, "admin socket (/run/edge-coordinator/api.sock)",
     0},
    {"cluster", 'c', "NAME", 0, "the cluster's name", 0},
    {"node", 'n', "NAME=HOST:PORT", 0, "a device known from the start", 0},
    {"only", 'o', NULL, 0, "forget other devices that hold nothing", 0},
    {"listen", 'l', "HOST", 0, "address for nodes that join (0.0.0.0)", 0},
    {"port", 'p', "PORT", 0, "its port (7434; 0: any free one)", 0},
    {"token-ttl", 'T', "TIME", 0, "how long a join token is good (15m)", 0},
    {"cert-ttl", 'C', "TIME", 0, "how long a certificate is good (30d)", 0},
    {"insecure", 'i', NULL, 0, "plain text; on loopback only", 0},
    {"allow-faults", 'F', NULL, 0, "let edgectl fault break things", 0},
    {"version", 'V', NULL, 0, "print the version", 0},
    {"trace", 't', "MODULES", 0, "log these modules in detail: net,rollout", 0},
    {0},
};

static bool parse_node(const char *text, struct node_arg *node)
{
    const char *equal = strchr(text, '=');
    const char *colon = strrchr(text, ':');
    char *end;
    long port;

    if (equal == NULL || colon == NULL || colon < equal ||
        (size_t)(equal - text) > LIMIT_NAME ||
        (size_t)(colon - equal) > sizeof(node->host)) {
        return false;
    }
    errno = 0;
    port = strtol(colon + 1, &end, 10);
    if (errno != 0 || *end != '\0' || port < 1 || port > 65535) {
        return false;
    }
    memcpy(node->name, text, (size_t)(equal - text));
    memcpy(node->host, equal + 1, (size_t)(colon - equal - 1));
    node->port = (int)port;
    return true;
}

static uint64_t parse_time(struct argp_state *state, const char *text)
{
    const char *why = NULL;
    uint64_t ms = 0;

    if (!value_duration(text, &ms, &why) || ms < 1000) {
        argp_error(state, "\"%s\" is not a time such as 15m or 30d", text);
    }
    return ms;
}

static long parse_port(struct argp_state *state, const char *text)
{
    char *end;
    long port;

    errno = 0;
    port = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || port < 0 || port > 65535) {
        argp_error(state, "\"%s\" is not a port", text);
    }
    return port;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
    struct args *args = state->input;

    switch (key) {
    case 's': args->folder = text; return 0;
    case 'S': args->socket = text; return 0;
    case 'c': args->cluster = text; return 0;
    case 't': args->trace = text; return 0;
    case 'i': args->insecure = true; return 0;
    case 'o': args->only_given = true; return 0;
    case 'l': args->host = text; return 0;
    case 'p': args->port = parse_port(state, text); return 0;
    case 'T': args->token_ttl_ms = parse_time(state, text); return 0;
    case 'C': args->cert_ttl_ms = parse_time(state, text); return 0;
    case 'F': args->allow_faults = true; return 0;
    case 'V': (void)puts("edge-coordinator " EDGE_VERSION); exit(0);
    case 'n':
        if (args->n_nodes == sizeof(args->nodes) / sizeof(args->nodes[0]) ||
            !parse_node(text, &args->nodes[args->n_nodes])) {
            argp_error(state, "\"%s\" is not NAME=HOST:PORT", text);
        }
        args->n_nodes++;
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

struct running {
    const struct args *args;
    struct io_uv *uv;
    struct tls *tls; /* NULL: no certificates (yet) */
    bool listens;
    struct coordinator *coordinator;
    struct notify notify;
};

/* The port that the system chose, where whoever started us can read it. */
static int write_port(const char *folder, int port, struct err *err)
{
    char *path = mem_printf("%s/port", folder);
    FILE *file = path != NULL ? fopen(path, "we") : NULL;
    int rc = file == NULL || fprintf(file, "%d\n", port) < 0 ? -1 : 0;

    if (file != NULL && fclose(file) != 0) {
        rc = -1;
    }
    mem_free(path);
    return rc == 0 ? 0
                   : err_set(err, EDGE_EIO, "cannot write %s/port: %s", folder,
                             strerror(errno));
}

/* The certificates of the state folder, from here on. */
static int load_tls(struct running *r, struct err *err)
{
    int rc;

    if (r->tls != NULL) {
        return tls_reopen(r->tls, r->args->folder, err);
    }
    rc = tls_open(r->args->folder, &r->tls, err);
    if (rc == 0) {
        io_uv_secure(r->uv, r->tls, IO_UV_JOINERS);
    }
    return rc;
}

static int apply_tls(void *arg, struct err *err)
{
    struct running *r = arg;
    const char *host = r->args->host != NULL ? r->args->host : "0.0.0.0";
    int port = 0;
    int rc = load_tls(r, err);

    if (rc < 0 || r->listens) {
        return rc;
    }
    rc = io_uv_listen(r->uv, host, (int)r->args->port, &port, err);
    if (rc == 0) {
        r->listens = true;
        coordinator_listens(r->coordinator, host, port);
        rc = write_port(r->args->folder, port, err);
    }
    return rc;
}

static void say_status(void *arg, char *out, size_t size)
{
    const struct running *r = arg;

    if (r->tls != NULL || r->args->insecure) {
        coordinator_summary(r->coordinator, out, size);
    } else {
        (void)snprintf(out, size,
                       "this cluster has no certificates yet: sudo edgectl "
                       "init");
    }
}

static void on_terminate(void *arg)
{
    struct running *r = arg;

    notify_stop(&r->notify);
    coordinator_leave(r->coordinator);
}

static void on_left(void *arg)
{
    struct running *r = arg;

    coordinator_close(r->coordinator);
    io_uv_stop(r->uv);
}

static int start(const struct args *args, struct running *r, struct err *err)
{
    struct err none;
    int rc = 0;

    if (args->insecure) {
        io_uv_secure(r->uv, NULL, IO_UV_PLAIN);
        rc = args->host != NULL ? io_uv_may_listen(r->uv, args->host, err) : 0;
    } else {
        /* Before the first dial; what is wrong with them coordinator_start()
         * says. */
        (void)load_tls(r, &none);
    }
    for (size_t i = 0; i < args->n_nodes && rc == 0; i++) {
        rc =
            coordinator_add_node(r->coordinator, args->nodes[i].name,
                                 args->nodes[i].host, args->nodes[i].port, err);
    }
    if (rc == 0) {
        rc = coordinator_start(r->coordinator, err);
    }
    if (rc == 0) {
        rc = io_uv_listen_path(r->uv, args->socket, err);
    }
    return rc < 0 ? rc : io_uv_on_terminate(r->uv, on_terminate, r, err);
}

/* `*keep` is to be freed after the io. */
static int serve(const struct args *args, struct io_uv *uv, struct tls **keep,
                 struct err *err)
{
    struct running r = {.args = args, .uv = uv};
    struct coordinator_tls tls = {&r, apply_tls};
    struct coordinator_config config = {
        .folder = args->folder,
        .insecure = args->insecure,
        .only_given = args->only_given,
        .guard = guard_check,
        .left = on_left,
        .left_arg = &r,
        .tls = args->insecure ? NULL : &tls,
        .cluster = args->cluster,
        .token_ttl_ms = args->token_ttl_ms,
        .cert_ttl_ms = args->cert_ttl_ms,
        .allow_faults = args->allow_faults,
    };
    int rc;

    rc = coordinator_new(io_uv_io(uv), &config, &r.coordinator, err);
    if (rc < 0) {
        return rc;
    }
    rc = start(args, &r, err);
    if (rc == 0) {
        r.notify.status = say_status;
        r.notify.arg = &r;
        notify_start(&r.notify, io_uv_io(uv));
        io_uv_run(uv);
    }
    coordinator_free(r.coordinator);
    *keep = r.tls;
    return rc;
}

static const char *or_else(const char *text, const char *otherwise)
{
    return text != NULL && text[0] != '\0' ? text : otherwise;
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        options, parse,
        NULL,    "Plans, deploys and routes over the nodes of a cluster.",
        NULL,    NULL,
        NULL};
    struct args args = {
        .folder =
            or_else(getenv("STATE_DIRECTORY"), "/var/lib/edge-coordinator"),
        .port = 7434,
        .cluster = "",
        .trace = getenv("EDGED_TRACE"),
    };
    struct io_identity identity = {.role = EDGED__ROLE__ROLE_COORDINATOR,
                                   .name = "coordinator",
                                   .version = EDGE_VERSION};
    struct io_uv *uv = NULL;
    struct tls *tls = NULL;
    struct log *log;
    struct err err;
    int rc;

    if (guard_is_child(argc, argv, &rc)) {
        return rc;
    }
    argp_err_exit_status = 2;
    (void)umask(0077); /* state is nobody else's business */
    mem_return_large();
    (void)argp_parse(&argp, argc, argv, 0, NULL, &args);
    if (args.socket == NULL) {
        args.socket =
            mem_printf("%s/api.sock", or_else(getenv("RUNTIME_DIRECTORY"),
                                              "/run/edge-coordinator"));
    }
    log = log_new(STDERR_FILENO, LOG_INFO, args.trace);
    identity.cluster = args.cluster;
    (void)!getrandom(&identity.instance, sizeof(identity.instance), 0);
    rc = io_uv_new(&identity, log, &uv, &err);
    if (rc == 0) {
        rc = serve(&args, uv, &tls, &err);
    }
    if (rc < 0) {
        (void)fprintf(stderr, "edge-coordinator: %s\n", err.text);
    }
    io_uv_free(uv);
    tls_free(tls);
    log_free(log);
    return rc < 0 ? 1 : 0;
}

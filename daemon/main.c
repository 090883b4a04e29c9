/* edged: arguments, signals, and the loop. */
#include "base/mem.h"
#include "daemon/args.h"
#include "daemon/daemon.h"
#include "daemon/enrol.h"
#include "daemon/join.h"
#include "daemon/paced.h"
#include "daemon/process.h"
#include "net/io_uv.h"
#include "net/notify.h"
#include "net/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* The port that the system chose, where whoever started us can read it. */
static int write_port(const char *folder, int port, struct err *err)
{
    char *path = mem_printf("%s/port", folder);
    FILE *file = path != NULL ? fopen(path, "we") : NULL;
    int rc = 0;

    if (file == NULL || fprintf(file, "%d\n", port) < 0) {
        rc = err_set(err, EDGE_EIO, "cannot write %s/port: %s", folder,
                     strerror(errno));
    }
    if (file != NULL && fclose(file) != 0 && rc == 0) {
        rc = err_set(err, EDGE_EIO, "cannot write %s/port: %s", folder,
                     strerror(errno));
    }
    mem_free(path);
    return rc;
}

struct running {
    const struct args *args;
    struct log *log;
    struct io_uv *uv;
    struct tls *tls;    /* NULL: not a member (yet) */
    struct paced *pace; /* NULL: none */
    bool listens;
    struct daemon *daemon;
    struct notify notify;
};

static void on_terminate(void *arg)
{
    struct running *r = arg;

    notify_stop(&r->notify);
    daemon_leave(r->daemon);
}

static void on_left(void *arg)
{
    struct running *r = arg;

    daemon_close(r->daemon);
    io_uv_stop(r->uv);
}

/* ---- certificates -------------------------------------------------------- */

static int listen_tcp(struct running *r, struct err *err)
{
    const struct args *args = r->args;
    int port;
    int rc = io_uv_listen(r->uv, args->host, (int)args->port, &port, err);

    if (rc == 0) {
        r->listens = true;
        rc = write_port(args->folder, port, err);
    }
    return rc;
}

static int apply_tls(void *arg, struct err *err)
{
    struct running *r = arg;
    int rc;

    if (r->tls != NULL) {
        rc = tls_reopen(r->tls, r->args->folder, err);
    } else {
        rc = tls_open(r->args->folder, &r->tls, err);
        if (rc == 0) {
            io_uv_secure(r->uv, r->tls, 0);
        }
    }
    return rc < 0 || r->listens ? rc : listen_tcp(r, err);
}

/* On the disk strand: touches nothing that the loop changes. */
static int use_token(void *arg, const char *token, struct err *err)
{
    const struct args *args = ((const struct running *)arg)->args;
    struct enrol_config config = args_enrolment(args);

    return enrol(&config, token, err);
}

/* ---- the service manager ------------------------------------------------- */

static bool is_well(void *arg)
{
    return daemon_is_well(((struct running *)arg)->daemon);
}

static void say_status(void *arg, char *out, size_t size)
{
    struct running *r = arg;

    if (r->listens) {
        daemon_summary(r->daemon, out, size);
    } else {
        (void)snprintf(out, size,
                       "not a member yet: edgectl token create | ssh %s sudo "
                       "edged join -",
                       r->args->name);
    }
}

/* ---- beginning ----------------------------------------------------------- */

/* Where `edged join` brings its token: in the folder that the service manager
 * made for it, else beside the state. There it is only a help: a path that is
 * too long for a socket keeps no daemon from its work. */
static int listen_join(struct running *r, struct err *err)
{
    bool is_asked = r->args->run != NULL;
    char *path = join_socket(is_asked ? r->args->run : r->args->folder);
    int rc = path != NULL ? io_uv_listen_path(r->uv, path, err)
                          : err_set(err, EDGE_ENOMEM, "out of memory");

    if (rc < 0 && !is_asked) {
        log_event(r->log, LOG_WARN, "member.no_socket", "why=\"%s\"",
                  err->text);
        rc = 0;
    }
    mem_free(path);
    return rc;
}

/* It stays up and waits: `edged join` talks to a daemon that runs. */
static void say_none(const struct running *r, int rc, const struct err *err)
{
    const char *name = r->args->name;

    log_event(r->log, rc == EDGE_ENOENT ? LOG_WARN : LOG_ERROR, "member.none",
              "why=\"%s\" next=\"edgectl token create | ssh %s sudo edged "
              "join -\"",
              rc == EDGE_ENOENT ? "this board is not a member of a cluster yet"
                                : err->text,
              name);
}

/* A node without certificates waits for its token; with broken ones it says
 * so and waits for another. */
static int open_doors(struct running *r, struct err *err)
{
    int rc;

    if (r->args->insecure) {
        io_uv_secure(r->uv, NULL, IO_UV_PLAIN);
        rc = listen_tcp(r, err);
        return rc < 0 ? rc : listen_join(r, err); /* which says no */
    }
    rc = apply_tls(r, err);
    if (rc < 0 && r->tls == NULL) {
        say_none(r, rc, err);
        rc = 0;
    }
    return rc < 0 ? rc : listen_join(r, err);
}

static int load_pace(struct running *r, struct err *err)
{
    const char *path = r->args->pace;
    int rc = path != NULL ? paced_load(path, &r->pace, err) : 0;

    if (rc == 0 && path != NULL) {
        log_event(r->log, LOG_WARN, "pace.on",
                  "file=\"%s\" why=\"--pace: runs take as long as its table "
                  "says\"",
                  path);
    }
    return rc;
}

static int run(struct running *r, struct err *err)
{
    const struct args *args = r->args;
    struct daemon_process process = process_of(args->folder);
    struct daemon_tls tls = {r, apply_tls, use_token};
    struct daemon_config config = {
        .name = args->name,
        .folder = args->folder,
        .memory_budget = args->memory,
        .threads = args->threads,
        .process = &process,
        .tls = args->insecure ? NULL : &tls,
        .pace = r->pace,
        .allow_exec = args->allow_exec,
        .left = on_left,
        .left_arg = r,
    };
    int rc = daemon_new(io_uv_io(r->uv), &config, &r->daemon, err);

    if (rc < 0) {
        return rc;
    }
    rc = open_doors(r, err);
    if (rc == 0) {
        rc = io_uv_on_terminate(r->uv, on_terminate, r, err);
    }
    if (rc == 0) {
        daemon_start(r->daemon);
        r->notify =
            (struct notify){.is_well = is_well, .status = say_status, .arg = r};
        notify_start(&r->notify, io_uv_io(r->uv));
        io_uv_run(r->uv);
    }
    daemon_free(r->daemon);
    return rc;
}

static int serve(const struct args *args)
{
    struct log *log = log_new(STDERR_FILENO, args->log, args->trace);
    struct running r = {.args = args, .log = log};
    struct io_identity identity = {.role = EDGED__ROLE__ROLE_NODE,
                                   .name = args->name,
                                   .cluster = args->cluster,
                                   .version = EDGE_VERSION};
    struct err err;
    int rc;

    (void)!getrandom(&identity.instance, sizeof(identity.instance), 0);
    rc = io_uv_new(&identity, log, &r.uv, &err);
    if (rc == 0) {
        rc = load_pace(&r, &err);
    }
    if (rc == 0) {
        rc = run(&r, &err);
    }
    if (rc < 0) {
        (void)fprintf(stderr, "edged: %s\n", err.text);
    }
    io_uv_free(r.uv);
    tls_free(r.tls);
    paced_free(r.pace);
    log_free(log);
    return rc < 0 ? 1 : 0;
}

/* OpenBLAS reads its kind of core when it is loaded: before all of this. */
static void set_coretype(const struct args *args, char **argv)
{
    const char *coretype = args->file->coretype;

    if (strcmp(coretype, "auto") != 0 && getenv("OPENBLAS_CORETYPE") == NULL &&
        setenv("OPENBLAS_CORETYPE", coretype, 1) == 0) {
        (void)execv("/proc/self/exe", argv);
    }
}

int main(int argc, char **argv)
{
    bool join = argc > 1 && strcmp(argv[1], "join") == 0;
    struct args args;
    const char *file;
    int status;

    (void)umask(0077); /* state is nobody else's business */
    mem_return_large();
    file = args_read(&args, join, argc - join, argv + join);
    if (join) {
        status = join_run(&args, file);
    } else {
        set_coretype(&args, argv);
        process_wait_held(args.folder, notify_wait);
        status = serve(&args);
    }
    args_free(&args);
    return status;
}

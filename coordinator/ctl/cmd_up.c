/* edgectl up, edgectl down: a whole cluster on one machine. */
#include "coordinator/ctl/ctl.h"
#include "coordinator/ctl/status.h"
#include "coordinator/ctl/supervisor.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define UP_MS 20000
#define DOWN_MS 15000
#define DAEMONS_MAX 64

struct up {
    long n;
    long memory_mib;
    bool foreground;
    bool allow_faults;
    bool allow_exec;
    bool insecure;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct up *up = state->input;

    switch (key) {
    case 'l':
        up->n = arg != NULL ? ctl_number(state, arg, 1, DAEMONS_MAX) : 4;
        return 0;
    case 'M': up->memory_mib = ctl_number(state, arg, 1, 1 << 20); return 0;
    case 'f': up->foreground = true; return 0;
    case 'F': up->allow_faults = true; return 0;
    case 'E': up->allow_exec = true; return 0;
    case 'i': up->insecure = true; return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

/* In the child: what the supervisor could not do goes to the parent as text. */
static void supervise(const struct supervisor_config *config, int fd)
{
    struct err err;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    (void)setsid();
    (void)dup2(null, STDIN_FILENO);
    (void)dup2(null, STDOUT_FILENO);
    (void)dup2(null, STDERR_FILENO);
    if (supervisor_run(config, fd, &err) < 0) {
        (void)!write(fd, err.text, strlen(err.text));
        _exit(1);
    }
    _exit(0);
}

static int wait_ready(int fd, struct err *err)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char text[900];
    ssize_t n;

    if (poll(&p, 1, UP_MS) <= 0) {
        return err_set(err, EDGE_ETIMEOUT,
                       "the cluster did not start within %d s", UP_MS / 1000);
    }
    n = read(fd, text, sizeof(text) - 1);
    if (n == 1 && text[0] == '+') {
        return 0;
    }
    text[n > 0 ? n : 0] = '\0';
    return err_set(err, EDGE_EIO, "%s", n > 0 ? text : "it did not start");
}

static int start_behind(const struct supervisor_config *config, struct err *err)
{
    int fds[2];
    pid_t pid;
    int rc;

    if (pipe2(fds, O_CLOEXEC) < 0) {
        return err_set(err, EDGE_EIO, "pipe: %s", strerror(errno));
    }
    pid = fork();
    if (pid == 0) {
        (void)close(fds[0]);
        supervise(config, fds[1]);
    }
    (void)close(fds[1]);
    rc = pid < 0 ? err_set(err, EDGE_EIO, "fork: %s", strerror(errno))
                 : wait_ready(fds[0], err);
    (void)close(fds[0]);
    return rc;
}

/* Every node has said hello to the coordinator. */
static int wait_nodes(const struct ctl *ctl, int n, struct err *err)
{
    struct client *client;
    int ready = 0;
    int rc = ctl_connect(ctl, &client, err);

    if (rc < 0) {
        return rc;
    }
    for (int i = 0; i < UP_MS / 20 && rc == 0 && ready < n; i++) {
        struct timespec pause = {0, 20000000};
        struct msg msg;

        ready = 0;
        rc = status_ask(client, UP_MS, &msg, err);
        if (rc == 0) {
            const Edged__StatusReply *reply = msg.env->status_reply;

            for (size_t k = 0; k < reply->n_nodes; k++) {
                ready += strcmp(reply->nodes[k]->state, "ready") == 0;
            }
            msg_deinit(&msg);
            (void)nanosleep(&pause, NULL);
        }
    }
    client_close(client);
    if (rc == 0 && ready < n) {
        rc = err_set(err, EDGE_ETIMEOUT,
                     "%d of %d daemons are ready. Try: "
                     "edgectl nodes",
                     ready, n);
    }
    return rc;
}

static int up(const struct ctl *ctl, const struct up *up, struct err *err)
{
    const char *name = ctl_cluster_name(ctl);
    struct supervisor_config config = {
        .name = name,
        .state = ctl_state_folder(name),
        .run = ctl_run_folder(name),
        .n_daemons = (int)up->n,
        .memory_mib = up->memory_mib,
        .allow_faults = up->allow_faults,
        .allow_exec = up->allow_exec,
        .insecure = up->insecure,
    };
    int rc;

    if (config.state == NULL || config.run == NULL) {
        rc = err_set(err, EDGE_ENOMEM, "out of memory");
    } else if (supervisor_pid(config.run) != 0) {
        rc = err_set(err, EDGE_EEXIST,
                     "the cluster %s runs already. Stop it:  edgectl down -c "
                     "%s",
                     name, name);
    } else if (up->foreground) {
        rc = supervisor_run(&config, -1, err);
    } else {
        rc = start_behind(&config, err);
        if (rc == 0) {
            rc = wait_nodes(ctl, config.n_daemons, err);
        }
    }
    mem_free((void *)(uintptr_t)config.state);
    mem_free((void *)(uintptr_t)config.run);
    return rc;
}

int cmd_up(struct ctl *ctl, int argc, char **argv)
{
    struct up options = {.n = 4};
    struct err err;
    int first;
    int rc;

    ctl_parse(ctl, parse, &options, argc, argv, &first);
    if (!options.foreground) {
        ctl_limit(ctl);
    }
    if (first < argc) { /* `--local 7`, whose value is optional */
        options.n = strtol(argv[first], NULL, 10);
        if (options.n < 1 || options.n > DAEMONS_MAX) {
            (void)fprintf(stderr,
                          "edgectl up: \"%s\" is not a number of "
                          "daemons from 1 to %d\n",
                          argv[first], DAEMONS_MAX);
            return CTL_USAGE;
        }
    }
    rc = up(ctl, &options, &err);
    if (rc < 0) {
        return ctl_fail(&err, rc);
    }
    if (!ctl->quiet && !options.foreground) {
        (void)fprintf(stderr,
                      "cluster %s: a coordinator and %ld daemons run here%s. "
                      "Next:  edgectl deploy cluster.yaml\n",
                      ctl_cluster_name(ctl), options.n,
                      options.insecure ? ", in plain text on loopback" : "");
    }
    return CTL_OK;
}

static int down(const struct ctl *ctl, struct err *err)
{
    const char *name = ctl_cluster_name(ctl);
    char *run = ctl_run_folder(name);
    int pid = run != NULL ? supervisor_pid(run) : 0;
    int rc = 0;

    if (pid == 0) {
        rc = err_set(err, EDGE_EUNREACHABLE,
                     "no local cluster %s runs here. Start one:  edgectl up",
                     name);
    } else if (kill(pid, SIGTERM) < 0) {
        rc =
            err_set(err, EDGE_EIO, "cannot stop %s: %s", name, strerror(errno));
    }
    for (int i = 0; rc == 0 && i < DOWN_MS / 10 && kill(pid, 0) == 0; i++) {
        struct timespec pause = {0, 10000000};

        (void)nanosleep(&pause, NULL);
    }
    if (rc == 0 && kill(pid, 0) == 0) {
        rc = err_set(err, EDGE_ETIMEOUT, "%s has not stopped within %d s", name,
                     DOWN_MS / 1000);
    }
    mem_free(run);
    return rc;
}

int cmd_down(struct ctl *ctl, int argc, char **argv)
{
    struct err err;
    int first;
    int rc;

    ctl_parse(ctl, NULL, NULL, argc, argv, &first);
    ctl_limit(ctl);
    rc = down(ctl, &err);
    if (rc < 0) {
        return ctl_fail(&err, rc);
    }
    if (!ctl->quiet) {
        (void)fprintf(stderr, "cluster %s stopped\n", ctl_cluster_name(ctl));
    }
    return CTL_OK;
}

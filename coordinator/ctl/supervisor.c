#include "coordinator/ctl/supervisor.h"

#include "base/limits.h"
#include "base/mem.h"
#include "coordinator/ctl/client.h"
#include "coordinator/ctl/local_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PORT_TRIES 500 /* of 10 ms: a daemon writes its port within 5 s */
#define TICK_MS 100
#define RESTART_MS 300 /* after a death; with the start-up below a second */
#define RESTART_MAX_MS 5000 /* of what dies again and again */
#define STEADY_MS 1000      /* who lived so long begins anew */
#define STOP_MS 12000       /* after SIGTERM, before SIGKILL */
#define DAEMONS_MAX 64

struct child {
    char name[LIMIT_NAME + 1];
    char *folder;
    char *program;
    pid_t pid;          /* 0: not running */
    int port;           /* of a daemon; kept over restarts */
    int64_t restart_ms; /* when to start it again */
    int64_t started_ms;
    int64_t wait_ms; /* before the next start */
};

struct supervisor {
    const struct supervisor_config *config;
    struct child *children; /* the coordinator is the last one */
    int n;
    char *socket;
};

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void pause_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};

    (void)nanosleep(&t, NULL);
}

int supervisor_make_folder(const char *path, struct err *err)
{
    char *copy = mem_strdup(path);
    int rc = 0;

    if (copy == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (char *c = copy + 1;; c++) {
        char was = *c;

        if (was != '/' && was != '\0') {
            continue;
        }
        *c = '\0';
        if (mkdir(copy, 0700) < 0 && errno != EEXIST) {
            rc = err_set(err, err_from_errno(errno), "cannot make %s: %s", copy,
                         strerror(errno));
            break;
        }
        *c = was;
        if (was == '\0') {
            break;
        }
    }
    mem_free(copy);
    return rc;
}

/* ---- files
 * -------------------------------------------------------------------- */

static int read_number(const char *folder, const char *file)
{
    char *path = mem_printf("%s/%s", folder, file);
    FILE *in = path != NULL ? fopen(path, "re") : NULL;
    int number = 0;

    if (in != NULL) {
        if (fscanf(in, "%d", &number) != 1) {
            number = 0;
        }
        (void)fclose(in);
    }
    mem_free(path);
    return number;
}

static int write_pid(const char *folder, struct err *err)
{
    char *path = mem_printf("%s/up.pid", folder);
    FILE *out = path != NULL ? fopen(path, "we") : NULL;
    int rc = 0;

    if (out == NULL || fprintf(out, "%d\n", (int)getpid()) < 0) {
        rc = err_set(err, EDGE_EIO, "cannot write %s/up.pid: %s", folder,
                     strerror(errno));
    }
    if (out != NULL) {
        (void)fclose(out);
    }
    mem_free(path);
    return rc;
}

int supervisor_pid(const char *run_folder)
{
    int pid = read_number(run_folder, "up.pid");
    char *path;
    char text[32] = "";
    FILE *in;

    if (pid <= 0 || kill(pid, 0) < 0) {
        return 0;
    }
    /* A pid that was given to another program since is not ours. */
    path = mem_printf("/proc/%d/comm", pid);
    in = path != NULL ? fopen(path, "re") : NULL;
    if (in != NULL) {
        if (fgets(text, sizeof(text), in) == NULL) {
            text[0] = '\0';
        }
        (void)fclose(in);
    }
    mem_free(path);
    return strncmp(text, "edgectl", 7) == 0 ? pid : 0;
}

/* Programs lie beside this one, or are found by PATH. */
static char *program_path(const char *name)
{
    char self[512];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *path;

    if (n > 0) {
        self[n] = '\0';
        *strrchr(self, '/') = '\0';
        path = mem_printf("%s/%s", self, name);
        if (path != NULL && access(path, X_OK) == 0) {
            return path;
        }
        mem_free(path);
    }
    return mem_strdup(name);
}

/* ---- children
 * ------------------------------------------------------------------ */

static void become(const struct child *child, char **argv)
{
    char *path = mem_printf("%s/log", child->folder);
    int log = path != NULL
                  ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)
                  : -1;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    sigset_t none;

    (void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* never outlive the supervisor */
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)dup2(null, STDIN_FILENO);
    (void)dup2(null, STDOUT_FILENO);
    (void)dup2(log >= 0 ? log : null, STDERR_FILENO);
    (void)execvp(argv[0], argv);
    _exit(127);
}

static int spawn(struct child *child, char **argv)
{
    pid_t pid = fork();

    if (pid == 0) {
        become(child, argv);
    }
    if (pid < 0) {
        return EDGE_EIO;
    }
    child->pid = pid;
    child->started_ms = now_ms();
    return 0;
}

static int start_daemon(struct supervisor *s, struct child *child)
{
    char port[16];
    char memory[24];
    /* Their settings are all here: not those of a daemon of the system. */
    char *argv[20] = {child->program,
                      "--name",
                      child->name,
                      "--state",
                      child->folder,
                      "--port",
                      port,
                      "--cluster",
                      (char *)(uintptr_t)s->config->name,
                      "--listen",
                      "127.0.0.1",
                      "--config",
                      ""};
    int n = 13;

    (void)snprintf(port, sizeof(port), "%d", child->port);
    (void)snprintf(memory, sizeof(memory), "%ld", s->config->memory_mib);
    if (s->config->insecure) {
        argv[n++] = "--insecure";
    }
    if (s->config->allow_exec) {
        argv[n++] = "--allow-exec";
    }
    if (s->config->memory_mib > 0) {
        argv[n++] = "--memory";
        argv[n] = memory;
    }
    return spawn(child, argv);
}

static int start_coordinator(struct supervisor *s, struct child *child)
{
    char port[16];
    char *argv[20 + 2 * DAEMONS_MAX] = {child->program,
                                        "--state",
                                        child->folder,
                                        "--socket",
                                        s->socket,
                                        "--cluster",
                                        (char *)(uintptr_t)s->config->name,
                                        "--listen",
                                        "127.0.0.1",
                                        "--port",
                                        port,
                                        "--only"};
    const int first = 12;
    int n = first;
    int rc = 0;

    /* Tokens name it: it stays what the first start made it. */
    (void)snprintf(port, sizeof(port), "%d",
                   read_number(child->folder, "port"));

    for (int i = 0; i < s->n - 1 && rc == 0; i++) {
        argv[n++] = "--node";
        argv[n] = mem_printf("%s=127.0.0.1:%d", s->children[i].name,
                             s->children[i].port);
        rc = argv[n++] == NULL ? EDGE_ENOMEM : 0;
    }
    if (rc == 0) {
        int end = n;

        if (s->config->insecure) {
            argv[end++] = "--insecure";
        }
        argv[end] = s->config->allow_faults ? "--allow-faults" : NULL;
        rc = spawn(child, argv);
    }
    for (int i = first + 1; i < n; i += 2) {
        mem_free(argv[i]);
    }
    return rc;
}

static int start(struct supervisor *s, int i)
{
    return i == s->n - 1 ? start_coordinator(s, &s->children[i])
                         : start_daemon(s, &s->children[i]);
}

/* A daemon's first port is the system's choice; it keeps it from then on. */
static int learn_port(struct child *child, struct err *err)
{
    for (int i = 0; i < PORT_TRIES; i++) {
        child->port = read_number(child->folder, "port");
        if (child->port > 0) {
            return 0;
        }
        pause_ms(10);
        if (waitpid(child->pid, NULL, WNOHANG) == child->pid) {
            child->pid = 0;
            break;
        }
    }
    return err_set(err, EDGE_EIO, "%s did not start. Its log: %s/log",
                   child->name, child->folder);
}

static void forget(const struct child *child, const char *file)
{
    char *path = mem_printf("%s/%s", child->folder, file);

    if (path != NULL) {
        (void)unlink(path);
    }
    mem_free(path);
}

static int init_child(struct supervisor *s, int i, struct err *err)
{
    struct child *child = &s->children[i];
    bool is_coordinator = i == s->n - 1;

    if (is_coordinator) {
        (void)snprintf(child->name, sizeof(child->name), "coordinator");
    } else {
        (void)snprintf(child->name, sizeof(child->name), "local-%d", i + 1);
    }
    child->program =
        program_path(is_coordinator ? "edge-coordinator" : "edged");
    child->folder = mem_printf("%s/%s", s->config->state, child->name);
    if (child->program == NULL || child->folder == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    return supervisor_make_folder(child->folder, err);
}

static int make_certificates(struct supervisor *s, struct err *err)
{
    struct pki_set authority;
    int rc;

    if (s->config->insecure) {
        return 0;
    }
    rc = local_tls_authority(s->children[s->n - 1].folder, s->config->name,
                             &authority, err);
    if (rc < 0) {
        return rc;
    }
    for (int i = 0; i < s->n - 1 && rc == 0; i++) {
        rc = local_tls_member(&authority, s->children[i].folder,
                              s->children[i].name, err);
    }
    pki_set_deinit(&authority);
    return rc;
}

/* Until it answers: its socket is there a moment before it is listened on. */
static int wait_coordinator(const struct supervisor *s, struct err *err)
{
    struct client *client;
    struct err why;
    int rc = client_open(s->socket, &client, &why);

    for (int i = 0; i < PORT_TRIES && rc < 0; i++) {
        pause_ms(10);
        rc = client_open(s->socket, &client, &why);
    }
    if (rc < 0) {
        return err_set(err, EDGE_EIO,
                       "the coordinator did not start (%s). Its log: "
                       "%s/coordinator/log",
                       err_name(rc), s->config->state);
    }
    client_close(client);
    return 0;
}

static int start_all(struct supervisor *s, struct err *err)
{
    int rc = 0;

    for (int i = 0; i < s->n && rc == 0; i++) {
        rc = init_child(s, i, err);
    }
    if (rc == 0) {
        rc = make_certificates(s, err);
    }
    for (int i = 0; i < s->n && rc == 0; i++) {
        forget(&s->children[i], "port");
        forget(&s->children[i], "held-until"); /* of an earlier life */
        rc = i < s->n - 1 ? start(s, i) : 0;
    }
    for (int i = 0; i < s->n - 1 && rc == 0; i++) {
        rc = learn_port(&s->children[i], err);
    }
    if (rc == 0 && start(s, s->n - 1) < 0) {
        rc = err_set(err, EDGE_EIO, "cannot start the coordinator: %s",
                     strerror(errno));
    }
    return rc == 0 ? wait_coordinator(s, err) : rc;
}

/* ---- watching
 * ------------------------------------------------------------------- */

/* One that dies again at once waits longer each time, so that a broken
 * program does not take the machine; it is never given up. */
static void died(struct child *child)
{
    int64_t now = now_ms();
    bool was_steady = now - child->started_ms >= STEADY_MS;

    child->pid = 0;
    child->wait_ms =
        was_steady || child->wait_ms == 0 ? RESTART_MS : child->wait_ms * 2;
    if (child->wait_ms > RESTART_MAX_MS) {
        child->wait_ms = RESTART_MAX_MS;
    }
    child->restart_ms = now + child->wait_ms;
}

static void reap(struct supervisor *s)
{
    pid_t pid;

    while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
        for (int i = 0; i < s->n; i++) {
            if (s->children[i].pid == pid) {
                died(&s->children[i]);
            }
        }
    }
}

static void revive(struct supervisor *s)
{
    for (int i = 0; i < s->n; i++) {
        if (s->children[i].pid == 0 && now_ms() >= s->children[i].restart_ms &&
            start(s, i) < 0) {
            s->children[i].restart_ms = now_ms() + RESTART_MS;
        }
    }
}

static bool is_any_left(const struct supervisor *s)
{
    for (int i = 0; i < s->n; i++) {
        if (s->children[i].pid != 0) {
            return true;
        }
    }
    return false;
}

static void signal_all(const struct supervisor *s, int number)
{
    for (int i = 0; i < s->n; i++) {
        if (s->children[i].pid != 0) {
            (void)kill(s->children[i].pid, number);
        }
    }
}

static void stop_all(struct supervisor *s)
{
    int64_t until = now_ms() + STOP_MS;

    signal_all(s, SIGTERM);
    while (is_any_left(s) && now_ms() < until) {
        pause_ms(10);
        reap(s);
    }
    signal_all(s, SIGKILL);
    while (is_any_left(s)) {
        pause_ms(10);
        reap(s);
    }
}

static void block_signals(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGCHLD);
    (void)sigprocmask(SIG_BLOCK, set, NULL);
}

static void watch(struct supervisor *s, const sigset_t *set)
{
    static const struct timespec tick = {0, TICK_MS * 1000000};

    for (;;) {
        int number = sigtimedwait(set, NULL, &tick);

        if (number == SIGTERM || number == SIGINT) {
            return;
        }
        reap(s);
        revive(s);
    }
}

static void release(struct supervisor *s)
{
    char *path = mem_printf("%s/up.pid", s->config->run);

    if (path != NULL) {
        (void)unlink(path);
    }
    mem_free(path);
    if (s->socket != NULL) {
        (void)unlink(s->socket);
    }
    for (int i = 0; i < s->n && s->children != NULL; i++) {
        mem_free(s->children[i].folder);
        mem_free(s->children[i].program);
    }
    mem_free(s->children);
    mem_free(s->socket);
}

int supervisor_run(const struct supervisor_config *config, int ready_fd,
                   struct err *err)
{
    struct supervisor s = {.config = config, .n = config->n_daemons + 1};
    sigset_t set;
    int rc;

    block_signals(&set);
    s.children = mem_array(struct child, (size_t)s.n);
    s.socket = mem_printf("%s/api.sock", config->run);
    rc = s.children == NULL || s.socket == NULL
             ? err_set(err, EDGE_ENOMEM, "out of memory")
             : supervisor_make_folder(config->run, err);
    if (rc == 0) {
        (void)unlink(s.socket);
        rc = write_pid(config->run, err);
    }
    if (rc == 0) {
        rc = start_all(&s, err);
    }
    if (rc == 0) {
        if (ready_fd >= 0) {
            (void)!write(ready_fd, "+", 1);
            (void)close(ready_fd);
        }
        watch(&s, &set);
    }
    stop_all(&s);
    release(&s);
    return rc;
}

#include "onnx/guard.h"

#include "base/blob.h"
#include "base/failpoint.h"
#include "onnx/import.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORD "--read-model"
#define GUARD_MS 60000
#define GUARD_CPU_S 45
#define GUARD_BYTES MIB(512) /* and GUARD_TIMES the file */
#define GUARD_TIMES 6
#define TEXT_MAX 1024

extern char **environ;

/* ---- the child ----------------------------------------------------------- */

/* Sanitizers reserve more than any limit. */
static void limit(const char *path)
{
    struct rlimit cpu = {GUARD_CPU_S, GUARD_CPU_S};
    struct rlimit none = {0, 0};

    (void)setrlimit(RLIMIT_CPU, &cpu);
    (void)setrlimit(RLIMIT_CORE, &none);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    {
        struct stat st;
        rlim_t bytes = GUARD_BYTES;
        struct rlimit as;

        if (stat(path, &st) == 0 && st.st_size > 0) {
            bytes += GUARD_TIMES * (rlim_t)st.st_size;
        }
        as = (struct rlimit){bytes, bytes};
        (void)setrlimit(RLIMIT_AS, &as);
    }
#else
    (void)path;
#endif
}

/* With a label: one file, whose name is nothing to people and which may have
 * no external data. */
static int import_as(const char *path, const char *label, struct graph **graph,
                     struct err *err)
{
    struct blob *file = NULL;
    int rc = blob_map(path, &file, err);

    if (rc == 0) {
        rc = import_blob(file, label, NULL, NULL, graph, err);
    }
    blob_unref(file);
    return rc;
}

static int read_model(const char *path, const char *label, struct err *err)
{
    struct graph *graph = NULL;
    int rc = label != NULL ? import_as(path, label, &graph, err)
                           : import_file(path, &graph, err);

    FAILPOINT("guard.child");
    graph_free(graph);
    return rc;
}

bool guard_is_child(int argc, char **argv, int *status)
{
    struct err err;
    int rc;

    if (argc < 3 || argc > 4 || strcmp(argv[1], WORD) != 0) {
        return false;
    }
    limit(argv[2]);
    rc = read_model(argv[2], argc == 4 ? argv[3] : NULL, &err);
    (void)printf("%d %s", rc, rc < 0 ? err.text : "");
    *status = fflush(stdout) == 0 ? 0 : 1;
    return true;
}

/* ---- its parent ---------------------------------------------------------- */

static int spawn(const char *path, const char *label, int out, pid_t *pid)
{
    char *argv[] = {"edged-read-model", WORD, (char *)(uintptr_t)path,
                    (char *)(uintptr_t)label, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    int rc;

    (void)sigemptyset(&none);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawnattr_init(&attr);
    (void)posix_spawnattr_setsigmask(&attr, &none);
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    (void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
                                           O_RDONLY, 0);
    (void)posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    rc = posix_spawn(pid, "/proc/self/exe", &actions, &attr, argv, environ);
    (void)posix_spawnattr_destroy(&attr);
    (void)posix_spawn_file_actions_destroy(&actions);
    return rc == 0 ? 0 : err_from_errno(rc);
}

/* Until the child has closed its end. False: it took too long. */
static bool receive(int fd, char text[TEXT_MAX])
{
    size_t n = 0;
    ssize_t got = 1;

    while (got > 0 && n < TEXT_MAX - 1) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = poll(&p, 1, GUARD_MS);

        if (ready < 0 && errno == EINTR) {
            continue;
        }
        if (ready <= 0) {
            return false;
        }
        got = read(fd, text + n, TEXT_MAX - 1 - n);
        n += got > 0 ? (size_t)got : 0;
    }
    text[n] = '\0';
    return true;
}

static int await(pid_t pid)
{
    int status = 0;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        /* a signal for somebody else */
    }
    return status;
}

static int judge(int status, bool in_time, char *text, const char *label,
                 struct err *err)
{
    char *end = text;
    long rc = strtol(text, &end, 10);

    if (!in_time || (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)) {
        return err_set(err, EDGE_ETIMEOUT,
                       "%s: reading it takes more than %d s; it is refused",
                       label, GUARD_CPU_S);
    }
    if (WIFSIGNALED(status)) {
        return err_set(err, EDGE_ECORRUPT,
                       "%s: reading it ended its reader (%s); it is refused",
                       label, strsignal(WTERMSIG(status)));
    }
    if (status != 0 || end == text) {
        return err_set(err, EDGE_ECORRUPT,
                       "%s: its reader gave no answer; it is refused", label);
    }
    if (rc == EDGE_ENOMEM) {
        return err_set(err, EDGE_ETOOBIG,
                       "%s: reading it needs more memory than a file of its "
                       "size may; it is refused",
                       label);
    }
    return rc < 0 ? err_set(err, (int)rc, "%s", end + (*end == ' ')) : 0;
}

static int check(const char *path, const char *label, bool is_apart,
                 struct err *err)
{
    char text[TEXT_MAX] = "";
    bool in_time = false;
    int fds[2];
    pid_t pid;
    int status;
    int rc;

    if (pipe2(fds, O_CLOEXEC) < 0) {
        return err_set(err, err_from_errno(errno), "pipe: %s", strerror(errno));
    }
    rc = spawn(path, is_apart ? NULL : label, fds[1], &pid);
    (void)close(fds[1]);
    if (rc == 0) {
        in_time = receive(fds[0], text);
        if (!in_time) {
            (void)kill(pid, SIGKILL);
        }
        status = await(pid);
        rc = judge(status, in_time, text, label, err);
    } else {
        (void)err_set(err, rc, "cannot start a reader for %s: %s", label,
                      err_text(rc));
    }
    (void)close(fds[0]);
    return rc;
}

int guard_check(const char *path, const char *label, struct err *err)
{
    return check(path, label, false, err);
}

int guard_import_file(const char *path, struct graph **graph, struct err *err)
{
    int rc = check(path, path, true, err);

    return rc < 0 ? rc : import_file(path, graph, err);
}

#include "coordinator/ctl/chaos_load.h"

#include "base/mem.h"
#include "coordinator/ctl/show.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_MS 50
#define STOP_MS 60000  /* for its last answers */
#define LINE_MOST 2000 /* bytes of a record's line */
#define SAID_MOST 5    /* lines of its errors */
#define PATH_MOST 64

/* ---- the child ------------------------------------------------------------
 */

static void open_as(const char *folder, const char *file, int fd)
{
    char path[PATH_MOST];
    int at;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, file);
    at = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (at >= 0) {
        (void)dup2(at, fd);
        (void)close(at);
    }
}

static char *record_path(const struct chaos_load *load)
{
    return load->record != NULL ? mem_strdup(load->record)
                                : mem_printf("%s/record", load->folder);
}

/* bench, with its results and errors in files. */
static void become(const struct chaos_load *load, const struct ctl *ctl,
                   const char *record)
{
    struct ctl own = {
        .cluster = ctl->cluster, .model = ctl->model, .verb = "bench"};
    const char *argv[16 + 2 * LIMIT_PORTS] = {
        "bench",    "--for=86400", "--output=json", "--progress=none",
        "--record", record,        "--clients",     load->clients};
    int argc = 8;
    sigset_t none;

    (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    (void)setpgid(0, 0);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    open_as(load->folder, "report", STDOUT_FILENO);
    open_as(load->folder, "errors", STDERR_FILENO);
    if (load->rate != NULL) {
        argv[argc++] = "--rate";
        argv[argc++] = load->rate;
    }
    if (load->check != NULL) {
        argv[argc++] = "--check";
        argv[argc++] = load->check;
    }
    for (size_t i = 0; i < load->n_inputs; i++) {
        argv[argc++] = "--input";
        argv[argc++] = load->inputs[i];
    }
    exit(cmd_bench(&own, argc, (char **)(uintptr_t)argv));
}

/* ---- the parent -----------------------------------------------------------
 */

static int make_folder(struct chaos_load *load, struct err *err)
{
    (void)snprintf(load->folder, sizeof(load->folder),
                   "/tmp/edged-chaos.XXXXXX");
    if (mkdtemp(load->folder) == NULL) {
        load->folder[0] = '\0';
        return err_set(err, EDGE_EIO, "cannot make a folder in /tmp: %s",
                       strerror(errno));
    }
    return 0;
}

int chaos_load_start(struct chaos_load *load, const struct ctl *ctl,
                     struct err *err)
{
    int rc = make_folder(load, err);
    char *record = rc == 0 ? record_path(load) : NULL;

    if (record == NULL) {
        return rc < 0 ? rc : err_set(err, EDGE_ENOMEM, "out of memory");
    }
    (void)fflush(NULL);
    load->pid = fork();
    if (load->pid == 0) {
        become(load, ctl, record);
    }
    mem_free(record);
    if (load->pid < 0) {
        load->pid = 0;
        return err_set(err, EDGE_EIO, "fork: %s", strerror(errno));
    }
    return 0;
}

void chaos_load_errors(const struct chaos_load *load)
{
    char path[PATH_MOST];
    char line[LINE_MOST];
    FILE *in;

    (void)snprintf(path, sizeof(path), "%s/errors", load->folder);
    in = fopen(path, "re");
    for (int i = 0;
         in != NULL && i < SAID_MOST && fgets(line, sizeof(line), in) != NULL;
         i++) {
        line[strcspn(line, "\n")] = '\0';
        show_clean(line);
        (void)fprintf(stderr, "%s\n", line);
    }
    if (in != NULL) {
        (void)fclose(in);
    }
}

int chaos_load_check(struct chaos_load *load, struct err *err)
{
    if (waitpid(load->pid, NULL, WNOHANG) != load->pid) {
        return 0;
    }
    load->pid = 0;
    chaos_load_errors(load);
    return err_set(err, EDGE_EUNAVAILABLE,
                   "the load has ended by itself; what it said is above");
}

/* SIGINT makes bench wait for what is under way, and report. */
void chaos_load_stop(struct chaos_load *load)
{
    int left_ms = STOP_MS;

    if (load->pid == 0) {
        return;
    }
    (void)kill(load->pid, SIGINT);
    while (waitpid(load->pid, NULL, WNOHANG) == 0) {
        if (left_ms <= 0) {
            (void)kill(load->pid, SIGKILL);
        }
        (void)poll(NULL, 0, LOOK_MS);
        left_ms -= LOOK_MS;
    }
    load->pid = 0;
}

/* ---- what it leaves -------------------------------------------------------
 */

static int read_record(const struct chaos_load *load, struct score *score,
                       struct err *err)
{
    char *path = record_path(load);
    FILE *in = path != NULL ? fopen(path, "re") : NULL;
    char line[LINE_MOST];
    int rc = 0;

    if (in == NULL) {
        rc = err_set(err, EDGE_EIO, "cannot read the load's record: %s",
                     strerror(errno));
    }
    while (rc == 0 && fgets(line, sizeof(line), in) != NULL) {
        rc = score_line(score, line, err);
    }
    if (in != NULL) {
        (void)fclose(in);
    }
    mem_free(path);
    return rc;
}

int chaos_load_read(const struct chaos_load *load, struct score *score,
                    struct err *err)
{
    char path[PATH_MOST];
    json_t *report;
    json_t *repeated;

    (void)snprintf(path, sizeof(path), "%s/report", load->folder);
    report = json_load_file(path, 0, NULL);
    repeated = json_object_get(report, "repeated");
    if (!json_is_integer(repeated)) {
        json_decref(report);
        chaos_load_errors(load);
        return err_set(err, EDGE_EIO, "the load has left no report");
    }
    score->duplicated = (uint64_t)json_integer_value(repeated);
    json_decref(report);
    return read_record(load, score, err);
}

void chaos_load_deinit(struct chaos_load *load)
{
    static const char *const files[] = {"report", "errors", "record"};

    chaos_load_stop(load);
    if (load->folder[0] == '\0') {
        return;
    }
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char path[PATH_MOST];

        (void)snprintf(path, sizeof(path), "%s/%s", load->folder, files[i]);
        (void)unlink(path);
    }
    (void)rmdir(load->folder);
}

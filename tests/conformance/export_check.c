/* Everything edged can import goes out again and past onnx.checker: ONNX's
 * own vectors, the real models and random graphs. test: timeout=600 slow */
#include "tests/lib/random_graph.h"
#include "tests/lib/tmp.h"
#include "tests/lib/unit.h"

#include "onnx/export.h"
#include "onnx/import.h"

#include <dirent.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define VECTORS "/usr/lib/python3/dist-packages/onnx/backend/test/data/node"
#define PYTHON "/usr/bin/python3"
/* Exits with 1 unless python3-onnx is installed. */
#define FIND_ONNX                       \
    "import importlib.util as u, sys; " \
    "sys.exit(u.find_spec('onnx') is None)"
#define N_RANDOM 40
#define PATH_ROOM 768

struct sink {
    char folder[TMP_PATH];
    int n_written;
    int n_failed;
};

static int write_blob(const char *folder, const char *name, const void *data,
                      size_t size)
{
    char path[PATH_ROOM + 128];
    FILE *file;
    int rc = 0;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "wb");
    if (file == NULL) {
        return EDGE_EIO;
    }
    if (size > 0 && fwrite(data, size, 1, file) != 1) {
        rc = EDGE_EIO;
    }
    return fclose(file) == 0 ? rc : EDGE_EIO;
}

static int write_export(const char *folder, const struct export *out)
{
    int rc = mkdir(folder, 0700) == 0 ? 0 : EDGE_EIO;

    if (rc == 0) {
        rc = write_blob(folder, "model.onnx", out->model->data,
                        out->model->size);
    }
    for (size_t i = 0; rc == 0 && i < out->n_blobs; i++) {
        char hex[DIGEST_HEX];

        digest_hex(&out->blobs[i].digest, hex);
        rc = write_blob(folder, hex, out->blobs[i].data, out->blobs[i].size);
    }
    return rc;
}

static void put(struct sink *sink, const struct graph *graph, const char *name)
{
    struct err err = {.text = "cannot write it"};
    struct export out;
    char folder[PATH_ROOM];
    int rc = export_graph(graph, &out, &err);

    if (rc == 0) {
        (void)snprintf(folder, sizeof(folder), "%s/%s", sink->folder, name);
        rc = write_export(folder, &out);
        export_deinit(&out);
    }
    if (rc < 0) {
        (void)printf("FAIL %s: %s\n", name, err.text);
        sink->n_failed++;
    } else {
        sink->n_written++;
    }
}

/* Each NAME/model.onnx below `from`; those that cannot be imported are the
 * business of other tests. */
static void put_folder(struct sink *sink, const char *from)
{
    DIR *dir = opendir(from);
    struct dirent *entry;

    if (dir == NULL) {
        (void)printf("SKIP %s: it is not there\n", from);
        return;
    }
    while ((entry = readdir(dir)) != NULL) {
        char path[PATH_ROOM];
        struct graph *graph = NULL;

        (void)snprintf(path, sizeof(path), "%s/%s/model.onnx", from,
                       entry->d_name);
        if (entry->d_name[0] != '.' && import_file(path, &graph, NULL) == 0) {
            put(sink, graph, entry->d_name);
            graph_free(graph);
        }
    }
    (void)closedir(dir);
}

static void put_random(struct sink *sink)
{
    for (int i = 0; i < N_RANDOM; i++) {
        struct graph *graph;
        struct rng rng;
        char name[32];

        rng_init(&rng, (uint64_t)i + 1);
        graph = random_graph(&rng, 10 + i);
        (void)snprintf(name, sizeof(name), "random_%d", i);
        put(sink, graph, name);
        graph_free(graph);
    }
}

/* Runs Python with two arguments; its exit status. */
static int run_python(char *first, char *second)
{
    char *argv[] = {(char *)PYTHON, first, second, NULL};
    int status = -1;
    pid_t child;

    (void)fflush(stdout);
    if (posix_spawn(&child, PYTHON, NULL, NULL, argv, environ) != 0 ||
        waitpid(child, &status, 0) != child || !WIFEXITED(status)) {
        return -1;
    }
    return WEXITSTATUS(status);
}

int main(void)
{
    const char *data = getenv("EDGE_DATA");
    struct sink sink = {.n_written = 0};
    char models[512];
    struct tmp tmp;
    int status;

    if (run_python((char *)"-c", (char *)FIND_ONNX) != 0) {
        (void)printf("SKIP export_check: python3-onnx is not installed\n"
                     "0 passed, 0 failed, 1 skipped\n");
        return 0;
    }
    tmp_init(&tmp);
    (void)snprintf(sink.folder, sizeof(sink.folder), "%s", tmp.path);
    (void)snprintf(models, sizeof(models), "%s/models",
                   data != NULL ? data : "../shared/data");
    put_folder(&sink, VECTORS);
    put_folder(&sink, models);
    put_random(&sink);
    status =
        run_python((char *)"tests/conformance/check_export.py", sink.folder);
    tmp_deinit(&tmp);
    if (sink.n_failed > 0) {
        (void)printf("0 passed, %d failed\n", sink.n_failed);
    }
    return status == 0 && sink.n_failed == 0 ? 0 : 1;
}

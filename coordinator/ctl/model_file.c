#include "coordinator/ctl/model_file.h"

#include "base/limits.h"
#include "base/mem.h"
#include "config/cluster.h"
#include "onnx/export.h"
#include "onnx/import.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INPUT_KEY "edged.input"
#define LABELS_KEY "edged.labels"

static int read_labels(const struct graph *graph, const char *path,
                       struct blob **labels, struct err *err)
{
    const char *text = graph_meta(graph, LABELS_KEY);
    size_t size = text != NULL ? strlen(text) : 0;

    if (size == 0) {
        return 0;
    }
    if (size > LIMIT_LABELS) {
        return err_set(err, EDGE_ETOOBIG,
                       "%s: its metadata " LABELS_KEY " has %zu bytes, %d can "
                       "be",
                       path, size, (int)LIMIT_LABELS);
    }
    *labels = blob_copy(text, size);
    return *labels == NULL ? err_set(err, EDGE_ENOMEM, "out of memory") : 0;
}

/* The file is gone by its name as soon as it is mapped. */
static int write_and_map(const struct graph *graph, const char *file,
                         struct blob **model, struct err *err)
{
    int rc = export_file(graph, file, err);

    if (rc == 0) {
        rc = blob_map(file, model, err);
        (void)unlink(file);
    }
    return rc;
}

static int pack_whole(const struct graph *graph, const char *path,
                      struct blob **model, struct err *err)
{
    const char *tmp = getenv("TMPDIR");
    char *folder = mem_printf("%s/edgectl.XXXXXX",
                              tmp != NULL && tmp[0] != '\0' ? tmp : "/tmp");
    char *file = NULL;
    int rc;

    if (folder == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    if (mkdtemp(folder) == NULL) {
        rc = err_set(err, EDGE_EIO, "cannot make %s: %s", folder,
                     strerror(errno));
        goto out;
    }
    file = mem_printf("%s/model.onnx", folder);
    rc = file != NULL ? write_and_map(graph, file, model, err)
                      : err_set(err, EDGE_ENOMEM, "out of memory");
    if (rc < 0) {
        rc = err_wrap(err, rc, "%s with its external data as one file", path);
    }
    (void)rmdir(folder);
out:
    mem_free(file);
    mem_free(folder);
    return rc;
}

int model_file_read(const char *path, struct blob **model, struct blob **labels,
                    struct err *err)
{
    struct graph *graph = NULL;
    bool is_apart = false;
    int rc = import_file_apart(path, &graph, &is_apart, err);

    if (rc < 0) {
        return rc;
    }
    if (labels != NULL) {
        rc = read_labels(graph, path, labels, err);
    }
    if (rc == 0) {
        rc = is_apart ? pack_whole(graph, path, model, err)
                      : blob_map(path, model, err);
    }
    graph_free(graph);
    return rc;
}

int model_file_input(const struct graph *graph, const char *path,
                     struct cluster_input *input, struct err *err)
{
    const char *text = graph_meta(graph, INPUT_KEY);
    struct config_errors *errors;
    int rc;

    if (text == NULL || text[0] == '\0') {
        return 0;
    }
    errors = mem_new(struct config_errors);
    if (errors == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    rc = cluster_read_input(text, strlen(text), INPUT_KEY, input, errors);
    if (rc == EDGE_ECONFIG) {
        (void)err_set(err, rc,
                      "%s: its metadata " INPUT_KEY ", line %u, column %u: %s",
                      path, errors->items[0].at.line,
                      errors->items[0].at.column, errors->items[0].text);
    } else if (rc < 0) {
        (void)err_set(err, rc, "%s", err_text(rc));
    }
    mem_free(errors);
    return rc;
}

int model_file_stem(const char *path)
{
    size_t n = strlen(path);

    return (int)(n > 5 && strcmp(path + n - 5, ".onnx") == 0 ? n - 5 : n);
}

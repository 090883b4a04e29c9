/* edgectl model head: a trained model for other classes. */
#include "coordinator/ctl/model.h"

#include "base/mem.h"
#include "graph/infer.h"
#include "onnx/export.h"
#include "onnx/head.h"
#include "onnx/import.h"

#include <string.h>

/* MODEL.onnx: MODEL-head.onnx, beside it. */
static char *path_of(const struct model_options *options)
{
    size_t n = strlen(options->file);

    if (options->out != NULL) {
        return mem_strdup(options->out);
    }
    if (n > 5 && strcmp(options->file + n - 5, ".onnx") == 0) {
        n -= 5;
    }
    return mem_printf("%.*s-head.onnx", (int)n, options->file);
}

int model_head(const struct ctl *ctl, struct model_options *options,
               struct err *err)
{
    struct graph *graph = NULL;
    char *path = path_of(options);
    int rc;

    if (path == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    rc = import_file(options->file, &graph, err);
    if (rc < 0) {
        goto out;
    }
    rc = head_replace(graph, (int64_t)options->classes, options->seed, err);
    if (rc == 0) {
        rc = infer_graph(graph, err);
    }
    if (rc < 0) {
        rc = err_wrap(err, rc, "%s", options->file);
        goto out;
    }
    rc = export_file(graph, path, err);
    if (rc == 0) {
        rc = model_report(ctl, graph, path, err);
    }
out:
    mem_free(path);
    graph_free(graph);
    return rc;
}

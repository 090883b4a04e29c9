/* edgectl model head: a trained model for other classes. */
#include "coordinator/ctl/model.h"
#include "coordinator/ctl/model_file.h"

#include "base/mem.h"
#include "graph/infer.h"
#include "onnx/head.h"
#include "onnx/import.h"

/* MODEL.onnx: MODEL-head.onnx, beside it. */
static char *path_of(const struct model_options *options)
{
    return options->out != NULL
               ? mem_strdup(options->out)
               : mem_printf("%.*s-head.onnx", model_file_stem(options->file),
                            options->file);
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
    rc = model_write(ctl, graph, path, err);
out:
    mem_free(path);
    graph_free(graph);
    return rc;
}

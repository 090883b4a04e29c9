#include "tests/lib/shipped.h"

#include "base/mem.h"
#include "base/rng.h"
#include "onnx/export.h"
#include "onnx/import.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int open_blob(void *arg, const char *location, struct blob **blob,
                     struct err *err)
{
    const struct export *files = arg;
    struct digest digest;

    if (!digest_parse(location, &digest)) {
        return err_set(err, EDGE_ECORRUPT, "location %s", location);
    }
    for (size_t i = 0; i < files->n_blobs; i++) {
        if (digest_equal(&files->blobs[i].digest, &digest)) {
            *blob = blob_copy(files->blobs[i].data, files->blobs[i].size);
            return *blob == NULL ? EDGE_ENOMEM : 0;
        }
    }
    return err_set(err, EDGE_ENOENT, "no blob %s", location);
}

int shipped_plan(const struct graph *shard, struct plan **plan, struct err *err)
{
    struct export files = {0};
    struct graph *read = NULL;
    int rc = export_graph(shard, &files, err);

    if (rc == 0) {
        rc = import_blob(files.model, "shard", open_blob, &files, &read, err);
    }
    if (rc == 0) {
        rc = plan_make(read, plan, err);
    }
    graph_free(read);
    export_deinit(&files);
    return rc;
}

void shipped_drop(struct tensor *t, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        tensor_deinit(&t[i]);
    }
}

int shipped_run(struct plan *plan, const struct tensor *in, struct tensor *out)
{
    for (size_t i = 0; i < plan_n_outputs(plan); i++) {
        const struct plan_port *port = plan_output(plan, i);
        int rc = tensor_init(&out[i], port->dtype, &port->shape);

        if (rc < 0) {
            return rc;
        }
    }
    return plan_run(plan, in, out);
}

int shipped_inputs(const struct plan *plan, struct tensor *in)
{
    struct rng rng;

    rng_init(&rng, 7);
    for (size_t i = 0; i < plan_n_inputs(plan); i++) {
        const struct plan_port *port = plan_input(plan, i);
        int rc = tensor_init(&in[i], port->dtype, &port->shape);

        if (rc < 0) {
            return rc;
        }
        memset(in[i].data, 0, tensor_bytes(&in[i]));
        for (int64_t k = 0;
             port->dtype == DTYPE_F32 && k < tensor_count(&in[i]); k++) {
            ((float *)in[i].data)[k] = (float)rng_unit(&rng) * 2 - 1;
        }
    }
    return 0;
}

static void try_entry(const char *folder, const char *name, shipped_try try,
                      struct shipped_tally *tally)
{
    char *path = mem_printf("%s/%s/model.onnx", folder, name);
    FILE *file = path != NULL ? fopen(path, "re") : NULL;
    struct err err = {""};

    if (file != NULL) {
        (void)fclose(file);
        if (try(name, path, tally, &err) < 0) {
            tally->failed++;
            (void)printf("FAILED %s: %s\n", name, err.text);
        }
    }
    mem_free(path);
}

int shipped_main(int argc, char **argv, const char *what, shipped_try try)
{
    const char *data = getenv("EDGE_DATA");
    char *folder = argc > 1       ? mem_strdup(argv[1])
                   : data != NULL ? mem_printf("%s/models", data)
                                  : NULL;
    struct shipped_tally tally = {0, 0};
    struct dirent **entries;
    int n = folder != NULL ? scandir(folder, &entries, NULL, alphasort) : -1;

    if (n < 0) {
        (void)printf("SKIP %s of real models: the data folder is not here\n"
                     "0 passed, 0 failed, 1 skipped\n",
                     what);
        mem_free(folder);
        return 0;
    }
    for (int i = 0; i < n; i++) {
        if (entries[i]->d_name[0] != '.' &&
            (argc < 3 || strcmp(argv[2], entries[i]->d_name) == 0)) {
            try_entry(folder, entries[i]->d_name, try, &tally);
        }
        mem_free(entries[i]);
    }
    mem_free(entries);
    mem_free(folder);
    (void)printf("%s: %d passed, %d failed\n", what, tally.passed,
                 tally.failed);
    return tally.failed > 0;
}

/* ONNX files, from wire format to graph. What comes in must be a graph, and
 * must go out and come in again (seeds: tests/golden/onnx/make_corpus.py) */
#include "base/mem.h"
#include "graph/infer.h"
#include "onnx/export.h"
#include "onnx/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* External data of any name, but little of it. */
static int give(void *arg, const char *location, struct blob **blob,
                struct err *err)
{
    (void)arg;
    (void)location;
    *blob = blob_copy("0123456789abcdef0123456789abcdef", 32);
    return *blob != NULL ? 0 : err_set(err, EDGE_ENOMEM, "out of memory");
}

static int give_blob(void *arg, const char *location, struct blob **blob,
                     struct err *err)
{
    const struct export *out = arg;

    for (size_t i = 0; i < out->n_blobs; i++) {
        char hex[DIGEST_HEX];

        digest_hex(&out->blobs[i].digest, hex);
        if (strcmp(hex, location) == 0) {
            *blob = blob_copy(out->blobs[i].data, out->blobs[i].size);
            return *blob != NULL ? 0 : EDGE_ENOMEM;
        }
    }
    return err_set(err, EDGE_ENOENT, "no blob %s", location);
}

static void must(int rc, const struct err *err)
{
    if (rc < 0 && rc != EDGE_ENOMEM) {
        (void)fprintf(stderr, "%s: %s\n", err_name(rc), err->text);
        abort();
    }
}

static void go_round(const struct graph *graph)
{
    struct err err = {.text = ""};
    struct graph *back = NULL;
    struct export out;

    if (export_graph(graph, &out, &err) < 0) {
        return;
    }
    must(import_blob(out.model, "exported", give_blob, &out, &back, &err),
         &err);
    graph_free(back);
    export_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct blob *blob = blob_copy(data, size);
    struct err err = {.text = ""};
    struct graph *graph = NULL;
    struct tensor t = {.dtype = DTYPE_NONE};
    char *name = NULL;

    if (blob == NULL) {
        return 0;
    }
    if (import_blob(blob, "fuzz", give, NULL, &graph, &err) == 0) {
        must(graph_check(graph, &err), &err);
        if (infer_graph(graph, &err) == 0) {
            go_round(graph);
        }
    }
    if (import_tensor(blob, &t, &name, &err) == 0) {
        tensor_deinit(&t);
        mem_free(name);
    }
    graph_free(graph);
    blob_unref(blob);
    return 0;
}

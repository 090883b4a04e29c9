/*
 * Any bytes as the external data of a shard: weights, and the indices of a
 * Gather, which must stay within what they point into. The model is a good
 * one; what is planned must run.
 */
#include "base/mem.h"
#include "engine/plan.h"
#include "graph/infer.h"
#include "onnx/export.h"
#include "onnx/import.h"
#include "tests/lib/model.h"
#include "tests/lib/unit.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WIDTH 256
#define HEIGHT 4

struct input {
    const uint8_t *data;
    size_t size;
    size_t at;
};

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static struct graph *make_graph(void)
{
    struct graph *g = graph_new("g");
    int64_t turned[WIDTH]; /* equal ones would not be kept apart */
    struct err err;
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, WIDTH));
    int index;
    int w = model_f32(g, "w", 1, 1, DIMS(WIDTH, HEIGHT));
    int b = model_f32(g, "b", 1, 1, DIMS(1, WIDTH));
    int gathered;

    for (int i = 0; i < WIDTH; i++) {
        turned[i] = WIDTH - 1 - i;
    }
    index = model_ints(g, "index", WIDTH, turned);
    gathered = model_op(g, OP_GATHER, "gathered", IN(x, index));
    model_set_int(g, "axis", 1);
    model_output(g, model_op(g, OP_MATMUL, "y",
                             IN(model_op(g, OP_MUL, "z", IN(gathered, b)), w)));
    require(infer_graph(g, &err) == 0);
    return g;
}

/* Each blob is the next piece; the first byte says how large. */
static int give(void *arg, const char *location, struct blob **blob,
                struct err *err)
{
    struct input *in = arg;
    size_t want;

    (void)location;
    if (in->at == in->size) {
        return err_set(err, EDGE_ENOENT, "no more data");
    }
    want = (size_t)in->data[in->at++] * 32;
    if (want > in->size - in->at) {
        want = in->size - in->at;
    }
    *blob = blob_copy(in->data + in->at, want);
    in->at += want;
    return *blob != NULL ? 0 : EDGE_ENOMEM;
}

static void run(struct plan *plan)
{
    struct tensor x = {0};
    struct tensor y = {0};

    require(tensor_init(&x, plan_input(plan, 0)->dtype,
                        &plan_input(plan, 0)->shape) == 0);
    memset(x.data, 0, tensor_bytes(&x));
    require(tensor_init(&y, plan_output(plan, 0)->dtype,
                        &plan_output(plan, 0)->shape) == 0);
    (void)plan_run(plan, &x, &y); /* an index may be out of range */
    tensor_deinit(&x);
    tensor_deinit(&y);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size, 0};
    struct graph *made = make_graph();
    struct graph *graph = NULL;
    struct plan *plan = NULL;
    struct export files;
    struct err err = {""};

    require(export_graph(made, &files, &err) == 0);
    if (import_blob(files.model, "shard", give, &in, &graph, &err) == 0 &&
        plan_make(graph, &plan, &err) == 0) {
        run(plan);
    } else {
        require(err.text[0] != '\0');
    }
    plan_free(plan);
    graph_free(graph);
    export_deinit(&files);
    graph_free(made);
    return 0;
}

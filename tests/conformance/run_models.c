/* test: timeout=600 slow
 *
 * Every model of a folder on its stored tests, within the bounds that the
 * data's README gives. Models without a stored input get i/n.
 *
 *   run_models [FOLDER [MODEL]]      default: $EDGE_DATA/models
 */
#include "graph/infer.h"
#include "onnx/import.h"
#include "tests/lib/folder.h"
#include "tests/lib/vectors.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tally {
    int passed;
    int failed;
    int skipped;
};

static const struct vectors_bound float_bound = {1e-3, 1e-4};

/* Integer kernels and floats that stand for them round differently. */
static const struct vectors_bound qdq_bound = {0, 0.05};

/* ---- inputs that are not stored
 * ---------------------------------------------- */

static int make_ramp(struct vectors *v, const char *model, struct err *err)
{
    struct graph *graph = NULL;
    const struct value *input;
    int64_t n;
    int rc = import_file(model, &graph, err);

    if (rc == 0) {
        rc = infer_bind_batch(graph, 1, err);
    }
    if (rc == 0) {
        input = &graph->values[graph->inputs[0]];
        rc = tensor_init(&v->in[0], DTYPE_F32, &input->shape);
    }
    if (rc == 0) {
        v->n_in = 1;
        n = tensor_count(&v->in[0]);
        for (int64_t i = 0; i < n; i++) {
            ((float *)v->in[0].data)[i] = (float)((double)i / (double)n);
        }
    }
    graph_free(graph);
    return rc;
}

/* ---- answers
 * ------------------------------------------------------------------ */

static int64_t top_1(const struct tensor *t)
{
    int64_t best = 0;

    for (int64_t i = 1; i < tensor_count(t); i++) {
        if (tensor_get(t, i) > tensor_get(t, best)) {
            best = i;
        }
    }
    return best;
}

/* The class must be right, and near it probabilities. A class whose stored
 * probability ties with the best one will do. */
static bool same_class(const struct tensor *got, const struct tensor *wanted,
                       struct err *err)
{
    int64_t g = top_1(got);
    int64_t w = top_1(wanted);

    if (tensor_get(wanted, g) < tensor_get(wanted, w)) {
        (void)err_set(err, EDGE_EINVAL, "class %lld, wanted %lld", (long long)g,
                      (long long)w);
        return false;
    }
    return true;
}

/* The autoencoder has no classes: its values lie within the steps that its
 * last layers are quantised to. */
static struct vectors_bound qdq_values(const struct tensor *wanted)
{
    struct vectors_bound bound = {0, 0};
    double most = 0;

    for (int64_t i = 0; i < tensor_count(wanted); i++) {
        most = fmax(most, fabs(tensor_get(wanted, i)));
    }
    bound.atol = most * 0.05;
    return bound;
}

static bool is_right(const char *name, const struct tensor *got,
                     const struct tensor *wanted, double *worst,
                     struct err *err)
{
    bool is_qdq = strstr(name, "_qdq") != NULL;
    struct vectors_bound bound = is_qdq ? qdq_bound : float_bound;

    if (is_qdq && strstr(name, "autoencoder") != NULL) {
        bound = qdq_values(wanted);
    } else if (is_qdq && !same_class(got, wanted, err)) {
        return false;
    }
    return vectors_same(got, wanted, &bound, worst, err);
}

/* ---- one model
 * ------------------------------------------------------------------ */

static bool run_set(const char *name, const char *model, struct vectors *v,
                    double *worst, struct err *err)
{
    struct tensor got[VECTORS_PORTS];
    bool ok = true;

    if (v->n_in == 0 && make_ramp(v, model, err) < 0) {
        return false;
    }
    if (vectors_run(v, model, VECTORS_BIND_NONE, got, err) < 0) {
        return false;
    }
    for (size_t i = 0; ok && i < v->n_out; i++) {
        ok = is_right(name, &got[i], &v->out[i], worst, err);
        if (!ok) {
            (void)err_wrap(err, EDGE_EINVAL, "output %zu", i);
        }
    }
    for (size_t i = 0; i < VECTORS_PORTS; i++) {
        tensor_deinit(&got[i]);
    }
    return ok;
}

static void run_model(struct tally *tally, const char *root, const char *name)
{
    char model[4096];
    char folder[4096];

    (void)snprintf(model, sizeof(model), "%s/%s/model.onnx", root, name);
    if (access(model, R_OK) != 0) {
        return;
    }
    for (int set = 0;; set++) {
        struct vectors v;
        struct err err = {{0}};
        double worst = 0;
        bool ok;

        (void)snprintf(folder, sizeof(folder), "%s/%s/test_data_set_%d", root,
                       name, set);
        if (access(folder, R_OK) != 0) {
            return;
        }
        ok = vectors_read(&v, folder, &err) == 0 &&
             run_set(name, model, &v, &worst, &err);
        if (ok) {
            tally->passed++;
            printf("ok %s set %d (%.3g of what is allowed)\n", name, set,
                   worst);
        } else {
            tally->failed++;
            printf("FAIL %s set %d: %s\n", name, set, err.text);
        }
        (void)fflush(stdout);
        vectors_deinit(&v);
    }
}

static void run_all(struct tally *tally, const char *root)
{
    struct folder folder;

    if (folder_read(&folder, root) < 0) {
        printf("SKIP all: there is no folder %s\n",
               root[0] != '\0' ? root : "of models ($EDGE_DATA is not set)");
        tally->skipped++;
        return;
    }
    for (size_t i = 0; i < folder.n; i++) {
        run_model(tally, root, folder.names[i]);
    }
    folder_deinit(&folder);
}

int main(int argc, char **argv)
{
    const char *data = getenv("EDGE_DATA");
    struct tally tally = {0};
    char root[4096] = "";

    if (argc > 1) {
        (void)snprintf(root, sizeof(root), "%s", argv[1]);
    } else if (data != NULL) {
        (void)snprintf(root, sizeof(root), "%s/models", data);
    }
    if (argc > 2) {
        run_model(&tally, root, argv[2]);
    } else {
        run_all(&tally, root);
    }
    printf("models: %d passed, %d failed, %d skipped\n", tally.passed,
           tally.failed, tally.skipped);
    return tally.failed > 0;
}

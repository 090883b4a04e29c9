/* test: timeout=300
 *
 * ONNX's own operator vectors (Debian's libonnx-testdata) through import,
 * passes, plan and run. Of a model with an operator that is not supported the
 * importer's error must name the node and the operator.
 *
 *   run_onnx_vectors [-v] [FOLDER [KIND/TEST]]   FOLDER holds node, simple ...
 */
#include "onnx/import.h"
#include "tests/lib/folder.h"
#include "tests/lib/onnx_peek.h"
#include "tests/lib/vectors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tally {
    int passed;
    int failed;
    int skipped;
    bool verbose;
};

static void fail(struct tally *tally, const char *name, const char *why)
{
    tally->failed++;
    printf("FAIL %s: %s\n", name, why);
}

static void pass(struct tally *tally, const char *name, double worst)
{
    tally->passed++;
    if (tally->verbose) {
        printf("ok %s (%.3g of what is allowed)\n", name, worst);
    }
}

static void skip_test(struct tally *tally, const char *name, const char *why)
{
    tally->skipped++;
    printf("SKIP %s: %s\n", name, why);
}

/* ---- models that cannot run -------------------------------------------------
 */

/* False: it was not refused. */
static bool check_refusal(struct tally *tally, const char *name,
                          const char *model, const struct onnx_peek *peek)
{
    struct graph *graph = NULL;
    struct err err = {{0}};
    int rc = import_file(model, &graph, &err);
    char why[2048];

    graph_free(graph);
    if (rc == 0) { /* an older name of a supported one, such as Upsample */
        return false;
    }
    if (strstr(err.text, peek->type) == NULL ||
        strstr(err.text, peek->node) == NULL) {
        (void)snprintf(
            why, sizeof(why),
            "the error does not name operator %s and node \"%s\": %s",
            peek->type, peek->node, err.text);
        fail(tally, name, why);
    } else {
        (void)snprintf(why, sizeof(why),
                       "operator %s is not supported, and "
                       "the error says so",
                       peek->type);
        skip_test(tally, name, why);
    }
    return true;
}

static void check_odd_type(struct tally *tally, const char *name,
                           const char *model, const char *type)
{
    struct graph *graph = NULL;
    struct err err = {{0}};
    int rc = import_file(model, &graph, &err);
    char why[256];

    graph_free(graph);
    (void)snprintf(why, sizeof(why), "a port of type %s%s", type,
                   rc == 0 ? " was not refused" : ", which is refused");
    if (rc == 0) {
        fail(tally, name, why);
    } else {
        skip_test(tally, name, why);
    }
}

/* Of opsets before the first that is read, only models whose operators have
 * not changed since can run. False: this one can. */
static bool is_too_old(struct tally *tally, const char *name, const char *model,
                       const struct onnx_peek *peek)
{
    struct graph *graph = NULL;
    struct err err = {{0}};
    int rc = import_file(model, &graph, &err);
    char why[256];

    graph_free(graph);
    if (rc == 0) {
        return false;
    }
    (void)snprintf(why, sizeof(why),
                   "opset %lld, of which an operator is "
                   "refused",
                   (long long)peek->opset);
    if (strstr(err.text, "opset") != NULL) {
        skip_test(tally, name, why);
    } else {
        fail(tally, name, err.text);
    }
    return true;
}

/* True if there is a reason not to run it, which has been dealt with. */
static bool is_left_out(struct tally *tally, const char *name,
                        const char *model)
{
    struct onnx_peek peek;

    if (!onnx_peek(model, &peek)) {
        fail(tally, name, "model.onnx cannot be read");
        return true;
    }
    if (peek.is_foreign && check_refusal(tally, name, model, &peek)) {
        return true;
    }
    if (peek.opset > 0 && peek.opset < 7 &&
        is_too_old(tally, name, model, &peek)) {
        return true;
    }
    if (peek.odd_type[0] != '\0') {
        check_odd_type(tally, name, model, peek.odd_type);
        return true;
    }
    if (peek.trains) {
        skip_test(tally, name, "training mode");
        return true;
    }
    return false;
}

/* ---- models that can
 * --------------------------------------------------------- */

/* Loose bounds where the vectors themselves are rounded; see the figures of
 * -v for how near the answers are. */
static struct vectors_bound bound_of(enum dtype dtype)
{
    if (dtype == DTYPE_F16) {
        return (struct vectors_bound){1e-3, 1e-3};
    }
    return (struct vectors_bound){1e-5, 1e-5};
}

static bool compare(struct tally *tally, const char *name,
                    const struct vectors *v, const struct tensor *got,
                    double *worst)
{
    for (size_t i = 0; i < v->n_out; i++) {
        struct vectors_bound bound = bound_of(v->out[i].dtype);
        struct err err = {{0}};
        char why[2048];

        if (!vectors_same(&got[i], &v->out[i], &bound, worst, &err)) {
            (void)snprintf(why, sizeof(why), "output %zu: %s", i, err.text);
            fail(tally, name, why);
            return false;
        }
    }
    return true;
}

/* With no input known beforehand if that is possible, else with the integers
 * that decide shapes, else with all. */
static void run_set(struct tally *tally, const char *name, const char *model,
                    const struct vectors *v)
{
    struct tensor got[VECTORS_PORTS];
    struct err err = {{0}};
    double worst = 0;
    int bind = VECTORS_BIND_NONE - 1;
    int rc;

    do {
        bind++;
        rc = vectors_run(v, model, (enum vectors_bind)bind, got, &err);
    } while (rc < 0 && bind < VECTORS_BIND_ALL);
    if (rc == 0) {
        rc = vectors_starve(v, model, (enum vectors_bind)bind, &err);
    }
    if (rc < 0) {
        fail(tally, name, err.text);
        return;
    }
    if (compare(tally, name, v, got, &worst)) {
        pass(tally, name, worst);
    }
    for (size_t i = 0; i < VECTORS_PORTS; i++) {
        tensor_deinit(&got[i]);
    }
}

static void run_test(struct tally *tally, const char *root, const char *name)
{
    char model[4096];
    char folder[4096];

    (void)snprintf(model, sizeof(model), "%s/%s/model.onnx", root, name);
    if (access(model, R_OK) != 0 || is_left_out(tally, name, model)) {
        return;
    }
    for (int set = 0;; set++) {
        struct vectors v;
        struct err err = {{0}};

        (void)snprintf(folder, sizeof(folder), "%s/%s/test_data_set_%d", root,
                       name, set);
        if (access(folder, R_OK) != 0) {
            return;
        }
        if (vectors_read(&v, folder, &err) < 0) {
            fail(tally, name, err.text);
            continue;
        }
        run_set(tally, name, model, &v);
        vectors_deinit(&v);
    }
}

/* ---- the folder
 * -------------------------------------------------------------- */

/* Beside the operators' own vectors lie those of models made by exporters. */
static const char *const kinds[] = {"node", "simple", "pytorch-operator",
                                    "pytorch-converted"};

/* What `dpkg -L libonnx-testdata` reads. */
#define PACKAGE_LIST "/var/lib/dpkg/info/libonnx-testdata.list"

/* Where the package put its data; "" if it is not installed. */
static void find_root(char *root, size_t size)
{
    const char *given = getenv("EDGE_ONNX_VECTORS");
    FILE *list = given == NULL ? fopen(PACKAGE_LIST, "r") : NULL;
    bool found = false;

    (void)snprintf(root, size, "%s", given != NULL ? given : "");
    if (list == NULL) {
        return;
    }
    while (!found && fgets(root, (int)size, list) != NULL) {
        char *slash;

        root[strcspn(root, "\n")] = '\0';
        slash = strrchr(root, '/');
        found = slash != NULL && strcmp(slash, "/node") == 0;
        if (found) {
            *slash = '\0';
        }
    }
    if (!found) {
        root[0] = '\0';
    }
    (void)fclose(list);
}

static void run_kind(struct tally *tally, const char *root, const char *kind)
{
    struct folder folder;
    char path[4160];

    (void)snprintf(path, sizeof(path), "%s/%s", root, kind);
    if (root[0] == '\0' || folder_read(&folder, path) < 0) {
        skip_test(tally, kind, "Debian's libonnx-testdata is not installed");
        return;
    }
    for (size_t i = 0; i < folder.n; i++) {
        run_test(tally, path, folder.names[i]);
    }
    folder_deinit(&folder);
}

int main(int argc, char **argv)
{
    struct tally tally = {0};
    char root[4096];
    int at = 1;

    if (at < argc && strcmp(argv[at], "-v") == 0) {
        tally.verbose = true;
        at++;
    }
    if (at < argc) {
        (void)snprintf(root, sizeof(root), "%s", argv[at++]);
    } else {
        find_root(root, sizeof(root));
    }
    if (at < argc) {
        run_test(&tally, root, argv[at]);
    } else {
        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
            run_kind(&tally, root, kinds[i]);
        }
    }
    printf("conformance: %d passed, %d failed, %d skipped\n", tally.passed,
           tally.failed, tally.skipped);
    return tally.failed > 0;
}

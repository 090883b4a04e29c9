#include "coordinator/ctl/calibration.h"

#include "coordinator/ctl/model_file.h"
#include "coordinator/ctl/pictures.h"

#include "base/limits.h"
#include "base/mem.h"
#include "engine/fold.h"
#include "onnx/guard.h"

#include <string.h>

/* More would tell little more of a loss that is to be less than a percent of
 * what the model itself gets wrong. */
#define PICTURES_MOST 64

/* How pictures become the model's only input. */
static int make_form(const struct cluster *cluster, const char *model_path,
                     char refusal[PICTURE_REFUSAL], struct picture_form *form,
                     struct err *err)
{
    struct cluster_input input = cluster->model.input;
    struct graph *graph = NULL;
    int rc = guard_import_file(model_path, &graph, err);

    if (rc == 0 && !input.is_given) {
        rc = model_file_input(graph, model_path, &input, err);
    }
    if (rc == 0) {
        rc = fold_prepare(graph, 1, NULL, 0, err);
    }
    if (rc == 0 && graph->n_inputs != 1) {
        rc = err_set(err, EDGE_ECONFIG,
                     "links.calibrate: %s has %zu inputs, and a picture is "
                     "one. Leave it out: auto then tries seeded inputs",
                     model_path, graph->n_inputs);
    }
    if (rc == 0) {
        const struct value *v = &graph->values[graph->inputs[0]];

        rc = picture_form_make(&input, model_path, v->dtype, &v->shape, refusal,
                               form, err);
    }
    graph_free(graph);
    return rc;
}

static int read_into(const struct pictures *pictures, size_t n,
                     const struct picture_form *form, struct blob *to,
                     struct err *err)
{
    size_t bytes = to->size / n;

    for (size_t i = 0; i < n; i++) {
        struct tensor t = {0};
        int rc =
            picture_read(pictures->names[i * pictures->n / n], form, &t, err);

        if (rc < 0) {
            return rc;
        }
        memcpy(to->data + i * bytes, t.data, bytes);
        tensor_deinit(&t);
    }
    return 0;
}

static int read_folder(const char *folder, const struct picture_form *form,
                       struct blob **calibration, struct err *err)
{
    struct pictures pictures;
    struct blob *blob = NULL;
    size_t bytes = 0;
    size_t n;
    int rc;

    if (form->dtype != DTYPE_F32 ||
        !shape_bytes(&form->shape, form->dtype, &bytes) || bytes == 0 ||
        bytes > LIMIT_CALIBRATION) {
        return err_set(err, EDGE_ECONFIG,
                       "its pictures are tried as float32 "
                       "inputs of at most 64 MiB");
    }
    rc = pictures_list((char *const[]){(char *)(uintptr_t)folder}, 1, &pictures,
                       err);
    if (rc < 0) {
        return rc;
    }
    n = pictures.n < PICTURES_MOST ? pictures.n : PICTURES_MOST;
    n = n < LIMIT_CALIBRATION / bytes ? n : LIMIT_CALIBRATION / bytes;
    blob = blob_new(n * bytes);
    rc = blob == NULL ? err_set(err, EDGE_ENOMEM, "out of memory")
                      : read_into(&pictures, n, form, blob, err);
    pictures_deinit(&pictures);
    if (rc < 0) {
        blob_unref(blob);
        return rc;
    }
    *calibration = blob;
    return 0;
}

int calibration_read(const struct cluster *cluster, const char *yaml,
                     const char *model_path, struct blob **calibration,
                     struct err *err)
{
    const char *given = cluster->links.calibrate;
    char refusal[PICTURE_REFUSAL];
    struct picture_form form;
    char *folder;
    int rc;

    if (given == NULL) {
        return 0;
    }
    folder = cluster_resolve_path(yaml, given);
    if (folder == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    rc = make_form(cluster, model_path, refusal, &form, err);
    if (rc == 0) {
        rc = read_folder(folder, &form, calibration, err);
        rc = rc < 0 ? err_wrap(err, EDGE_ECONFIG, "links.calibrate") : 0;
    }
    mem_free(folder);
    return rc;
}

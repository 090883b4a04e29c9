#include "coordinator/ctl/model_sum.h"

#include "base/mem.h"
#include "base/store.h"
#include "config/doc.h"
#include "coordinator/ctl/model_file.h"

#include <stdio.h>
#include <string.h>

#define SHOWN 12     /* digits that tell two models apart */
#define NAME_MAX 100 /* of a file's: the digits must fit beside it */

/* Reading left no positions behind. */
static struct config_at find_key(const struct blob *yaml,
                                 struct config_errors *errors)
{
    struct config_at at = {0};
    const struct doc_node *node;
    struct doc *doc = NULL;

    if (doc_read((const char *)yaml->data, yaml->size, errors, &doc) == 0) {
        node = doc_get(doc_get(doc_root(doc), "model"), "sha256");
        at = node != NULL ? *doc_at(node) : at;
    }
    doc_free(doc);
    return at;
}

static void say(const struct cluster_files *files, const char *hex,
                struct config_errors *errors)
{
    const struct blob *yaml = files->yaml;
    struct config_at at;

    config_errors_init(errors, files->path, (const char *)yaml->data,
                       yaml->size);
    at = find_key(yaml, errors);
    config_error(
        errors, &at,
        "%.*s is not the model that was meant: its SHA-256 is %.*s..., "
        "not %.*s... If it is meant now, write  sha256: %s",
        NAME_MAX, cluster_files_model_name(files), SHOWN, hex, SHOWN,
        files->cluster->model.sha256, hex);
    config_errors_print(errors, files->outcome, stderr);
    config_errors_detach(errors);
}

static int refuse(const struct cluster_files *files, const struct digest *is,
                  struct err *err)
{
    struct config_errors *errors = mem_new(struct config_errors);
    char hex[DIGEST_HEX];

    if (errors == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    digest_hex(is, hex);
    say(files, hex, errors);
    mem_free(errors);
    err->text[0] = '\0'; /* it is all on stderr */
    return EDGE_ECONFIG;
}

int model_sum_check(const struct cluster_files *files, struct err *err)
{
    const char *meant_hex = files->cluster->model.sha256;
    struct blob *read = NULL;
    struct digest meant;
    struct digest is;
    int rc;

    if (meant_hex == NULL || !digest_parse(meant_hex, &meant)) {
        return 0; /* the reader takes nothing but digests */
    }
    if (files->model == NULL) {
        rc = model_file_read(files->model_path, &read, NULL, err);
        if (rc < 0) {
            return err_wrap(err, EDGE_ECONFIG, "%s", files->path);
        }
    }
    digest_of(files->model != NULL ? files->model->data : read->data,
              files->model != NULL ? files->model->size : read->size, &is);
    blob_unref(read);
    return digest_equal(&meant, &is) ? 0 : refuse(files, &is, err);
}

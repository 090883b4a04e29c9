#include "coordinator/ctl/model_sum.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/store.h"
#include "config/doc.h"
#include "coordinator/ctl/model_file.h"

#include <stdio.h>
#include <string.h>

#define SHOWN 12     /* digits that tell two models apart */
#define NAME_MAX 100 /* of a file's: the digits must fit beside it */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

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

static void say(const struct model_sum *sum, const struct blob *yaml,
                const char *hex, struct config_errors *errors)
{
    const char *name = base_name(sum->model_path);
    struct config_at at;

    config_errors_init(errors, sum->path, (const char *)yaml->data, yaml->size);
    at = find_key(yaml, errors);
    config_error(
        errors, &at,
        "%.*s is not the model that was meant: its SHA-256 is %.*s..., "
        "not %.*s... If it is meant now, write  sha256: %s",
        NAME_MAX, name, SHOWN, hex, SHOWN, sum->cluster->model.sha256, hex);
    config_errors_print(errors, sum->outcome, stderr);
    config_errors_detach(errors);
}

static int refuse(const struct model_sum *sum, const struct digest *is,
                  struct err *err)
{
    struct config_errors *errors = mem_new(struct config_errors);
    struct blob *read = NULL;
    char hex[DIGEST_HEX];
    int rc = EDGE_ECONFIG;

    if (errors == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    digest_hex(is, hex);
    if (sum->yaml == NULL) {
        rc = blob_read(sum->path, LIMIT_YAML + 1, &read, err);
    }
    if (sum->yaml != NULL || rc == 0) {
        say(sum, sum->yaml != NULL ? sum->yaml : read, hex, errors);
        err->text[0] = '\0'; /* it is all on stderr */
        rc = EDGE_ECONFIG;
    }
    blob_unref(read);
    mem_free(errors);
    return rc;
}

int model_sum_check(const struct model_sum *sum, struct err *err)
{
    const char *meant_hex = sum->cluster->model.sha256;
    struct blob *read = NULL;
    struct digest meant;
    struct digest is;
    int rc;

    if (meant_hex == NULL || !digest_parse(meant_hex, &meant)) {
        return 0; /* the reader takes nothing but digests */
    }
    if (sum->model == NULL) {
        rc = model_file_read(sum->model_path, &read, NULL, err);
        if (rc < 0) {
            return err_wrap(err, EDGE_ECONFIG, "%s", sum->path);
        }
    }
    digest_of(sum->model != NULL ? sum->model->data : read->data,
              sum->model != NULL ? sum->model->size : read->size, &is);
    blob_unref(read);
    return digest_equal(&meant, &is) ? 0 : refuse(sum, &is, err);
}

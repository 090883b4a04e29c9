#include "config/load.h"

#include "base/blob.h"
#include "base/limits.h"

#include <string.h>

int config_load(const char *path, config_reader reader, void *out,
                struct config_errors *errors, struct err *err)
{
    const char *label = strcmp(path, "-") == 0 ? "standard input" : path;
    struct blob *blob = NULL;
    int rc;

    config_errors_init(errors, label, NULL, 0);
    rc = blob_read(path, LIMIT_YAML, &blob, err);
    if (rc < 0) {
        return rc;
    }
    rc = reader((const char *)blob->data, blob->size, label, out, errors);
    config_errors_detach(errors);
    blob_unref(blob);
    if (rc == EDGE_ECONFIG) {
        (void)err_set(err, rc, "%s is not valid", label);
    } else if (rc < 0) {
        (void)err_set(err, rc, "cannot read %s: %s", label, err_text(rc));
    }
    return rc;
}

#include "coordinator/ctl/cluster_files.h"

#include "base/limits.h"
#include "base/mem.h"
#include "coordinator/ctl/model_file.h"
#include "coordinator/ctl/model_sum.h"

#include <stdio.h>
#include <string.h>

int cluster_files_yaml(struct cluster_files *files, struct err *err)
{
    struct config_errors *errors = mem_new(struct config_errors);
    int rc;

    if (errors == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    rc = blob_read(files->path, LIMIT_YAML + 1, &files->yaml, err);
    if (rc == 0) {
        rc = cluster_read((const char *)files->yaml->data, files->yaml->size,
                          files->path, &files->cluster, errors);
        config_errors_print(errors, files->outcome, stderr);
        if (rc < 0) {
            err->text[0] = '\0'; /* it is all on stderr */
        }
    }
    mem_free(errors);
    return rc;
}

int cluster_files_resolve(struct cluster_files *files, struct err *err)
{
    files->model_path =
        cluster_resolve_path(files->path, files->cluster->model.file);
    return files->model_path != NULL
               ? 0
               : err_set(err, EDGE_ENOMEM, "out of memory");
}

int cluster_files_model(struct cluster_files *files, struct blob **labels,
                        struct err *err)
{
    int rc = cluster_files_resolve(files, err);

    if (rc < 0) {
        return rc;
    }
    rc = model_file_read(files->model_path, &files->model, labels, err);
    return rc < 0 ? err_wrap(err, EDGE_ECONFIG, "%s", files->path)
                  : model_sum_check(files, err);
}

const char *cluster_files_model_name(const struct cluster_files *files)
{
    const char *slash = strrchr(files->model_path, '/');

    return slash != NULL ? slash + 1 : files->model_path;
}

void cluster_files_release(struct cluster_files *files)
{
    cluster_free(files->cluster);
    blob_unref(files->yaml);
    blob_unref(files->model);
    mem_free(files->model_path);
}

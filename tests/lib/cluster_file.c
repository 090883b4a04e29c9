#include "tests/lib/cluster_file.h"

#include "config/load.h"

static int read_any(const char *text, size_t size, const char *label, void *out,
                    struct config_errors *errors)
{
    return cluster_read(text, size, label, out, errors);
}

int cluster_file(const char *path, struct cluster **cluster,
                 struct config_errors *errors, struct err *err)
{
    return config_load(path, read_any, cluster, errors, err);
}

#include "config/cluster.h"

#include "config/cluster_parts.h"
#include "config/reference.h"

#include "base/mem.h"

#include <string.h>

int cluster_read(const char *text, size_t size, const char *label,
                 struct cluster **out, struct config_errors *errors)
{
    struct cluster *cluster = mem_new(struct cluster);
    int rc;

    if (cluster == NULL) {
        return EDGE_ENOMEM;
    }
    rc = read_whole(text, size, label, cluster_table(), cluster, &cluster->pool,
                    errors);
    if (rc < 0) {
        cluster_free(cluster);
        return rc;
    }
    *out = cluster;
    return 0;
}

int cluster_read_input(const char *text, size_t size, const char *label,
                       struct cluster_input *input,
                       struct config_errors *errors)
{
    struct pool pool = {0};
    int rc;

    *input = (struct cluster_input){.width = 0};
    rc = read_whole(text, size, label, &cluster_input_table, input, &pool,
                    errors);
    config_errors_detach(errors);
    pool_deinit(&pool); /* holds none of it */
    return rc;
}

void cluster_free(struct cluster *cluster)
{
    if (cluster != NULL) {
        pool_deinit(&cluster->pool);
        mem_free(cluster);
    }
}

char *cluster_resolve_path(const char *yaml, const char *path)
{
    const char *slash = strrchr(yaml, '/');

    if (path[0] == '/' || slash == NULL) {
        return mem_strdup(path);
    }
    return mem_printf("%.*s%s", (int)(slash - yaml + 1), yaml, path);
}

void cluster_schema_json(FILE *out)
{
    reference_schema(cluster_table(), "cluster.yaml of edged", out);
}

void cluster_reference(FILE *out)
{
    reference_page(cluster_table(), out);
}

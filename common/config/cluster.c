#include "config/cluster.h"

#include "config/cluster_parts.h"
#include "config/doc.h"
#include "config/load.h"
#include "config/reference.h"

#include "base/mem.h"

#include <string.h>

int cluster_read(const char *text, size_t size, const char *label,
                 struct cluster **out, struct config_errors *errors)
{
    struct cluster *cluster = NULL;
    struct doc *doc = NULL;
    int rc;

    config_errors_init(errors, label, text, size);
    rc = doc_read(text, size, errors, &doc);
    if (rc < 0) {
        return rc;
    }
    cluster = mem_new(struct cluster);
    if (cluster == NULL) {
        rc = EDGE_ENOMEM;
        goto out;
    }
    rc = read_tree(doc, cluster_table(), cluster, &cluster->pool, errors);
    if (rc < 0) {
        goto out;
    }
    *out = cluster;
    cluster = NULL;
out:
    cluster_free(cluster);
    doc_free(doc);
    return rc;
}

int cluster_read_input(const char *text, size_t size, const char *label,
                       struct cluster_input *input,
                       struct config_errors *errors)
{
    struct pool pool = {0};
    struct doc *doc = NULL;
    int rc;

    *input = (struct cluster_input){.width = 0};
    config_errors_init(errors, label, text, size);
    rc = doc_read(text, size, errors, &doc);
    if (rc == 0) {
        rc = read_tree(doc, &cluster_input_table, input, &pool, errors);
    }
    config_errors_detach(errors);
    pool_deinit(&pool); /* holds none of it */
    doc_free(doc);
    return rc;
}

static int read_any(const char *text, size_t size, const char *label, void *out,
                    struct config_errors *errors)
{
    return cluster_read(text, size, label, out, errors);
}

int cluster_load(const char *path, struct cluster **cluster,
                 struct config_errors *errors, struct err *err)
{
    return config_load(path, read_any, cluster, errors, err);
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

#include "coordinator/authority.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RATE_US 10000000u /* a rate is of the last ten seconds */

struct deployment *deployments_get(struct coordinator *c, const char *name)
{
    list_each(&c->deployments, it, after)
    {
        struct deployment *d = list_entry(it, struct deployment, link);

        if (strcmp(d->name, name) == 0) {
            return d;
        }
    }
    return NULL;
}

struct deployment *deployments_make(struct coordinator *c, const char *name)
{
    struct deployment *d = mem_new(struct deployment);

    if (d != NULL) {
        d->c = c;
        (void)snprintf(d->name, sizeof(d->name), "%s", name);
        list_push(&c->deployments, &d->link);
    }
    return d;
}

void deployments_free(struct deployment *d)
{
    list_unlink(&d->link);
    replan_deinit(&d->replan);
    cluster_free(d->cluster);
    mem_free(d);
}

/* "home, garage": what there is to choose from. */
static void list_names(struct coordinator *c, char *out, size_t size)
{
    size_t n = 0;

    out[0] = '\0';
    list_each(&c->deployments, it, after)
    {
        const char *name = list_entry(it, struct deployment, link)->name;

        if (n < size) {
            n += (size_t)snprintf(out + n, size - n, "%s%s", n > 0 ? ", " : "",
                                  name);
        }
    }
}

int deployments_find(struct coordinator *c, const char *name,
                     struct deployment **d, struct err *err)
{
    char names[300];

    if (list_is_empty(&c->deployments)) {
        return err_set(err, EDGE_ENOENT,
                       "nothing is deployed. Try: edgectl deploy cluster.yaml");
    }
    if (name[0] != '\0') {
        *d = deployments_get(c, name);
    } else if (c->deployments.next == c->deployments.prev) {
        *d = list_entry(c->deployments.next, struct deployment, link);
    } else {
        list_names(c, names, sizeof(names));
        return err_set(err, EDGE_EINVAL,
                       "several models are deployed (%s). Choose one: -m NAME",
                       names);
    }
    if (*d == NULL) {
        list_names(c, names, sizeof(names));
        return err_set(err, EDGE_ENOENT, "\"%s\" is not deployed; there is: %s",
                       name, names);
    }
    return 0;
}

/* ---- counts
 * ------------------------------------------------------------------- */

#define ALONE_WEIGHT 0.1 /* of the newest in the moving average */

void counts_add(struct counts *counts, uint64_t now_us, uint32_t latency_us,
                bool ok)
{
    size_t slot;

    if (!ok) {
        counts->failed++;
        return;
    }
    slot = counts->answered % RECENT;
    counts->recent_us[slot] = latency_us;
    counts->recent_at_us[slot] = now_us;
    counts->answered++;
    counts->sum_us += latency_us;
}

void counts_add_alone(struct counts *counts, uint32_t latency_us)
{
    double us = latency_us;

    counts->alone++;
    counts->alone_sum_us += us;
    counts->alone_us =
        counts->alone_us > 0
            ? counts->alone_us + ALONE_WEIGHT * (us - counts->alone_us)
            : us;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

void counts_quantiles(const struct counts *counts, uint64_t now_us,
                      double *rate, double *p50_ms, double *p99_ms)
{
    size_t n = counts->answered < RECENT ? (size_t)counts->answered : RECENT;
    uint32_t sorted[RECENT];
    uint64_t oldest = now_us;
    size_t lately = 0;

    for (size_t i = 0; i < n; i++) {
        uint64_t at = counts->recent_at_us[i];

        sorted[i] = counts->recent_us[i];
        if (now_us - at <= RATE_US) {
            lately++;
            oldest = at < oldest ? at : oldest;
        }
    }
    qsort(sorted, n, sizeof(sorted[0]), compare);
    *p50_ms = n > 0 ? sorted[n / 2] / 1e3 : 0;
    *p99_ms = n > 0 ? sorted[n * 99 / 100] / 1e3 : 0;
    *rate =
        now_us > oldest ? (double)lately * 1e6 / (double)(now_us - oldest) : 0;
}

/* ---- after a restart
 * ------------------------------------------------------------ */

static int read_cluster(struct coordinator *c, struct deployment *d,
                        struct err *err)
{
    struct config_errors *errors = mem_new(struct config_errors);
    struct blob *yaml = NULL;
    int rc = EDGE_ENOMEM;

    if (errors == NULL) {
        return err_set(err, rc, "out of memory");
    }
    rc = store_map(c->store, &d->yaml, true, &yaml, err);
    if (rc == 0) {
        rc = cluster_read((const char *)yaml->data, yaml->size, d->name,
                          &d->cluster, errors);
        if (rc < 0) {
            (void)err_set(err, rc, "its cluster.yaml cannot be read again");
        }
    }
    blob_unref(yaml);
    mem_free(errors);
    return rc;
}

/* A placement that was kept before answers named their version. */
static int name_version(const struct deployment *d, Edged__Placement *spec)
{
    if (spec->generation != 0) {
        return 0;
    }
    spec->generation = d->generation;
    mem_free(spec->model.data);
    spec->model.data = mem_dup(d->model.bytes, sizeof(d->model.bytes));
    spec->model.len = spec->model.data != NULL ? sizeof(d->model.bytes) : 0;
    return spec->model.data != NULL ? 0 : EDGE_ENOMEM;
}

static int load_row(void *arg, const struct state_row *row, struct err *err)
{
    struct coordinator *c = arg;
    struct deployment *d = deployments_make(c, row->name);
    Edged__Placement *spec = NULL;
    int rc;

    if (d == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    d->generation = row->generation;
    d->yaml = row->yaml;
    d->model = row->model;
    d->labels = row->labels;
    d->has_labels = row->has_labels;
    d->deployed_at_ms = row->deployed_at_ms;
    (void)snprintf(d->model_name, sizeof(d->model_name), "%s", row->model_name);
    rc = read_cluster(c, d, err);
    if (rc < 0) {
        return err_wrap(err, rc, "deployment %s", d->name);
    }
    rc = msg_unpack_alone(&edged__placement__descriptor, row->placement,
                          row->placement_size, LIMIT_KEPT_UNPACK, &spec, err);
    if (rc < 0) {
        return err_wrap(err, EDGE_ECORRUPT,
                        "deployment %s: its placement is torn", d->name);
    }
    rc = name_version(d, spec);
    if (rc == 0) {
        rc = placement_new(c, d, spec, &d->current, err);
    } else {
        (void)err_set(err, rc, "out of memory");
    }
    if (rc < 0) {
        msg_free_alone(spec);
        return err_wrap(err, rc, "deployment %s", d->name);
    }
    log_event(c->log, LOG_INFO, "deployment.kept", "name=%s generation=%u",
              d->name, d->generation);
    return 0;
}

/* What the command line said of a node is newer than what was kept. */
static int load_node(void *arg, const struct state_node *node, struct err *err)
{
    struct coordinator *c = arg;
    struct member *m;

    if (members_find(c, node->name) != NULL) {
        return 0;
    }
    if (state_is_denied(c->state, node->name)) {
        return members_keep_out(c, node->name, node->host, node->port, err);
    }
    return members_add(c, node->name, node->host, node->port, &m, err);
}

int deployments_load(struct coordinator *c, struct err *err)
{
    int rc = state_load_nodes(c->state, load_node, c, err);

    return rc < 0 ? rc : state_load(c->state, load_row, c, err);
}

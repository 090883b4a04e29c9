/* The shards between cuts, and the ranges of layers that users pin. */
#include "coordinator/plan/cut.h"

#include "base/mem.h"
#include "coordinator/plan/cut_scan.h"

#include <string.h>

/* ---- shards ------------------------------------------------------------ */

/* The values that cross at `position`, ascending, into an array with room for
 * LIMIT_PORTS of them. */
static int crossing(const struct graph *graph, const struct cut_scan *scan,
                    int position, int *values, size_t *n, struct err *err)
{
    *n = 0;
    for (size_t i = 0; i < graph->n_values; i++) {
        const struct value *v = &graph->values[i];
        size_t bytes;

        if (!cut_scan_crosses(scan, (int)i, position)) {
            continue;
        }
        if (*n == LIMIT_PORTS) {
            return err_set(err, EDGE_ENOFIT,
                           "cut at position %d: more than %d values cross, "
                           "which is the most a shard can take in",
                           position, LIMIT_PORTS);
        }
        if (!v->has_shape || !shape_bytes(&v->shape, v->dtype, &bytes) ||
            bytes > LIMIT_PAYLOAD) {
            return err_set(err, EDGE_ENOFIT,
                           "cut at position %d: \"%.200s\" crosses, but does "
                           "not fit a frame of %zu bytes",
                           position, v->name, LIMIT_PAYLOAD);
        }
        values[(*n)++] = (int)i;
    }
    return 0;
}

struct ports {
    const int *values;
    size_t n;
};

static int make_shard(const struct graph *graph, struct ports in,
                      struct ports out, size_t index, struct graph **shard,
                      struct err *err)
{
    char *name = mem_printf("%s/%zu", graph->name, index);
    int rc;

    if (name == NULL) {
        return err_set(err, EDGE_ENOMEM, "cut the graph: out of memory");
    }
    rc = graph_extract(graph, in.values, in.n, out.values, out.n, name, shard,
                       err);
    mem_free(name);
    return rc;
}

static int make_shards(const struct graph *graph, const struct cut_scan *scan,
                       const int *positions, size_t n, struct graph **shards,
                       struct err *err)
{
    int crossed[2][LIMIT_PORTS]; /* in turns: before and after a shard */
    struct ports in = {graph->inputs, graph->n_inputs};

    for (size_t i = 0; i <= n; i++) {
        struct ports out = {graph->outputs, graph->n_outputs};
        int rc = 0;

        if (i < n) {
            out.values = crossed[i % 2];
            rc = crossing(graph, scan, positions[i], crossed[i % 2], &out.n,
                          err);
        }
        if (rc == 0) {
            rc = make_shard(graph, in, out, i, &shards[i], err);
        }
        if (rc < 0) {
            return rc;
        }
        in = out;
    }
    return 0;
}

static int check_positions(const struct cut_scan *scan, const int *positions,
                           size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        int before = i > 0 ? positions[i - 1] : 0;

        if (positions[i] <= before || positions[i] >= (int)scan->n_ops) {
            return err_set(err, EDGE_EINVAL,
                           "cut at position %d: it must lie after %d and "
                           "before %zu",
                           positions[i], before, scan->n_ops);
        }
    }
    return 0;
}

int cut_split(const struct graph *graph, const int *positions, size_t n,
              struct graph **shards, struct err *err)
{
    struct graph **made = mem_array(struct graph *, n + 1);
    struct cut_scan scan = {0};
    int rc = made != NULL ? cut_scan_init(&scan, graph) : EDGE_ENOMEM;

    if (rc < 0) {
        (void)err_set(err, rc, "cut the graph: %s", err_text(rc));
        goto out;
    }
    rc = check_positions(&scan, positions, n, err);
    if (rc == 0) {
        rc = make_shards(graph, &scan, positions, n, made, err);
    }
    if (rc == 0) {
        memcpy(shards, made, (n + 1) * sizeof(*made));
    } else {
        for (size_t i = 0; i <= n; i++) {
            graph_free(made[i]);
        }
    }
out:
    cut_scan_deinit(&scan);
    mem_free(made);
    return rc;
}

/* ---- pinned layers ----------------------------------------------------- */

/* The position of the op that is called `name` or makes the value of that
 * name; -1: there is none. */
static int find(const struct graph *graph, const struct cut_scan *scan,
                const char *name)
{
    int op = graph_find_op(graph, name);
    int value = graph_find_value(graph, name);

    if (op < 0 && value >= 0) {
        op = graph->values[value].producer;
    }
    for (size_t i = 0; op >= 0 && i < scan->n_ops; i++) {
        if (scan->ops[i] == op) {
            return (int)i;
        }
    }
    return -1;
}

/* Finds `length` characters of `text` into *position; an empty name is the
 * `fallback`. */
static bool find_end(const struct graph *graph, const struct cut_scan *scan,
                     const char *text, size_t length, int fallback,
                     int *position, struct cut_layers *layers)
{
    if (length == 0) {
        *position = fallback;
        return true;
    }
    if (length > LIMIT_GRAPH_NAME) {
        length = LIMIT_GRAPH_NAME;
    }
    memcpy(layers->missing, text, length);
    layers->missing[length] = '\0';
    *position = find(graph, scan, layers->missing);
    return *position >= 0;
}

/* Tries each ".." as the one between two names, since names may hold dots. */
static bool find_range(const struct graph *graph, const struct cut_scan *scan,
                       const char *text, struct cut_layers *layers, int *last)
{
    int end = (int)scan->n_ops - 1;

    if (find_end(graph, scan, text, strlen(text), -1, &layers->first, layers)) {
        *last = layers->first;
        return layers->first >= 0;
    }
    for (const char *dots = strstr(text, ".."); dots != NULL;
         dots = strstr(dots + 1, "..")) {
        if (find_end(graph, scan, text, (size_t)(dots - text), 0,
                     &layers->first, layers) &&
            find_end(graph, scan, dots + 2, strlen(dots + 2), end, last,
                     layers)) {
            return true;
        }
    }
    return false;
}

int cut_find_layers(const struct graph *graph, const char *text,
                    struct cut_layers *layers, struct err *err)
{
    struct cut_scan scan;
    int last;
    int rc = cut_scan_init(&scan, graph);

    *layers = (struct cut_layers){.first = -1};
    if (rc < 0) {
        return err_set(err, rc, "find layers: %s", err_text(rc));
    }
    if (!find_range(graph, &scan, text, layers, &last)) {
        rc = err_set(err, EDGE_ENOENT,
                     "the model has no op or value \"%.200s\" to cut at",
                     layers->missing);
    } else if (last < layers->first) {
        rc = err_set(err, EDGE_EINVAL,
                     "\"%.200s\": the last layer comes before the first", text);
    } else {
        layers->end = last + 1;
        layers->missing[0] = '\0';
    }
    cut_scan_deinit(&scan);
    return rc;
}

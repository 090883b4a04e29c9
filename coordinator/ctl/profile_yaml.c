#include "coordinator/ctl/profile_yaml.h"

#include "base/mem.h"
#include "config/profiles.h"
#include "coordinator/plan/cut.h"
#include "engine/fold.h"
#include "onnx/import.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define NO_TIME_MS 2e-6 /* less is of ops that are in another one's time */

struct layers { /* names of ops by position */
    struct graph *graph;
    int *order;
    size_t n;
};

/* ---- the model ------------------------------------------------------------
 */

static int read_layers(struct blob *model, const char *name,
                       struct layers *layers, struct err *err)
{
    int rc = import_blob(model, name, NULL, NULL, &layers->graph, err);

    if (rc == 0) {
        rc = fold_prepare(layers->graph, 1, NULL, 0, err);
    }
    return rc < 0 ? rc
                  : cut_order(layers->graph, &layers->order, &layers->n, err);
}

static void print_name(const struct layers *layers, size_t position)
{
    const char *c = layers->graph->ops[layers->order[position]].name;

    for (; *c != '\0'; c++) {
        (void)printf(*c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
    }
}

/* ---- layers ---------------------------------------------------------------
 */

static double ms_of(const struct msg *row, size_t i)
{
    double s;

    memcpy(&s, row->payload->data + i * sizeof(s), sizeof(s));
    return s * 1e3;
}

/* The end of the layer that begins at `first`: with what is in its time, or
 * what is not known either. */
static size_t end_of(const struct msg *row, size_t n, size_t first)
{
    bool is_known = ms_of(row, first) > 0;
    size_t end = first + 1;

    while (end < n && (ms_of(row, end) > 0) == is_known &&
           ms_of(row, end) < NO_TIME_MS) {
        end++;
    }
    return end;
}

static size_t count_layers(const struct msg *row, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i = end_of(row, n, i)) {
        count += ms_of(row, i) > 0 ? 1 : 0;
    }
    return count;
}

static void print_layer(const struct layers *layers, size_t first, size_t end,
                        double ms)
{
    (void)printf("      \"");
    print_name(layers, first);
    if (end > first + 1) {
        (void)printf("..");
        print_name(layers, end - 1);
    }
    (void)printf("\": %.6fms\n", ms);
}

/* Several in one line where there are more than a file may have. */
static void print_layers(const struct layers *layers, const struct msg *row)
{
    size_t n = layers->n;
    size_t at_once = count_layers(row, n) / PROFILES_LAYERS_MAX + 1;
    size_t i = 0;

    (void)printf("    layers:\n");
    while (i < n) {
        size_t first = i;
        size_t merged = 0;
        double ms = 0;

        while (i < n && merged < at_once && ms_of(row, i) > 0) {
            size_t end = end_of(row, n, i);

            for (; i < end; i++) {
                ms += ms_of(row, i);
            }
            merged++;
        }
        if (merged > 0) {
            print_layer(layers, first, i, ms);
        } else {
            i = end_of(row, n, i); /* not measured */
        }
    }
}

/* ---- boards ---------------------------------------------------------------
 */

static const Edged__ProfileBoard *board_at(const struct profile_rows *rows,
                                           size_t i)
{
    return rows->rows[i].env->profile_row->board;
}

/* Rows whose times are these, of the same board: the first stands for all. */
static bool is_first_of_kind(const struct profile_rows *rows, size_t i)
{
    const Edged__ProfileBoard *b = board_at(rows, i);

    if (b == NULL || b->n_measured == 0) {
        return false;
    }
    for (size_t k = 0; k < i; k++) {
        const Edged__ProfileBoard *other = board_at(rows, k);

        if (other != NULL && other->n_measured > 0 &&
            strcmp(other->measured_on, b->measured_on) == 0) {
            return false;
        }
    }
    return true;
}

/* The best that was seen with it, as when plans are made. */
static void print_link(const struct profile_rows *rows, const char *name)
{
    double rtt_s = 0;
    double bytes_per_s = 0;

    for (size_t i = 0; i < rows->n; i++) {
        const Edged__ProfileLink *link = rows->rows[i].env->profile_row->link;

        if (link != NULL &&
            (strcmp(link->a, name) == 0 || strcmp(link->b, name) == 0)) {
            rtt_s = rtt_s <= 0 || link->rtt_s < rtt_s ? link->rtt_s : rtt_s;
            bytes_per_s = fmax(bytes_per_s, link->bytes_per_s);
        }
    }
    if (rtt_s > 0) {
        (void)printf("    link: {rate: %.3fMbit/s, delay: %.6fms}\n",
                     bytes_per_s * 8 / 1e6, rtt_s * 1e3 / 2);
    }
}

static void print_kind(const struct profile_rows *rows, size_t i,
                       const struct layers *layers)
{
    const Edged__ProfileBoard *b = board_at(rows, i);

    (void)printf("  %s: # %s\n", b->measured_on, b->kind);
    (void)printf("    memory: %lluMiB\n    threads: %u\n",
                 (unsigned long long)(b->free_bytes >> 20), b->threads);
    if (b->macs_per_s >= 1e6) {
        (void)printf("    macs: %.3fM/s\n", b->macs_per_s / 1e6);
    }
    if (b->bytes_per_s >= 1e6) {
        (void)printf("    memory_rate: %.3fMiB/s\n", b->bytes_per_s / 1048576);
    }
    (void)printf("    run: %.6fms\n", b->run_s * 1e3);
    if (b->send_s > 0) {
        (void)printf("    message: %.6fms\n", b->send_s * 1e3);
    }
    if (b->send_bytes_per_s >= 1e6) {
        (void)printf("    message_rate: %.3fMiB/s\n",
                     b->send_bytes_per_s / 1048576);
    }
    print_link(rows, b->name);
    print_layers(layers, &rows->rows[i]);
}

static void print_boards(const struct profile_rows *rows)
{
    (void)printf("boards:\n");
    for (size_t i = 0; i < rows->n; i++) {
        const Edged__ProfileBoard *b = board_at(rows, i);

        if (b != NULL && b->n_measured > 0) {
            (void)printf("  - {kind: %s, devices: %s}\n", b->measured_on,
                         b->name);
        }
    }
}

/* ---- all of it ------------------------------------------------------------
 */

static int check(const struct profile_rows *rows, const struct layers *layers,
                 struct err *err)
{
    size_t n_kinds = 0;
    size_t n = 0;

    for (size_t i = 0; i < rows->n; i++) {
        const struct msg *row = &rows->rows[i];

        if (board_at(rows, i) == NULL || board_at(rows, i)->n_measured == 0) {
            continue;
        }
        if (row->payload == NULL ||
            row->payload->size != layers->n * sizeof(double)) {
            return err_set(err, EDGE_EINVAL,
                           "%s measured another model than this one",
                           board_at(rows, i)->measured_on);
        }
        n_kinds += is_first_of_kind(rows, i) ? 1 : 0;
        n++;
    }
    if (n == 0) {
        return err_set(err, EDGE_EINVAL, "no board was measured");
    }
    if (n_kinds > PROFILES_KINDS_MAX || n > PROFILES_BOARDS_MAX) {
        return err_set(err, EDGE_ETOOBIG,
                       "%zu boards were measured; a file of profiles has %d "
                       "kinds and %d boards at most. List fewer devices in "
                       "the cluster.yaml",
                       n_kinds, PROFILES_KINDS_MAX, PROFILES_BOARDS_MAX);
    }
    return 0;
}

int profile_yaml_print(const struct profile_rows *rows, struct blob *model,
                       struct err *err)
{
    const Edged__ProfileReply *reply = rows->reply.env->profile_reply;
    struct layers layers = {0};
    int rc = read_layers(model, reply->model_name, &layers, err);

    if (rc == 0) {
        rc = check(rows, &layers, err);
    }
    if (rc == 0) {
        (void)printf("# %s, measured by edgectl profile. On paper:\n"
                     "#   edgectl simulate cluster.yaml --profiles FILE\n"
                     "kinds:\n",
                     reply->model_name);
        for (size_t i = 0; i < rows->n; i++) {
            if (is_first_of_kind(rows, i)) {
                print_kind(rows, i, &layers);
            }
        }
        print_boards(rows);
    }
    graph_free(layers.graph);
    mem_free(layers.order);
    return rc;
}

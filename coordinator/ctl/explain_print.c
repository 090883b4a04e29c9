#include "coordinator/ctl/explain.h"

#include "coordinator/ctl/table.h"
#include "wire/msg.h"

#include <stdio.h>
#include <string.h>

#define MIB_OF(bytes) ((double)(bytes) / 1048576)
#define KIB_OF(bytes) ((double)(bytes) / 1024)
#define NODES_SHOWN 4

int explain_read(const struct blob *payload, Edged__PlanExplain **explain,
                 struct err *err)
{
    if (payload == NULL) {
        return err_set(err, EDGE_EPROTO,
                       "the coordinator does not explain its plans; it is of "
                       "an older version");
    }
    return msg_unpack_alone(&edged__plan_explain__descriptor, payload->data,
                            payload->size, LIMIT_KEPT_UNPACK, explain, err);
}

/* "a, b .. z (12)" */
static void print_nodes(char *const *nodes, size_t n, char *out, size_t size)
{
    size_t at = 0;
    size_t shown = n <= NODES_SHOWN ? n : NODES_SHOWN - 2;

    out[0] = '\0';
    for (size_t i = 0; i < shown && at < size; i++) {
        at += (size_t)snprintf(out + at, size - at, "%s%s", i > 0 ? ", " : "",
                               nodes[i]);
    }
    if (shown < n && at < size) {
        (void)snprintf(out + at, size - at, " .. %s (%zu)", nodes[n - 1], n);
    }
}

static void print_kind(const Edged__PlanPart *part, char *out, size_t size)
{
    size_t k = (size_t)part->rows * part->columns;

    if (strcmp(part->kind, "split") == 0) {
        (void)snprintf(out, size, "split in %zu (%s)", k, part->axis);
    } else if (strcmp(part->kind, "tile") == 0) {
        (void)snprintf(out, size, "tiles %ux%u (%s)", part->columns, part->rows,
                       part->halo);
    } else {
        (void)snprintf(out, size, "%s", part->n_nodes > 1 ? "replicas" : "");
    }
}

/* The most that a board of the stage holds of the whole plan. */
static uint64_t most_memory(const Edged__PlanShape *shape,
                            const Edged__PlanPart *part)
{
    uint64_t most = 0;

    for (size_t i = 0; i < shape->n_boards; i++) {
        const Edged__PlanBoard *board = shape->boards[i];

        for (size_t k = 0; k < part->n_nodes; k++) {
            if (strcmp(part->nodes[k], board->name) == 0 &&
                board->memory_bytes > most) {
                most = board->memory_bytes;
            }
        }
    }
    return most;
}

static void print_stages(const struct ctl *ctl, const Edged__PlanShape *shape)
{
    static const struct table_column columns[] = {
        {"STAGE", false}, {"LAYERS", false},    {"BOARDS", false},
        {"KIND", false},  {"COMPUTE ms", true}, {"BUSY ms", true},
        {"IN KiB", true}, {"AMONG KiB", true},  {"MEMORY MiB", true}};
    struct table *table = table_new(ctl, columns, 9);

    for (size_t i = 0; i < shape->n_stages; i++) {
        const Edged__PlanPart *part = shape->stages[i];
        char text[4 * LIMIT_NAME + 64];

        table_row(table);
        table_text(table, 0, "%s", part->name);
        table_text(table, 1, "%s..%s", part->first, part->last);
        print_nodes(part->nodes, part->n_nodes, text, sizeof(text));
        table_text(table, 2, "%s", text);
        print_kind(part, text, sizeof(text));
        table_text(table, 3, "%s", text);
        table_text(table, 4, "%.3g", part->compute_ms);
        table_text(table, 5, "%.3g", part->busy_ms);
        table_text(table, 6, "%.1f", KIB_OF(part->in_bytes));
        table_text(table, 7, "%.1f", KIB_OF(part->inner_bytes));
        table_text(table, 8, "%.1f", MIB_OF(most_memory(shape, part)));
    }
    table_print(table);
}

static void print_other(const struct ctl *ctl, const Edged__PlanShape *other)
{
    if (!other->possible) {
        (void)printf("\nnot possible: %s: %s\n", other->shape, other->why);
        return;
    }
    (void)printf("\nrejected: %s, %.3g ms/request, %.3g requests/s: %s\n",
                 other->shape, other->latency_ms, other->throughput,
                 other->why);
    print_stages(ctl, other);
}

/* The reason may begin with the name. */
static void print_left_out(const Edged__PlanLeftOut *row)
{
    size_t n = strlen(row->node);
    bool has_name = strncmp(row->why, row->node, n) == 0;

    (void)printf("left out: %s%s%s\n", has_name ? "" : row->node,
                 has_name ? "" : ": ", row->why);
}

static void print_exits(const Edged__PlanShape *best)
{
    bool any = false;

    for (size_t i = 0; i < best->n_stages; i++) {
        if (best->stages[i]->exit[0] != '\0') {
            (void)printf("exit at %s: %s\n", best->stages[i]->name,
                         best->stages[i]->exit);
            any = true;
        }
    }
    if (any) {
        (void)printf("what is predicted is for a request that leaves at none "
                     "of them\n");
    }
}

void explain_print(const struct ctl *ctl, const Edged__PlanExplain *explain)
{
    const Edged__PlanShape *best = explain->best;

    (void)printf("\nchosen: %s, %.3g ms/request, %.3g requests/s; stage %s "
                 "bounds the rate\n",
                 best->shape, best->latency_ms, best->throughput,
                 best->slowest < best->n_stages
                     ? best->stages[best->slowest]->name
                     : "-");
    print_stages(ctl, best);
    print_exits(best);
    for (size_t i = 0; i < explain->n_others; i++) {
        print_other(ctl, explain->others[i]);
    }
    (void)printf("\n");
    for (size_t i = 0; i < explain->n_left_out; i++) {
        print_left_out(explain->left_out[i]);
    }
    if (explain->has_more) {
        (void)printf("one board more (like %s): %.3g ms/request, %.3g "
                     "requests/s\n",
                     explain->more_kind, explain->more_latency_ms,
                     explain->more_throughput);
    }
    if (explain->bound[0] != '\0') {
        (void)printf("not searched to the end: %s\n", explain->bound);
    }
    if (!explain->measured) {
        (void)printf("what boards and links can do was taken for granted, not "
                     "measured.  Measure it: edgectl profile\n");
    }
}

#include "coordinator/ctl/report.h"

#include "base/bytes.h"
#include "coordinator/ctl/table.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define MIB_OF(bytes) ((double)(bytes) / 1048576)

static bool is_same(char *const *a, size_t n, char *const *b, size_t m)
{
    if (n != m) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (strcmp(a[i], b[i]) != 0) {
            return false;
        }
    }
    return true;
}

static void join(char *const *names, size_t n, char *out, size_t size)
{
    size_t at = 0;

    out[0] = '\0';
    for (size_t i = 0; i < n && at < size; i++) {
        at += (size_t)snprintf(out + at, size - at, "%s%s", i > 0 ? ", " : "",
                               names[i]);
    }
}

static void print_stages(const Edged__PlanReport *report)
{
    char nodes[400];
    char was[400];

    for (size_t i = 0; i < report->n_stages; i++) {
        const Edged__PlanStage *s = report->stages[i];
        bool is_new = s->n_old_nodes == 0;
        bool same = is_same(s->nodes, s->n_nodes, s->old_nodes, s->n_old_nodes);

        join(s->nodes, s->n_nodes, nodes, sizeof(nodes));
        join(s->old_nodes, s->n_old_nodes, was, sizeof(was));
        (void)printf("  %c stage %-6s %s..%s   %s",
                     is_new ? '+'
                     : same ? ' '
                            : '~',
                     s->name, s->first, s->last, nodes);
        if (!is_new && !same) {
            (void)printf("   (was %s)", was);
        }
        (void)printf("   %.1f MiB", MIB_OF(s->weight_bytes + s->arena_bytes));
        if (s->link_bytes > 0) {
            (void)printf(", sends %.1f KiB on", (double)s->link_bytes / 1024);
        }
        if (s->exit[0] != '\0') {
            (void)printf(", exit for %s", s->exit);
        }
        (void)printf("\n");
    }
}

static void print_devices(const struct ctl *ctl,
                          const Edged__PlanReport *report)
{
    static const struct table_column columns[] = {
        {"DEVICE", false}, {"FREE MiB", true}, {"NEEDS", true},
        {"AFTER", true},   {"PUSH MiB", true}, {"NOTE", false}};
    struct table *table = table_new(ctl, columns, 6);

    for (size_t i = 0; i < report->n_devices; i++) {
        const Edged__PlanDevice *d = report->devices[i];

        table_row(table);
        table_text(table, 0, "%s", d->name);
        table_text(table, 1, "%.0f", MIB_OF(d->free_bytes));
        table_text(table, 2, "%.1f", MIB_OF(d->needs_bytes));
        table_text(table, 3, "%.0f",
                   MIB_OF(d->free_bytes) - MIB_OF(d->needs_bytes));
        table_text(table, 4, "%.1f", MIB_OF(d->push_bytes));
        table_text(table, 5, "%s", d->note);
    }
    table_print(table);
}

static void print_table(const struct ctl *ctl, const Edged__PlanReport *report)
{
    char digest[65];
    uint64_t push = 0;

    bytes_to_hex(report->model.data, report->model.len < 32 ? 0 : 4, digest);
    (void)printf("cluster %s: %zu devices, model %s (%.2f M parameters, %.1f "
                 "MiB, onnx sha256:%s...)\n",
                 report->deployment, report->n_devices + report->more_devices,
                 report->model_name, (double)report->parameters / 1e6,
                 MIB_OF(report->weight_bytes), digest);
    print_stages(report);
    print_devices(ctl, report);
    for (size_t i = 0; i < report->n_devices; i++) {
        push += report->devices[i]->push_bytes;
    }
    if (report->more_devices > 0) {
        (void)printf("and %u devices that take no part\n",
                     report->more_devices);
    }
    (void)printf("predicted: %.3g ms/image, %.3g images/s; survives loss of: "
                 "%s %u.   Rejected: %s\n",
                 report->latency_ms, report->throughput,
                 report->survives > 0 ? "any" : "none,", report->survives,
                 report->rejected);
    (void)printf("to push: at most %.1f MiB\n", MIB_OF(push));
}

static json_t *names_json(char *const *names, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++) {
        (void)json_array_append_new(list, json_string(names[i]));
    }
    return list;
}

static json_t *stage_json(const Edged__PlanStage *s)
{
    return json_pack(
        "{s:s,s:s,s:s,s:o,s:I,s:I,s:I,s:f,s:s}", "name", s->name, "first",
        s->first, "last", s->last, "nodes", names_json(s->nodes, s->n_nodes),
        "weight_bytes", (json_int_t)s->weight_bytes, "arena_bytes",
        (json_int_t)s->arena_bytes, "link_bytes", (json_int_t)s->link_bytes,
        "macs", s->macs, "exit", s->exit);
}

json_t *report_json(const Edged__PlanReport *report)
{
    json_t *stages = json_array();
    json_t *devices = json_array();
    json_t *root;

    for (size_t i = 0; i < report->n_stages; i++) {
        (void)json_array_append_new(stages, stage_json(report->stages[i]));
    }
    for (size_t i = 0; i < report->n_devices; i++) {
        const Edged__PlanDevice *d = report->devices[i];

        (void)json_array_append_new(
            devices,
            json_pack("{s:s,s:I,s:I,s:I,s:s}", "name", d->name, "free_bytes",
                      (json_int_t)d->free_bytes, "needs_bytes",
                      (json_int_t)d->needs_bytes, "push_bytes",
                      (json_int_t)d->push_bytes, "note", d->note));
    }
    root = json_pack(
        "{s:s,s:I,s:s,s:I,s:I,s:o,s:o,s:f,s:f,s:s,s:i,s:b}", "deployment",
        report->deployment, "number", (json_int_t)report->number, "model",
        report->model_name, "parameters", (json_int_t)report->parameters,
        "weight_bytes", (json_int_t)report->weight_bytes, "stages", stages,
        "devices", devices, "latency_ms", report->latency_ms, "images_per_s",
        report->throughput, "rejected", report->rejected, "survives",
        (int)report->survives, "changed", report->changed);
    return root;
}

void report_print(const struct ctl *ctl, const Edged__PlanReport *report)
{
    if (ctl->format == CTL_JSON) {
        json_t *root = report_json(report);

        (void)json_dumpf(root, stdout, JSON_INDENT(2));
        (void)printf("\n");
        json_decref(root);
    } else {
        print_table(ctl, report);
    }
}

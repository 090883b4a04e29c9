#include "coordinator/ctl/explain.h"

#include "coordinator/ctl/report.h"

#include <jansson.h>
#include <stdio.h>

static json_t *part_json(const Edged__PlanPart *part)
{
    json_t *nodes = json_array();

    for (size_t i = 0; i < part->n_nodes; i++) {
        (void)json_array_append_new(nodes, json_string(part->nodes[i]));
    }
    return json_pack(
        "{s:s,s:s,s:s,s:s,s:s,s:s,s:i,s:i,s:o,s:f,s:f,s:f,s:f,s:s}", "name",
        part->name, "first", part->first, "last", part->last, "kind",
        part->kind, "axis", part->axis, "halo", part->halo, "rows",
        (int)part->rows, "columns", (int)part->columns, "nodes", nodes,
        "compute_ms", part->compute_ms, "busy_ms", part->busy_ms, "in_bytes",
        part->in_bytes, "inner_bytes", part->inner_bytes, "exit", part->exit);
}

static json_t *shape_json(const Edged__PlanShape *shape)
{
    json_t *stages = json_array();
    json_t *boards = json_array();

    for (size_t i = 0; i < shape->n_stages; i++) {
        (void)json_array_append_new(stages, part_json(shape->stages[i]));
    }
    for (size_t i = 0; i < shape->n_boards; i++) {
        const Edged__PlanBoard *board = shape->boards[i];

        (void)json_array_append_new(
            boards,
            json_pack("{s:s,s:I,s:I,s:f,s:f}", "name", board->name,
                      "memory_bytes", (json_int_t)board->memory_bytes,
                      "free_bytes", (json_int_t)board->free_bytes, "busy_ms",
                      board->busy_ms, "sent_bytes", board->sent_bytes));
    }
    return json_pack("{s:s,s:b,s:s,s:f,s:f,s:o,s:o,s:f,s:i}", "shape",
                     shape->shape, "possible", (int)shape->possible, "why",
                     shape->why, "latency_ms", shape->latency_ms,
                     "requests_per_s", shape->throughput, "stages", stages,
                     "boards", boards, "out_bytes", shape->out_bytes, "slowest",
                     (int)shape->slowest);
}

static json_t *links_json(const Edged__PlanExplain *explain)
{
    json_t *list = json_array();

    for (size_t i = 0; i < explain->n_links; i++) {
        const Edged__PlanLink *link = explain->links[i];

        (void)json_array_append_new(
            list,
            json_pack("{s:s,s:s,s:I,s:s}", "from", link->from, "to", link->to,
                      "bytes", (json_int_t)link->bytes, "codec", link->codec));
    }
    return list;
}

static json_t *left_out_json(const Edged__PlanExplain *explain)
{
    json_t *list = json_array();

    for (size_t i = 0; i < explain->n_left_out; i++) {
        (void)json_array_append_new(
            list, json_pack("{s:s,s:s}", "node", explain->left_out[i]->node,
                            "why", explain->left_out[i]->why));
    }
    return list;
}

void explain_json(const Edged__PlanReport *report,
                  const Edged__PlanExplain *explain)
{
    json_t *root = report_json(report);
    json_t *others = json_array();

    for (size_t i = 0; i < explain->n_others; i++) {
        (void)json_array_append_new(others, shape_json(explain->others[i]));
    }
    (void)json_object_set_new(root, "chosen", shape_json(explain->best));
    (void)json_object_set_new(root, "alternatives", others);
    (void)json_object_set_new(root, "left_out", left_out_json(explain));
    (void)json_object_set_new(root, "links", links_json(explain));
    if (explain->has_more) {
        (void)json_object_set_new(
            root, "one_board_more",
            json_pack("{s:s,s:f,s:f}", "like", explain->more_kind, "latency_ms",
                      explain->more_latency_ms, "requests_per_s",
                      explain->more_throughput));
    }
    (void)json_object_set_new(root, "search_bound",
                              json_string(explain->bound));
    (void)json_object_set_new(root, "measured",
                              json_boolean(explain->measured));
    (void)json_dumpf(root, stdout, JSON_INDENT(2));
    (void)printf("\n");
    json_decref(root);
}

#include "coordinator/ctl/profile_print.h"

#include "base/bytes.h"
#include "coordinator/ctl/table.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define MIB_OF(bytes) ((double)(bytes) / 1048576)

/* ---- for people -----------------------------------------------------------
 */

/* What is known only by halves is said so. */
static void row_time(struct table *table, const Edged__ProfileBoard *b,
                     double macs)
{
    if (b->n_measured == 0) {
        table_text(table, 2, "-");
        table_text(table, 3, "-");
        return;
    }
    table_text(table, 2, "%.4g%s", b->total_s * 1e3,
               b->note[0] != '\0' ? "+" : "");
    if (b->total_s > 0 && b->note[0] == '\0') {
        table_text(table, 3, "%.3g", macs / b->total_s / 1e9);
    } else {
        table_text(table, 3, "-");
    }
}

static void row_since(struct table *table, const Edged__ProfileBoard *b)
{
    char age[16];

    if (b->measured_on[0] == '\0') {
        table_text(table, 7, "not measured");
    } else if (strcmp(b->measured_on, b->name) == 0) {
        table_text(table, 7, "%s ago", table_age(b->age_ms, age));
    } else {
        table_text(table, 7, "%s ago, on %s", table_age(b->age_ms, age),
                   b->measured_on);
    }
}

static void board_row(struct table *table, const Edged__ProfileBoard *b,
                      double macs)
{
    table_row(table);
    table_text(table, 0, "%s", b->name);
    table_text(table, 1, "%u", b->threads);
    row_time(table, b, macs);
    table_text(table, 4, "%.3g", b->macs_per_s / 1e9);
    table_text(table, 5, "%.3g", b->bytes_per_s / 1e9);
    table_text(table, 6, "%.0f", MIB_OF(b->free_bytes));
    row_since(table, b);
    table_text(table, 8, "%s", b->note[0] != '\0' ? b->note : b->kind);
}

static void print_boards(const struct ctl *ctl, const struct profile_rows *rows)
{
    static const struct table_column columns[] = {
        {"BOARD", false},   {"THREADS", true},     {"MODEL ms", true},
        {"GMAC/s", true},   {"BEST GMAC/s", true}, {"MEM GB/s", true},
        {"FREE MiB", true}, {"MEASURED", false},   {"KIND", false}};
    struct table *table = table_new(ctl, columns, 9);
    double macs = rows->reply.env->profile_reply->macs;

    for (size_t i = 0; i < rows->n; i++) {
        const Edged__ProfileBoard *b = rows->rows[i].env->profile_row->board;

        if (b != NULL) {
            board_row(table, b, macs);
        }
    }
    table_print(table);
}

static void print_links(const struct ctl *ctl, const struct profile_rows *rows)
{
    static const struct table_column columns[] = {{"FROM", false},
                                                  {"TO", false},
                                                  {"RTT ms", true},
                                                  {"Mbit/s", true},
                                                  {"MEASURED", false}};
    struct table *table = table_new(ctl, columns, 5);
    char age[16];

    for (size_t i = 0; i < rows->n; i++) {
        const Edged__ProfileLink *link = rows->rows[i].env->profile_row->link;

        if (link != NULL) {
            table_row(table);
            table_text(table, 0, "%s", link->a);
            table_text(table, 1, "%s", link->b);
            table_text(table, 2, "%.3g", link->rtt_s * 1e3);
            table_text(table, 3, "%.4g", link->bytes_per_s * 8 / 1e6);
            table_text(table, 4, "%s ago", table_age(link->age_ms, age));
        }
    }
    table_print(table);
}

static void print_table(const struct ctl *ctl, const struct profile_rows *rows)
{
    const Edged__ProfileReply *reply = rows->reply.env->profile_reply;

    (void)printf("%s: %.3g GMAC, %u ops; %u boards measured in %.1f s\n",
                 reply->model_name, reply->macs / 1e9, reply->n_ops,
                 reply->n_measured, reply->took_ms / 1e3);
    print_boards(ctl, rows);
    print_links(ctl, rows);
}

/* ---- for programs ---------------------------------------------------------
 */

static json_t *times_of(const struct msg *msg)
{
    json_t *times = json_array();
    size_t n = msg->payload != NULL ? msg->payload->size / sizeof(double) : 0;

    for (size_t i = 0; i < n; i++) {
        double s;

        memcpy(&s, msg->payload->data + i * sizeof(s), sizeof(s));
        (void)json_array_append_new(times, json_real(s * 1e3));
    }
    return times;
}

static json_t *board_json(const struct msg *msg)
{
    const Edged__ProfileBoard *b = msg->env->profile_row->board;

    return json_pack(
        "{s:s,s:s,s:i,s:s,s:I,s:f,s:i,s:i,s:f,s:f,s:f,s:f,s:f,s:I,s:s,s:o}",
        "name", b->name, "kind", b->kind, "threads", (int)b->threads,
        "measured_on", b->measured_on, "age_ms", (json_int_t)b->age_ms,
        "model_ms", b->total_s * 1e3, "measured_ops", (int)b->n_measured, "ops",
        (int)b->n_ops, "macs_per_s", b->macs_per_s, "bytes_per_s",
        b->bytes_per_s, "run_ms", b->run_s * 1e3, "message_ms", b->send_s * 1e3,
        "message_bytes_per_s", b->send_bytes_per_s, "free_bytes",
        (json_int_t)b->free_bytes, "note", b->note, "op_ms", times_of(msg));
}

static json_t *link_json(const Edged__ProfileLink *link)
{
    return json_pack("{s:s,s:s,s:f,s:f,s:I}", "from", link->a, "to", link->b,
                     "rtt_ms", link->rtt_s * 1e3, "bytes_per_s",
                     link->bytes_per_s, "age_ms", (json_int_t)link->age_ms);
}

static void print_json(const struct profile_rows *rows)
{
    const Edged__ProfileReply *reply = rows->reply.env->profile_reply;
    json_t *boards = json_array();
    json_t *links = json_array();
    char digest[65] = "";
    json_t *root;

    for (size_t i = 0; i < rows->n; i++) {
        const Edged__ProfileRow *row = rows->rows[i].env->profile_row;

        if (row->board != NULL) {
            (void)json_array_append_new(boards, board_json(&rows->rows[i]));
        } else if (row->link != NULL) {
            (void)json_array_append_new(links, link_json(row->link));
        }
    }
    if (reply->model.len == 32) {
        bytes_to_hex(reply->model.data, 32, digest);
    }
    root = json_pack("{s:s,s:s,s:f,s:i,s:i,s:i,s:o,s:o}", "model",
                     reply->model_name, "sha256", digest, "macs", reply->macs,
                     "ops", (int)reply->n_ops, "measured_boards",
                     (int)reply->n_measured, "took_ms", (int)reply->took_ms,
                     "boards", boards, "links", links);
    (void)json_dumpf(root, stdout, JSON_INDENT(2));
    (void)printf("\n");
    json_decref(root);
}

void profile_print(const struct ctl *ctl, const struct profile_rows *rows)
{
    if (ctl->format == CTL_JSON) {
        print_json(rows);
    } else {
        print_table(ctl, rows);
    }
}

#include "coordinator/ctl/simulate.h"

#include "coordinator/ctl/table.h"

#include "base/mem.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_SHOWN 24 /* of a table; -o wide shows all */
#define KIB_OF 1024.0

#define NAME (LIMIT_NAME + 32)

/* As a deployment calls it. */
static const char *shard_name(const struct simulation *s, int shard,
                              char out[NAME])
{
    const struct piece *piece;
    char stage[LIMIT_NAME + 1];

    if (shard == SIMULATE_OUTSIDE) {
        return "gateway";
    }
    piece = &s->paper.pieces[shard];
    if (s->files.cluster->n_stages > 0) {
        (void)snprintf(stage, sizeof(stage), "%s",
                       s->files.cluster->stages[piece->stage].name);
    } else {
        (void)snprintf(stage, sizeof(stage), "s%zu", piece->stage);
    }
    if (piece->role == PIECE_WHOLE) {
        (void)snprintf(out, NAME, "%s", stage);
    } else if (piece->role == PIECE_HEAD) {
        (void)snprintf(out, NAME, "%s.in", stage);
    } else if (piece->role == PIECE_PART) {
        (void)snprintf(out, NAME, piece->level > 0 ? "%s.%d.%d" : "%s.%d",
                       stage, piece->index, piece->level);
    } else {
        (void)snprintf(out, NAME, piece->level > 0 ? "%s.join%d" : "%s.out",
                       stage, piece->level);
    }
    return out;
}

static const char *policy_name(const struct simulation *s)
{
    return s->options.policy == SIMULATE_ROUND_ROBIN ? "round-robin"
                                                     : "expected-finish";
}

/* ---- for people ---------------------------------------------------------- */

static size_t shown(const struct ctl *ctl, size_t n)
{
    return ctl->format == CTL_WIDE || n < ROWS_SHOWN ? n : ROWS_SHOWN;
}

static void print_rest(const struct ctl *ctl, size_t n, const char *what)
{
    if (shown(ctl, n) < n) {
        (void)printf("and %zu %s more; all with -o wide\n", n - shown(ctl, n),
                     what);
    }
}

/* "12.3 ms", "45.6 s". */
static const char *time_text(double seconds, char out[32])
{
    (void)snprintf(out, 32, seconds < 10 ? "%.4g ms" : "%.4g s",
                   seconds < 10 ? seconds * 1e3 : seconds);
    return out;
}

static void print_shards(const struct ctl *ctl, const struct simulation *s)
{
    static const struct table_column columns[] = {{"SHARD", false},
                                                  {"LAYERS", false},
                                                  {"COMPUTE ms", true},
                                                  {"BOARDS", false}};
    struct table *table = table_new(ctl, columns, 4);

    for (size_t i = 0; i < shown(ctl, s->paper.parts.n); i++) {
        const struct graph *g = s->paper.parts.shards[i];
        const struct simulate_shard *shard = &s->paper.shards[i];
        const struct profile_device *devices = s->profile.devices;
        double most = 0;
        char name[NAME];

        for (size_t k = 0; k < shard->n_devices; k++) {
            most = shard->seconds[k] > most ? shard->seconds[k] : most;
        }
        table_row(table);
        table_text(table, 0, "%s", shard_name(s, (int)i, name));
        table_text(table, 1, "%s..%s", g->n_ops > 0 ? g->ops[0].name : "",
                   g->n_ops > 0 ? g->ops[g->n_ops - 1].name : "");
        table_text(table, 2, "%.4g", most * 1e3);
        if (shard->n_devices > 3) {
            table_text(table, 3, "%s .. %s (%zu)",
                       devices[shard->devices[0]].name,
                       devices[shard->devices[shard->n_devices - 1]].name,
                       shard->n_devices);
        } else {
            table_text(
                table, 3, "%s%s%s%s%s", devices[shard->devices[0]].name,
                shard->n_devices > 1 ? ", " : "",
                shard->n_devices > 1 ? devices[shard->devices[1]].name : "",
                shard->n_devices > 2 ? ", " : "",
                shard->n_devices > 2 ? devices[shard->devices[2]].name : "");
        }
    }
    table_print(table);
    print_rest(ctl, s->paper.parts.n, "shards");
}

static void print_links(const struct ctl *ctl, const struct simulation *s)
{
    static const struct table_column columns[] = {
        {"FROM", false}, {"TO", false}, {"KiB/REQUEST", true}, {"KiB/s", true}};
    struct table *table = table_new(ctl, columns, 4);

    for (size_t i = 0; i < shown(ctl, s->paper.n_links); i++) {
        const struct simulate_link *link = &s->paper.links[i];
        char name[NAME];

        table_row(table);
        table_text(table, 0, "%s", shard_name(s, link->from, name));
        table_text(table, 1, "%s", shard_name(s, link->to, name));
        table_text(table, 2, "%.1f", link->bytes / KIB_OF);
        table_text(table, 3, "%.1f",
                   s->result.seconds > 0
                       ? s->result.carried[i] / KIB_OF / s->result.seconds
                       : 0);
    }
    table_print(table);
    print_rest(ctl, s->paper.n_links, "links");
}

struct busy {
    double share;
    size_t device;
};

static int by_share(const void *a, const void *b)
{
    const struct busy *x = a;
    const struct busy *y = b;

    if (x->share > y->share || x->share < y->share) {
        return x->share < y->share ? 1 : -1;
    }
    return (x->device > y->device) - (x->device < y->device);
}

static void print_boards(const struct ctl *ctl, const struct simulation *s)
{
    static const struct table_column columns[] = {{"BOARD", false},
                                                  {"KIND", false},
                                                  {"BUSY %", true},
                                                  {"RUNS", true},
                                                  {"SENDS KiB/s", true}};
    size_t n = s->profile.n_devices;
    struct busy *order = mem_array(struct busy, n);
    struct table *table;

    if (order == NULL) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        order[i] = (struct busy){s->result.busy[i], i};
    }
    qsort(order, n, sizeof(order[0]), by_share);
    table = table_new(ctl, columns, 5);
    for (size_t i = 0; i < shown(ctl, n); i++) {
        size_t d = order[i].device;
        const struct profile_device *device = &s->profile.devices[d];

        table_row(table);
        table_text(table, 0, "%s", device->name);
        table_text(table, 1, "%s", s->profile.boards[device->board].name);
        table_text(table, 2, "%.1f", order[i].share * 100);
        table_text(table, 3, "%llu", (unsigned long long)s->result.runs[d]);
        table_text(table, 4, "%.1f",
                   s->result.seconds > 0
                       ? s->result.sent[d] / KIB_OF / s->result.seconds
                       : 0);
    }
    table_print(table);
    print_rest(ctl, n, "boards");
    mem_free(order);
}

static void print_load(const struct simulation *s)
{
    const struct simulate_result *r = &s->result;
    char mean[32];
    char p50[32];
    char p99[32];

    if (s->options.clients > 0) {
        (void)printf("%zu clients", s->options.clients);
    } else {
        (void)printf("%.4g requests/s at random", s->options.rate);
    }
    (void)printf(" for %.4g s: %.4g answers/s, latency mean %s, p50 %s, p99 "
                 "%s\n",
                 r->seconds, r->throughput, time_text(r->mean_s, mean),
                 time_text(r->p50_s, p50), time_text(r->p99_s, p99));
    if (r->refused > 0) {
        (void)printf("%llu requests were refused: %d were under way\n",
                     (unsigned long long)r->refused, LIMIT_GATEWAY_WINDOW);
    }
}

static void print_table(const struct ctl *ctl, const struct simulation *s)
{
    char text[32];

    (void)printf("%s on paper: %zu boards, model %s, %zu stages in %zu "
                 "shards\n",
                 s->files.cluster->name, s->profile.n_devices,
                 s->files.cluster->model.file, s->choices.best.n_stages,
                 s->paper.parts.n);
    if (s->left_out > 0) {
        (void)printf("left out: %zu devices of %s that %s has no kind for\n",
                     s->left_out, s->files.path, s->profiles);
    }
    print_shards(ctl, s);
    print_links(ctl, s);
    print_boards(ctl, s);
    (void)printf("predicted: %s one at a time, at most %.4g answers/s\n",
                 time_text(s->choices.best.latency_s, text),
                 s->choices.best.throughput);
    (void)printf("one request at a time: %s\n",
                 time_text(s->alone.p50_s, text));
    print_load(s);
    (void)printf("planned in %.3f s, simulated in %.3f s (%llu events%s)\n",
                 s->plan_s, s->run_s, (unsigned long long)s->result.events,
                 s->result.is_cut ? "; ended early, these were too many" : "");
}

/* ---- JSON ---------------------------------------------------------------- */

static json_t *shards_json(const struct simulation *s)
{
    json_t *list = json_array();

    for (size_t i = 0; i < s->paper.parts.n; i++) {
        const struct simulate_shard *shard = &s->paper.shards[i];
        json_t *boards = json_array();
        char name[NAME];

        for (size_t k = 0; k < shard->n_devices; k++) {
            (void)json_array_append_new(
                boards, json_pack("{s:s,s:f}", "name",
                                  s->profile.devices[shard->devices[k]].name,
                                  "compute_ms", shard->seconds[k] * 1e3));
        }
        (void)json_array_append_new(list, json_pack("{s:s,s:o}", "name",
                                                    shard_name(s, (int)i, name),
                                                    "boards", boards));
    }
    return list;
}

static json_t *links_json(const struct simulation *s)
{
    json_t *list = json_array();

    for (size_t i = 0; i < s->paper.n_links; i++) {
        const struct simulate_link *link = &s->paper.links[i];
        char from[NAME];
        char to[NAME];

        (void)json_array_append_new(
            list, json_pack("{s:s,s:s,s:f,s:f}", "from",
                            shard_name(s, link->from, from), "to",
                            shard_name(s, link->to, to), "request_bytes",
                            link->bytes, "bytes", s->result.carried[i]));
    }
    return list;
}

static json_t *boards_json(const struct simulation *s)
{
    json_t *list = json_array();

    for (size_t i = 0; i < s->profile.n_devices; i++) {
        const struct profile_device *device = &s->profile.devices[i];

        (void)json_array_append_new(
            list,
            json_pack("{s:s,s:s,s:f,s:I,s:f}", "name", device->name, "kind",
                      s->profile.boards[device->board].name, "busy",
                      s->result.busy[i], "runs", (json_int_t)s->result.runs[i],
                      "sent_bytes", s->result.sent[i]));
    }
    return list;
}

static void print_json(const struct simulation *s)
{
    const struct simulate_result *r = &s->result;
    json_t *root = json_pack(
        "{s:s,s:s,s:s,s:I,s:f,s:I,s:f,s:f,s:I,s:I,s:b}", "deployment",
        s->files.cluster->name, "model", s->files.cluster->model.file, "policy",
        policy_name(s), "clients", (json_int_t)s->options.clients, "rate",
        s->options.rate, "seed", (json_int_t)s->options.seed, "seconds",
        r->seconds, "alone_ms", s->alone.p50_s * 1e3, "requests",
        (json_int_t)r->requests, "refused", (json_int_t)r->refused, "is_cut",
        (int)r->is_cut);

    (void)json_object_set_new(root, "predicted_ms",
                              json_real(s->choices.best.latency_s * 1e3));
    (void)json_object_set_new(root, "predicted_per_s",
                              json_real(s->choices.best.throughput));
    (void)json_object_set_new(root, "requests_per_s", json_real(r->throughput));
    (void)json_object_set_new(root, "mean_ms", json_real(r->mean_s * 1e3));
    (void)json_object_set_new(root, "p50_ms", json_real(r->p50_s * 1e3));
    (void)json_object_set_new(root, "p99_ms", json_real(r->p99_s * 1e3));
    (void)json_object_set_new(root, "shards", shards_json(s));
    (void)json_object_set_new(root, "links", links_json(s));
    (void)json_object_set_new(root, "boards", boards_json(s));
    (void)json_object_set_new(root, "left_out",
                              json_integer((json_int_t)s->left_out));
    (void)json_object_set_new(root, "plan_seconds", json_real(s->plan_s));
    (void)json_object_set_new(root, "simulate_seconds", json_real(s->run_s));
    (void)json_object_set_new(root, "events",
                              json_integer((json_int_t)r->events));
    (void)json_dumpf(root, stdout, JSON_INDENT(2));
    (void)printf("\n");
    json_decref(root);
}

void simulate_print(const struct ctl *ctl, const struct simulation *s)
{
    if (ctl->format == CTL_JSON) {
        print_json(s);
    } else {
        print_table(ctl, s);
    }
}

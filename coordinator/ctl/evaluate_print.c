#include "coordinator/ctl/evaluate.h"

#include "coordinator/ctl/show.h"
#include "coordinator/ctl/table.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define VIEWS_TEXT 64

static int no_memory(struct err *err)
{
    return err_set(err, EDGE_ENOMEM, "out of memory");
}

/* "-", or "0,3". */
static const char *set_text(uint64_t set, char text[VIEWS_TEXT])
{
    size_t n = 0;

    (void)snprintf(text, VIEWS_TEXT, "-");
    for (unsigned k = 0; k < LIMIT_PORTS && n < VIEWS_TEXT; k++) {
        if ((set >> k & 1) != 0) {
            n += (size_t)snprintf(text + n, VIEWS_TEXT - n, "%s%u",
                                  n > 0 ? "," : "", k);
        }
    }
    return text;
}

char *evaluate_measured(const uint64_t *sets, const struct exit_tally *tallies,
                        size_t n)
{
    char *text = mem_strdup("");

    for (size_t i = 0; i < n && text != NULL; i++) {
        char set[VIEWS_TEXT];
        char *longer = mem_printf(
            "%s%s %.2f %llu\n", text, set_text(sets[i], set),
            100 * tallies[i].accuracy, (unsigned long long)tallies[i].samples);

        mem_free(text);
        text = longer;
    }
    return text;
}

/* ---- outputs --------------------------------------------------------------
 */

static json_t *outputs_json(const struct exit_tally *tally)
{
    json_t *list = json_array();

    for (size_t i = 0; i < tally->n; i++) {
        const struct exit_output *o = &tally->outputs[i];

        (void)json_array_append_new(
            list, json_pack("{s:o, s:f, s:I}", "output", show_json(o->name),
                            "accuracy", exit_accuracy(o), "samples",
                            (json_int_t)o->samples));
    }
    return list;
}

int evaluate_print_outputs(const struct ctl *ctl,
                           const struct exit_tally *tally, struct err *err)
{
    static const struct table_column columns[] = {
        {"OUTPUT", false}, {"RIGHT", true}, {"OF", true}};
    struct table *table;

    if (tally->n < 2) {
        return 0;
    }
    if (ctl->format == CTL_JSON) {
        return show_json_line(json_pack("{s:s, s:o}", "phase", "outputs",
                                        "outputs", outputs_json(tally)),
                              err);
    }
    table = table_new(ctl, columns, 3);
    for (size_t i = 0; i < tally->n; i++) {
        const struct exit_output *o = &tally->outputs[i];

        table_row(table);
        table_text(table, 0, "%s", o->name);
        table_text(table, 1, "%.2f%%", 100 * exit_accuracy(o));
        table_text(table, 2, "%llu", (unsigned long long)o->samples);
    }
    table_print(table);
    return 0;
}

/* ---- missing views --------------------------------------------------------
 */

static json_t *set_json(uint64_t set)
{
    json_t *list = json_array();

    for (int k = 0; k < LIMIT_PORTS; k++) {
        if ((set >> k & 1) != 0) {
            (void)json_array_append_new(list, json_integer(k));
        }
    }
    return list;
}

static int print_table_json(const uint64_t *sets,
                            const struct exit_tally *tallies, size_t n,
                            struct err *err)
{
    int rc = 0;

    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = show_json_line(json_pack("{s:o, s:f, s:I, s:o}", "missing",
                                      set_json(sets[i]), "accuracy",
                                      tallies[i].accuracy, "samples",
                                      (json_int_t)tallies[i].samples, "outputs",
                                      outputs_json(&tallies[i])),
                            err);
    }
    return rc;
}

int evaluate_print_table(const struct ctl *ctl, const uint64_t *sets,
                         const struct exit_tally *tallies, size_t n,
                         struct err *err)
{
    struct table_column columns[2 + LIMIT_LOSSES] = {{"MISSING", false}};
    size_t n_columns = 1;
    struct table *table;

    if (ctl->format == CTL_JSON) {
        return print_table_json(sets, tallies, n, err);
    }
    for (size_t k = 0; k < tallies[0].n; k++) {
        columns[n_columns++] =
            (struct table_column){tallies[0].outputs[k].name, true};
    }
    table = table_new(ctl, columns, n_columns);
    for (size_t i = 0; i < n; i++) {
        char text[VIEWS_TEXT];

        table_row(table);
        table_text(table, 0, "[%s]",
                   sets[i] == 0 ? "" : set_text(sets[i], text));
        for (size_t k = 0; k + 1 < n_columns; k++) {
            const struct exit_output *o = &tallies[i].outputs[k];

            if (o->samples > 0) {
                table_text(table, k + 1, "%.2f%%", 100 * exit_accuracy(o));
            } else {
                table_text(table, k + 1, "-");
            }
        }
    }
    table_print(table);
    return 0;
}

/* ---- thresholds -----------------------------------------------------------
 */

static double bytes_at(const struct exit_bytes *bytes,
                       const struct exit_tally *tally, size_t level)
{
    /* Whoever is asked behind the first exit needs what the views' boards have
     * to send further on, wherever it leaves then. */
    return bytes->always + (1 - exit_share(tally, level, 0)) * bytes->further;
}

static int print_sweep_json(const struct exit_tally *tally,
                            const struct exit_bytes *bytes, size_t chosen,
                            struct err *err)
{
    json_t *rows = json_array();
    json_t *pick = NULL;

    for (size_t i = 0; i < EXIT_LEVELS; i++) {
        json_t *row = json_pack("{s:f, s:f, s:f, s:f}", "threshold",
                                (double)i / 100, "early", exit_early(tally, i),
                                "overall", exit_overall(tally, i), "bytes",
                                bytes_at(bytes, tally, i));

        if (i == chosen && row != NULL) {
            pick = json_copy(row);
        }
        (void)json_array_append_new(rows, row);
    }
    return show_json_line(json_pack("{s:o, s:o, s:o, s:f, s:f, s:f}", "outputs",
                                    outputs_json(tally), "thresholds", rows,
                                    "chosen", pick != NULL ? pick : json_null(),
                                    "always_bytes", bytes->always,
                                    "further_bytes", bytes->further,
                                    "raw_bytes", bytes->raw),
                          err);
}

/* Where it is: as the file has it already, or for a tier called as the output
 * is. Of a model without views it follows from the output. */
static void print_place(const struct cluster_exit *exit, const char *output,
                        bool has_views)
{
    if (exit != NULL && exit->at != NULL) {
        (void)printf("at: %s, ", exit->at);
    } else if (exit != NULL && exit->after != NULL) {
        (void)printf("after: %s, ", exit->after);
    } else if (has_views) {
        (void)printf("at: %.*s, ", (int)strcspn(output, "_"), output);
    }
}

static void print_exit(const struct cluster *cluster, const char *output,
                       bool has_views, double level)
{
    const struct cluster_exit *exit = NULL;

    for (size_t i = 0; i < cluster->n_exits; i++) {
        const char *name = cluster->exits[i].output;

        exit = name != NULL && strcmp(name, output) == 0 ? &cluster->exits[i]
                                                         : exit;
    }
    (void)putchar('{');
    print_place(exit, output, has_views);
    (void)printf("output: %s, ", output);
    if (exit != NULL && !exit->by_entropy) {
        (void)printf("confidence: %.2f}", 1 - level);
    } else {
        (void)printf("entropy: %.2f}", level);
    }
}

static void print_chosen(const struct cluster *cluster,
                         const struct exit_tally *tally,
                         const struct exit_bytes *bytes, size_t chosen,
                         double points)
{
    bool has_views = bytes->raw > 0;

    if (chosen == EXIT_LEVELS) {
        (void)printf("No threshold keeps within %g points of the best "
                     "output.\n",
                     points);
        return;
    }
    (void)printf("Of %.1f%% the answer leaves early; %.2f%% are right in all",
                 100 * exit_early(tally, chosen),
                 100 * exit_overall(tally, chosen));
    if (has_views) {
        (void)printf(", and a view's board sends %.1f bytes a sample (its "
                     "picture has %.0f)",
                     bytes_at(bytes, tally, chosen), bytes->raw);
    }
    (void)printf(". In the cluster's file:\n  exits: [");
    for (size_t g = 0; g < tally->n_gates; g++) {
        (void)fputs(g > 0 ? ",\n          " : "", stdout);
        print_exit(cluster, tally->outputs[tally->gates[g]].name, has_views,
                   (double)chosen / 100);
    }
    (void)puts("]");
}

static void print_row(struct table *table, const struct exit_tally *tally,
                      const struct exit_bytes *bytes, size_t level, bool is_it)
{
    table_row(table);
    table_text(table, 0, "%.2f%s", (double)level / 100, is_it ? " *" : "");
    table_text(table, 1, "%.1f%%", 100 * exit_early(tally, level));
    table_text(table, 2, "%.2f%%", 100 * exit_overall(tally, level));
    if (bytes->raw > 0) {
        table_text(table, 3, "%.1f", bytes_at(bytes, tally, level));
    }
}

int evaluate_print_sweep(const struct ctl *ctl, const struct cluster *cluster,
                         const struct graph *graph, const struct views *views,
                         const struct exit_tally *tally, double points,
                         struct err *err)
{
    static const struct table_column columns[] = {{"THRESHOLD", true},
                                                  {"EARLY", true},
                                                  {"RIGHT", true},
                                                  {"BYTES/VIEW", true}};
    struct exit_bytes bytes = {0};
    size_t chosen = exit_choose(tally, points / 100);
    struct table *table;

    if (tally->n_gates == 0) {
        return err_set(err, EDGE_EINVAL,
                       "the model has no exit: an output behind the first that "
                       "gathers views, or that `exits:` names, with a loss");
    }
    if (views->n > 0 &&
        exit_bytes_of(graph, views, tally->outputs[tally->gates[0]].name,
                      &bytes) == EDGE_ENOMEM) {
        return no_memory(err);
    }
    if (ctl->format == CTL_JSON) {
        return print_sweep_json(tally, &bytes, chosen, err);
    }
    table = table_new(ctl, columns, bytes.raw > 0 ? 4 : 3);
    for (size_t i = 0; i < EXIT_LEVELS; i++) {
        if (i % 10 == 0 || i == chosen) {
            print_row(table, tally, &bytes, i, i == chosen);
        }
    }
    table_print(table);
    print_chosen(cluster, tally, &bytes, chosen, points);
    return 0;
}

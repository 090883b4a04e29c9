#include "coordinator/ctl/exit_tally.h"

#include "base/mem.h"
#include "coordinator/plan/signs.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- reading --------------------------------------------------------------
 */

static void read_outputs(const Edged__TrainReply *reply,
                         struct exit_tally *tally)
{
    for (size_t i = 0; i < reply->n_exits && i < LIMIT_LOSSES; i++) {
        const Edged__ExitCount *from = reply->exits[i];
        struct exit_output *to = &tally->outputs[tally->n++];

        (void)snprintf(to->name, sizeof(to->name), "%s", from->scores);
        to->samples = from->samples;
        to->correct = from->correct;
    }
}

static void read_gates(const Edged__TrainReply *reply, struct exit_tally *tally)
{
    size_t n = reply->n_gates + 1;

    if (n > LIMIT_EXITS + 1 || reply->n_left != EXIT_LEVELS * n ||
        reply->n_left_correct != reply->n_left) {
        return;
    }
    for (size_t g = 0; g < reply->n_gates; g++) {
        for (size_t i = 0; i < tally->n; i++) {
            if (strcmp(tally->outputs[i].name, reply->gates[g]) == 0) {
                tally->gates[tally->n_gates++] = i;
                break;
            }
        }
    }
    for (size_t i = 0; i < reply->n_left; i++) {
        tally->left[i / n][i % n] = reply->left[i];
        tally->left_correct[i / n][i % n] = reply->left_correct[i];
    }
}

void exit_tally_read(const Edged__TrainReply *reply, struct exit_tally *tally)
{
    memset(tally, 0, sizeof(*tally));
    tally->samples = reply->test_samples;
    tally->accuracy = reply->test_accuracy;
    tally->loss = reply->test_loss;
    read_outputs(reply, tally);
    read_gates(reply, tally);
}

/* ---- figures --------------------------------------------------------------
 */

static double part(uint64_t n, uint64_t of)
{
    return of > 0 ? (double)n / (double)of : 0;
}

double exit_accuracy(const struct exit_output *output)
{
    return part(output->correct, output->samples);
}

double exit_overall(const struct exit_tally *tally, size_t level)
{
    uint64_t correct = 0;

    for (size_t e = 0; e <= tally->n_gates; e++) {
        correct += tally->left_correct[level][e];
    }
    return part(correct, tally->samples);
}

double exit_share(const struct exit_tally *tally, size_t level, size_t gate)
{
    return part(tally->left[level][gate], tally->samples);
}

double exit_early(const struct exit_tally *tally, size_t level)
{
    return 1 - exit_share(tally, level, tally->n_gates);
}

size_t exit_choose(const struct exit_tally *tally, double points)
{
    double best = exit_accuracy(&tally->outputs[0]);

    for (size_t g = 0; g < tally->n_gates; g++) {
        best = fmax(best, exit_accuracy(&tally->outputs[tally->gates[g]]));
    }
    for (size_t i = EXIT_LEVELS; i-- > 0;) {
        if (exit_overall(tally, i) >= best - points) {
            return i;
        }
    }
    return EXIT_LEVELS;
}

/* ---- bytes ----------------------------------------------------------------
 */

/* Values that lead to `output`. */
static int find_needed(const struct graph *graph, int output, bool **out)
{
    bool *needed = mem_array(bool, graph->n_values + 1);

    if (needed == NULL) {
        return EDGE_ENOMEM;
    }
    needed[output] = true;
    for (size_t i = graph->n_ops; i-- > 0;) {
        const struct op *op = &graph->ops[i];
        bool is_needed = false;

        for (int k = 0; k < op->n_out; k++) {
            is_needed = is_needed || (op->out[k] >= 0 && needed[op->out[k]]);
        }
        for (int k = 0; k < op->n_in && is_needed; k++) {
            if (op->in[k] >= 0) {
                needed[op->in[k]] = true;
            }
        }
    }
    *out = needed;
    return 0;
}

/* It leaves the view's board: an op that reads it does more than that view. */
static bool crosses(const struct graph *graph, const struct views *views,
                    const uint64_t *reach, int value, const bool *needed,
                    bool *is_needed)
{
    bool does = false;

    *is_needed = false;
    if (views_only(views, reach[value]) < 0) {
        return false;
    }
    for (size_t i = 0; i < graph->n_ops; i++) {
        const struct op *op = &graph->ops[i];

        for (int k = 0; k < op->n_in; k++) {
            if (op->in[k] == value && op->out[0] >= 0 &&
                views_only(views, reach[op->out[0]]) < 0) {
                does = true;
                *is_needed = *is_needed || needed[op->out[0]];
            }
        }
    }
    return does;
}

static double bytes_of(const struct graph *graph, int value)
{
    const struct value *v = &graph->values[value];
    double n = (double)shape_span(&v->shape, 1, v->shape.rank);

    return signs_are(graph, value) ? ceil(n / 8) : 4 * n;
}

int exit_bytes_of(const struct graph *graph, const struct views *views,
                  const char *gate, struct exit_bytes *bytes)
{
    const struct value *view = &graph->values[graph->inputs[views->inputs[0]]];
    int output = graph_find_value(graph, gate);
    uint64_t *reach = NULL;
    bool *needed = NULL;
    int rc = output < 0 ? EDGE_ENOENT : views_reach(graph, &reach);

    if (rc == 0) {
        rc = find_needed(graph, output, &needed);
    }
    *bytes = (struct exit_bytes){
        .raw = (double)shape_span(&view->shape, 1, view->shape.rank)};
    for (size_t v = 0; rc == 0 && v < graph->n_values; v++) {
        bool is_needed;

        if (crosses(graph, views, reach, (int)v, needed, &is_needed)) {
            *(is_needed ? &bytes->always : &bytes->further) +=
                bytes_of(graph, (int)v) / (double)views->n;
        }
    }
    mem_free(reach);
    mem_free(needed);
    return rc;
}

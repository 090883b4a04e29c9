/* What the boards of a plan take, by their beats. */
#include "coordinator/replan_see.h"

#include <math.h>

void replan_see(struct deployment *d)
{
    struct replan *replan = &d->replan;
    const Edged__Placement *spec = d->current->spec;

    for (size_t b = 0; b < replan->n_boards; b++) {
        replan->seen[b] = (struct drift_seen){0};
    }
    for (size_t i = 0; i < replan->n_runs; i++) {
        struct replan_run *run = &replan->runs[i];
        struct drift_seen *seen = &replan->seen[run->board];
        const struct relay_load *load = relay_load(
            run->member->node, spec->epoch, spec->places[run->shard]->shard);

        run->measured_s = load != NULL ? load->compute_us / 1e6 : 0;
        if (run->measured_s > 0 && run->predicted_s > 0) {
            seen->predicted_s += run->predicted_s;
            seen->measured_s += run->measured_s;
            seen->runs += load->runs;
        }
    }
}

/* Answers a second that the holders of a shard can give together; 0: not
 * known. */
static double rate_of(const struct replan *replan, size_t shard)
{
    double rate = 0;

    for (size_t i = 0; i < replan->n_runs; i++) {
        const struct replan_run *run = &replan->runs[i];

        if (run->shard == shard && run->measured_s > 0) {
            rate += 1 / run->measured_s;
        }
    }
    return rate;
}

/* Of the board that has most to do: replicas share by their speed, so each of
 * them is kept as long by a request as its shard is by all of them. */
static double busiest(const struct deployment *d)
{
    const struct replan *replan = &d->replan;
    double most = 0;

    for (size_t b = 0; b < replan->n_boards; b++) {
        double busy = 0;

        for (size_t i = 0; i < replan->n_runs; i++) {
            if (replan->runs[i].board == b) {
                double rate = rate_of(replan, replan->runs[i].shard);

                if (rate <= 0) {
                    return 0;
                }
                busy += 1 / rate;
            }
        }
        most = fmax(most, busy);
    }
    return most;
}

static double mean_of(const struct deployment *d, size_t shard)
{
    double rate = rate_of(&d->replan, shard);

    return rate > 0 ? (double)d->current->spec->texts[shard]->n_nodes / rate
                    : 0;
}

static bool is_beside(const Edged__StageText *a, const Edged__StageText *b)
{
    return a->stage == b->stage && a->piece == b->piece;
}

/* Seconds of piece `i` and its own later levels; 0 if an earlier shard is of
 * the same piece. */
static double piece_of(const struct deployment *d, size_t i)
{
    const Edged__Placement *spec = d->current->spec;
    double sum = 0;

    for (size_t k = 0; k < spec->n_texts; k++) {
        if (is_beside(spec->texts[k], spec->texts[i])) {
            if (k < i) {
                return 0;
            }
            sum += mean_of(d, k);
        }
    }
    return sum;
}

/* What a request waits for: shards one after the other, pieces side by side. */
static double in_a_row(const struct deployment *d)
{
    const Edged__Placement *spec = d->current->spec;
    double sum = 0;

    for (size_t i = 0; i < spec->n_texts; i++) {
        double most = 0;

        if (mean_of(d, i) <= 0) {
            return 0;
        }
        if (spec->texts[i]->piece == 0) {
            sum += mean_of(d, i);
            continue;
        }
        if (spec->texts[i]->piece != 1 || piece_of(d, i) <= 0) {
            continue; /* with the stage's first */
        }
        for (size_t k = 0; k < spec->n_texts; k++) {
            if (spec->texts[k]->stage == spec->texts[i]->stage &&
                spec->texts[k]->piece != 0) {
                most = fmax(most, piece_of(d, k));
            }
        }
        sum += most;
    }
    return sum;
}

struct drift_totals replan_total(const struct deployment *d)
{
    const struct counts *counts = &d->counts;

    return (struct drift_totals){
        .answers = counts->answered,
        .latency_s = counts->sum_us / 1e6,
        .alone = counts->alone,
        .alone_s = counts->alone_sum_us / 1e6,
        .in_flight = d->current->in_flight,
        .work_s = d->replan.drift.rules.goal == DRIFT_LATENCY ? in_a_row(d)
                                                              : busiest(d),
    };
}

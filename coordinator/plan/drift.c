#include "coordinator/plan/drift.h"

#include "base/err.h"
#include "base/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEVEL_MAX 8  /* of the pause: 256 times */
#define CALM 4       /* pauses without drift, and all is forgiven */
#define BAN_LEVEL 3  /* of the first time */
#define TRIAL_MOST 8 /* windows, then it stays without a verdict */
#define ALONE_LEAST 5
#define SLOWER 1.05 /* measurements differ by that much anyway */
#define COMPARABLE 1.25

void drift_init(struct drift *drift, const struct drift_rules *rules)
{
    *drift = (struct drift){.rules = *rules};
}

void drift_deinit(struct drift *drift)
{
    mem_free(drift->boards);
    *drift = (struct drift){.rules = drift->rules};
}

int drift_begin(struct drift *drift, uint64_t now_us, size_t n_boards)
{
    struct drift_board *boards = mem_array(struct drift_board, n_boards);

    if (boards == NULL) {
        return EDGE_ENOMEM;
    }
    mem_free(drift->boards);
    drift->boards = boards;
    drift->n_boards = n_boards;
    drift->n_samples = 0;
    drift->has_begun = false;
    drift->next_us = now_us;
    return 0;
}

void drift_is_calibrated(struct drift *drift)
{
    drift->base = 1;
}

/* ---- samples ------------------------------------------------------------- */

static void take_board(struct drift_board *board, size_t slot,
                       const struct drift_seen *seen)
{
    uint64_t runs = seen->runs >= board->runs_so_far
                        ? seen->runs - board->runs_so_far
                        : seen->runs; /* it began anew */
    bool is_known = runs > 0 && seen->predicted_s > 0 && seen->measured_s > 0;

    board->ratio[slot] = is_known ? seen->measured_s / seen->predicted_s : 0;
    board->runs[slot] = runs > UINT32_MAX ? UINT32_MAX : (uint32_t)runs;
    board->runs_so_far = seen->runs;
}

bool drift_is_due(const struct drift *drift, uint64_t now_us)
{
    return now_us >= drift->next_us && drift->n_boards > 0;
}

/* True if there is a new one. */
static bool take(struct drift *drift, uint64_t now_us,
                 const struct drift_seen *seen,
                 const struct drift_totals *totals)
{
    size_t slot = drift->n_samples % DRIFT_SAMPLES;

    if (!drift_is_due(drift, now_us)) {
        return false;
    }
    drift->next_us = now_us + drift->rules.window_us / DRIFT_SAMPLES;
    for (size_t i = 0; i < drift->n_boards; i++) {
        if (drift->has_begun) {
            take_board(&drift->boards[i], slot, &seen[i]);
        } else {
            drift->boards[i].runs_so_far = seen[i].runs;
        }
    }
    if (!drift->has_begun) { /* what came before is another plan's */
        drift->has_begun = true;
        return false;
    }
    drift->ring[slot] = (struct drift_sample){now_us, *totals};
    drift->n_samples++;
    return true;
}

static bool is_full(const struct drift *drift)
{
    return drift->n_samples >= DRIFT_SAMPLES;
}

static double mean_of(double sum, uint64_t n)
{
    return n > 0 ? sum / (double)n : 0;
}

static void sum_up(const struct drift *drift, struct drift_figure *f)
{
    size_t newest = (drift->n_samples - 1) % DRIFT_SAMPLES;
    const struct drift_sample *last = &drift->ring[newest];
    const struct drift_sample *first =
        &drift->ring[drift->n_samples % DRIFT_SAMPLES];
    size_t n_work = 0;

    *f = (struct drift_figure){
        .seconds = (double)(last->at_us - first->at_us) / 1e6,
        .answers = last->totals.answers - first->totals.answers,
        .alone = last->totals.alone - first->totals.alone,
    };
    f->rate = f->seconds > 0 ? (double)f->answers / f->seconds : 0;
    f->mean_s =
        mean_of(last->totals.latency_s - first->totals.latency_s, f->answers);
    f->alone_s =
        mean_of(last->totals.alone_s - first->totals.alone_s, f->alone);
    for (size_t i = 0; i < DRIFT_SAMPLES; i++) {
        f->in_flight += drift->ring[i].totals.in_flight / DRIFT_SAMPLES;
        f->work_s += drift->ring[i].totals.work_s;
        n_work += drift->ring[i].totals.work_s > 0;
    }
    f->work_s = mean_of(f->work_s, n_work);
}

/* ---- boards -------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The middle one of its ratios; 0: it ran too little to say. */
static double middle(const struct drift_board *board)
{
    double sorted[DRIFT_SAMPLES];
    uint64_t runs = 0;
    size_t n = 0;

    for (size_t i = 0; i < DRIFT_SAMPLES; i++) {
        runs += board->runs[i];
        if (board->ratio[i] > 0) {
            sorted[n++] = board->ratio[i];
        }
    }
    if (runs < DRIFT_RUNS || n < DRIFT_SAMPLES / 2) {
        return 0;
    }
    qsort(sorted, n, sizeof(sorted[0]), compare);
    return sorted[n / 2];
}

/* What is wrong with all predictions: the lower middle of the boards, for one
 * of two that is slow is not the rule. Once a plan, as soon as it is known. */
static void find_base(struct drift *drift)
{
    double *all = mem_array(double, drift->n_boards);
    size_t n = 0;

    for (size_t i = 0; all != NULL && i < drift->n_boards; i++) {
        double ratio = middle(&drift->boards[i]);

        if (ratio > 0) {
            all[n++] = ratio;
        }
    }
    if (n > 0) {
        qsort(all, n, sizeof(all[0]), compare);
        drift->base = all[(n - 1) / 2];
    }
    mem_free(all);
}

/* Every sample of the window says so, and all the same way. */
static bool drifts(const struct drift *drift, size_t i)
{
    const struct drift_board *board = &drift->boards[i];
    size_t above = 0;
    size_t below = 0;
    size_t n = 0;

    if (!is_full(drift) || drift->base <= 0 || middle(board) <= 0) {
        return false;
    }
    for (size_t k = 0; k < DRIFT_SAMPLES; k++) {
        double off = board->ratio[k] / drift->base;

        n += off > 0;
        above += off > drift->rules.threshold;
        below += off > 0 && off < 1 / drift->rules.threshold;
    }
    return above == n || below == n;
}

double drift_base(const struct drift *drift)
{
    return drift->base > 0 ? drift->base : 1;
}

double drift_factor(const struct drift *drift, size_t i)
{
    return drifts(drift, i) ? middle(&drift->boards[i]) : drift_base(drift);
}

size_t drift_worst(const struct drift *drift)
{
    size_t worst = drift->n_boards;
    double most = 0;

    for (size_t i = 0; i < drift->n_boards; i++) {
        double off = drifts(drift, i)
                         ? fabs(log(middle(&drift->boards[i]) / drift->base))
                         : 0;

        if (off > most) {
            most = off;
            worst = i;
        }
    }
    return worst;
}

/* ---- before and after ---------------------------------------------------- */

static bool is_like(double a, double b)
{
    return a > 0 && b > 0 && a / b < COMPARABLE && b / a < COMPARABLE;
}

/* Times as slow, by what can be compared; 0: nothing can. Latencies under
 * different loads cannot, what boards take for a request always can. */
static double compare_figures(enum drift_goal goal,
                              const struct drift_figure *a,
                              const struct drift_figure *b)
{
    bool is_as_full = is_like(a->in_flight, b->in_flight);
    bool is_enough = a->answers >= DRIFT_ANSWERS && b->answers >= DRIFT_ANSWERS;

    if (goal == DRIFT_LATENCY && a->alone >= ALONE_LEAST &&
        b->alone >= ALONE_LEAST) {
        return b->alone_s / a->alone_s;
    }
    if (goal == DRIFT_LATENCY && is_enough &&
        (is_as_full || is_like(a->rate, b->rate))) {
        return b->mean_s / a->mean_s;
    }
    if (goal == DRIFT_RATE && is_enough && is_as_full) {
        return a->rate / b->rate;
    }
    return a->work_s > 0 && b->work_s > 0 ? b->work_s / a->work_s : 0;
}

/* ---- deciding ------------------------------------------------------------ */

static uint64_t pause_of(const struct drift *drift, unsigned level)
{
    return drift->rules.pause_us << (level < LEVEL_MAX ? level : LEVEL_MAX);
}

static enum drift_say judge(struct drift *drift, uint64_t now_us)
{
    bool is_over = now_us >= drift->decide_us;

    if (!is_full(drift)) {
        if (is_over && drift->n_samples > 0) {
            drift->worse = 0;
            drift->state = DRIFT_WATCHING;
            return DRIFT_KEEP;
        }
        return DRIFT_NOTHING;
    }
    sum_up(drift, &drift->after);
    if (drift->after.answers < DRIFT_ANSWERS && !is_over) {
        return DRIFT_NOTHING;
    }
    drift->worse =
        compare_figures(drift->rules.goal, &drift->before, &drift->after);
    if (drift->worse > SLOWER) {
        drift->state = DRIFT_ASKED;
        return DRIFT_ROLLBACK;
    }
    drift->state = DRIFT_WATCHING;
    return DRIFT_KEEP;
}

static enum drift_say watch(struct drift *drift, uint64_t now_us)
{
    if (drift_worst(drift) == drift->n_boards) {
        if (now_us - drift->drifted_us >=
            CALM * pause_of(drift, drift->level)) {
            drift->level = 0;
        }
        drift->refused = 0;
        return DRIFT_NOTHING;
    }
    drift->drifted_us = now_us;
    if (now_us < drift->quiet_us) {
        return DRIFT_NOTHING;
    }
    sum_up(drift, &drift->before);
    drift->state = DRIFT_ASKED;
    return DRIFT_REPLAN;
}

enum drift_say drift_look(struct drift *drift, uint64_t now_us,
                          const struct drift_seen *seen,
                          const struct drift_totals *totals)
{
    if (!take(drift, now_us, seen, totals) || drift->state == DRIFT_ASKED) {
        return DRIFT_NOTHING;
    }
    if (is_full(drift) && drift->base <= 0) {
        find_base(drift);
    }
    if (drift->state == DRIFT_TRIAL) {
        return judge(drift, now_us);
    }
    return is_full(drift) ? watch(drift, now_us) : DRIFT_NOTHING;
}

/* ---- what came of it ----------------------------------------------------- */

static struct drift_ban *find_ban(struct drift *drift, uint64_t plan)
{
    struct drift_ban *oldest = &drift->bans[0];

    for (size_t i = 0; i < DRIFT_BANS; i++) {
        if (drift->bans[i].plan == plan) {
            return &drift->bans[i];
        }
        if (drift->bans[i].until_us < oldest->until_us) {
            oldest = &drift->bans[i];
        }
    }
    *oldest = (struct drift_ban){.plan = plan};
    return oldest;
}

bool drift_may_try(const struct drift *drift, uint64_t now_us, uint64_t plan)
{
    for (size_t i = 0; i < DRIFT_BANS; i++) {
        if (drift->bans[i].plan == plan && now_us < drift->bans[i].until_us) {
            return false;
        }
    }
    return true;
}

void drift_gave_up(struct drift *drift, uint64_t now_us)
{
    drift->state = DRIFT_WATCHING;
    if (drift->quiet_us < now_us + drift->rules.window_us) {
        drift->quiet_us = now_us + drift->rules.window_us;
    }
}

void drift_refused(struct drift *drift, uint64_t now_us)
{
    drift->state = DRIFT_WATCHING;
    drift->quiet_us = now_us + pause_of(drift, drift->refused);
    drift->refused += drift->refused < LEVEL_MAX;
}

static void change(struct drift *drift, uint64_t now_us)
{
    drift->quiet_us = now_us + pause_of(drift, drift->level);
    drift->level += drift->level < LEVEL_MAX;
    drift->refused = 0;
    drift->drifted_us = now_us;
}

void drift_moved(struct drift *drift, uint64_t now_us, uint64_t plan)
{
    change(drift, now_us);
    drift->state = DRIFT_TRIAL;
    drift->trying = plan;
    drift->decide_us = now_us + TRIAL_MOST * drift->rules.window_us;
    drift->former_base = drift->base;
    drift->base = 1;
}

void drift_went_back(struct drift *drift, uint64_t now_us)
{
    struct drift_ban *ban = find_ban(drift, drift->trying);

    ban->until_us = now_us + pause_of(drift, BAN_LEVEL + ban->times);
    ban->times++;
    change(drift, now_us);
    drift->state = DRIFT_WATCHING;
    drift->base = drift->former_base;
}

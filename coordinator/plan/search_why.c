/* What is better, and why, in words. */
#include "coordinator/plan/search_inner.h"

#include "base/mem.h"

#include <float.h>
#include <stdio.h>

#define TIE 1e-3 /* a gain below is none */
#define BOARDS_MORE 64
#define MIB_OF(bytes) ((bytes) / 1048576.0)

uint64_t why_most_memory(const struct choice *choice)
{
    uint64_t most = 0;

    for (size_t d = 0; d < choice->n_devices; d++) {
        most = choice->memory[d] > most ? choice->memory[d] : most;
    }
    return most;
}

/* The smaller the better. */
double why_value(const struct choice *choice, enum search_goal goal)
{
    switch (goal) {
    case SEARCH_THROUGHPUT: return 1 / choice->throughput;
    case SEARCH_MEMORY: return (double)why_most_memory(choice);
    default: return choice->latency_s;
    }
}

static size_t count_used(const struct choice *choice)
{
    size_t n = 0;

    for (size_t d = 0; d < choice->n_devices; d++) {
        n += choice->memory[d] > 0;
    }
    return n;
}

bool why_is_better(const struct choice *a, const struct choice *b,
                   enum search_goal goal)
{
    static const enum search_goal after[][3] = {
        [SEARCH_LATENCY] = {SEARCH_LATENCY, SEARCH_THROUGHPUT, SEARCH_MEMORY},
        [SEARCH_THROUGHPUT] = {SEARCH_THROUGHPUT, SEARCH_LATENCY,
                               SEARCH_MEMORY},
        [SEARCH_MEMORY] = {SEARCH_MEMORY, SEARCH_LATENCY, SEARCH_THROUGHPUT},
    };

    for (int i = 0; i < 3; i++) {
        double x = why_value(a, after[goal][i]);
        double y = why_value(b, after[goal][i]);

        if (x < y * (1 - TIE)) {
            return true;
        }
        if (x > y * (1 + TIE)) {
            return false;
        }
    }
    return count_used(a) < count_used(b);
}

/* ---- rejected ------------------------------------------------------------ */

static const char *const worse_words[] = {
    [SEARCH_LATENCY] = "slower: %.3g ms instead of %.3g ms",
    [SEARCH_THROUGHPUT] = "fewer requests: %.3g instead of %.3g a second",
    [SEARCH_MEMORY] = "more memory: %.0f MiB on a board instead of %.0f MiB",
};

static double shown(const struct choice *choice, enum search_goal goal)
{
    switch (goal) {
    case SEARCH_LATENCY: return choice->latency_s * 1e3;
    case SEARCH_THROUGHPUT: return choice->throughput;
    default: return MIB_OF((double)why_most_memory(choice));
    }
}

static bool say_worse(const struct choice *other, const struct choice *best,
                      enum search_goal goal, const char *before,
                      char why[CHOICE_WHY])
{
    int n;

    if (why_value(other, goal) <= why_value(best, goal) * (1 + TIE)) {
        return false;
    }
    n = snprintf(why, CHOICE_WHY, "%s", before);
    if (goal == SEARCH_LATENCY) {
        (void)snprintf(why + n, (size_t)(CHOICE_WHY - n),
                       worse_words[SEARCH_LATENCY], shown(other, goal),
                       shown(best, goal));
    } else if (goal == SEARCH_THROUGHPUT) {
        (void)snprintf(why + n, (size_t)(CHOICE_WHY - n),
                       worse_words[SEARCH_THROUGHPUT], shown(other, goal),
                       shown(best, goal));
    } else {
        (void)snprintf(why + n, (size_t)(CHOICE_WHY - n),
                       worse_words[SEARCH_MEMORY], shown(other, goal),
                       shown(best, goal));
    }
    return true;
}

void why_rejected(const struct searching *s, const struct choice *other,
                  const struct choice *best, char why[CHOICE_WHY])
{
    enum search_goal goal = s->spec->goal;

    if (say_worse(other, best, goal, "", why)) {
        return;
    }
    if (s->stays && why_value(other, goal) < why_value(best, goal)) {
        (void)snprintf(why, CHOICE_WHY,
                       "better by %.1f %%, and %.0f %% are asked of what is to "
                       "take the place of the plan in force",
                       100 *
                           (1 - why_value(other, goal) / why_value(best, goal)),
                       100 * s->spec->gain);
        return;
    }
    if (why_value(other, goal) < why_value(best, goal) * (1 - TIE)) {
        (void)snprintf(
            why, CHOICE_WHY,
            "better by %.1f %%, which is less than predictions err: "
            "not worth cutting for",
            100 * (1 - why_value(other, goal) / why_value(best, goal)));
        return;
    }
    for (int i = 0; i < 3; i++) {
        if (say_worse(other, best, (enum search_goal)i, "no better, and ",
                      why)) {
            return;
        }
    }
    (void)snprintf(why, CHOICE_WHY, "no better, on %zu boards instead of %zu",
                   count_used(other), count_used(best));
}

/* ---- left out ------------------------------------------------------------ */

static void say_left_out(const struct searching *s, const struct choice *best,
                         size_t device, char why[CHOICE_WHY])
{
    const struct profile *p = s->m->profile;
    int n = (int)s->m->n_ops;
    double its = cost_seconds(s->m, p->devices[device].board, 0, n);
    size_t fastest = 0;
    double least = DBL_MAX;

    for (size_t d = 0; d < best->n_devices; d++) {
        double seconds = cost_seconds(s->m, p->devices[d].board, 0, n);

        if (best->memory[d] > 0 && seconds < least) {
            least = seconds;
            fastest = d;
        }
    }
    if (its > 1.05 * least && least < DBL_MAX) {
        (void)snprintf(why, CHOICE_WHY,
                       "%s is %.3g times slower than %s: requests would wait "
                       "for it",
                       p->devices[device].name, its / least,
                       p->devices[fastest].name);
    } else {
        (void)snprintf(why, CHOICE_WHY, "%s: no plan with it is better",
                       p->devices[device].name);
    }
}

int why_left_out(const struct searching *s, struct choices *choices)
{
    const struct choice *best = &choices->best;

    choices->left_out = mem_array(struct choice_left_out, best->n_devices);
    if (choices->left_out == NULL) {
        return err_set(s->err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t d = 0; d < best->n_devices; d++) {
        if (best->memory[d] == 0) {
            struct choice_left_out *out =
                &choices->left_out[choices->n_left_out++];

            out->device = d;
            say_left_out(s, best, d, out->why);
        }
    }
    return 0;
}

/* ---- nothing fits -------------------------------------------------------- */

/* The range that no choice can make smaller, and what it takes: of the least
 * ranges between neighbouring points the largest. */
static double largest_step(const struct searching *s, size_t *point)
{
    const struct cost_shape whole = {.rows = 1, .columns = 1};
    double most = 0;

    for (size_t i = 0; i + 1 < s->n_points; i++) {
        struct cost_part part;
        double bytes;

        (void)cost_part(s->m, s->kinds[0].board, s->points[i], s->points[i + 1],
                        &whole, &part);
        bytes = cost_part_memory(s->m, &part);
        if (bytes > most) {
            most = bytes;
            *point = i;
        }
    }
    return most;
}

static size_t roomiest(const struct profile *p)
{
    size_t found = 0;

    for (size_t d = 1; d < p->n_devices; d++) {
        if (p->devices[d].free_bytes > p->devices[found].free_bytes) {
            found = d;
        }
    }
    return found;
}

int why_nothing_fits(struct searching *s)
{
    const struct profile *p = s->m->profile;
    const struct cost_shape whole = {.rows = 1, .columns = 1};
    size_t device = roomiest(p);
    double has = (double)p->devices[device].free_bytes;
    double needs = 0;
    double total = 0;
    size_t point = 0;
    struct cost_part all;
    const struct op *op;

    (void)cost_part(s->m, 0, 0, (int)s->m->n_ops, &whole, &all);
    total = cost_part_memory(s->m, &all);
    needs = largest_step(s, &point);
    op = &s->m->graph->ops[s->m->scan.ops[s->points[point]]];
    if (needs > has) {
        return err_set(
            s->err, EDGE_ENOFIT,
            "layer \"%.80s\" alone needs %.0f MiB; %s, the board with the most "
            "memory, has %.0f MiB free: %.0f MiB short. What would fit: a "
            "board with %.0f MiB free, or more boards like it, so that the "
            "layer can be split over them",
            op->name, MIB_OF(needs) + 1, p->devices[device].name, MIB_OF(has),
            MIB_OF(needs - has) + 1, MIB_OF(needs) + 1);
    }
    return err_set(
        s->err, EDGE_ENOFIT,
        "the model needs %.0f MiB in one piece%s; %s, the board with the most "
        "memory, has %.0f MiB free: %.0f MiB short, and no way to cut it fits "
        "the %zu board%s there %s. What would fit: one board with %.0f MiB "
        "free, or about %.0f boards like %s",
        MIB_OF(total) + 1, s->replicas > 1 ? ", of each replica" : "",
        p->devices[device].name, MIB_OF(has),
        total > has ? MIB_OF(total - has) + 1 : 1, p->n_devices,
        p->n_devices == 1 ? "" : "s", p->n_devices == 1 ? "is" : "are",
        MIB_OF(total) + 1,
        has > 0 ? (double)s->replicas * total / has * 1.25 + 1 : 0,
        p->devices[device].name);
}

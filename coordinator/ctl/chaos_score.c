#include "coordinator/ctl/chaos_score.h"

#include "base/mem.h"
#include "coordinator/ctl/show.h"
#include "coordinator/ctl/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void score_deinit(struct score *score)
{
    mem_free(score->requests);
    mem_free(score->faults);
    *score = (struct score){.seed = 0};
}

/* ---- gathering ------------------------------------------------------------
 */

int score_line(struct score *score, const char *line, struct err *err)
{
    unsigned long long due;
    unsigned long long sent;
    unsigned long long done;
    unsigned resent;
    char how[24];
    struct score_request *r;

    if (sscanf(line, "%llu %llu %llu %23s %u", &due, &sent, &done, how,
               &resent) != 5 ||
        done < sent) {
        return err_set(err, EDGE_EPROTO, "a record of a request is broken");
    }
    if (mem_grow(&score->requests, &score->requests_room, score->n_requests,
                 sizeof(*score->requests)) < 0) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    r = &score->requests[score->n_requests++];
    *r = (struct score_request){.sent_us = sent,
                                .done_us = done,
                                .resent = resent,
                                .wrong = strcmp(how, "wrong") == 0};
    r->lost = !r->wrong && strcmp(how, "ok") != 0;
    return 0;
}

int score_fault(struct score *score, const struct score_fault *fault)
{
    if (mem_grow(&score->faults, &score->faults_room, score->n_faults,
                 sizeof(*score->faults)) < 0) {
        return EDGE_ENOMEM;
    }
    score->faults[score->n_faults++] = *fault;
    return 0;
}

/* ---- figures of a span ----------------------------------------------------
 */

static int by_number(const void *left, const void *right)
{
    const uint64_t *a = left;
    const uint64_t *b = right;

    return (*a > *b) - (*a < *b);
}

/* Nearest rank, in ms. */
static double quantile(const uint64_t *sorted, size_t n, double part)
{
    double rank = ceil(part * (double)n);
    size_t index = rank > 1 ? (size_t)rank - 1 : 0;

    return n == 0 ? 0 : (double)sorted[index < n ? index : n - 1] / 1e3;
}

static bool is_within(const struct score_request *r, uint64_t from_us,
                      uint64_t to_us)
{
    return r->done_us >= from_us && r->sent_us < to_us;
}

/* The longest time between two answers; the span's ends count as answers. */
static double longest_gap(uint64_t *at, size_t n, uint64_t from_us,
                          uint64_t to_us)
{
    uint64_t last = from_us;
    uint64_t most = 0;

    qsort(at, n, sizeof(*at), by_number);
    for (size_t i = 0; i < n; i++) {
        if (at[i] > last) {
            most = at[i] - last > most ? at[i] - last : most;
            last = at[i];
        }
    }
    if (to_us > last && to_us - last > most) {
        most = to_us - last;
    }
    return (double)most / 1e3;
}

struct lists { /* of a span's right answers */
    uint64_t *took;
    size_t n_took;
    uint64_t *at; /* those that came within it */
    size_t n_at;
};

static void count(struct score_span *span, struct lists *lists,
                  const struct score_request *r)
{
    span->requests++;
    span->lost += r->lost ? 1 : 0;
    span->wrong += r->wrong ? 1 : 0;
    span->resent += r->resent;
    if (r->lost || r->wrong) {
        return;
    }
    lists->took[lists->n_took++] = r->done_us - r->sent_us;
    if (r->done_us < span->to_us) {
        lists->at[lists->n_at++] = r->done_us;
    }
}

int score_span(const struct score *score, uint64_t from_us, uint64_t to_us,
               struct score_span *span)
{
    struct lists lists = {.n_took = 0};

    *span = (struct score_span){.from_us = from_us, .to_us = to_us};
    lists.took = mem_array(uint64_t, score->n_requests + 1);
    lists.at = mem_array(uint64_t, score->n_requests + 1);
    if (lists.took == NULL || lists.at == NULL) {
        mem_free(lists.took);
        mem_free(lists.at);
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < score->n_requests; i++) {
        if (is_within(&score->requests[i], from_us, to_us)) {
            count(span, &lists, &score->requests[i]);
        }
    }
    qsort(lists.took, lists.n_took, sizeof(*lists.took), by_number);
    span->p50_ms = quantile(lists.took, lists.n_took, 0.5);
    span->p99_ms = quantile(lists.took, lists.n_took, 0.99);
    span->max_ms = quantile(lists.took, lists.n_took, 1);
    span->gap_ms = longest_gap(lists.at, lists.n_at, from_us, to_us);
    span->rate = to_us > from_us
                     ? (double)lists.n_at * 1e6 / (double)(to_us - from_us)
                     : 0;
    mem_free(lists.took);
    mem_free(lists.at);
    return 0;
}

/* ---- the verdict ----------------------------------------------------------
 */

enum { BEFORE, DURING, AFTER, ALL, SPANS };

static int make_spans(const struct score *score, struct score_span *spans)
{
    int rc = score_span(score, score->start_us, score->calm_us, &spans[BEFORE]);

    if (rc == 0) {
        rc = score_span(score, score->calm_us, score->settled_us,
                        &spans[DURING]);
    }
    if (rc == 0) {
        rc = score_span(score, score->settled_us, score->end_us, &spans[AFTER]);
    }
    return rc < 0 ? rc : score_span(score, 0, UINT64_MAX, &spans[ALL]);
}

/* NULL: passed; otherwise why not. */
static const char *verdict(const struct score *score,
                           const struct score_span *spans)
{
    const struct score_span *all = &spans[ALL];

    if (all->lost + all->wrong + score->duplicated > 0) {
        return "requests were lost, wrong or answered twice";
    }
    for (size_t i = 0; i < score->n_faults; i++) {
        if (score->faults[i].healed_us == 0) {
            return "a node did not come back";
        }
    }
    if (score->n_faults == 0 || spans[BEFORE].requests == 0) {
        return "there were no faults, or no load: this proves nothing";
    }
    if (spans[DURING].rate < spans[BEFORE].rate * score->least) {
        return "the rate fell too far: this proves nothing";
    }
    return NULL;
}

/* ---- printing -------------------------------------------------------------
 */

static json_t *span_json(const struct score_span *s)
{
    return json_pack("{s:I,s:I,s:I,s:I,s:f,s:f,s:f,s:f,s:f}", "requests",
                     (json_int_t)s->requests, "lost", (json_int_t)s->lost,
                     "wrong", (json_int_t)s->wrong, "resent",
                     (json_int_t)s->resent, "rate", s->rate, "p50_ms",
                     s->p50_ms, "p99_ms", s->p99_ms, "max_ms", s->max_ms,
                     "gap_ms", s->gap_ms);
}

/* -1: it did not happen. */
static json_int_t ms_or_none(uint32_t ms)
{
    return ms > 0 ? (json_int_t)ms : -1;
}

static uint32_t recover_ms(const struct score_fault *fault)
{
    return fault->back_ms > fault->ms ? fault->back_ms - fault->ms : 0;
}

static uint64_t end_of(const struct score *score,
                       const struct score_fault *fault)
{
    return fault->healed_us != 0 ? fault->healed_us : score->end_us;
}

static json_t *fault_json(const struct score *score,
                          const struct score_fault *fault)
{
    struct score_span span;

    if (score_span(score, fault->began_us, end_of(score, fault), &span) < 0) {
        return NULL;
    }
    return json_pack(
        "{s:f,s:s,s:s,s:s,s:i,s:I,s:I,s:i,s:b,s:o}", "at_s",
        (double)(fault->began_us - score->start_us) / 1e6, "fault", fault->kind,
        "node", fault->node, "what", fault->what, "for_ms", (int)fault->ms,
        "detect_ms", ms_or_none(fault->suspect_ms), "lost_ms",
        ms_or_none(fault->lost_ms), "recover_ms", (int)recover_ms(fault),
        "recovered", fault->healed_us != 0, "load", span_json(&span));
}

static int print_json(const struct score *score, const struct score_span *spans,
                      const char *why, struct err *err)
{
    json_t *faults = json_array();

    for (size_t i = 0; i < score->n_faults; i++) {
        (void)json_array_append_new(faults,
                                    fault_json(score, &score->faults[i]));
    }
    return show_json_line(
        json_pack(
            "{s:I,s:f,s:I,s:I,s:I,s:I,s:I,s:o,s:o,s:o,s:o,s:b,s:s}", "seed",
            (json_int_t)score->seed, "seconds",
            (double)(score->end_us - score->start_us) / 1e6, "requests",
            (json_int_t)spans[ALL].requests, "lost",
            (json_int_t)spans[ALL].lost, "wrong", (json_int_t)spans[ALL].wrong,
            "duplicated", (json_int_t)score->duplicated, "resent",
            (json_int_t)spans[ALL].resent, "before", span_json(&spans[BEFORE]),
            "during", span_json(&spans[DURING]), "after",
            span_json(&spans[AFTER]), "faults", faults, "passed", why == NULL,
            "why", why != NULL ? why : ""),
        err);
}

static const char *seconds_text(uint32_t ms, char out[16])
{
    if (ms == 0) {
        return "-";
    }
    (void)snprintf(out, 16, "%.2f", ms / 1e3);
    return out;
}

static int print_faults(const struct ctl *ctl, const struct score *score)
{
    static const struct table_column columns[] = {
        {"AT s", true},   {"FAULT", false}, {"NODE", false},
        {"WHAT", false},  {"FOR s", true},  {"DETECTED s", true},
        {"BACK s", true}, {"GAP ms", true}, {"REQUESTS", true},
        {"LOST", true},   {"WRONG", true},  {"RESENT", true},
        {"P99 ms", true}};
    struct table *table = table_new(ctl, columns, 13);
    int rc = 0;

    for (size_t i = 0; i < score->n_faults && rc == 0; i++) {
        const struct score_fault *f = &score->faults[i];
        struct score_span span;
        char text[16];

        rc = score_span(score, f->began_us, end_of(score, f), &span);
        if (rc < 0) {
            break;
        }
        table_row(table);
        table_text(table, 0, "%.1f",
                   (double)(f->began_us - score->start_us) / 1e6);
        table_text(table, 1, "%s", f->kind);
        table_text(table, 2, "%s", f->node);
        table_text(table, 3, "%s", f->what);
        table_text(table, 4, "%.1f", f->ms / 1e3);
        table_text(table, 5, "%s", seconds_text(f->suspect_ms, text));
        table_text(table, 6, "%s",
                   f->healed_us == 0 ? "never"
                                     : seconds_text(recover_ms(f), text));
        table_text(table, 7, "%.0f", span.gap_ms);
        table_text(table, 8, "%llu", (unsigned long long)span.requests);
        table_text(table, 9, "%llu", (unsigned long long)span.lost);
        table_text(table, 10, "%llu", (unsigned long long)span.wrong);
        table_text(table, 11, "%llu", (unsigned long long)span.resent);
        table_text(table, 12, "%.1f", span.p99_ms);
    }
    table_print(table);
    return rc;
}

static void print_spans(const struct score_span *spans)
{
    static const char *const names[] = {"before", "during", "after"};

    for (int i = BEFORE; i <= AFTER; i++) {
        const struct score_span *s = &spans[i];

        (void)printf("%-7s %8.1f requests/s   p50 %.1f ms   p99 %.1f ms   "
                     "max %.1f ms   longest gap %.0f ms\n",
                     names[i], s->rate, s->p50_ms, s->p99_ms, s->max_ms,
                     s->gap_ms);
    }
}

int score_print(const struct ctl *ctl, const struct score *score, bool *passed,
                struct err *err)
{
    struct score_span spans[SPANS];
    const char *why;
    int rc = make_spans(score, spans);

    if (rc < 0) {
        return err_set(err, rc, "out of memory");
    }
    why = verdict(score, spans);
    *passed = why == NULL;
    if (ctl->format == CTL_JSON) {
        return print_json(score, spans, why, err);
    }
    rc = print_faults(ctl, score);
    if (rc < 0) {
        return err_set(err, rc, "out of memory");
    }
    print_spans(spans);
    (void)printf("seed %llu: %zu faults in %.1f s; %llu requests sent, %llu "
                 "lost, %llu wrong, %llu duplicated; %llu hops sent again\n%s"
                 "%s%s\n",
                 (unsigned long long)score->seed, score->n_faults,
                 (double)(score->end_us - score->start_us) / 1e6,
                 (unsigned long long)spans[ALL].requests,
                 (unsigned long long)spans[ALL].lost,
                 (unsigned long long)spans[ALL].wrong,
                 (unsigned long long)score->duplicated,
                 (unsigned long long)spans[ALL].resent,
                 why == NULL ? "PASSED" : "FAILED", why != NULL ? ": " : "",
                 why != NULL ? why : "");
    return 0;
}

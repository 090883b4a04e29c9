#include "coordinator/ctl/watch_print.h"

#include "base/mem.h"
#include "coordinator/ctl/show.h"

#include <stdio.h>
#include <time.h>

#define TIME_TEXT 48
#define CLASSES_WIDTH 32 /* what mostly comes before the exit */

/* ---- times --------------------------------------------------------------- */

static void time_json(uint64_t at_us, char out[TIME_TEXT])
{
    time_t seconds = (time_t)(at_us / 1000000);
    char date[32];
    struct tm tm;

    (void)gmtime_r(&seconds, &tm);
    (void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(out, TIME_TEXT, "%s.%06uZ", date,
                   (unsigned)(at_us % 1000000));
}

static void time_text(uint64_t at_us, char out[TIME_TEXT])
{
    time_t seconds = (time_t)(at_us / 1000000);
    char date[32];
    struct tm tm;

    (void)localtime_r(&seconds, &tm);
    (void)strftime(date, sizeof(date), "%H:%M:%S", &tm);
    (void)snprintf(out, TIME_TEXT, "%s.%03u", date,
                   (unsigned)(at_us / 1000 % 1000));
}

/* ---- a sample ------------------------------------------------------------ */

static json_t *sample_json(const struct infer_line *line, uint64_t base)
{
    const struct landed *landed = line->landed;
    json_t *json = landed->rc == 0
                       ? infer_json(line)
                       : json_pack("{s:s,s:o}", "code", err_name(landed->rc),
                                   "error", show_json(landed->err.text));
    char when[TIME_TEXT];

    if (json == NULL) {
        return NULL;
    }
    if (landed->answer->at_us > 0) {
        time_json(landed->answer->at_us, when);
        (void)json_object_set_new(json, "time", json_string(when));
    }
    (void)json_object_set_new(
        json, "sample",
        json_integer((json_int_t)(base + landed->answer->request)));
    return json;
}

static void print_missing(const struct landed *landed)
{
    char *missing = infer_missing(landed);

    (void)printf("  incomplete: without %s", missing != NULL ? missing : "?");
    if (landed->answer->has_accuracy) {
        (void)printf(" (%.1f %% of such answers were right)",
                     landed->answer->accuracy);
    }
    mem_free(missing);
}

static int print_answer(const struct infer_line *line, struct err *err)
{
    const Edged__Answer *answer = line->landed->answer;
    char *text = infer_text(line);

    if (text == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    (void)printf("%-*s", CLASSES_WIDTH, text);
    if (answer->exit[0] != '\0') {
        show_clean(answer->exit);
        (void)printf("  left at %s", answer->exit);
    }
    (void)printf("  %3.0f ms", answer->latency_us / 1e3);
    if (!answer->complete) {
        print_missing(line->landed);
    }
    mem_free(text);
    return 0;
}

int watch_print(const struct ctl *ctl, const struct infer_line *line,
                uint64_t base, struct err *err)
{
    const struct landed *landed = line->landed;
    char when[TIME_TEXT] = "";
    int rc = 0;

    if (ctl->format == CTL_JSON) {
        rc = show_json_line(sample_json(line, base), err);
        (void)fflush(stdout);
        return rc;
    }
    if (landed->answer->at_us > 0) {
        time_text(landed->answer->at_us, when);
    }
    (void)printf("%6llu  %12s  ",
                 (unsigned long long)(base + landed->answer->request), when);
    if (landed->rc < 0) {
        (void)printf("failed: %s", landed->err.text);
    } else {
        rc = print_answer(line, err);
    }
    (void)printf("\n");
    (void)fflush(stdout);
    return rc;
}

/* ---- the end ------------------------------------------------------------- */

static double rate_of(const struct watch_tally *t)
{
    return t->seconds > 0 ? (double)t->answered / t->seconds : 0;
}

static json_t *tally_json(const struct watch_tally *t)
{
    return json_pack("{s:{s:I,s:I,s:I,s:I,s:f,s:f,s:f}}", "summary", "answered",
                     (json_int_t)t->answered, "incomplete",
                     (json_int_t)t->incomplete, "failed", (json_int_t)t->failed,
                     "skipped", (json_int_t)t->skipped, "slowest_ms",
                     (double)t->slowest_us / 1e3, "seconds", t->seconds, "rate",
                     rate_of(t));
}

int watch_print_tally(const struct ctl *ctl, const struct watch_tally *t,
                      struct err *err)
{
    if (ctl->format == CTL_JSON) {
        return show_json_line(tally_json(t), err);
    }
    if (!ctl->quiet) {
        (void)fprintf(
            stderr,
            "%llu answered in %.1f s (%.1f a second), %llu of them "
            "incomplete; %llu failed, %llu skipped; slowest %.0f "
            "ms\n",
            (unsigned long long)t->answered, t->seconds, rate_of(t),
            (unsigned long long)t->incomplete, (unsigned long long)t->failed,
            (unsigned long long)t->skipped, (double)t->slowest_us / 1e3);
    }
    return 0;
}

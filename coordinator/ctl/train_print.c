#include "coordinator/ctl/train.h"

#include "coordinator/ctl/show.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

void train_print_init(struct train_print *p, const struct ctl *ctl)
{
    memset(p, 0, sizeof(*p));
    p->ctl = ctl;
    p->is_live =
        !ctl->quiet && ctl->progress != CTL_PROGRESS_NONE &&
        (ctl->progress == CTL_PROGRESS_BAR ||
         (ctl->progress == CTL_PROGRESS_AUTO && isatty(STDERR_FILENO) == 1));
}

void train_print_clear(struct train_print *p)
{
    if (p->drawn) {
        (void)fprintf(stderr, "\r\033[K");
        p->drawn = false;
    }
}

/* ---- JSON ---------------------------------------------------------------- */

static json_t *stage_json(const Edged__StageTrained *stage)
{
    char hex[2 * 32 + 1] = "";

    for (size_t i = 0; i < stage->weights.len && i < 32; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", stage->weights.data[i]);
    }
    return json_pack("{s:o, s:o, s:f, s:I, s:I, s:I, s:I, s:I, s:s}", "stage",
                     show_json(stage->name), "node", show_json(stage->node),
                     "busy", stage->busy, "sent_bytes",
                     (json_int_t)stage->sent_bytes, "plain_bytes",
                     (json_int_t)stage->plain_bytes, "reduce_bytes",
                     (json_int_t)stage->reduce_bytes, "reduce_plain",
                     (json_int_t)stage->reduce_plain, "peak_bytes",
                     (json_int_t)stage->peak_bytes, "weights", hex);
}

static void add_test(json_t *line, double loss, double accuracy,
                     uint64_t samples)
{
    if (samples > 0) {
        (void)json_object_set_new(line, "test_loss", json_real(loss));
        (void)json_object_set_new(line, "test_accuracy", json_real(accuracy));
        (void)json_object_set_new(line, "test_samples",
                                  json_integer((json_int_t)samples));
    }
}

static int print_json(const Edged__TrainProgress *p, struct err *err)
{
    json_t *line = json_pack(
        "{s:o, s:o, s:I, s:I, s:i, s:i, s:f, s:f, s:f, s:f, s:f, s:I, s:f}",
        "training", show_json(p->training), "phase", show_json(p->phase),
        "step", (json_int_t)p->step, "steps", (json_int_t)p->steps, "pass",
        (int)p->pass, "passes", (int)p->passes, "loss", p->loss, "accuracy",
        p->accuracy, "rate", p->rate, "images_s", p->samples_s, "left_s",
        p->left_s, "skipped", (json_int_t)p->skipped, "took_s", p->took_s);
    json_t *stages = json_array();

    if (line == NULL || stages == NULL) {
        json_decref(line);
        json_decref(stages);
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    add_test(line, p->test_loss, p->test_accuracy, p->test_samples);
    if (p->text[0] != '\0') {
        (void)json_object_set_new(line, "text", show_json(p->text));
    }
    for (size_t i = 0; i < p->n_stages; i++) {
        (void)json_array_append_new(stages, stage_json(p->stages[i]));
    }
    (void)json_object_set_new(line, "stages", stages);
    return show_json_line(line, err);
}

/* ---- for people ---------------------------------------------------------- */

static void print_time(char *out, size_t size, double seconds)
{
    if (seconds < 90) {
        (void)snprintf(out, size, "%.0f s", seconds);
    } else if (seconds < 5400) {
        (void)snprintf(out, size, "%.0f min", seconds / 60);
    } else {
        (void)snprintf(out, size, "%.1f h", seconds / 3600);
    }
}

static void print_pass(struct train_print *p, const Edged__TrainProgress *at)
{
    if (at->passes == 0) {
        return; /* an evaluation, of which the end tells all */
    }
    if (!p->has_head && !p->ctl->no_headers) {
        (void)printf("%-9s %10s %9s %10s %9s %9s %8s\n", "PASS", "LOSS", "ACC",
                     "TEST LOSS", "TEST ACC", "RATE", "TIME");
    }
    p->has_head = true;
    (void)printf("%4u/%-4u %10.4f %8.2f%% ", at->pass, at->passes, at->loss,
                 100 * at->accuracy);
    if (at->test_samples > 0) {
        (void)printf("%10.4f %8.2f%% ", at->test_loss, 100 * at->test_accuracy);
    } else {
        (void)printf("%10s %9s ", "-", "-");
    }
    (void)printf("%9.5g %7.1fs\n", at->rate, at->took_s);
    (void)fflush(stdout);
}

static void print_step(struct train_print *p, const Edged__TrainProgress *at)
{
    char left[32];

    print_time(left, sizeof(left), at->left_s);
    if (!p->is_live) {
        return; /* a line a pass is enough where lines are kept */
    }
    (void)fprintf(stderr,
                  "\r\033[Kpass %u/%u  step %llu/%llu  loss %.4f  accuracy "
                  "%.1f%%  %.0f images/s  ETA %s",
                  at->pass + 1, at->passes, (unsigned long long)at->step,
                  (unsigned long long)at->steps, at->loss, 100 * at->accuracy,
                  at->samples_s, left);
    p->drawn = true;
}

/* Something other than a step: said once, as it may take a while. */
static void print_phase(struct train_print *p, const Edged__TrainProgress *at)
{
    if (p->ctl->quiet || p->ctl->progress == CTL_PROGRESS_NONE) {
        return;
    }
    if (at->text[0] != '\0') {
        (void)fprintf(stderr, "%s: %s (at step %llu)\n", at->phase, at->text,
                      (unsigned long long)at->step);
    } else if (p->is_live) {
        (void)fprintf(stderr, "\r\033[K%s ...", at->phase);
        p->drawn = true;
    }
}

int train_print_progress(struct train_print *p, const Edged__TrainProgress *at,
                         struct err *err)
{
    if (p->is_mute) {
        return 0;
    }
    if (p->ctl->format == CTL_JSON) {
        return print_json(at, err);
    }
    if (strcmp(at->phase, "step") == 0) {
        print_step(p, at);
        return 0;
    }
    train_print_clear(p);
    if (at->text[0] != '\0') { /* else it is nobody's to change */
        show_clean(at->text);
    }
    if (strcmp(at->phase, "evaluate") == 0) {
        print_pass(p, at);
    } else {
        print_phase(p, at);
    }
    return 0;
}

static int end_json(const Edged__TrainReply *reply, const char *path,
                    const char *curve, struct err *err)
{
    json_t *line = json_pack(
        "{s:o, s:s, s:I, s:f}", "training", show_json(reply->training), "phase",
        "end", "steps", (json_int_t)reply->steps, "took_s", reply->took_s);

    if (line == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    add_test(line, reply->test_loss, reply->test_accuracy, reply->test_samples);
    if (path != NULL) {
        (void)json_object_set_new(line, "file", show_json(path));
    }
    if (curve != NULL) {
        (void)json_object_set_new(line, "curve", show_json(curve));
    }
    return show_json_line(line, err);
}

int train_print_end(struct train_print *p, const Edged__TrainReply *reply,
                    const char *path, const char *curve, struct err *err)
{
    train_print_clear(p);
    if (p->ctl->format == CTL_JSON) {
        return end_json(reply, path, curve, err);
    }
    if (path != NULL) {
        (void)printf("trained %s: %llu steps in %.1f s", reply->training,
                     (unsigned long long)reply->steps, reply->took_s);
    } else {
        (void)printf("%s", reply->training);
    }
    if (reply->test_samples > 0) {
        (void)printf("%s %.2f%% of %llu test pictures are right (loss %.4f)",
                     path != NULL ? "," : ":", 100 * reply->test_accuracy,
                     (unsigned long long)reply->test_samples, reply->test_loss);
    }
    if (path != NULL) {
        (void)printf(". Written: %s", path);
    }
    if (curve != NULL) {
        (void)printf(", %s", curve);
    }
    (void)printf("\n");
    return 0;
}

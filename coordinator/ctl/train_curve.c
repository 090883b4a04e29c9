/*
 * A training's curve as SVG: loss above, accuracy below, over the passes;
 * what was learnt from as a line, the test set as one with dots. The colours
 * are two of Okabe and Ito's, which everybody can tell apart.
 */
#include "coordinator/ctl/train.h"

#include "config/read.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define LEFT 64
#define WIDTH 620
#define HEIGHT 200
#define TOP 40
#define GAP 60
#define TRAIN_COLOUR "#0072B2"
#define TEST_COLOUR "#D55E00"

struct panel {
    FILE *file;
    const Edged__TrainReply *reply;
    const char *title;
    bool is_accuracy;
    double y0;   /* of its upper edge, in the picture */
    double last; /* pass at the right edge */
    double low;
    double high; /* values at the lower and the upper edge */
};

/* ---- values -------------------------------------------------------------- */

static double point_value(const struct panel *p, size_t i)
{
    const Edged__CurvePoint *at = p->reply->curve[i];

    return p->is_accuracy ? 100 * at->accuracy : at->loss;
}

static double test_value(const struct panel *p, size_t i)
{
    const Edged__KeptPass *at = p->reply->passes[i];

    return p->is_accuracy ? 100 * at->test_accuracy : at->test_loss;
}

static bool has_tests(const struct panel *p)
{
    return p->reply->test_samples > 0 && p->reply->n_passes > 0;
}

static void stretch(struct panel *p, double value)
{
    if (isfinite(value)) {
        p->low = fmin(p->low, value);
        p->high = fmax(p->high, value);
    }
}

/* 1, 2 or 5 times a power of ten: some five of them in `range`. */
static double tick_of(double range)
{
    double raw = range / 5;
    double power = pow(10, floor(log10(raw)));
    double times = raw / power;

    return power * (times <= 1 ? 1 : times <= 2 ? 2 : times <= 5 ? 5 : 10);
}

/* From round number to round number around all values. */
static void measure(struct panel *p)
{
    double tick;

    p->low = p->is_accuracy ? 0 : DBL_MAX;
    p->high = -DBL_MAX;
    for (size_t i = 0; i < p->reply->n_curve; i++) {
        stretch(p, point_value(p, i));
    }
    for (size_t i = 0; has_tests(p) && i < p->reply->n_passes; i++) {
        stretch(p, test_value(p, i));
    }
    if (p->high < p->low) {
        p->low = 0; /* nothing was a number */
        p->high = 1;
    }
    if (p->high - p->low < 1e-9 * fmax(1, fabs(p->high))) {
        p->high = p->low + 1;
    }
    tick = tick_of(p->high - p->low);
    p->low = floor(p->low / tick) * tick;
    p->high = ceil(p->high / tick) * tick;
}

static double x_of(const struct panel *p, double pass)
{
    return LEFT + WIDTH * pass / p->last;
}

static double y_of(const struct panel *p, double value)
{
    return p->y0 + HEIGHT * (p->high - value) / (p->high - p->low);
}

/* ---- what is drawn ------------------------------------------------------- */

static void draw_frame(const struct panel *p)
{
    double tick = tick_of(p->high - p->low);
    int n = (int)lround((p->high - p->low) / tick);

    for (int i = 0; i <= n; i++) {
        double value = p->low + i * tick;
        double y = y_of(p, value);

        (void)fprintf(p->file,
                      "<path d=\"M%d %.1fh%d\" class=\"grid\"/>"
                      "<text x=\"%d\" y=\"%.1f\" class=\"left\">%.6g%s"
                      "</text>\n",
                      LEFT, y, WIDTH, LEFT - 6, y + 4,
                      fabs(value) < tick / 2 ? 0 : value,
                      p->is_accuracy ? " %" : "");
    }
    (void)fprintf(p->file,
                  "<text x=\"%d\" y=\"%.1f\" class=\"title\">%s</text>\n", LEFT,
                  p->y0 - 10, p->title);
}

static void draw_passes(const struct panel *p)
{
    double tick = fmax(tick_of(p->last), p->last < 1 ? 0 : 1);

    for (double pass = 0; pass <= p->last * (1 + 1e-9); pass += tick) {
        (void)fprintf(p->file,
                      "<text x=\"%.1f\" y=\"%.1f\" class=\"under\">%.4g"
                      "</text>\n",
                      x_of(p, pass), p->y0 + HEIGHT + 18, pass);
    }
    (void)fprintf(p->file,
                  "<text x=\"%d\" y=\"%.1f\" class=\"under\">passes over "
                  "the data</text>\n",
                  LEFT + WIDTH / 2, p->y0 + HEIGHT + 36);
}

/* A value that is no number leaves a gap. */
static void draw_train(const struct panel *p)
{
    char step = 'M';

    (void)fputs("<path class=\"train\" d=\"", p->file);
    for (size_t i = 0; i < p->reply->n_curve; i++) {
        double value = point_value(p, i);

        if (!isfinite(value)) {
            step = 'M';
            continue;
        }
        (void)fprintf(p->file, "%c%.1f %.1f", step,
                      x_of(p, p->reply->curve[i]->pass), y_of(p, value));
        step = 'L';
    }
    (void)fputs("\"/>\n", p->file);
}

static void draw_tests(const struct panel *p)
{
    char step = 'M';

    (void)fputs("<path class=\"test\" d=\"", p->file);
    for (size_t i = 0; i < p->reply->n_passes; i++) {
        double value = test_value(p, i);

        if (!isfinite(value)) {
            step = 'M';
            continue;
        }
        (void)fprintf(p->file, "%c%.1f %.1f", step,
                      x_of(p, p->reply->passes[i]->pass), y_of(p, value));
        step = 'L';
    }
    (void)fputs("\"/>\n", p->file);
    for (size_t i = 0; i < p->reply->n_passes; i++) {
        double value = test_value(p, i);

        if (isfinite(value)) {
            (void)fprintf(p->file,
                          "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\">"
                          "<title>pass %u: %.6g%s</title></circle>\n",
                          x_of(p, p->reply->passes[i]->pass), y_of(p, value),
                          p->reply->passes[i]->pass, value,
                          p->is_accuracy ? " %" : "");
        }
    }
}

static void draw(struct panel *p)
{
    measure(p);
    draw_frame(p);
    draw_train(p);
    if (has_tests(p)) {
        draw_tests(p);
    }
}

static void draw_key(const struct panel *p)
{
    (void)fprintf(p->file,
                  "<path class=\"train\" d=\"M%d 24h24\"/><text x=\"%d\" "
                  "y=\"28\">training</text>\n",
                  LEFT + WIDTH - 180, LEFT + WIDTH - 150);
    if (has_tests(p)) {
        (void)fprintf(p->file,
                      "<path class=\"test\" d=\"M%d 24h24\"/><text x=\"%d\" "
                      "y=\"28\">test</text>\n",
                      LEFT + WIDTH - 80, LEFT + WIDTH - 50);
    }
}

/* ---- the picture --------------------------------------------------------- */

static const char head[] =
    "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
    "font-family=\"sans-serif\" font-size=\"12\">\n"
    "<title>%s</title>\n"
    "<style>.grid{stroke:#ddd}.title{font-weight:bold}.left{text-anchor:end}"
    ".under{text-anchor:middle}.train,.test{fill:none;stroke-width:1.5}"
    ".train{stroke:" TRAIN_COLOUR "}.test{stroke:" TEST_COLOUR "}"
    "circle{fill:" TEST_COLOUR "}</style>\n"
    "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n";

/* How far to the right it goes. */
static double last_pass(const Edged__TrainReply *reply)
{
    double last = 0;

    if (reply->n_curve > 0) {
        last = reply->curve[reply->n_curve - 1]->pass;
    }
    if (reply->n_passes > 0) {
        last = fmax(last, reply->passes[reply->n_passes - 1]->pass);
    }
    return last > 0 ? last : 1;
}

static void draw_all(FILE *file, const Edged__TrainReply *reply)
{
    struct panel loss = {.file = file,
                         .reply = reply,
                         .title = "loss",
                         .y0 = TOP,
                         .last = last_pass(reply)};
    struct panel accuracy = loss;

    accuracy.title = "accuracy";
    accuracy.is_accuracy = true;
    accuracy.y0 = TOP + HEIGHT + GAP;
    /* Whoever answers says the name: no markup comes in with it. */
    (void)fprintf(file, head, LEFT + WIDTH + 24, TOP + 2 * HEIGHT + GAP + 50,
                  read_is_name(reply->training) ? reply->training : "training");
    draw_key(&loss);
    draw(&loss);
    draw(&accuracy);
    draw_passes(&accuracy);
    (void)fputs("</svg>\n", file);
}

int train_curve_write(const Edged__TrainReply *reply, const char *path,
                      struct err *err)
{
    FILE *file = fopen(path, "w");
    bool fine = file != NULL;

    if (fine) {
        draw_all(file, reply);
        fine = ferror(file) == 0;
    }
    if (file != NULL && fclose(file) != 0) {
        fine = false;
    }
    return fine ? 0
                : err_set(err, err_from_errno(errno), "cannot write %s: %s",
                          path, strerror(errno));
}

/*
 * How a training went: the mean of so many steps a point, and the passes. Both
 * take bounded space however long it lasts: when there is no more room, points
 * are joined two by two, and of the passes every other one goes. Kept with the
 * checkpoints, so that a run that goes on has one curve.
 */
#include "coordinator/train/trainer.h"

#include "base/mem.h"

#include <string.h>

#define POINTS_MOST 256 /* even */
#define PASSES_MOST 256

/* ---- sums ---------------------------------------------------------------- */

void trainer_sums_add(struct trainer_sums *sums,
                      const struct trainer_sums *more)
{
    sums->loss += more->loss;
    sums->samples += more->samples;
    sums->correct += more->correct;
}

double trainer_mean_loss(const struct trainer_sums *sums)
{
    return sums->samples > 0 ? sums->loss / (double)sums->samples : 0;
}

double trainer_accuracy(const struct trainer_sums *sums)
{
    return sums->samples > 0 ? (double)sums->correct / (double)sums->samples
                             : 0;
}

/* ---- points -------------------------------------------------------------- */

static void join_points(Edged__KeptTraining *kept)
{
    for (size_t i = 0; i < kept->n_curve / 2; i++) {
        Edged__CurvePoint *a = kept->curve[2 * i];
        Edged__CurvePoint *b = kept->curve[2 * i + 1];

        b->loss = (a->loss + b->loss) / 2;
        b->accuracy = (a->accuracy + b->accuracy) / 2;
        edged__curve_point__free_unpacked(a, NULL);
        kept->curve[i] = b;
    }
    kept->n_curve /= 2;
    kept->stride *= 2;
}

/* Takes `point` over. */
static int add_point(Edged__KeptTraining *kept, Edged__CurvePoint *point)
{
    Edged__CurvePoint **more =
        mem_resize(kept->curve, kept->n_curve + 1, sizeof(kept->curve[0]));

    if (more == NULL) {
        return EDGE_ENOMEM;
    }
    kept->curve = more;
    kept->curve[kept->n_curve++] = point;
    if (kept->n_curve == POINTS_MOST) {
        join_points(kept);
    }
    return 0;
}

/* Passes over the data so far. */
static double reached(const struct trainer *t)
{
    return t->kept->samples == 0 ? t->point.pass
                                 : t->point.pass + (double)t->point.first /
                                                       (double)t->kept->samples;
}

void trainer_curve_step(struct trainer *t)
{
    Edged__KeptTraining *kept = t->kept;
    Edged__CurvePoint *point;

    kept->stride = kept->stride > 0 ? kept->stride : 1;
    trainer_sums_add(&t->bend, &t->step_sums);
    if (++t->bend_steps < kept->stride) {
        return;
    }
    point = mem_new(Edged__CurvePoint);
    if (point != NULL) {
        edged__curve_point__init(point);
        point->pass = reached(t);
        point->loss = trainer_mean_loss(&t->bend);
        point->accuracy = trainer_accuracy(&t->bend);
        if (add_point(kept, point) < 0) {
            mem_free(point); /* a curve with a gap */
        }
    }
    memset(&t->bend, 0, sizeof(t->bend));
    t->bend_steps = 0;
}

/* ---- passes -------------------------------------------------------------- */

/* Every other one goes, not the first and the last. */
static void thin_passes(Edged__KeptTraining *kept)
{
    size_t n = 0;

    for (size_t i = 0; i < kept->n_passes; i++) {
        if (i % 2 == 0 || i + 1 == kept->n_passes) {
            kept->passes[n++] = kept->passes[i];
        } else {
            edged__kept_pass__free_unpacked(kept->passes[i], NULL);
        }
    }
    kept->n_passes = n;
}

void trainer_curve_pass(struct trainer *t, const Edged__KeptPass *pass)
{
    Edged__KeptTraining *kept = t->kept;
    Edged__KeptPass *copy = mem_new(Edged__KeptPass);
    Edged__KeptPass **more =
        mem_resize(kept->passes, kept->n_passes + 1, sizeof(kept->passes[0]));

    kept->passes = more != NULL ? more : kept->passes;
    if (copy == NULL || more == NULL) {
        mem_free(copy);
        return;
    }
    *copy = *pass;
    kept->passes[kept->n_passes++] = copy;
    if (kept->n_passes == PASSES_MOST) {
        thin_passes(kept);
    }
}

/* ---- after a loss -------------------------------------------------------- */

void trainer_curve_back(struct trainer *t)
{
    Edged__KeptTraining *kept = t->kept;
    double now = reached(t);

    while (kept->n_curve > 0 &&
           kept->curve[kept->n_curve - 1]->pass > now + 1e-9) {
        edged__curve_point__free_unpacked(kept->curve[--kept->n_curve], NULL);
    }
    while (kept->n_passes > 0 &&
           kept->passes[kept->n_passes - 1]->pass > t->point.evaluated) {
        edged__kept_pass__free_unpacked(kept->passes[--kept->n_passes], NULL);
    }
    memset(&t->bend, 0, sizeof(t->bend));
    t->bend_steps = 0;
}

#include "dataset/augment.h"

#include "base/limits.h"
#include "base/rng.h"

#include <math.h>
#include <string.h>

/* torchvision gives up to find a part that fits after so many trials. */
#define TRIALS 10
/* Streams of a sample's key: what one of them uses is no matter to others. */
enum { STREAM_CROP, STREAM_FLIP, STREAM_COLOUR };

struct augment_spec augment_none(void)
{
    return (struct augment_spec){.scale = {0.08, 1},
                                 .ratio = {3.0 / 4.0, 4.0 / 3.0}};
}

static bool is_range(const double range[2], double least, double most)
{
    return range[0] >= least && range[1] >= range[0] && range[1] <= most;
}

int augment_check(const struct augment_spec *spec, struct err *err)
{
    const double factors[] = {spec->brightness, spec->contrast,
                              spec->saturation};

    if (spec->padding > LIMIT_IMAGE_SIDE) {
        return err_set(err, EDGE_EINVAL, "a padding of %u is more than %d",
                       spec->padding, LIMIT_IMAGE_SIDE);
    }
    if (!is_range(spec->scale, 1e-4, 1) || !is_range(spec->ratio, 0.01, 100)) {
        return err_set(err, EDGE_EINVAL,
                       "a random part has a scale within 0.0001 and 1 and a "
                       "ratio within 0.01 and 100, the smaller one first");
    }
    if (!(spec->flip >= 0 && spec->flip <= 1)) {
        return err_set(err, EDGE_EINVAL, "a flip of %g is not within 0 and 1",
                       spec->flip);
    }
    for (int i = 0; i < AUGMENT_COLOURS; i++) {
        if (!(factors[i] >= 0 && factors[i] <= 10)) {
            return err_set(err, EDGE_EINVAL,
                           "a change of colour by %g is not within 0 and 10",
                           factors[i]);
        }
    }
    return 0;
}

bool augment_is_random(const struct augment_spec *spec)
{
    return spec->crop != AUGMENT_CROP_NONE || spec->flip > 0 ||
           spec->brightness > 0 || spec->contrast > 0 || spec->saturation > 0;
}

/* ---- deciding ---- */

static double between(struct rng *rng, double from, double to)
{
    return from + (to - from) * rng_unit(rng);
}

/* The largest part of an allowed shape, in the middle: RandomResizedCrop's
 * answer when no trial fits. */
static struct resize_box central(const struct augment_spec *spec, int width,
                                 int height)
{
    double ratio = (double)width / height;
    double w = width;
    double h = height;

    if (ratio < spec->ratio[0]) {
        h = fmin(fmax(rint(w / spec->ratio[0]), 1), height);
    } else if (ratio > spec->ratio[1]) {
        w = fmin(fmax(rint(h * spec->ratio[1]), 1), width);
    }
    return (struct resize_box){floor((width - w) / 2), floor((height - h) / 2),
                               w, h};
}

/* RandomResizedCrop.get_params(). */
static struct resize_box random_part(const struct augment_spec *spec,
                                     struct rng *rng, int width, int height)
{
    for (int i = 0; i < TRIALS; i++) {
        double area = (double)width * height *
                      between(rng, spec->scale[0], spec->scale[1]);
        double ratio =
            exp(between(rng, log(spec->ratio[0]), log(spec->ratio[1])));
        double w = rint(sqrt(area * ratio));
        double h = rint(sqrt(area / ratio));

        if (w > 0 && w <= width && h > 0 && h <= height) {
            double top = (double)rng_below(rng, (uint64_t)(height - h) + 1);
            double left = (double)rng_below(rng, (uint64_t)(width - w) + 1);

            return (struct resize_box){left, top, w, h};
        }
    }
    return central(spec, width, height);
}

static void decide_crop(const struct augment_spec *spec, uint64_t key,
                        int width, int height, struct augment *a)
{
    int padding = (int)spec->padding;
    struct rng rng;

    rng_init(&rng, key + STREAM_CROP);
    if (spec->crop == AUGMENT_CROP_RESIZED) {
        a->box = random_part(spec, &rng, width, height);
    } else if (spec->crop == AUGMENT_CROP_PADDED) {
        a->top = (int)rng_below(&rng, 2 * (uint64_t)padding + 1) - padding;
        a->left = (int)rng_below(&rng, 2 * (uint64_t)padding + 1) - padding;
    }
}

static float factor(struct rng *rng, double change)
{
    double f = between(rng, fmax(0, 1 - change), 1 + change);

    return change > 0 ? (float)f : 1;
}

/* ColorJitter.get_params(): all orders are as likely. */
static void decide_colour(const struct augment_spec *spec, uint64_t key,
                          struct augment *a)
{
    struct rng rng;

    rng_init(&rng, key + STREAM_COLOUR);
    for (int i = AUGMENT_COLOURS - 1; i >= 0; i--) {
        a->order[i] = (enum augment_colour)i;
    }
    for (int i = AUGMENT_COLOURS - 1; i > 0; i--) {
        int j = (int)rng_below(&rng, (uint64_t)i + 1);
        enum augment_colour kept = a->order[i];

        a->order[i] = a->order[j];
        a->order[j] = kept;
    }
    a->factors[AUGMENT_BRIGHTNESS] = factor(&rng, spec->brightness);
    a->factors[AUGMENT_CONTRAST] = factor(&rng, spec->contrast);
    a->factors[AUGMENT_SATURATION] = factor(&rng, spec->saturation);
}

void augment_decide(const struct augment_spec *spec, uint64_t key, int width,
                    int height, struct augment *augment)
{
    struct rng rng;

    memset(augment, 0, sizeof(*augment));
    decide_crop(spec, key, width, height, augment);
    rng_init(&rng, key + STREAM_FLIP);
    augment->flip = rng_unit(&rng) < spec->flip;
    decide_colour(spec, key, augment);
}

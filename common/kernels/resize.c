#include "kernels/resize.h"

#include "base/err.h"
#include "base/mem.h"
#include "kernels/move.h"

#include <math.h>
#include <string.h>

/* ---- the tables -------------------------------------------------------------
 */

struct place { /* what decides an output's position */
    double n_in;
    double n_out;
    double scale;
    double start;
    double end;
};

static double position(enum resize_at at, const struct place *p, double x)
{
    double width = p->scale * p->n_in; /* n_out before it was cut off */
    double half = (x + 0.5) / p->scale - 0.5;

    switch (at) {
    case RESIZE_HALF_PIXEL_SYMMETRIC:
        return p->n_in / 2 * (1 - p->n_out / width) + half;
    case RESIZE_PYTORCH_HALF_PIXEL: return p->n_out > 1 ? half : 0;
    case RESIZE_ALIGN_CORNERS:
        return width > 1 ? x * (p->n_in - 1) / (width - 1) : 0;
    case RESIZE_ASYMMETRIC: return x / p->scale;
    case RESIZE_TF_HALF_PIXEL_FOR_NN: return (x + 0.5) / p->scale;
    case RESIZE_TF_CROP_AND_RESIZE:
        if (p->n_out > 1) {
            return (p->start + x * (p->end - p->start) / (p->n_out - 1)) *
                   (p->n_in - 1);
        }
        return 0.5 * (p->start + p->end) * (p->n_in - 1);
    default: return half;
    }
}

static double nearest(enum resize_round round, double x)
{
    switch (round) {
    case RESIZE_ROUND_PREFER_CEIL: return floor(x + 0.5);
    case RESIZE_FLOOR: return floor(x);
    case RESIZE_CEIL: return ceil(x);
    default: return ceil(x - 0.5);
    }
}

/* Keys' kernel at distances 1 + r, r, 1 - r and 2 - r (Keys 1981). */
static void cubic_weights(double a, double r, double *w)
{
    double s = 1 - r;

    w[0] = ((a * (r + 1) - 5 * a) * (r + 1) + 8 * a) * (r + 1) - 4 * a;
    w[1] = ((a + 2) * r - (a + 3)) * r * r + 1;
    w[2] = ((a + 2) * s - (a + 3)) * s * s + 1;
    w[3] = ((a * (s + 1) - 5 * a) * (s + 1) + 8 * a) * (s + 1) - 4 * a;
}

/* The taps of one output at position `x`. */
static void set_taps(struct resize_axis *axis, const struct resize_rule *rule,
                     int64_t out, double x)
{
    int64_t *index = axis->index + out * axis->taps;
    double *weight = axis->weight + out * axis->taps;
    double low = floor(x);
    double sum = 0;

    if (rule->mode == RESIZE_NEAREST) {
        low = nearest(rule->round, x);
        weight[0] = 1;
    } else if (rule->mode == RESIZE_LINEAR) {
        weight[0] = 1 - (x - low);
        weight[1] = x - low;
    } else {
        cubic_weights(rule->cubic_a, x - low, weight);
        low -= 1;
    }
    for (int t = 0; t < axis->taps; t++) {
        double at = low + t;
        double last = (double)(axis->n_in - 1);
        bool inside = at >= 0 && at <= last;

        index[t] = (int64_t)fmin(fmax(at, 0), last);
        if (rule->exclude_outside && !inside && axis->taps > 1) {
            weight[t] = 0;
        }
        sum += weight[t];
    }
    for (int t = 0; rule->exclude_outside && sum != 0 && t < axis->taps; t++) {
        weight[t] /= sum;
    }
}

/* Whether output `out` is nothing but input `out`. */
static bool is_same(const struct resize_axis *axis, int64_t out)
{
    for (int t = 0; t < axis->taps; t++) {
        int64_t at = out * axis->taps + t;

        if (axis->weight[at] != (axis->index[at] == out ? 1 : 0)) {
            return false;
        }
    }
    return !axis->outside[out];
}

int resize_axis_init(struct resize_axis *axis, const struct resize_rule *rule,
                     int64_t n_in, int64_t n_out, double scale, double start,
                     double end)
{
    struct place place = {(double)n_in, (double)n_out, scale, start, end};
    size_t taps = (size_t)rule->mode;

    *axis = (struct resize_axis){.n_in = n_in, .n_out = n_out};
    axis->taps = (int)taps;
    axis->same = n_in == n_out;
    axis->index = mem_array(int64_t, (size_t)n_out * taps);
    axis->weight = mem_array(double, (size_t)n_out *taps);
    axis->outside = mem_array(bool, (size_t)n_out);
    if (axis->index == NULL || axis->weight == NULL || axis->outside == NULL) {
        resize_axis_deinit(axis);
        return EDGE_ENOMEM;
    }
    for (int64_t i = 0; i < n_out; i++) {
        double x = position(rule->at, &place, (double)i);

        axis->outside[i] = rule->at == RESIZE_TF_CROP_AND_RESIZE &&
                           (x < 0 || x > (double)(n_in - 1));
        set_taps(axis, rule, i, x);
        axis->same = axis->same && is_same(axis, i);
    }
    return 0;
}

void resize_axis_deinit(struct resize_axis *axis)
{
    mem_free(axis->index);
    mem_free(axis->weight);
    mem_free(axis->outside);
    *axis = (struct resize_axis){0};
}

/* ---- runs -------------------------------------------------------------------
 */

/* One output row (inner) from the taps' input rows. A NaN or infinity under a
 * weight of 0 does not count. */
#define BLEND(name, type)                                             \
    static void name##_row(const struct resize_axis *a, type *out,    \
                           const type *in, int64_t o, int64_t inner)  \
    {                                                                 \
        const int64_t *index = a->index + o * a->taps;                \
        const double *weight = a->weight + o * a->taps;               \
        bool first = true;                                            \
                                                                      \
        for (int t = 0; t < a->taps; t++) {                           \
            const type *x = in + index[t] * inner;                    \
            const type w = (type)weight[t];                           \
                                                                      \
            if (w == 0 && !(first && t + 1 == a->taps)) {             \
                continue;                                             \
            }                                                         \
            if (first) {                                              \
                for (int64_t j = 0; j < inner; j++) {                 \
                    out[j] = w * x[j];                                \
                }                                                     \
            } else {                                                  \
                for (int64_t j = 0; j < inner; j++) {                 \
                    out[j] += w * x[j];                               \
                }                                                     \
            }                                                         \
            first = false;                                            \
        }                                                             \
    }                                                                 \
                                                                      \
    void name(const struct resize_axis *a, type *out, const type *in, \
              int64_t outer, int64_t inner, type beyond)              \
    {                                                                 \
        for (int64_t p = 0; p < outer; p++) {                         \
            for (int64_t o = 0; o < a->n_out; o++) {                  \
                if (a->outside[o]) {                                  \
                    for (int64_t j = 0; j < inner; j++) {             \
                        out[j] = beyond;                              \
                    }                                                 \
                } else {                                              \
                    name##_row(a, out, in, o, inner);                 \
                }                                                     \
                out += inner;                                         \
            }                                                         \
            in += a->n_in * inner;                                    \
        }                                                             \
    }

BLEND(resize_f32, float)
BLEND(resize_f64, double)

#define PICK(type)                               \
    do {                                         \
        const type *x = in;                      \
        type *y = out;                           \
                                                 \
        for (int64_t o = 0; o < a->n_out; o++) { \
            y[o] = x[a->index[o]];               \
        }                                        \
    } while (0)

/* The innermost axis: one element each. */
static void pick_row(const struct resize_axis *a, void *out, const void *in,
                     size_t size)
{
    switch (size) {
    case 1: PICK(uint8_t); break;
    case 2: PICK(uint16_t); break;
    case 4: PICK(uint32_t); break;
    default: PICK(uint64_t); break;
    }
}

void resize_any(const struct resize_axis *axis, void *out, const void *in,
                int64_t outer, int64_t inner, size_t size, const void *beyond)
{
    size_t row = (size_t)inner * size;
    const uint8_t *x = in;
    uint8_t *y = out;

    for (int64_t p = 0; p < outer; p++) {
        if (inner == 1) {
            pick_row(axis, y, x, size);
        }
        for (int64_t o = 0; o < axis->n_out; o++) {
            if (axis->outside[o]) {
                move_fill(y, beyond, (size_t)inner, size);
            } else if (inner != 1) {
                memcpy(y, x + (size_t)axis->index[o] * row, row);
            }
            y += row;
        }
        x += (size_t)axis->n_in * row;
    }
}

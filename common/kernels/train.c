#include "kernels/train.h"

#include "kernels/mix.h"
#include "kernels/types.h"

#include <math.h>
#include <string.h>

/* ---- functions of one element ------------------------------------------- */

static void slope_back(float slope, const float *dy, const float *y, float *dx,
                       size_t n)
{
    LOOP_FREE
    for (size_t i = 0; i < n; i++) {
        dx[i] = y[i] > 0 ? dy[i] : dy[i] * slope;
    }
}

/* y = gamma x above 0, gamma alpha (e^x - 1) below: there its slope is
 * y + gamma alpha. */
static void elu_back(float alpha, float gamma, const float *dy, const float *y,
                     float *dx, size_t n)
{
    LOOP_FREE
    for (size_t i = 0; i < n; i++) {
        dx[i] = dy[i] * (y[i] > 0 ? gamma : y[i] + gamma * alpha);
    }
}

static void hard_back(float alpha, float beta, const float *dy, const float *x,
                      float *dx, size_t n)
{
    LOOP_FREE
    for (size_t i = 0; i < n; i++) {
        float y = alpha * x[i] + beta;

        dx[i] = y > 0 && y < 1 ? dy[i] * alpha : 0;
    }
}

/* x max(0, min(1, x / 6 + 1 / 2)) */
static void hard_swish_back(const float *dy, const float *x, float *dx,
                            size_t n)
{
    LOOP_FREE
    for (size_t i = 0; i < n; i++) {
        float inside = dy[i] * (x[i] * (1 / 3.0F) + 0.5F);
        float above = x[i] >= 3 ? dy[i] : inside;

        dx[i] = x[i] <= -3 ? 0 : above;
    }
}

void train_unary_back(enum train_unary kind, float a, float b, const float *dy,
                      const float *y, float *dx, size_t n)
{
    const struct isa *isa = isa_best();

    switch (kind) {
    case TRAIN_RELU: isa->between_back(dy, y, dx, n, 0, INFINITY); break;
    case TRAIN_CLIP: isa->between_back(dy, y, dx, n, a, b); break;
    case TRAIN_LEAKY_RELU: slope_back(a, dy, y, dx, n); break;
    case TRAIN_ELU: elu_back(a, b, dy, y, dx, n); break;
    case TRAIN_SIGMOID:
        LOOP_FREE
        for (size_t i = 0; i < n; i++) {
            dx[i] = dy[i] * (y[i] * (1 - y[i]));
        }
        break;
    case TRAIN_TANH:
        LOOP_FREE
        for (size_t i = 0; i < n; i++) {
            dx[i] = dy[i] * (1 - y[i] * y[i]);
        }
        break;
    case TRAIN_HARD_SIGMOID: hard_back(a, b, dy, y, dx, n); break;
    default: hard_swish_back(dy, y, dx, n); break;
    }
}

/* ---- batch normalisation --------------------------------------------------
 */

void train_batch_norm(const struct isa *isa, const float *x, float *y,
                      size_t outer, size_t channels, size_t inner,
                      const float *scale, const float *bias, float epsilon,
                      float *mean, float *variance, size_t from, size_t to)
{
    double n = (double)(outer * inner);

    for (size_t c = from; c < to; c++) {
        double sum = 0;
        double spread = 0;
        float factor;

        for (size_t i = 0; i < outer; i++) {
            sum += (double)isa->norm.sum(x + (i * channels + c) * inner, inner);
        }
        mean[c] = (float)(sum / n);
        for (size_t i = 0; i < outer; i++) {
            spread += (double)isa->norm.spread(x + (i * channels + c) * inner,
                                               inner, mean[c]);
        }
        variance[c] = (float)(spread / n);
        factor = scale[c] / sqrtf(variance[c] + epsilon);
        for (size_t i = 0; i < outer; i++) {
            size_t at = (i * channels + c) * inner;

            isa->norm.affine(x + at, y + at, inner, mean[c], factor, bias[c]);
        }
    }
}

void train_batch_norm_back(const struct isa *isa,
                           const struct train_norm_back *b, size_t outer,
                           size_t channels, size_t inner, size_t from,
                           size_t to)
{
    double n = (double)(outer * inner);

    for (size_t c = from; c < to; c++) {
        float inverse = 1 / sqrtf(b->variance[c] + b->epsilon);
        double sum = 0;
        double dot = 0;

        for (size_t i = 0; i < outer; i++) {
            size_t at = (i * channels + c) * inner;

            sum += (double)isa->norm.sum(b->dy + at, inner);
            dot +=
                (double)isa->norm.dot(b->dy + at, b->x + at, inner, b->mean[c]);
        }
        dot *= (double)inverse;
        b->dbias[c] = (float)sum;
        b->dscale[c] = (float)dot;
        for (size_t i = 0; i < outer; i++) {
            size_t at = (i * channels + c) * inner;

            isa->norm.affine_back(b->dy + at, b->x + at, b->dx + at, inner,
                                  b->mean[c], (float)(sum / n),
                                  (float)(dot / n) * inverse,
                                  b->scale[c] * inverse);
        }
    }
}

/* ---- softmax cross-entropy ------------------------------------------------
 */

static bool is_ignored(const struct train_loss *l, int64_t label)
{
    return l->ignores && label == l->ignore_index;
}

/* What a label counts: nothing, 1, or the weight of its class. NaN for one
 * that is no class. */
static double weight_of(const struct train_loss *l, const float *weights,
                        int64_t label)
{
    if (is_ignored(l, label)) {
        return 0;
    }
    if (label < 0 || (uint64_t)label >= l->classes) {
        return NAN;
    }
    return weights != NULL ? (double)weights[label] : 1;
}

static double sum_weights(const struct train_loss *l, const float *weights,
                          const struct tensor *labels)
{
    double sum = 0;

    for (size_t i = 0; i < l->outer * l->inner; i++) {
        sum += weight_of(l, weights, tensor_get_int(labels, (int64_t)i));
    }
    return sum;
}

/* Where the scores of label i begin; classes are `inner` apart. */
static size_t scores_at(const struct train_loss *l, size_t i)
{
    return i / l->inner * l->classes * l->inner + i % l->inner;
}

void train_loss_run(const struct train_loss *l, const float *log_prob,
                    const struct tensor *labels, const float *weights,
                    float *loss)
{
    double sum = 0;

    for (size_t i = 0; i < l->outer * l->inner; i++) {
        int64_t label = tensor_get_int(labels, (int64_t)i);
        double one = weight_of(l, weights, label);

        if (one < 0 || one > 0) { /* neither ignored nor no class */
            one *=
                -(double)log_prob[scores_at(l, i) + (size_t)label * l->inner];
        }
        sum += one;
        if (l->each) {
            loss[i] = (float)one;
        }
    }
    if (!l->each) {
        loss[0] =
            (float)(l->mean ? sum / sum_weights(l, weights, labels) : sum);
    }
}

void train_loss_back(const struct train_loss *l, const float *log_prob,
                     const struct tensor *labels, const float *weights,
                     float dloss, float *dx)
{
    double share = l->mean ? dloss / sum_weights(l, weights, labels) : dloss;

    for (size_t i = 0; i < l->outer * l->inner; i++) {
        int64_t label = tensor_get_int(labels, (int64_t)i);
        size_t at = scores_at(l, i);
        float by = (float)(weight_of(l, weights, label) * share);

        for (size_t c = 0; c < l->classes; c++, at += l->inner) {
            float hit = label >= 0 && (uint64_t)label == c ? 1 : 0;

            dx[at] = (expf(log_prob[at]) - hit) * by;
        }
    }
}

/* ---- dropout ---------------------------------------------------------------
 */

void train_dropout(const float *x, float *y, size_t samples, size_t size,
                   const int64_t *seeds, uint64_t salt, float ratio)
{
    float scale = 1 / (1 - ratio);
    uint64_t bound = mix_bound((double)ratio);

    for (size_t n = 0; n < samples; n++, x += size, y += size) {
        uint64_t base = mix_base(seeds[n], salt);

        for (size_t i = 0; i < size; i++) {
            bool keep = mix_at(base, i) >= bound;

            y[i] = keep ? x[i] * scale : 0;
        }
    }
}

/* ---- pooling ----------------------------------------------------------------
 */

/* A row of a tap: where x is the largest, what is left of dy goes there, and
 * is gone for the taps behind. */
static void take_row(float *left, const float *y, const float *x, float *dx,
                     size_t n, size_t stride)
{
    if (stride == 1) {
        LOOP_FREE
        for (size_t i = 0; i < n; i++) {
            float part = y[i] <= x[i] ? left[i] : 0;

            dx[i] += part;
            left[i] -= part;
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        float part = y[i] <= x[i * stride] ? left[i] : 0;

        dx[i * stride] += part;
        left[i] -= part;
    }
}

static void take_taps(const struct grid *g, float *left, const float *y,
                      const float *x, float *dx)
{
    for (size_t k = 0; k < grid_taps(g); k++) {
        struct grid_tap t = grid_tap(g, k);
        size_t n = t.to[2] - t.from[2];

        for (size_t d = t.from[0]; d < t.to[0] && n > 0; d++) {
            for (size_t h = t.from[1]; h < t.to[1]; h++) {
                size_t at = (d * g->out[1] + h) * g->out[2] + t.from[2];
                size_t to = grid_element(g, &t, d, h, t.from[2]);

                take_row(left + at, y + at, x + to, dx + to, n, g->stride[2]);
            }
        }
    }
}

void train_max_pool_back(const struct train_max_back *b, float *scratch)
{
    size_t in = grid_in(b->grid);
    size_t out = grid_out(b->grid);

    memset(b->dx, 0, b->planes * in * sizeof(*b->dx));
    for (size_t p = 0; p < b->planes; p++) {
        memcpy(scratch, b->dy + p * out, out * sizeof(*scratch));
        take_taps(b->grid, scratch, b->y + p * out, b->x + p * in,
                  b->dx + p * in);
    }
}

/* One over the number of elements behind each mean. */
static void write_shares(const struct taps *t, float *share)
{
    const size_t *out = t->grid.out;

    for (size_t d = 0; d < out[0]; d++) {
        for (size_t h = 0; h < out[1]; h++) {
            size_t n = taps_count(t, 0, d) * taps_count(t, 1, h);

            for (size_t w = 0; w < out[2]; w++) {
                *share++ = 1 / (float)(n * taps_count(t, 2, w));
            }
        }
    }
}

static void add_taps(const struct grid *g, const float *dy, float *dx)
{
    for (size_t k = 0; k < grid_taps(g); k++) {
        struct grid_tap t = grid_tap(g, k);
        size_t n = t.to[2] - t.from[2];

        for (size_t d = t.from[0]; d < t.to[0] && n > 0; d++) {
            for (size_t h = t.from[1]; h < t.to[1]; h++) {
                const float *from =
                    dy + (d * g->out[1] + h) * g->out[2] + t.from[2];
                float *to = dx + grid_element(g, &t, d, h, t.from[2]);

                for (size_t i = 0; i < n; i++) {
                    to[i * g->stride[2]] += from[i];
                }
            }
        }
    }
}

void train_average_pool_back(const struct taps *t, const float *dy, float *dx,
                             size_t planes, float *scratch)
{
    const struct grid *g = &t->grid;
    size_t out = grid_out(g);
    float *scaled = scratch + out;

    write_shares(t, scratch);
    memset(dx, 0, planes * grid_in(g) * sizeof(*dx));
    for (size_t p = 0; p < planes; p++, dy += out, dx += grid_in(g)) {
        for (size_t i = 0; i < out; i++) {
            scaled[i] = dy[i] * scratch[i];
        }
        add_taps(g, scaled, dx);
    }
}

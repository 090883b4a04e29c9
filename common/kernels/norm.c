#include "kernels/norm.h"

#include "kernels/isa.h"

#include <math.h>

void norm_batch(const struct isa *isa, const float *x, float *y, size_t outer,
                size_t channels, size_t inner, const float *scale,
                const float *shift, const float *mean, const float *variance,
                float epsilon)
{
    for (size_t c = 0; c < channels; c++) {
        float by = scale[c] / sqrtf(variance[c] + epsilon);

        for (size_t o = 0; o < outer; o++) {
            size_t at = (o * channels + c) * inner;

            isa->norm.affine(x + at, y + at, inner, mean[c], by, shift[c]);
        }
    }
}

/* Mean of a row, and 1 over its standard deviation. */
static void measure(const struct isa *isa, const float *x, size_t n,
                    float epsilon, float *mean, float *inverse)
{
    float count = (float)n;

    *mean = isa->norm.sum(x, n) / count;
    *inverse = 1 / sqrtf(isa->norm.spread(x, n, *mean) / count + epsilon);
}

void norm_instance(const struct isa *isa, const float *x, float *y,
                   size_t outer, size_t channels, size_t inner,
                   const float *scale, const float *shift, float epsilon)
{
    for (size_t i = 0; i < outer * channels; i++) {
        size_t c = i % channels;
        float mean;
        float inverse;

        measure(isa, x + i * inner, inner, epsilon, &mean, &inverse);
        isa->norm.affine(x + i * inner, y + i * inner, inner, mean,
                         inverse * scale[c], shift[c]);
    }
}

void norm_layer(const struct isa *isa, const float *x, float *y, size_t rows,
                size_t cols, const float *scale, const float *shift,
                float epsilon, float *mean, float *inverse)
{
    for (size_t i = 0; i < rows; i++) {
        float m;
        float s;

        measure(isa, x + i * cols, cols, epsilon, &m, &s);
        isa->norm.affine_each(x + i * cols, y + i * cols, cols, m, s, scale,
                              shift);
        if (mean != NULL) {
            mean[i] = m;
        }
        if (inverse != NULL) {
            inverse[i] = s;
        }
    }
}

void norm_softmax(const struct isa *isa, const float *x, float *y, size_t outer,
                  size_t n, size_t inner, bool log)
{
    for (size_t o = 0; o < outer; o++) {
        size_t at = o * n * inner;

        if (inner == 1) {
            isa->norm.softmax(x + at, y + at, n, log);
        } else {
            isa->norm.softmax_down(x + at, y + at, n, inner, log);
        }
    }
}

void norm_lrn_run(const struct isa *isa, const struct norm_lrn *lrn,
                  const float *x, float *y, size_t outer, size_t channels,
                  size_t inner)
{
    size_t before = (lrn->size - 1) / 2;
    size_t after = lrn->size / 2;
    float alpha = lrn->alpha / (float)lrn->size;

    for (size_t o = 0; o < outer; o++) {
        const float *planes = x + o * channels * inner;

        for (size_t c = 0; c < channels; c++) {
            size_t first = c > before ? c - before : 0;
            size_t last = c + after < channels ? c + after : channels - 1;

            isa->norm.lrn(planes, inner, first, last, planes + c * inner,
                          y + (o * channels + c) * inner, inner, lrn->bias,
                          alpha, lrn->beta);
        }
    }
}

void norm_row_means(const struct isa *isa, const float *x, float *y,
                    size_t rows, size_t cols)
{
    for (size_t i = 0; i < rows; i++) {
        y[i] = isa->norm.sum(x + i * cols, cols) / (float)cols;
    }
}

void norm_row_maxima(const struct isa *isa, const float *x, float *y,
                     size_t rows, size_t cols)
{
    for (size_t i = 0; i < rows; i++) {
        y[i] = isa->norm.max(x + i * cols, cols);
    }
}

/*
 * Passes over rows of float32: sums, normalisation, softmax, LRN. A row's sum
 * is made of 16 partial ones (simd.h), so its order is the same on any CPU.
 */
#ifndef EDGE_KERNELS_NORM_H
#define EDGE_KERNELS_NORM_H

#include <stdbool.h>
#include <stddef.h>

struct isa;

/* The loops of an instruction set (isa.h). */
struct norm_loops {
    float (*sum)(const float *x, size_t n);
    float (*max)(const float *x, size_t n); /* -INFINITY for none */
    /* sum of (x - mean)^2 */
    float (*spread)(const float *x, size_t n, float mean);
    /* sum of a * (x - mean) */
    float (*dot)(const float *a, const float *x, size_t n, float mean);
    /* dx = (dy - part - (x - mean) * slope) * scale */
    void (*affine_back)(const float *dy, const float *x, float *dx, size_t n,
                        float mean, float part, float slope, float scale);
    /* y = (x - mean) * scale + shift */
    void (*affine)(const float *x, float *y, size_t n, float mean, float scale,
                   float shift);
    /* y = (x - mean) * inverse * scale[i] + shift[i]; shift may be NULL */
    void (*affine_each)(const float *x, float *y, size_t n, float mean,
                        float inverse, const float *scale, const float *shift);
    /* y = e^(x - its largest) / sum of those; or the logarithm of that */
    void (*softmax)(const float *x, float *y, size_t n, bool log);
    /* the same down `n` rows, `cols` floats apart, of each of cols columns */
    void (*softmax_down)(const float *x, float *y, size_t n, size_t cols,
                         bool log);
    /* y = x / (bias + alpha * sum of squares over rows first..last)^beta;
     * rows are `step` floats apart and squares those of `planes` */
    void (*lrn)(const float *planes, size_t step, size_t first, size_t last,
                const float *x, float *y, size_t n, float bias, float alpha,
                float beta);
};

/* x (outer, channels, inner), in place or not; scale, shift, mean, variance
 * (channels). */
void norm_batch(const struct isa *isa, const float *x, float *y, size_t outer,
                size_t channels, size_t inner, const float *scale,
                const float *shift, const float *mean, const float *variance,
                float epsilon);
/* Each (outer, channel) row of `inner` by its own mean and variance. */
void norm_instance(const struct isa *isa, const float *x, float *y,
                   size_t outer, size_t channels, size_t inner,
                   const float *scale, const float *shift, float epsilon);
/* x (rows, cols); scale (cols), shift (cols) or NULL; mean and inverse (rows)
 * or NULL. */
void norm_layer(const struct isa *isa, const float *x, float *y, size_t rows,
                size_t cols, const float *scale, const float *shift,
                float epsilon, float *mean, float *inverse);
/* x (outer, n, inner) along n. */
void norm_softmax(const struct isa *isa, const float *x, float *y, size_t outer,
                  size_t n, size_t inner, bool log);
/* x (outer, channels, inner); not in place. alpha is that of ONNX. */
struct norm_lrn {
    size_t size;
    float alpha;
    float beta;
    float bias;
};
void norm_lrn_run(const struct isa *isa, const struct norm_lrn *lrn,
                  const float *x, float *y, size_t outer, size_t channels,
                  size_t inner);
/* y (rows): the mean, or the largest, of each row of x (rows, cols). */
void norm_row_means(const struct isa *isa, const float *x, float *y,
                    size_t rows, size_t cols);
void norm_row_maxima(const struct isa *isa, const float *x, float *y,
                     size_t rows, size_t cols);

#endif

/*
 * Between float32 and small integers, as ONNX says: x = (q - zero) * scale,
 * and back q = x / scale, rounded to nearest with halves to even, plus zero,
 * saturated. A NaN becomes the least number.
 */
#ifndef EDGE_KERNELS_QUANT_H
#define EDGE_KERNELS_QUANT_H

#include <stddef.h>
#include <stdint.h>

/* The loops of an instruction set (isa.h). */
struct quant_loops {
    void (*from_u8)(const uint8_t *q, float *x, size_t n, int32_t zero,
                    float scale);
    void (*from_i8)(const int8_t *q, float *x, size_t n, int32_t zero,
                    float scale);
    void (*from_i32)(const int32_t *q, float *x, size_t n, int32_t zero,
                     float scale);
    void (*to_u8)(const float *x, uint8_t *q, size_t n, int32_t zero,
                  float scale);
    void (*to_i8)(const float *x, int8_t *q, size_t n, int32_t zero,
                  float scale);
    /* q = saturated round((sum + bias) * by) + zero; sums wrap around */
    void (*sums_to_u8)(const int32_t *sum, uint8_t *q, size_t n, int32_t bias,
                       float by, int32_t zero);
    void (*sums_to_i8)(const int32_t *sum, int8_t *q, size_t n, int32_t bias,
                       float by, int32_t zero);
    void (*range)(const float *x, size_t n, float *least, float *most);
    /* y += w * (x - zero), `stride` elements apart in x */
    void (*add_u8)(const uint8_t *x, int32_t *y, size_t n, size_t stride,
                   int32_t zero, int32_t w);
    void (*add_i8)(const int8_t *x, int32_t *y, size_t n, size_t stride,
                   int32_t zero, int32_t w);
};

#endif

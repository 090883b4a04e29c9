/*
 * Max and average pooling over planes (grid.h). Float32 goes by taps.h;
 * here are the other types, and the form that tells where the largest was.
 */
#ifndef EDGE_KERNELS_POOL_H
#define EDGE_KERNELS_POOL_H

#include "kernels/isa.h"

/* y (planes, out...) from x (planes, in...); scratch of taps.scratch_bytes. */
void pool_run(const struct isa *isa, const struct taps *taps, const float *x,
              float *y, size_t planes, void *scratch);

/* A window that lies in the padding alone gives the least value. */
void pool_max_i8(const struct grid *w, const int8_t *x, int8_t *y,
                 size_t planes);
void pool_max_u8(const struct grid *w, const uint8_t *x, uint8_t *y,
                 size_t planes);

/* The same with the place of each, the first of equals: its index in x, or
 * with `by_column` as if each plane's last two axes were swapped. */
void pool_argmax_f32(const struct grid *w, const float *x, float *y,
                     int64_t *index, size_t planes, bool by_column);
void pool_argmax_i8(const struct grid *w, const int8_t *x, int8_t *y,
                    int64_t *index, size_t planes, bool by_column);
void pool_argmax_u8(const struct grid *w, const uint8_t *x, uint8_t *y,
                    int64_t *index, size_t planes, bool by_column);

#endif

/* What follows a product that cannot be done in its tiles; a body, see
 * simd.h. The two are calls of their own, so that no multiplication of the
 * first is contracted with an addition of the second. */
#include "kernels/post.h"
#include "kernels/simd.h"

/* y = alpha * y + beta * c, where c is a row (step 1), one number (step 0) or
 * NULL. */
static void post_scale(float *y, size_t n, float alpha, const float *c,
                       size_t step, float beta)
{
    if (c == NULL) {
        for (size_t i = 0; i < n; i++) {
            y[i] = alpha * y[i];
        }
    } else if (step == 0) {
        for (size_t i = 0; i < n; i++) {
            y[i] = alpha * y[i] + beta * *c;
        }
    } else {
        for (size_t i = 0; i < n; i++) {
            y[i] = alpha * y[i] + beta * c[i];
        }
    }
}

/* y = act(y + bias + residual), of one channel. */
static void post_finish(float *y, size_t n, const struct post *post)
{
    for (size_t i = 0; i < n; i += SIMD_WIDTH) {
        size_t left = n - i;
        bool whole = left >= SIMD_WIDTH;
        vf v = tile_load(y + i, whole, left);

        if (post->bias != NULL) {
            v += vf_splat(*post->bias);
        }
        if (post->residual != NULL) {
            v += tile_load(post->residual + i, whole, left);
        }
        v = post_act(v, post);
        if (whole) {
            vf_store(y + i, v);
        } else {
            vf_store_some(y + i, v, left);
        }
    }
}

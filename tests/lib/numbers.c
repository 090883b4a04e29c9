#include "tests/lib/numbers.h"

#include "base/mem.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static float *room(size_t n)
{
    float *p = mem_resize(NULL, n, sizeof(float));

    assert_non_null(p);
    return p;
}

float *numbers_normal(struct rng *rng, size_t n)
{
    float *p = room(n);

    for (size_t i = 0; i < n; i++) {
        p[i] = rng_normal(rng);
    }
    return p;
}

float *numbers_unset(size_t n)
{
    float *p = room(n);

    for (size_t i = 0; i < n; i++) {
        p[i] = NAN;
    }
    return p;
}

size_t numbers_between(struct rng *rng, size_t from, size_t to)
{
    return from + (size_t)rng_below(rng, to - from + 1);
}

float numbers_madd(const struct isa *isa, float sum, float a, float b)
{
    volatile float product;

    if (isa->fused) {
        return fmaf(a, b, sum);
    }
    product = a * b;
    return sum + product;
}

float numbers_post(const struct post *post, float v, size_t i, size_t c)
{
    if (post->bias != NULL) {
        v += post->bias[c];
    }
    if (post->residual != NULL) {
        v += post->residual[i];
    }
    if (post->leaky) {
        return v < 0 ? v * post->slope : v;
    }
    v = v < post->low ? post->low : v;
    return v > post->high ? post->high : v;
}

struct post numbers_any_post(struct rng *rng, const float *bias,
                             const float *residual)
{
    struct post post = POST_NONE;

    post.bias = rng_below(rng, 2) > 0 ? bias : NULL;
    post.residual = rng_below(rng, 2) > 0 ? residual : NULL;
    switch (rng_below(rng, 4)) {
    case 0: post.low = 0; break;
    case 1:
        post.low = -0.5F;
        post.high = 0.5F;
        break;
    case 2:
        post.leaky = true;
        post.slope = 0.1F;
        break;
    default: break;
    }
    return post;
}

void numbers_assert_same(const float *got, const float *wanted, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (memcmp(&got[i], &wanted[i], sizeof(float)) != 0) {
            fail_msg("element %zu of %zu is %.9g, not %.9g", i, n,
                     (double)got[i], (double)wanted[i]);
        }
    }
}

void numbers_assert_near(const float *got, const float *wanted, size_t n,
                         double bound)
{
    for (size_t i = 0; i < n; i++) {
        double room_for = bound * fmax(1, fabs((double)wanted[i]));

        if (!(fabs((double)got[i] - (double)wanted[i]) <= room_for)) {
            fail_msg("element %zu of %zu is %.9g, not %.9g", i, n,
                     (double)got[i], (double)wanted[i]);
        }
    }
}

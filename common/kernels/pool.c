#include "kernels/pool.h"

#include <math.h>

void pool_run(const struct isa *isa, const struct taps *taps, const float *x,
              float *y, size_t planes, void *scratch)
{
    struct taps_job job = {.post = POST_NONE, .scratch = scratch};

    taps_begin(taps, scratch);
    for (size_t i = 0; i < planes; i++) {
        job.x = x + i * grid_in(&taps->grid);
        job.y = y + i * grid_out(&taps->grid);
        isa->taps_run(taps, &job);
    }
}

#define MAX_POOL(suffix, type, least)                                       \
    static void max_row_##suffix(const type *x, type *y, size_t n,          \
                                 size_t stride)                             \
    {                                                                       \
        if (stride == 1) {                                                  \
            for (size_t i = 0; i < n; i++) {                                \
                y[i] = x[i] > y[i] ? x[i] : y[i];                           \
            }                                                               \
            return;                                                         \
        }                                                                   \
        for (size_t i = 0; i < n; i++) {                                    \
            y[i] = x[i * stride] > y[i] ? x[i * stride] : y[i];             \
        }                                                                   \
    }                                                                       \
                                                                            \
    static void max_plane_##suffix(const struct grid *g, const type *x,     \
                                   type *y)                                 \
    {                                                                       \
        for (size_t i = 0; i < grid_out(g); i++) {                          \
            y[i] = least;                                                   \
        }                                                                   \
        for (size_t k = 0; k < grid_taps(g); k++) {                         \
            struct grid_tap t = grid_tap(g, k);                             \
            size_t first = t.from[2];                                       \
                                                                            \
            if (first == t.to[2]) {                                         \
                continue;                                                   \
            }                                                               \
            for (size_t d = t.from[0]; d < t.to[0]; d++) {                  \
                for (size_t h = t.from[1]; h < t.to[1]; h++) {              \
                    max_row_##suffix(x + grid_element(g, &t, d, h, first),  \
                                     y + (d * g->out[1] + h) * g->out[2] +  \
                                         first,                             \
                                     t.to[2] - first, g->stride[2]);        \
                }                                                           \
            }                                                               \
        }                                                                   \
    }                                                                       \
                                                                            \
    void pool_max_##suffix(const struct grid *g, const type *x, type *y,    \
                           size_t planes)                                   \
    {                                                                       \
        for (size_t i = 0; i < planes; i++) {                               \
            max_plane_##suffix(g, x + i * grid_in(g), y + i * grid_out(g)); \
        }                                                                   \
    }

MAX_POOL(i8, int8_t, INT8_MIN)
MAX_POOL(u8, uint8_t, 0)

/* Element `at` of a plane, counted with its last two axes swapped. */
static size_t swapped(const struct grid *g, size_t at)
{
    size_t c = at % g->in[2];
    size_t r = at / g->in[2] % g->in[1];
    size_t d = at / g->in[2] / g->in[1];

    return (d * g->in[2] + c) * g->in[1] + r;
}

/* The element of a plane that tap k of output o reads; false: padding. */
static bool element(const struct grid *g, size_t o, size_t k, size_t *at)
{
    size_t size = 1;

    *at = 0;
    for (int a = GRID_AXES - 1; a >= 0; a--) {
        size_t p = grid_at(g, a, o % g->out[a], k % g->kernel[a]);

        if (p >= g->in[a]) { /* before 0, it wraps */
            return false;
        }
        *at += p * size;
        size *= g->in[a];
        o /= g->out[a];
        k /= g->kernel[a];
    }
    return true;
}

#define ARGMAX_POOL(suffix, type, least)                                     \
    static void argmax_one_##suffix(const struct grid *g, const type *x,     \
                                    size_t o, type *y, size_t *place)        \
    {                                                                        \
        bool found = false;                                                  \
                                                                             \
        *y = least;                                                          \
        *place = 0;                                                          \
        for (size_t k = 0; k < grid_taps(g); k++) {                          \
            size_t at;                                                       \
                                                                             \
            if (element(g, o, k, &at) && (!found || x[at] > *y)) {           \
                *y = x[at];                                                  \
                *place = at;                                                 \
                found = true;                                                \
            }                                                                \
        }                                                                    \
    }                                                                        \
                                                                             \
    void pool_argmax_##suffix(const struct grid *g, const type *x, type *y,  \
                              int64_t *index, size_t planes, bool by_column) \
    {                                                                        \
        size_t out = grid_out(g);                                            \
                                                                             \
        for (size_t i = 0; i < planes * out; i++) {                          \
            size_t first = i / out * grid_in(g);                             \
            size_t at;                                                       \
                                                                             \
            argmax_one_##suffix(g, x + first, i % out, &y[i], &at);          \
            at = by_column ? swapped(g, at) : at;                            \
            index[i] = (int64_t)(first + at);                                \
        }                                                                    \
    }

ARGMAX_POOL(f32, float, -INFINITY)
ARGMAX_POOL(i8, int8_t, INT8_MIN)
ARGMAX_POOL(u8, uint8_t, 0)

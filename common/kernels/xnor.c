#include "kernels/xnor.h"

#include <string.h>

/* Of up to 64 values, `step` apart. */
static bool pack_word(const float *x, size_t n, size_t step, uint64_t *there,
                      uint64_t *minus)
{
    uint64_t is = 0;
    uint64_t negative = 0;
    bool fine = true;

    for (size_t i = 0; i < n; i++) {
        float v = x[i * step];

        is |= (uint64_t)(v < 0 || v > 0) << i;
        negative |= (uint64_t)(v < 0) << i;
        fine = fine &
               ((v >= 0 && v <= 0) | (v >= 1 && v <= 1) | (v >= -1 && v <= -1));
    }
    *there = is;
    *minus = negative;
    return fine;
}

bool xnor_pack(const float *x, size_t n, uint64_t *bits)
{
    size_t words = xnor_words(n);

    for (size_t i = 0; i < words; i++) {
        size_t left = n - 64 * i;

        if (!pack_word(x + 64 * i, left < 64 ? left : 64, 1, &bits[i],
                       &bits[words + i])) {
            return false;
        }
    }
    return true;
}

bool xnor_dense(const struct isa *isa, const float *x, size_t n, size_t k,
                const uint64_t *weights, size_t rows, float *y,
                uint64_t *scratch)
{
    for (size_t i = 0; i < n; i++) {
        if (!xnor_pack(x + i * k, k, scratch)) {
            return false;
        }
        isa->xnor_dots(scratch, weights, xnor_words(k), rows, y + i * rows, 1);
    }
    return true;
}

/* ---- convolution ----------------------------------------------------------
 */

/* Bits lie by tap, then by channel: so a window's are those of its pixels, one
 * behind the other. */
static size_t depth_of(const struct xnor_conv *c)
{
    return grid_taps(&c->grid) * c->cin;
}

size_t xnor_conv_packed(const struct xnor_conv *c)
{
    return c->cout * 2 * xnor_words(depth_of(c));
}

/* Each pixel's bits, then a window's, with a word more for what is written
 * across its end. */
size_t xnor_conv_scratch(const struct xnor_conv *c)
{
    return grid_in(&c->grid) * 2 * xnor_words(c->cin) +
           2 * (xnor_words(depth_of(c)) + 1);
}

/* Puts n bits, n <= 64, behind the first `at` of a row that is 0 there. */
static void append(uint64_t *row, size_t at, uint64_t bits, size_t n)
{
    size_t shift = at % 64;

    row[at / 64] |= bits << shift;
    if (shift + n > 64) {
        row[at / 64 + 1] |= bits >> (64 - shift);
    }
}

bool xnor_conv_pack(const struct xnor_conv *c, const float *w, uint64_t *packed)
{
    size_t taps = grid_taps(&c->grid);
    size_t words = xnor_words(depth_of(c));

    memset(packed, 0, xnor_conv_packed(c) * sizeof(*packed));
    for (size_t f = 0; f < c->cout; f++, packed += 2 * words) {
        for (size_t i = 0; i < depth_of(c); i++) {
            /* w is by channel, then by tap */
            float v = w[f * depth_of(c) + i % c->cin * taps + i / c->cin];
            uint64_t there;
            uint64_t minus;

            if (!pack_word(&v, 1, 1, &there, &minus)) {
                return false;
            }
            packed[i / 64] |= there << i % 64;
            packed[words + i / 64] |= minus << i % 64;
        }
    }
    return true;
}

static bool pack_pixels(const struct xnor_conv *c, const float *x,
                        uint64_t *pixels)
{
    size_t area = grid_in(&c->grid);
    size_t words = xnor_words(c->cin);
    bool fine = true;

    for (size_t p = 0; p < area && fine; p++) {
        for (size_t i = 0; i < words; i++) {
            size_t left = c->cin - 64 * i;

            fine =
                fine & pack_word(x + p + 64 * i * area, left < 64 ? left : 64,
                                 area, &pixels[p * 2 * words + i],
                                 &pixels[p * 2 * words + words + i]);
        }
    }
    return fine;
}

/* Where tap `tap` of output `out` reads; false: in the padding. */
static bool pixel_of(const struct grid *g, const size_t out[GRID_AXES],
                     const size_t tap[GRID_AXES], size_t *pixel)
{
    size_t at = 0;

    for (int a = 0; a < GRID_AXES; a++) {
        size_t place = out[a] * g->stride[a] + tap[a] * g->dilation[a];

        if (place < g->pad[a] || place - g->pad[a] >= g->in[a]) {
            return false;
        }
        at = at * g->in[a] + place - g->pad[a];
    }
    *pixel = at;
    return true;
}

/* The bits of all that one output reads. */
static void gather(const struct xnor_conv *c, const size_t out[GRID_AXES],
                   const uint64_t *pixels, uint64_t *there, uint64_t *minus)
{
    const struct grid *g = &c->grid;
    size_t words = xnor_words(c->cin);
    size_t at = 0;
    size_t tap[GRID_AXES];

    for (tap[0] = 0; tap[0] < g->kernel[0]; tap[0]++) {
        for (tap[1] = 0; tap[1] < g->kernel[1]; tap[1]++) {
            for (tap[2] = 0; tap[2] < g->kernel[2]; tap[2]++, at += c->cin) {
                size_t pixel;

                if (!pixel_of(g, out, tap, &pixel)) {
                    continue;
                }
                for (size_t i = 0; i < words; i++) {
                    size_t left = c->cin - 64 * i;
                    size_t n = left < 64 ? left : 64;
                    const uint64_t *p = pixels + pixel * 2 * words + i;

                    append(there, at + 64 * i, p[0], n);
                    append(minus, at + 64 * i, p[words], n);
                }
            }
        }
    }
}

bool xnor_conv_run(const struct isa *isa, const struct xnor_conv *c,
                   const float *x, const uint64_t *packed, float *y,
                   uint64_t *scratch)
{
    const struct grid *g = &c->grid;
    size_t words = xnor_words(depth_of(c));
    size_t area = grid_out(g);
    uint64_t *pixels = scratch;
    uint64_t *window =
        scratch + grid_in(g) * 2 * xnor_words(c->cin); /* words, and one */
    size_t out[GRID_AXES];
    size_t at = 0;

    if (!pack_pixels(c, x, pixels)) {
        return false;
    }
    for (out[0] = 0; out[0] < g->out[0]; out[0]++) {
        for (out[1] = 0; out[1] < g->out[1]; out[1]++) {
            for (out[2] = 0; out[2] < g->out[2]; out[2]++, at++) {
                memset(window, 0, 2 * (words + 1) * sizeof(*window));
                gather(c, out, pixels, window, window + words + 1);
                /* both parts without the word between them */
                memmove(window + words, window + words + 1,
                        words * sizeof(*window));
                isa->xnor_dots(window, packed, words, c->cout, y + at, area);
            }
        }
    }
    return true;
}

/*
 * Values of a binary layer: a bit for each where all are -1 or +1, two where
 * there are zeros too, as they are otherwise. How long it is tells which.
 */
#include "codec/inner.h"

#include <string.h>

#define PLUS 0x3f800000u
#define MINUS 0xbf800000u
#define TWO_BITS_MAX 4 /* so few values: a bit each would be as long */

static size_t size_of(size_t n, unsigned bits)
{
    return (n * bits + 7) / 8;
}

/* As float32 has it: -0 is no 0, so that what comes out is what went in. */
static uint32_t pattern_of(float value)
{
    uint32_t pattern;

    memcpy(&pattern, &value, sizeof(pattern));
    return pattern;
}

/* 1, 2, or 32: as they are. */
static unsigned width_of(const float *values, size_t n)
{
    unsigned width = n > TWO_BITS_MAX ? 1 : 2;

    for (size_t i = 0; i < n; i++) {
        uint32_t pattern = pattern_of(values[i]);

        if (pattern == 0) {
            width = 2;
        } else if (pattern != PLUS && pattern != MINUS) {
            return 32;
        }
    }
    return width;
}

size_t bits_encode(const float *values, size_t n, uint8_t *out)
{
    unsigned width = width_of(values, n);
    size_t size = size_of(n, width);

    if (width == 32) {
        memcpy(out, values, n * sizeof(*values));
        return n * sizeof(*values);
    }
    memset(out, 0, size);
    for (size_t i = 0; i < n; i++) {
        uint32_t pattern = pattern_of(values[i]);
        unsigned q = pattern == PLUS ? 1 : pattern == MINUS ? 2 : 0;

        symbol_put(out, width, i, width == 1 ? q & 1 : q);
    }
    return size;
}

int bits_decode(const uint8_t *in, size_t size, float *values, size_t n,
                struct err *err)
{
    static const float ones[] = {-1, 1};
    static const float signs[] = {0, 1, -1};
    unsigned width = size == size_of(n, 1) && n > TWO_BITS_MAX ? 1 : 2;

    if (size == n * sizeof(*values)) {
        memcpy(values, in, size);
        return 0;
    }
    if (size != size_of(n, width)) {
        return err_set(err, EDGE_ECORRUPT,
                       "coded values: %zu bytes for %zu bits", size, n);
    }
    for (size_t i = 0; i < n; i++) {
        unsigned q = symbol_get(in, width, i);

        if (q > 2) {
            return err_set(err, EDGE_ECORRUPT,
                           "coded values: no sign is %u, of value %zu", q, i);
        }
        values[i] = width == 1 ? ones[q] : signs[q];
    }
    return 0;
}

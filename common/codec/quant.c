/*
 *   count x (min f32, step f32), then the symbols: `bits` each, the first in
 *   the low bits of a byte. With runs: one byte that says whether they are
 *   counted (1) or as they are (0).
 */
#include "base/bytes.h"
#include "codec/inner.h"

#include <math.h>
#include <string.h>

#define STEP_BYTES 8
/* Values that are further apart are cut off, so that all steps together are a
 * number: what a training that diverges sends must not become infinite here.
 */
#define RANGE_MAX 3e38

struct step {
    float min;
    float step;
};

unsigned quant_bits(enum codec_kind kind)
{
    switch (kind) {
    case CODEC_Q16: return 16;
    case CODEC_Q12: return 12;
    case CODEC_Q10: return 10;
    case CODEC_Q8: return 8;
    case CODEC_Q6: return 6;
    case CODEC_Q4: return 4;
    default: return 2;
    }
}

/* Symbols may begin in one byte and end in another. */
static bool is_wide(unsigned bits)
{
    return 8 % bits != 0;
}

static size_t packed_bytes(unsigned bits, size_t n)
{
    return (n * bits + 7) / 8;
}

size_t quant_room(unsigned bits, bool runs, const struct codec_groups *g)
{
    return g->count * STEP_BYTES + (runs ? 1 : 0) + packed_bytes(bits, g->n);
}

/* ---- steps --------------------------------------------------------------- */

static void put_float(uint8_t *out, float v)
{
    uint32_t word;

    memcpy(&word, &v, sizeof(word));
    bytes_put32(out, word);
}

static float get_float(const uint8_t *in)
{
    uint32_t word = bytes_get32(in);
    float v;

    memcpy(&v, &word, sizeof(v));
    return v;
}

/* Of the finite values; 0 and 0 where there is none. */
static struct step measure(unsigned bits, const float *values, size_t n)
{
    float least = INFINITY;
    float most = -INFINITY;
    double range;

    for (size_t i = 0; i < n; i++) {
        float v = values[i];

        least = v < least && v > -INFINITY ? v : least;
        most = v > most && v < INFINITY ? v : most;
    }
    if (!(least <= most)) {
        return (struct step){0, 0};
    }
    range = (double)most - least;
    range = range < RANGE_MAX ? range : RANGE_MAX;
    return (struct step){least, (float)(range / (double)((1u << bits) - 1))};
}

/* The nearest symbol; 0 for NaN. Written so that loops of it vectorise. */
static inline uint8_t symbol(float min, float inverse, float top, float v)
{
    float q = (v - min) * inverse + 0.5F;

    q = q > 0 ? q : 0;
    q = q < top ? q : top;
    return (uint8_t)(int)q;
}

/* ---- packing ------------------------------------------------------------- */

static void encode_bytes(const struct step *s, float inverse,
                         const float *values, size_t n, uint8_t *out)
{
    float min = s->min;

    for (size_t i = 0; i < n; i++) {
        out[i] = symbol(min, inverse, 255, values[i]);
    }
}

/* In double: with 16 bits, float's rounding is no longer far below a step. */
static inline unsigned wide_symbol(double min, double inverse, double top,
                                   float v)
{
    double q = ((double)v - min) * inverse + 0.5;

    q = q > 0 ? q : 0; /* and NaN */
    return (unsigned)(q < top ? q : top);
}

/* The first bit of a symbol is the lowest one that is free in its byte. */
static void wide_put(uint8_t *packed, unsigned bits, size_t at, unsigned q)
{
    size_t bit = at * bits;
    uint32_t word = (uint32_t)q << (bit % 8);

    packed += bit / 8;
    for (; word != 0; word >>= 8) {
        *packed = (uint8_t)(*packed | word);
        packed++;
    }
}

static unsigned wide_get(const uint8_t *packed, unsigned bits, size_t at)
{
    size_t bit = at * bits;
    size_t end = (bit + bits + 7) / 8; /* behind its last byte */
    uint32_t word = 0;

    for (size_t i = end; i > bit / 8; i--) {
        word = word << 8 | packed[i - 1];
    }
    return word >> (bit % 8) & ((1u << bits) - 1);
}

static void encode_wide(unsigned bits, const struct step *s,
                        const float *values, size_t n, size_t at,
                        uint8_t *packed)
{
    double inverse = s->step > 0 ? 1 / (double)s->step : 0;
    double top = (double)((1u << bits) - 1);

    for (size_t i = 0; i < n; i++) {
        wide_put(packed, bits, at + i,
                 wide_symbol(s->min, inverse, top, values[i]));
    }
}

/* `packed` is zeroed; `at` counts symbols. */
static void encode_group(unsigned bits, const struct step *s,
                         const float *values, size_t n, size_t at,
                         uint8_t *packed)
{
    float inverse = s->step > 0 ? 1 / s->step : 0;
    float top = (float)((1u << bits) - 1);

    if (is_wide(bits)) {
        encode_wide(bits, s, values, n, at, packed);
        return;
    }
    if (!isfinite(inverse)) {
        inverse = 0; /* a step below the smallest normal number */
    }
    if (bits == 8) {
        encode_bytes(s, inverse, values, n, packed + at);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        symbol_put(packed, bits, at + i,
                   symbol(s->min, inverse, top, values[i]));
    }
}

static size_t group_size(const struct codec_groups *g, size_t i)
{
    size_t left = g->n - i * g->size;

    return left < g->size ? left : g->size;
}

size_t quant_encode(unsigned bits, bool runs, const struct codec_groups *g,
                    const float *values, uint8_t *out)
{
    uint8_t *packed = out + g->count * STEP_BYTES + (runs ? 1 : 0);
    size_t size = packed_bytes(bits, g->n);

    memset(packed, 0, size);
    for (size_t i = 0; i < g->count; i++) {
        size_t n = group_size(g, i);
        struct step s = measure(bits, values + i * g->size, n);

        put_float(out + i * STEP_BYTES, s.min);
        put_float(out + i * STEP_BYTES + 4, s.step);
        encode_group(bits, &s, values + i * g->size, n, i * g->size, packed);
    }
    if (runs) {
        packed[-1] = runs_shorten(bits, packed, &size);
    }
    return (size_t)(packed - out) + size;
}

/* ---- decoding ------------------------------------------------------------ */

static void decode_group(unsigned bits, const struct step *s,
                         const uint8_t *packed, size_t at, float *values,
                         size_t n)
{
    float min = s->min;
    float step = s->step;

    if (is_wide(bits)) {
        for (size_t i = 0; i < n; i++) {
            values[i] = min + (float)wide_get(packed, bits, at + i) * step;
        }
        return;
    }
    for (size_t i = 0; i < n && bits == 8; i++) {
        values[i] = min + (float)packed[at + i] * step;
    }
    for (size_t i = 0; i < n && bits != 8; i++) {
        values[i] = min + (float)symbol_get(packed, bits, at + i) * step;
    }
}

static int decode_all(unsigned bits, const struct codec_groups *g,
                      const uint8_t *steps, const uint8_t *packed,
                      float *values, struct err *err)
{
    for (size_t i = 0; i < g->count; i++) {
        struct step s = {get_float(steps + i * STEP_BYTES),
                         get_float(steps + i * STEP_BYTES + 4)};

        if (!isfinite(s.min) || !isfinite(s.step) || s.step < 0) {
            return err_set(err, EDGE_ECORRUPT,
                           "coded values: step %zu is no step", i);
        }
        decode_group(bits, &s, packed, i * g->size, values + i * g->size,
                     group_size(g, i));
    }
    return 0;
}

int quant_decode(unsigned bits, bool runs, const struct codec_groups *g,
                 const uint8_t *in, size_t size, float *values, struct err *err)
{
    size_t steps = g->count * STEP_BYTES + (runs ? 1 : 0);
    size_t want = packed_bytes(bits, g->n);
    uint8_t *open = NULL;
    int rc = 0;

    if (size < steps) {
        return err_set(err, EDGE_ECORRUPT,
                       "coded values: %zu bytes for %zu "
                       "steps",
                       size, g->count);
    }
    if (runs && in[steps - 1] == 1) {
        rc = runs_open(bits, in + steps, size - steps, want, &open, err);
    } else if ((runs && in[steps - 1] != 0) || size - steps != want) {
        rc = err_set(err, EDGE_ECORRUPT,
                     "coded values: %zu bytes for %zu symbols", size - steps,
                     g->n);
    }
    if (rc == 0) {
        rc = decode_all(bits, g, in, open != NULL ? open : in + steps, values,
                        err);
    }
    runs_close(open);
    return rc;
}

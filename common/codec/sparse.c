/*
 *   n kept u32, one bit for each value (first in the low bit), the kept values
 *
 * Kept are the largest by amount, wavelets by amount and area; of equal ones
 * the first.
 */
#include "base/bytes.h"
#include "base/mem.h"
#include "codec/inner.h"

#include <math.h>
#include <string.h>

size_t sparse_count(const uint8_t *mask, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n / 8; i++) {
        count += (size_t)__builtin_popcount(mask[i]);
    }
    if (n % 8 != 0) { /* what is behind the last does not count */
        count +=
            (size_t)__builtin_popcount(mask[n / 8] & ((1u << (n % 8)) - 1));
    }
    return count;
}

void sparse_pick(const uint8_t *mask, const float *values, size_t n,
                 float *kept)
{
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        if ((mask[i / 8] >> (i % 8) & 1) != 0) {
            kept[at++] = values[i];
        }
    }
}

void sparse_spread(const uint8_t *mask, const float *kept, float *values,
                   size_t n)
{
    size_t at = 0;

    for (size_t i = 0; i < n; i++) {
        values[i] = (mask[i / 8] >> (i % 8) & 1) != 0 ? kept[at++] : 0;
    }
}

static size_t map_bytes(size_t n)
{
    return (n + 7) / 8;
}

static size_t kept_of(const struct codec *codec, size_t n)
{
    /* A tenth of 100 is 10, whatever 0.1F is. */
    size_t k = (size_t)ceil((double)codec->keep * (double)n * (1 - 1e-6));

    return k < n ? k : n;
}

struct samples { /* axis 0, where there are others */
    size_t count;
    size_t size;
    size_t kept; /* of each */
};

static struct samples samples_of(const struct codec *codec,
                                 const struct shape *shape)
{
    size_t n = (size_t)shape_count(shape);
    size_t count = shape->rank >= 2 ? (size_t)shape->dims[0] : 1;
    size_t size = count > 0 ? n / count : 0;

    return (struct samples){count, size, kept_of(codec, size)};
}

size_t sparse_room(const struct codec *codec, const struct shape *shape)
{
    struct samples s = samples_of(codec, shape);
    struct codec_groups g = codec_groups_flat(s.count * s.kept);

    return 4 + map_bytes(s.count * s.size) + values_room(codec, &g);
}

/* Amounts as integers that sort as they do: a float without its sign. */
static uint32_t amount(float v)
{
    uint32_t word;

    memcpy(&word, &v, sizeof(word));
    word &= 0x7fffffff;
    return word > 0x7f800000 ? 0 : word; /* NaN: nothing */
}

struct cut { /* what is kept: all above `least`, and `equal` that are it */
    uint32_t least;
    size_t equal;
};

/* The k-th largest amount, 0 < k <= n, found digit by digit: how many values
 * have each digit, of those that begin like it. */
static struct cut find_cut(const float *values, size_t n, size_t k)
{
    static const unsigned digits[] = {11, 10, 10};
    struct cut cut = {0, k};
    unsigned shift = 31;

    for (size_t d = 0; d < 3; d++) {
        uint32_t counts[2048] = {0};
        uint32_t digit = 1u << digits[d];
        unsigned above = shift;

        shift -= digits[d];
        for (size_t i = 0; i < n; i++) {
            uint32_t a = amount(values[i]);

            if (a >> above == cut.least) {
                counts[(a >> shift) & ((1u << digits[d]) - 1)]++;
            }
        }
        while (counts[--digit] < cut.equal) {
            cut.equal -= counts[digit];
        }
        cut.least = cut.least << digits[d] | digit;
    }
    return cut;
}

/* Those of a sample, which begins at `first`, whose amounts are largest. */
static void mark(const struct samples *s, const float *values, size_t first,
                 uint8_t *map)
{
    struct cut cut = {0, 0};
    size_t at = 0;

    if (s->kept > 0) {
        cut = find_cut(values + first, s->size, s->kept);
    }
    for (size_t i = first; i < first + s->size && at < s->kept; i++) {
        uint32_t a = amount(values[i]);

        if (a > cut.least || (a == cut.least && cut.equal > 0)) {
            cut.equal -= a == cut.least;
            map[i / 8] = (uint8_t)(map[i / 8] | 1u << (i % 8));
            at++;
        }
    }
}

/* Keeps those values that are the largest in `weighed`. */
static int encode(const struct codec *codec, const float *values,
                  const float *weighed, const struct samples *s, uint8_t *out,
                  size_t *size)
{
    size_t n = s->count * s->size;
    size_t k = s->count * s->kept;
    struct codec_groups g = codec_groups_flat(k);
    float *kept = mem_zalloc(k > 0 ? k : 1, sizeof(*kept));

    if (kept == NULL) {
        return EDGE_ENOMEM;
    }
    bytes_put32(out, (uint32_t)k);
    memset(out + 4, 0, map_bytes(n));
    for (size_t i = 0; i < s->count; i++) {
        mark(s, weighed, i * s->size, out + 4);
    }
    sparse_pick(out + 4, values, n, kept);
    *size = 4 + map_bytes(n) +
            values_encode(codec, &g, kept, out + 4 + map_bytes(n));
    mem_free(kept);
    return 0;
}

int sparse_encode(const struct codec *codec, const float *values,
                  const struct shape *shape, uint8_t *out, size_t *size)
{
    struct samples s = samples_of(codec, shape);
    float *waves;
    float *weighed;
    int rc;

    if (!codec->haar) {
        return encode(codec, values, values, &s, out, size);
    }
    waves = haar_of(values, shape);
    weighed = waves != NULL ? haar_weighed(waves, shape) : NULL;
    rc = weighed != NULL ? encode(codec, waves, weighed, &s, out, size)
                         : EDGE_ENOMEM;
    mem_free(waves);
    mem_free(weighed);
    return rc;
}

static int check_map(const uint8_t *in, size_t size, size_t n, struct err *err)
{
    if (size < 4 + map_bytes(n) || bytes_get32(in) > n ||
        sparse_count(in + 4, n) != bytes_get32(in)) {
        return err_set(err, EDGE_ECORRUPT,
                       "coded values: marks that do not fit %zu values", n);
    }
    return 0;
}

int sparse_mask(const uint8_t *in, size_t size, size_t n, uint8_t *mask,
                struct err *err)
{
    int rc = check_map(in, size, n, err);

    if (rc == 0) {
        memcpy(mask, in + 4, map_bytes(n));
    }
    return rc;
}

static int decode(const struct codec *codec, const uint8_t *in, size_t size,
                  float *values, size_t n, struct err *err)
{
    size_t start = 4 + map_bytes(n);
    struct codec_groups g = codec_groups_flat(bytes_get32(in));
    float *kept = mem_zalloc(g.n > 0 ? g.n : 1, sizeof(*kept));
    int rc;

    if (kept == NULL) {
        return err_set(err, EDGE_ENOMEM, "coded values: out of memory");
    }
    rc = values_decode(codec, &g, in + start, size - start, kept, err);
    if (rc == 0) {
        sparse_spread(in + 4, kept, values, n);
    }
    mem_free(kept);
    return rc;
}

int sparse_decode(const struct codec *codec, const uint8_t *in, size_t size,
                  const struct shape *shape, float *values, struct err *err)
{
    size_t n = (size_t)shape_count(shape);
    int rc = check_map(in, size, n, err);

    if (rc == 0) {
        rc = decode(codec, in, size, values, n, err);
    }
    if (rc == 0 && codec->haar && haar_undo(values, shape) < 0) {
        rc = err_set(err, EDGE_ENOMEM, "coded values: out of memory");
    }
    return rc;
}

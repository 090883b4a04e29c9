/*
 *   n kept u32, one bit for each value (first in the low bit), the kept values
 *
 * Kept are the largest by amount; of equal ones the first.
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
    size_t k = (size_t)ceil((double)codec->keep * (double)n);

    return k < n ? k : n;
}

size_t sparse_room(const struct codec *codec, size_t n)
{
    struct codec_groups g = codec_groups_flat(kept_of(codec, n));

    return 4 + map_bytes(n) + values_room(codec, &g);
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

/* Marks and gathers k values; returns k. */
static size_t gather(const float *values, size_t n, size_t k, uint8_t *map,
                     float *kept)
{
    struct cut cut = {0, 0};
    size_t at = 0;

    if (k > 0) {
        cut = find_cut(values, n, k);
    }

    for (size_t i = 0; i < n && at < k; i++) {
        uint32_t a = amount(values[i]);

        if (a > cut.least || (a == cut.least && cut.equal > 0)) {
            cut.equal -= a == cut.least;
            map[i / 8] = (uint8_t)(map[i / 8] | 1u << (i % 8));
            kept[at++] = values[i];
        }
    }
    return at;
}

int sparse_encode(const struct codec *codec, const float *values, size_t n,
                  uint8_t *out, size_t *size)
{
    size_t k = kept_of(codec, n);
    struct codec_groups g = codec_groups_flat(k);
    float *kept = mem_zalloc(k > 0 ? k : 1, sizeof(*kept));

    if (kept == NULL) {
        return EDGE_ENOMEM;
    }
    bytes_put32(out, (uint32_t)k);
    memset(out + 4, 0, map_bytes(n));
    (void)gather(values, n, k, out + 4, kept);
    *size = 4 + map_bytes(n) +
            values_encode(codec, &g, kept, out + 4 + map_bytes(n));
    mem_free(kept);
    return 0;
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

int sparse_decode(const struct codec *codec, const uint8_t *in, size_t size,
                  float *values, size_t n, struct err *err)
{
    size_t start = 4 + map_bytes(n);
    struct codec_groups g;
    float *kept;
    int rc = check_map(in, size, n, err);

    if (rc < 0) {
        return rc;
    }
    g = codec_groups_flat(bytes_get32(in));
    kept = mem_zalloc(g.n > 0 ? g.n : 1, sizeof(*kept));
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

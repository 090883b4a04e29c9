/*
 * Symbol 0 is followed by how often it comes again, as one more symbol; every
 * other symbol stands for itself. The last byte may hold symbols too many:
 * whoever reads knows how many there are.
 */
#include "base/mem.h"
#include "codec/inner.h"

#include <string.h>

/* How many symbols 0 lie from `at`, as many as one count can say. */
static size_t run_at(unsigned bits, const uint8_t *packed, size_t at, size_t n)
{
    size_t most = (size_t)1 << bits;
    size_t run = 0;

    while (run < most && at + run < n &&
           symbol_get(packed, bits, at + run) == 0) {
        run++;
    }
    return run;
}

static size_t counted(unsigned bits, const uint8_t *packed, size_t n)
{
    size_t made = 0;

    for (size_t i = 0; i < n; made++) {
        size_t run = run_at(bits, packed, i, n);

        made += run > 0;
        i += run > 0 ? run : 1;
    }
    return made;
}

static void write_runs(unsigned bits, const uint8_t *packed, size_t n,
                       uint8_t *out)
{
    size_t at = 0;

    for (size_t i = 0; i < n;) {
        size_t run = run_at(bits, packed, i, n);

        symbol_put(out, bits, at++, symbol_get(packed, bits, i));
        if (run > 0) {
            symbol_put(out, bits, at++, (unsigned)(run - 1));
        }
        i += run > 0 ? run : 1;
    }
}

uint8_t runs_shorten(unsigned bits, uint8_t *packed, size_t *size)
{
    size_t n = *size * 8 / bits;
    size_t bytes = (counted(bits, packed, n) * bits + 7) / 8;
    uint8_t *out;

    if (bytes >= *size) {
        return 0;
    }
    out = mem_zalloc(bytes, 1);
    if (out == NULL) {
        return 0; /* as they are is right as well */
    }
    write_runs(bits, packed, n, out);
    memcpy(packed, out, bytes);
    mem_free(out);
    *size = bytes;
    return 1;
}

/* False: they say less or more than `n` symbols. */
static bool read_runs(unsigned bits, const uint8_t *in, size_t n_in,
                      uint8_t *packed, size_t n)
{
    size_t i = 0;
    size_t at = 0;

    while (at < n && i < n_in) {
        unsigned q = symbol_get(in, bits, i++);

        if (q != 0) {
            symbol_put(packed, bits, at++, q);
        } else if (i < n_in) {
            at += (size_t)symbol_get(in, bits, i++) + 1; /* zeroes already */
        } else {
            return false;
        }
    }
    return at == n && (n_in - i) * bits < 8; /* only what fills a byte */
}

int runs_open(unsigned bits, const uint8_t *in, size_t n, size_t want,
              uint8_t **packed, struct err *err)
{
    *packed = NULL;
    if (n > want) {
        return err_set(err, EDGE_ECORRUPT,
                       "coded values: runs of %zu bytes for %zu", n, want);
    }
    *packed = mem_zalloc(want, 1);
    if (*packed == NULL) {
        return err_set(err, EDGE_ENOMEM, "coded values: out of memory");
    }
    if (!read_runs(bits, in, n * 8 / bits, *packed, want * 8 / bits)) {
        mem_free(*packed);
        *packed = NULL;
        return err_set(err, EDGE_ECORRUPT,
                       "coded values: runs that do not fill their tensor");
    }
    return 0;
}

void runs_close(uint8_t *packed)
{
    mem_free(packed);
}

/*
 * The door to zstd. Values of 2 and 4 bytes are shuffled first, all first
 * bytes, then all second ones: exponents resemble each other.
 */
#include "base/mem.h"
#include "codec/inner.h"

#include <string.h>
#include <zstd.h>

#define LEVEL 1 /* a board's time is dearer than the last percent */

size_t zstd_room(size_t size)
{
    return ZSTD_compressBound(size);
}

static void shuffle(const uint8_t *in, size_t n, size_t unit, uint8_t *out)
{
    size_t count = unit > 0 ? n / unit : 0;

    for (size_t b = 0; b < unit; b++) {
        for (size_t i = 0; i < count; i++) {
            out[b * count + i] = in[i * unit + b];
        }
    }
    memcpy(out + count * unit, in + count * unit, n - count * unit);
}

static void unshuffle(const uint8_t *in, size_t n, size_t unit, uint8_t *out)
{
    size_t count = unit > 0 ? n / unit : 0;

    for (size_t b = 0; b < unit; b++) {
        for (size_t i = 0; i < count; i++) {
            out[i * unit + b] = in[b * count + i];
        }
    }
    memcpy(out + count * unit, in + count * unit, n - count * unit);
}

int zstd_encode(const uint8_t *in, size_t n, size_t unit, uint8_t *out,
                size_t *size)
{
    uint8_t *turned = mem_zalloc(n > 0 ? n : 1, 1);
    size_t made;

    if (turned == NULL) {
        return EDGE_ENOMEM;
    }
    shuffle(in, n, unit, turned);
    made = ZSTD_compress(out, zstd_room(n), turned, n, LEVEL);
    mem_free(turned);
    if (ZSTD_isError(made)) {
        return EDGE_ENOMEM; /* the room suffices: nothing else can fail */
    }
    *size = made;
    return 0;
}

int zstd_decode(const uint8_t *in, size_t n, size_t unit, uint8_t *out,
                size_t room, size_t *size, struct err *err)
{
    uint8_t *turned = mem_zalloc(room > 0 ? room : 1, 1);
    size_t made;

    if (turned == NULL) {
        return err_set(err, EDGE_ENOMEM, "coded values: out of memory");
    }
    /* Stops at `room`, whatever the frame announces. */
    made = ZSTD_decompress(turned, room, in, n);
    if (ZSTD_isError(made)) {
        mem_free(turned);
        return err_set(err, EDGE_ECORRUPT, "coded values: zstd: %s",
                       ZSTD_getErrorName(made));
    }
    unshuffle(turned, made, unit, out);
    mem_free(turned);
    *size = made;
    return 0;
}

/*
 * Little-endian loads and stores, hexadecimal, CRC32C. No state, no I/O.
 */
#ifndef EDGE_BASE_BYTES_H
#define EDGE_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline uint32_t bytes_get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
           (uint32_t)p[3] << 24;
}

static inline uint64_t bytes_get64(const uint8_t *p)
{
    return (uint64_t)bytes_get32(p) | (uint64_t)bytes_get32(p + 4) << 32;
}

static inline void bytes_put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (uint8_t)(v >> (8 * i));
    }
}

static inline void bytes_put64(uint8_t *p, uint64_t v)
{
    bytes_put32(p, (uint32_t)v);
    bytes_put32(p + 4, (uint32_t)(v >> 32));
}

/* `out` has room for 2 * size + 1 characters. */
void bytes_to_hex(const uint8_t *data, size_t size, char *out);
/* False unless `text` is exactly 2 * size hexadecimal digits. */
bool bytes_from_hex(const char *text, uint8_t *out, size_t size);

/* CRC32C (Castagnoli, RFC 3720 B.4) of `size` bytes, going on from `crc`;
 * start with 0. Uses the CPU's instruction where there is one. */
uint32_t bytes_crc32c(uint32_t crc, const void *data, size_t size);
/* The same one bit at a time, for CPUs without it and to check it. */
uint32_t bytes_crc32c_portable(uint32_t crc, const void *data, size_t size);

#endif

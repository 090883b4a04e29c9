#include "base/bytes.h"

#include <string.h>

#define CRC32C_POLYNOMIAL 0x82f63b78u /* reflected */

void bytes_to_hex(const uint8_t *data, size_t size, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < size; i++) {
        *out++ = digits[data[i] >> 4];
        *out++ = digits[data[i] & 15];
    }
    *out = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool bytes_from_hex(const char *text, uint8_t *out, size_t size)
{
    if (strlen(text) != 2 * size) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        int high = hex_value(text[2 * i]);
        int low = hex_value(text[2 * i + 1]);

        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static uint32_t portable_1(uint32_t crc, uint8_t byte)
{
    crc ^= byte;
    for (int bit = 0; bit < 8; bit++) {
        crc = crc >> 1 ^ (CRC32C_POLYNOMIAL & (0u - (crc & 1)));
    }
    return crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

#define CRC_TARGET __attribute__((target("sse4.2")))

CRC_TARGET static uint32_t crc_8(uint32_t crc, const uint8_t *p)
{
    return (uint32_t)_mm_crc32_u64(crc, bytes_get64(p));
}

CRC_TARGET static uint32_t crc_1(uint32_t crc, uint8_t byte)
{
    return _mm_crc32_u8(crc, byte);
}

static bool has_hardware(void)
{
    return __builtin_cpu_supports("sse4.2");
}
#elif defined(__aarch64__)
#include <arm_acle.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>

#define CRC_TARGET __attribute__((target("+crc")))

CRC_TARGET static uint32_t crc_8(uint32_t crc, const uint8_t *p)
{
    return __crc32cd(crc, bytes_get64(p));
}

CRC_TARGET static uint32_t crc_1(uint32_t crc, uint8_t byte)
{
    return __crc32cb(crc, byte);
}

static bool has_hardware(void)
{
    return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0;
}
#else
#define CRC_TARGET

static uint32_t crc_1(uint32_t crc, uint8_t byte)
{
    return portable_1(crc, byte);
}

static uint32_t crc_8(uint32_t crc, const uint8_t *p)
{
    for (int i = 0; i < 8; i++) {
        crc = crc_1(crc, p[i]);
    }
    return crc;
}

static bool has_hardware(void)
{
    return false;
}
#endif

/*
 * The instruction takes three cycles but one can start in each, so three
 * stretches of a block are summed side by side and then joined. The sum of
 * A followed by B is shift(sum of A) ^ sum of B, where shift stands for as
 * many zero bytes as B has: a product with x^(8 * bytes) modulo the
 * polynomial, bit-reflected, done with that factor times x^0 .. x^31.
 */
#define FAR_BYTES 8192
#define FAR_FACTOR 0x28461564u
#define NEAR_BYTES 1024
#define NEAR_FACTOR 0xe4172b16u
#define CRC_BITS 32

static void make_powers(uint32_t factor, uint32_t powers[CRC_BITS])
{
    for (int i = 0; i < CRC_BITS; i++) {
        powers[i] = factor;
        factor = factor >> 1 ^ (CRC32C_POLYNOMIAL & (0u - (factor & 1)));
    }
}

static uint32_t shift(const uint32_t powers[CRC_BITS], uint32_t crc)
{
    uint32_t product = 0;

    for (int i = 0; i < CRC_BITS; i++) {
        product ^= powers[i] & (0u - (crc >> (CRC_BITS - 1 - i) & 1));
    }
    return product;
}

/* Sums whole blocks of three stretches of `bytes`; returns how much it
 * took. `factor` is x^(8 * bytes). */
CRC_TARGET static size_t crc_blocks(uint32_t *crc, const uint8_t *p,
                                    size_t size, size_t bytes, uint32_t factor)
{
    uint32_t powers[CRC_BITS];
    uint32_t sum = *crc;
    size_t left = size;

    if (size < 3 * bytes) {
        return 0;
    }
    make_powers(factor, powers);
    for (; left >= 3 * bytes; left -= 3 * bytes, p += 3 * bytes) {
        uint32_t second = 0;
        uint32_t third = 0;

        for (size_t i = 0; i < bytes; i += 8) {
            sum = crc_8(sum, p + i);
            second = crc_8(second, p + bytes + i);
            third = crc_8(third, p + 2 * bytes + i);
        }
        sum = shift(powers, sum) ^ second;
        sum = shift(powers, sum) ^ third;
    }
    *crc = sum;
    return size - left;
}

CRC_TARGET static uint32_t crc_hardware(uint32_t crc, const uint8_t *p,
                                        size_t size)
{
    size_t done = crc_blocks(&crc, p, size, FAR_BYTES, FAR_FACTOR);

    done += crc_blocks(&crc, p + done, size - done, NEAR_BYTES, NEAR_FACTOR);
    for (; size - done >= 8; done += 8) {
        crc = crc_8(crc, p + done);
    }
    for (; done < size; done++) {
        crc = crc_1(crc, p[done]);
    }
    return crc;
}

uint32_t bytes_crc32c(uint32_t crc, const void *data, size_t size)
{
    return has_hardware() ? ~crc_hardware(~crc, data, size)
                          : bytes_crc32c_portable(crc, data, size);
}

uint32_t bytes_crc32c_portable(uint32_t crc, const void *data, size_t size)
{
    const uint8_t *p = data;

    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc = portable_1(crc, p[i]);
    }
    return ~crc;
}

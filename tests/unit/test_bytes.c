#include "tests/lib/unit.h"

#include "base/bytes.h"
#include "base/mem.h"
#include "base/rng.h"

#include <string.h>

static void test_little_endian_loads(void **state)
{
    const uint8_t bytes[] = {1, 2, 3, 4, 5, 6, 7, 0x88};

    (void)state;
    assert_int_equal(bytes_get32(bytes), 0x04030201);
    assert_int_equal(bytes_get64(bytes), 0x8807060504030201u);
    assert_int_equal(bytes_get32(bytes + 4), 0x88070605u);
}

static void test_stores_are_loaded_again(void **state)
{
    uint8_t bytes[9] = {0};

    (void)state;
    bytes_put64(bytes, 0xfedcba9876543210u);
    assert_int_equal(bytes_get64(bytes), 0xfedcba9876543210u);
    bytes_put32(bytes, 0xdeadbeefu);
    assert_int_equal(bytes_get32(bytes), 0xdeadbeefu);
    assert_int_equal(bytes[0], 0xef);
    assert_int_equal(bytes[8], 0);
}

static void test_hex_there_and_back(void **state)
{
    const uint8_t bytes[] = {0, 0x1f, 0xab, 0xff};
    uint8_t back[4];
    char text[9];

    (void)state;
    bytes_to_hex(bytes, 4, text);
    assert_string_equal(text, "001fabff");
    assert_true(bytes_from_hex("001FabfF", back, 4));
    assert_memory_equal(back, bytes, 4);
}

static void test_what_is_not_hex_is_refused(void **state)
{
    static const char *const bad[] = {"",     "00",   "000000",    "0g00",
                                      "00 0", "-100", "\303\25100"};
    uint8_t out[2];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(bytes_from_hex(bad[i], out, 2));
    }
}

/* RFC 3720, B.4: the vectors, as the numbers whose bytes it prints. */
static void test_crc32c_of_the_rfc(void **state)
{
    static const uint8_t command[48] = {
        0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00,
        0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18, 0x28, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    };
    uint8_t b[32];

    (void)state;
    memset(b, 0, sizeof(b));
    assert_int_equal(bytes_crc32c(0, b, 32), 0x8a9136aau);
    memset(b, 0xff, sizeof(b));
    assert_int_equal(bytes_crc32c(0, b, 32), 0x62a8ab43u);
    for (int i = 0; i < 32; i++) {
        b[i] = (uint8_t)i;
    }
    assert_int_equal(bytes_crc32c(0, b, 32), 0x46dd794eu);
    for (int i = 0; i < 32; i++) {
        b[i] = (uint8_t)(31 - i);
    }
    assert_int_equal(bytes_crc32c(0, b, 32), 0x113fdb5cu);
    assert_int_equal(bytes_crc32c(0, command, 48), 0xd9963a56u);
    assert_int_equal(bytes_crc32c(0, "", 0), 0);
}

static uint8_t *random_bytes(struct rng *rng, size_t size)
{
    uint8_t *data = mem_zalloc(size, 1);

    assert_non_null(data);
    for (size_t i = 0; i < size; i++) {
        data[i] = (uint8_t)rng_next(rng);
    }
    return data;
}

/* Sizes around the ends of both interleaved block lengths, at every
 * alignment of the first byte. */
static void test_the_instruction_equals_the_portable_sum(void **state)
{
    static const size_t sizes[] = {0,     1,     7,     8,     9,    63,
                                   64,    3071,  3072,  3073,  6144, 24575,
                                   24576, 24577, 27648, 49152, 60000};
    struct rng rng;
    uint8_t *data;

    (void)state;
    rng_init(&rng, 1);
    data = random_bytes(&rng, 60008);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (size_t at = 0; at < 8; at++) {
            uint32_t seed = (uint32_t)rng_next(&rng);

            assert_int_equal(bytes_crc32c(seed, data + at, sizes[i]),
                             bytes_crc32c_portable(seed, data + at, sizes[i]));
        }
    }
    mem_free(data);
}

static void test_pieces_sum_like_the_whole(void **state)
{
    struct rng rng;
    uint8_t *data;
    uint32_t whole;

    (void)state;
    rng_init(&rng, 2);
    data = random_bytes(&rng, 100000);
    whole = bytes_crc32c(0, data, 100000);
    for (int i = 0; i < 100; i++) {
        size_t cut = (size_t)rng_below(&rng, 100001);
        uint32_t crc = bytes_crc32c(0, data, cut);

        assert_int_equal(bytes_crc32c(crc, data + cut, 100000 - cut), whole);
    }
    mem_free(data);
}

static void test_one_flipped_bit_changes_the_sum(void **state)
{
    struct rng rng;
    uint8_t *data;
    uint32_t right;

    (void)state;
    rng_init(&rng, 3);
    data = random_bytes(&rng, 30000);
    right = bytes_crc32c(0, data, 30000);
    for (int i = 0; i < 1000; i++) {
        size_t bit = (size_t)rng_below(&rng, 240000);

        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(bytes_crc32c(0, data, 30000), right);
        data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    mem_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_little_endian_loads),
        cmocka_unit_test(test_stores_are_loaded_again),
        cmocka_unit_test(test_hex_there_and_back),
        cmocka_unit_test(test_what_is_not_hex_is_refused),
        cmocka_unit_test(test_crc32c_of_the_rfc),
        cmocka_unit_test(test_the_instruction_equals_the_portable_sum),
        cmocka_unit_test(test_pieces_sum_like_the_whole),
        cmocka_unit_test(test_one_flipped_bit_changes_the_sum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

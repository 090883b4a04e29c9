#include "tests/lib/unit.h"

#include "base/mem.h"
#include "image/exif.h"

#include <string.h>

/* One entry, the orientation 6, in both byte orders. */
static const uint8_t little[26] = {'I', 'I',  42,   0, 8, 0, 0, 0, 1,
                                   0,   0x12, 0x01, 3, 0, 1, 0, 0, 0,
                                   6,   0,    0,    0, 0, 0, 0, 0};
static const uint8_t big[26] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0,
                                3,   0,   0, 0,  1, 0, 6, 0, 0, 0, 0, 0,    0};

/* On the heap with its exact size, so that a sanitizer sees a read beyond. */
static int orientation(const uint8_t *tiff, size_t size)
{
    uint8_t *copy = mem_dup(tiff, size);
    int found;

    assert_non_null(copy);
    found = exif_orientation(copy, size);
    mem_free(copy);
    return found;
}

static int patched(size_t at, uint8_t value)
{
    uint8_t copy[sizeof(little)];

    memcpy(copy, little, sizeof(copy));
    copy[at] = value;
    return orientation(copy, sizeof(copy));
}

static void test_both_byte_orders_are_read(void **state)
{
    (void)state;
    assert_int_equal(orientation(little, sizeof(little)), 6);
    assert_int_equal(orientation(big, sizeof(big)), 6);
}

static void test_a_short_structure_is_upright(void **state)
{
    (void)state;
    for (size_t size = 0; size < 22; size++) {
        assert_int_equal(orientation(little, size), 1);
        assert_int_equal(orientation(big, size), 1);
    }
    assert_int_equal(orientation(little, 22), 6);
}

static void test_odd_values_are_upright(void **state)
{
    (void)state;
    assert_int_equal(patched(18, 0), 1);    /* orientation 0 */
    assert_int_equal(patched(18, 9), 1);    /* 9 */
    assert_int_equal(patched(19, 1), 1);    /* 262 */
    assert_int_equal(patched(12, 4), 1);    /* of another type */
    assert_int_equal(patched(14, 2), 1);    /* two of them */
    assert_int_equal(patched(10, 0x13), 1); /* another tag */
    assert_int_equal(patched(2, 43), 1);    /* no TIFF */
    assert_int_equal(patched(1, 'M'), 1);   /* "IM" */
}

static void test_a_wild_offset_is_upright(void **state)
{
    (void)state;
    for (int at = 4; at < 8; at++) {
        assert_int_equal(patched((size_t)at, 255), 1);
    }
    assert_int_equal(patched(4, 24), 1); /* the last two bytes: no entries */
}

static void test_many_entries_end_with_the_bytes(void **state)
{
    uint8_t copy[sizeof(little)];

    (void)state;
    memcpy(copy, little, sizeof(copy));
    copy[8] = copy[9] = 255; /* 65535 entries */
    copy[10] = 0x13;         /* none of them ours */
    assert_int_equal(orientation(copy, sizeof(copy)), 1);
}

static void test_the_second_entry_is_found(void **state)
{
    uint8_t two[8 + 2 + 24] = {0};

    (void)state;
    memcpy(two, little, 10);
    two[8] = 2;
    memcpy(two + 22, little + 10, 12);
    assert_int_equal(orientation(two, sizeof(two)), 6);
}

static void test_app1_may_hold_something_else(void **state)
{
    uint8_t segment[6 + sizeof(little)] = {'E', 'x', 'i', 'f'};

    (void)state;
    memcpy(segment + 6, little, sizeof(little));
    assert_int_equal(exif_orientation_app1(segment, sizeof(segment)), 6);
    assert_int_equal(exif_orientation_app1(segment, 5), 1);
    assert_int_equal(exif_orientation_app1(segment, 6), 1);
    segment[0] = 'h'; /* XMP begins with a web address */
    assert_int_equal(exif_orientation_app1(segment, sizeof(segment)), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_byte_orders_are_read),
        cmocka_unit_test(test_a_short_structure_is_upright),
        cmocka_unit_test(test_odd_values_are_upright),
        cmocka_unit_test(test_a_wild_offset_is_upright),
        cmocka_unit_test(test_many_entries_end_with_the_bytes),
        cmocka_unit_test(test_the_second_entry_is_found),
        cmocka_unit_test(test_app1_may_hold_something_else),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

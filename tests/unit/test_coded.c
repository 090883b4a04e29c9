/* Tensors as links write them: when they go as they are, what an id may be,
 * and that every kind of CPU writes the same bytes. */
#include "tests/lib/unit.h"

#include "base/bytes.h"
#include "base/rng.h"
#include "codec/coded.h"

#include <math.h>
#include <string.h>

static struct codec codec_of(const char *text)
{
    struct codec codec;
    struct err err;

    if (codec_parse(text, &codec, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return codec;
}

/* As a layer's outputs: some below 0, most not far from it. */
static struct tensor values(enum dtype dtype, int64_t channels, int64_t side)
{
    struct shape shape = {.rank = 4, .dims = {1, channels, side, side}};
    struct tensor t;
    struct rng rng;

    assert_int_equal(tensor_init(&t, dtype, &shape), 0);
    rng_init(&rng, 7);
    memset(t.data, 0, tensor_bytes(&t));
    for (int64_t i = 0; dtype == DTYPE_F32 && i < tensor_count(&t); i++) {
        int64_t k = (int64_t)rng_below(&rng, 256);

        /* Exact, so that it is the same everywhere. */
        ((float *)t.data)[i] = (float)(k * k * k - 300000) / 65536;
    }
    return t;
}

static void what_is_no_shorter_goes_as_it_is(void **state)
{
    static const struct {
        const char *codec;
        enum dtype dtype;
        int64_t side;
        int rc;
    } rows[] = {
        {"q8", DTYPE_F32, 9, 1},          {"q8", DTYPE_I64, 9, 0},
        {"q8", DTYPE_U8, 9, 0},           {"q8", DTYPE_F32, 0, 0},
        {"q8/channel", DTYPE_F32, 1, 0}, /* a step for each value */
        {"sparse:100%", DTYPE_F32, 9, 0}, {"sparse:10%", DTYPE_F32, 9, 1},
        {"fp16", DTYPE_F32, 1, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct codec codec = codec_of(rows[i].codec);
        struct tensor t = values(rows[i].dtype, 5, rows[i].side);
        struct blob *blob = coded_room(&codec, &t.shape);

        assert_non_null(blob);
        if (coded_fill(&codec, &t, blob) != rows[i].rc) {
            fail_msg("%s of side %d", rows[i].codec, (int)rows[i].side);
        }
        if (rows[i].rc == 1) {
            assert_true(coded_may_be(codec_id(&codec), blob->size, &t.shape));
        }
        blob_unref(blob);
        tensor_deinit(&t);
    }
}

static void passing_is_filling_and_opening(void **state)
{
    struct codec codec = codec_of("q4/channel+runs");
    struct tensor t = values(DTYPE_F32, 6, 31);
    struct tensor passed = tensor_ref(&t);
    struct tensor opened = values(DTYPE_F32, 6, 31);
    struct blob *blob = coded_room(&codec, &t.shape);
    size_t bytes = 0;
    struct err err;

    (void)state;
    assert_int_equal(coded_fill(&codec, &t, blob), 1);
    assert_int_equal(coded_open(codec_id(&codec), blob, &opened, &err), 0);
    assert_int_equal(coded_pass(&codec, &passed, &bytes, &err), 0);
    assert_int_equal(bytes, blob->size);
    assert_memory_equal(passed.data, opened.data, tensor_bytes(&t));
    assert_memory_not_equal(passed.data, t.data, tensor_bytes(&t));
    blob_unref(blob);
    tensor_deinit(&t);
    tensor_deinit(&passed);
    tensor_deinit(&opened);
}

static void a_link_has_two_numbers(void **state)
{
    struct codec codec = codec_of("sparse:12.5%+q8");
    struct codec back;

    (void)state;
    assert_int_equal(coded_keep(&codec), 125000);
    assert_int_equal(coded_from(codec_id(&codec), 125000, &back), 0);
    assert_true(back.keep == codec.keep);
    assert_true(coded_is_lossy(&back));
    assert_int_equal(coded_from(codec_id(&codec), 0, &back), EDGE_EUNSUPPORTED);
    assert_int_equal(coded_from(codec_id(&codec), 1000001, &back),
                     EDGE_EUNSUPPORTED);
    assert_int_equal(coded_from(10, 0, &back), EDGE_EUNSUPPORTED);
    codec = codec_of("fp32+zstd");
    assert_false(coded_is_lossy(&codec));
    codec = codec_of("bits");
    assert_false(coded_is_lossy(&codec));
}

/* CRCs of the bytes, taken on x86-64: make arm64 runs this test too, where a
 * multiplication and an addition would become one if they were let. */
static void every_cpu_writes_the_same_bytes(void **state)
{
    static const struct {
        const char *codec;
        uint32_t bytes;
        uint32_t values;
    } rows[] = {
        {"fp16", 0xe9c6033a, 0x6425755f},
        {"q8", 0xb95c9491, 0xf7eb4366},
        {"q8/channel", 0x09437341, 0x1976549e},
        {"q4", 0x3393f3da, 0x1bd0fe01},
        {"q4+runs", 0xf559fa94, 0x1bd0fe01},
        {"q2/tensor", 0xbba33b2d, 0xda03e900},
        {"q16", 0x8711af99, 0x471ebc95},
        {"q12", 0x5be16c57, 0xc07e6e9e},
        {"q10/channel", 0x4f9f9d54, 0x198bc821},
        {"q6", 0x67f64a18, 0x31c16e49},
        {"sparse:10%", 0xb052505f, 0x1f5ade3f},
        {"sparse:25%+q8", 0x729b253e, 0xf253b85b},
    };
    struct tensor t = values(DTYPE_F32, 24, 28);
    struct tensor back = values(DTYPE_F32, 24, 28);

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct codec codec = codec_of(rows[i].codec);
        struct blob *blob = coded_room(&codec, &t.shape);
        uint32_t crc;
        struct err err;

        assert_int_equal(coded_fill(&codec, &t, blob), 1);
        assert_int_equal(coded_open(codec_id(&codec), blob, &back, &err), 0);
        crc = bytes_crc32c(0, blob->data, blob->size);
        if (crc != rows[i].bytes ||
            bytes_crc32c(0, back.data, tensor_bytes(&back)) != rows[i].values) {
            print_error("%s: bytes 0x%08x, values 0x%08x\n", rows[i].codec, crc,
                        bytes_crc32c(0, back.data, tensor_bytes(&back)));
            fail_msg("other bytes");
        }
        blob_unref(blob);
    }
    tensor_deinit(&t);
    tensor_deinit(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_shorter_goes_as_it_is),
        cmocka_unit_test(passing_is_filling_and_opening),
        cmocka_unit_test(a_link_has_two_numbers),
        cmocka_unit_test(every_cpu_writes_the_same_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/lib/golden.h"
#include "tests/lib/heap.h"
#include "tests/lib/unit.h"

#include "image/decode.h"
#include "image/prepare.h"

#include <math.h>
#include <string.h>

/* Two pixels side by side, so that a stretch to 2x1 changes nothing. */
static const uint8_t pair[6] = {255, 51, 0, 102, 204, 153};

static int set_up(void **state)
{
    static struct image image;

    if (image_init(&image, 2, 1, 3) < 0) {
        return -1;
    }
    memcpy(image.pixels, pair, sizeof(pair));
    *state = &image;
    return 0;
}

static int tear_down(void **state)
{
    heap_heal();
    image_deinit(*state);
    return 0;
}

static struct image_spec as_it_is(void)
{
    struct image_spec spec = image_spec_default(2, 1);

    spec.fit = IMAGE_FIT_STRETCH;
    return spec;
}

static void assert_values(const struct image *image,
                          const struct image_spec *spec, const float *want,
                          int n)
{
    struct tensor tensor = {0};
    struct err err = {""};
    const float *got;

    if (image_prepare(image, spec, &tensor, &err) < 0) {
        fail_msg("%s", err.text);
    }
    got = tensor.data;
    assert_int_equal(tensor_count(&tensor), n);
    for (int i = 0; i < n; i++) {
        assert_float_equal(got[i], want[i], 1e-6f);
    }
    tensor_deinit(&tensor);
}

static void test_defaults_are_those_of_the_manual(void **state)
{
    struct image_spec spec = image_spec_default(224, 192);

    (void)state;
    assert_int_equal(spec.width, 224);
    assert_int_equal(spec.height, 192);
    assert_int_equal(spec.fit, IMAGE_FIT_CROP);
    assert_true(spec.crop == 0.875);
    assert_int_equal(spec.color, IMAGE_COLOR_RGB);
    assert_int_equal(spec.range, IMAGE_RANGE_UNIT);
    assert_int_equal(spec.fill, 114);
    for (int c = 0; c < 3; c++) {
        assert_true(spec.mean[c] == 0 && spec.std[c] == 1);
    }
    assert_int_equal(image_spec_check(&spec, NULL), 0);
}

static void test_the_tensor_is_one_by_channels_by_rows(void **state)
{
    struct image_spec spec = image_spec_default(6, 4);
    struct tensor tensor = {0};
    char text[SHAPE_TEXT];

    assert_int_equal(image_prepare(*state, &spec, &tensor, NULL), 0);
    assert_int_equal(tensor.dtype, DTYPE_F32);
    assert_string_equal(shape_text(&tensor.shape, text), "1x3x4x6");
    tensor_deinit(&tensor);
    spec.color = IMAGE_COLOR_GRAY;
    assert_int_equal(image_prepare(*state, &spec, &tensor, NULL), 0);
    assert_string_equal(shape_text(&tensor.shape, text), "1x1x4x6");
    tensor_deinit(&tensor);
}

static void test_channels_become_planes(void **state)
{
    static const float want[] = {1, 0.4f, 0.2f, 0.8f, 0, 0.6f};
    const struct image_spec spec = as_it_is();

    assert_values(*state, &spec, want, 6);
}

static void test_bgr_is_the_other_way_round(void **state)
{
    static const float want[] = {0, 0.6f, 0.2f, 0.8f, 1, 0.4f};
    struct image_spec spec = as_it_is();

    spec.color = IMAGE_COLOR_BGR;
    assert_values(*state, &spec, want, 6);
}

static void test_levels_then_mean_then_deviation(void **state)
{
    /* (x - 128) / 64 */
    static const float want[] = {127 / 64.0f, -26 / 64.0f, -77 / 64.0f,
                                 76 / 64.0f,  -2.0f,       25 / 64.0f};
    struct image_spec spec = as_it_is();

    spec.range = IMAGE_RANGE_BYTE;
    for (int c = 0; c < 3; c++) {
        spec.mean[c] = 128;
        spec.std[c] = 64;
    }
    assert_values(*state, &spec, want, 6);
}

static void test_each_channel_has_its_own_mean(void **state)
{
    static const float want[] = {0, -0.6f, 0, 1.2f, -6, 0};
    struct image_spec spec = as_it_is();

    spec.mean[0] = 1;
    spec.mean[1] = 0.2f;
    spec.mean[2] = 0.6f;
    spec.std[1] = 0.5f;
    spec.std[2] = 0.1f;
    assert_values(*state, &spec, want, 6);
}

static void test_mean_follows_the_models_order(void **state)
{
    static const float want[] = {-1, -0.4f, 0.2f, 0.8f, 1, 0.4f};
    struct image_spec spec = as_it_is();

    spec.color = IMAGE_COLOR_BGR;
    spec.mean[0] = 1; /* of blue */
    assert_values(*state, &spec, want, 6);
}

static void test_black_is_known_beforehand(void **state)
{
    uint8_t pixels[6] = {0};
    const struct image black = {
        .width = 2, .height = 1, .channels = 3, .pixels = pixels};
    struct image_spec spec = as_it_is();
    float level[3];

    (void)state;
    for (int range = 0; range < 2; range++) {
        spec.range = range == 0 ? IMAGE_RANGE_UNIT : IMAGE_RANGE_BYTE;
        for (int c = 0; c < 3; c++) {
            spec.mean[c] = 0.2f + (float)c;
            spec.std[c] = 0.5f * (float)(c + 1);
        }
        image_spec_black(&spec, level);
        assert_values(&black, &spec,
                      (float[]){level[0], level[0], level[1], level[1],
                                level[2], level[2]},
                      6);
    }
}

static void test_colour_becomes_gray(void **state)
{
    /* 0.299, 0.587 and 0.114 of pair[], rounded */
    static const float want[] = {106, 168};
    struct image_spec spec = as_it_is();

    spec.color = IMAGE_COLOR_GRAY;
    spec.range = IMAGE_RANGE_BYTE;
    assert_values(*state, &spec, want, 2);
}

static void test_gray_fills_three_channels(void **state)
{
    static const float want[] = {51, 255, 51, 255, 51, 255};
    struct image_spec spec = as_it_is();
    struct image gray;

    (void)state;
    spec.range = IMAGE_RANGE_BYTE;
    assert_int_equal(image_init(&gray, 2, 1, 1), 0);
    gray.pixels[0] = 51;
    gray.pixels[1] = 255;
    assert_values(&gray, &spec, want, 6);
    spec.color = IMAGE_COLOR_BGR;
    assert_values(&gray, &spec, want, 6);
    spec.color = IMAGE_COLOR_GRAY;
    assert_values(&gray, &spec, want, 2);
    image_deinit(&gray);
}

static void test_a_letterbox_is_filled(void **state)
{
    struct image_spec spec = image_spec_default(2, 2);
    float out[12];

    spec.fit = IMAGE_FIT_LETTERBOX;
    spec.range = IMAGE_RANGE_BYTE;
    spec.fill = 200;
    assert_int_equal(image_prepare_into(*state, &spec, out, NULL), 0);
    for (int c = 0; c < 3; c++) {
        assert_true(out[4 * c] == (float)pair[c]);
        assert_true(out[4 * c + 2] == 200 && out[4 * c + 3] == 200);
    }
}

static void assert_wrong(const struct image_spec *spec, const char *words)
{
    struct tensor tensor = {0};
    struct image image = {0};
    struct err err = {""};

    assert_int_equal(image_prepare(&image, spec, &tensor, &err), EDGE_EINVAL);
    assert_non_null(strstr(err.text, words));
    assert_null(tensor.blob);
}

static void test_wrong_numbers_are_refused(void **state)
{
    struct image_spec spec = image_spec_default(0, 5);

    (void)state;
    assert_wrong(&spec, "0x5");
    spec = image_spec_default(5, 4097);
    assert_wrong(&spec, "5x4097");
    spec = image_spec_default(5, 5);
    spec.crop = 0;
    assert_wrong(&spec, "crop of 0");
    spec.crop = 1.5;
    assert_wrong(&spec, "crop of 1.5");
    spec = image_spec_default(5, 5);
    spec.std[2] = 0;
    assert_wrong(&spec, "std must not be 0");
    spec.std[2] = NAN;
    assert_wrong(&spec, "must be numbers");
    spec = image_spec_default(5, 5);
    spec.mean[1] = INFINITY;
    assert_wrong(&spec, "must be numbers");
}

static void test_a_gray_model_ignores_other_channels(void **state)
{
    struct image_spec spec = image_spec_default(5, 5);

    (void)state;
    spec.color = IMAGE_COLOR_GRAY;
    spec.std[1] = 0;
    assert_int_equal(image_spec_check(&spec, NULL), 0);
}

static int prepare_once(void *arg)
{
    struct image_spec spec = image_spec_default(3, 3);
    struct tensor tensor = {0};
    struct err err = {""};
    int rc;

    spec.color = IMAGE_COLOR_GRAY;
    rc = image_prepare(arg, &spec, &tensor, &err);
    assert_true(rc == 0 || err.text[0] != '\0');
    tensor_deinit(&tensor);
    return rc;
}

static void test_no_memory_is_an_error(void **state)
{
    assert_true(heap_each(prepare_once, *state) > 3);
}

/* ---- stored inputs of real models -------------------------------------- */

static size_t get_varint(const struct blob *file, size_t *at)
{
    size_t value = 0;

    for (unsigned shift = 0; *at < file->size && shift < 64; shift += 7) {
        uint8_t byte = file->data[(*at)++];

        value |= (size_t)(byte & 127) << shift;
        if (byte < 128) {
            break;
        }
    }
    return value;
}

/* Where raw_data (field 9) of a serialized ONNX TensorProto begins. */
static size_t raw_data(const struct blob *file, size_t bytes)
{
    size_t at = 0;

    while (at < file->size) {
        size_t key = get_varint(file, &at);
        size_t value = get_varint(file, &at);

        if ((key & 7) != 2) {
            continue;
        }
        if (key >> 3 == 9) {
            assert_int_equal(value, bytes);
            assert_true(at + bytes <= file->size);
            return at;
        }
        at += value;
    }
    fail_msg("no raw data in the stored input");
    return 0;
}

/* What Pillow and NumPy made of the same photograph; `level` is one step of
 * 0..255 in the model's values. */
static void assert_stored(const char *photo, const struct image_spec *spec,
                          const char *stored, float level)
{
    struct image image = {0};
    struct tensor tensor = {0};
    struct blob *file = NULL;
    const float *got;

    assert_int_equal(image_read(golden_data(photo), &image, NULL), 0);
    assert_int_equal(image_prepare(&image, spec, &tensor, NULL), 0);
    assert_int_equal(blob_read(golden_data(stored), MIB(4), &file, NULL), 0);
    got = tensor.data;
    for (size_t i = 0, at = raw_data(file, tensor_bytes(&tensor));
         i < (size_t)tensor_count(&tensor); i++) {
        float want;

        memcpy(&want, file->data + at + 4 * i, sizeof(want));
        if (!(fabsf(got[i] - want) <= level * 1.01f)) {
            fail_msg("%s: value %zu is %f and should be %f", stored, i,
                     (double)got[i], (double)want);
        }
    }
    image_deinit(&image);
    tensor_deinit(&tensor);
    blob_unref(file);
}

#define CAT "images/photos/cat_720p.jpg"

static struct image_spec centred(int side, float mean, float std)
{
    struct image_spec spec = image_spec_default(side, side);

    spec.range = IMAGE_RANGE_BYTE;
    for (int c = 0; c < 3; c++) {
        spec.mean[c] = mean;
        spec.std[c] = std;
    }
    return spec;
}

static void test_crop_of_a_photograph(void **state)
{
    struct image_spec spec = centred(224, 128, 128);

    (void)state;
    if (golden_data(CAT) == NULL) {
        SKIP_TEST("no photographs: EDGE_DATA is not set");
    }
    assert_stored(CAT, &spec,
                  "models/mobilenetv2_1.0_224_fp32/test_data_set_0/input_0.pb",
                  1 / 128.0f);
    spec = centred(128, 128, 128);
    assert_stored(CAT, &spec,
                  "models/mobilenetv1_0.25_128_fp32/test_data_set_0/input_0.pb",
                  1 / 128.0f);
}

static void test_mean_and_deviation_of_a_photograph(void **state)
{
    struct image_spec spec = image_spec_default(224, 224);
    static const float mean[] = {0.485f, 0.456f, 0.406f};
    static const float std[] = {0.229f, 0.224f, 0.225f};

    (void)state;
    if (golden_data(CAT) == NULL) {
        SKIP_TEST("no photographs: EDGE_DATA is not set");
    }
    memcpy(spec.mean, mean, sizeof(mean));
    memcpy(spec.std, std, sizeof(std));
    assert_stored(CAT, &spec, "models/squeezenet1.1/test_data_set_1/input_0.pb",
                  1 / 255.0f / 0.224f);
}

static void test_stretch_of_a_photograph(void **state)
{
    struct image_spec spec = image_spec_default(96, 96);

    (void)state;
    if (golden_data(CAT) == NULL) {
        SKIP_TEST("no photographs: EDGE_DATA is not set");
    }
    spec.fit = IMAGE_FIT_STRETCH;
    assert_stored(CAT, &spec,
                  "models/mlperf_vww_mobilenet_fp32/test_data_set_1/input_0.pb",
                  1 / 255.0f);
    spec = centred(0, 127, 128);
    spec.width = 320;
    spec.height = 240;
    spec.fit = IMAGE_FIT_STRETCH;
    assert_stored("images/photos/face.jpg", &spec,
                  "models/ultraface_slim_320/test_data_set_0/input_0.pb",
                  1 / 128.0f);
}

static void test_letterbox_of_a_photograph(void **state)
{
    struct image_spec spec = centred(416, 0, 1);

    (void)state;
    if (golden_data(CAT) == NULL) {
        SKIP_TEST("no photographs: EDGE_DATA is not set");
    }
    spec.fit = IMAGE_FIT_LETTERBOX;
    spec.color = IMAGE_COLOR_BGR;
    assert_stored("images/photos/dog_bike_car.jpg", &spec,
                  "models/yolox_nano/test_data_set_0/input_0.pb", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_those_of_the_manual),
        cmocka_unit_test(test_the_tensor_is_one_by_channels_by_rows),
        cmocka_unit_test(test_channels_become_planes),
        cmocka_unit_test(test_bgr_is_the_other_way_round),
        cmocka_unit_test(test_levels_then_mean_then_deviation),
        cmocka_unit_test(test_each_channel_has_its_own_mean),
        cmocka_unit_test(test_mean_follows_the_models_order),
        cmocka_unit_test(test_black_is_known_beforehand),
        cmocka_unit_test(test_colour_becomes_gray),
        cmocka_unit_test(test_gray_fills_three_channels),
        cmocka_unit_test(test_a_letterbox_is_filled),
        cmocka_unit_test(test_wrong_numbers_are_refused),
        cmocka_unit_test(test_a_gray_model_ignores_other_channels),
        cmocka_unit_test(test_no_memory_is_an_error),
        cmocka_unit_test(test_crop_of_a_photograph),
        cmocka_unit_test(test_mean_and_deviation_of_a_photograph),
        cmocka_unit_test(test_stretch_of_a_photograph),
        cmocka_unit_test(test_letterbox_of_a_photograph),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* Decoding of correct files; test_decode_broken.c has the others. */
#include "tests/lib/golden.h"
#include "tests/lib/heap.h"
#include "tests/lib/unit.h"

#include "base/limits.h"
#include "image/decode.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void assert_same(const char *name, const struct image *image)
{
    struct tensor want = golden_tensor("image", name);
    const uint8_t *pixels = want.data;

    if (want.shape.dims[0] != image->height ||
        want.shape.dims[1] != image->width ||
        want.shape.dims[2] != image->channels) {
        fail_msg("%s: %dx%dx%d", name, image->width, image->height,
                 image->channels);
    }
    for (int64_t i = 0; i < tensor_count(&want); i++) {
        /* Another build of libjpeg may round a colour the other way. */
        if (abs(image->pixels[i] - pixels[i]) > 1) {
            fail_msg("%s: value %d is %d and should be %d", name, (int)i,
                     image->pixels[i], pixels[i]);
        }
    }
    tensor_deinit(&want);
}

static void assert_golden(const char *name)
{
    struct blob *file = golden_file("image", name);
    struct image image = {0};
    struct err err = {""};

    if (image_decode(name, file->data, file->size, &image, &err) < 0) {
        fail_msg("%s: %s", name, err.text);
    }
    assert_same(name, &image);
    image_deinit(&image);
    blob_unref(file);
}

static void test_every_chroma_sampling(void **state)
{
    (void)state;
    assert_golden("444.jpg");
    assert_golden("422.jpg");
    assert_golden("420.jpg");
    assert_golden("440.jpg");
    assert_golden("411.jpg");
    assert_golden("gray.jpg");
    assert_golden("rgb.jpg");
}

static void test_inks_become_colours(void **state)
{
    (void)state;
    assert_golden("cmyk.jpg");
}

static void test_other_ways_to_store_a_jpeg(void **state)
{
    (void)state;
    assert_golden("restart.jpg");
    assert_golden("progressive.jpg");
    assert_golden("arithmetic.jpg");
    assert_golden("icc.jpg");
    assert_golden("scans64.jpg"); /* as many as are allowed */
}

static void test_all_orientations_give_one_picture(void **state)
{
    char name[32];

    (void)state;
    for (int i = 1; i <= 8; i++) {
        (void)snprintf(name, sizeof(name), "exif%d.jpg", i);
        assert_golden(name);
    }
    assert_golden("exif6.png");
}

static void test_every_kind_of_png(void **state)
{
    (void)state;
    assert_golden("rgb.png");
    assert_golden("gray.png");
    assert_golden("palette.png");
    assert_golden("rgb16.png");
    assert_golden("gray16.png");
    assert_golden("bit.png");
    assert_golden("adam7.png");
}

static void test_what_is_transparent_shows_white(void **state)
{
    (void)state;
    assert_golden("rgba.png");
    assert_golden("graya.png");
    assert_golden("palettet.png");
}

static void test_ppm_and_pgm(void **state)
{
    (void)state;
    assert_golden("rgb.ppm");
    assert_golden("gray.pgm");
    assert_golden("max765.ppm");
    assert_golden("max3.pgm");
}

static void test_a_ppm_sample_above_its_largest_is_cut(void **state)
{
    static const char file[] = "P5 2 1 10\n\x05\xff";
    struct image image = {0};

    (void)state;
    assert_int_equal(image_decode("x.pgm", (const uint8_t *)file,
                                  sizeof(file) - 1, &image, NULL),
                     0);
    assert_int_equal(image.pixels[0], 128);
    assert_int_equal(image.pixels[1], 255);
    image_deinit(&image);
}

static void test_a_file_is_read_whole(void **state)
{
    struct image image = {0};
    struct err err = {""};

    (void)state;
    assert_int_equal(image_read("tests/golden/image/420.jpg", &image, &err), 0);
    assert_same("420.jpg", &image);
    image_deinit(&image);
}

static void test_a_missing_file_is_named(void **state)
{
    struct image image = {0};
    struct err err = {""};

    (void)state;
    assert_int_equal(image_read("/nowhere/cat.jpg", &image, &err), EDGE_ENOENT);
    assert_non_null(strstr(err.text, "/nowhere/cat.jpg"));
}

static int decode_once(void *arg)
{
    struct blob *file = arg;
    struct image image = {0};
    struct err err = {""};
    int rc = image_decode("x", file->data, file->size, &image, &err);

    if (rc < 0) {
        assert_true(err.text[0] != '\0');
        assert_null(image.pixels);
    }
    image_deinit(&image);
    return rc;
}

static void test_no_memory_is_an_error(void **state)
{
    static const char *const names[] = {"exif6.jpg", "cmyk.jpg", "rgba.png",
                                        "exif6.png", "rgb.ppm"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct blob *file = golden_file("image", names[i]);

        assert_true(heap_each(decode_once, file) > 0);
        heap_heal();
        blob_unref(file);
    }
}

static void decode_folder(const char *folder, int *n)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        char path[1024];
        struct image image = {0};
        struct err err = {""};

        if (entry->d_name[0] == '.') {
            continue;
        }
        (void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (image_read(path, &image, &err) < 0) {
            fail_msg("%s", err.text);
        }
        assert_true(image.width >= 28 && image.height >= 28);
        image_deinit(&image);
        (*n)++;
    }
    closedir(dir);
}

static void test_real_photographs_decode(void **state)
{
    static const char *const folders[] = {"images/photos", "images/imagenet",
                                          "images/digits"};
    int n = 0;

    (void)state;
    if (golden_data(folders[0]) == NULL) {
        SKIP_TEST("no photographs: EDGE_DATA is not set");
    }
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        decode_folder(golden_data(folders[i]), &n);
    }
    assert_true(n >= 50);
}

static void test_npy_is_told_apart(void **state)
{
    static const uint8_t npy[] = "\x93NUMPY\1\0";

    (void)state;
    assert_true(image_is_npy(npy, sizeof(npy)));
    assert_false(image_is_npy(npy, 5));
    assert_false(image_is_npy((const uint8_t *)"P6 1 1 255\n", 11));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_chroma_sampling),
        cmocka_unit_test(test_inks_become_colours),
        cmocka_unit_test(test_other_ways_to_store_a_jpeg),
        cmocka_unit_test(test_all_orientations_give_one_picture),
        cmocka_unit_test(test_every_kind_of_png),
        cmocka_unit_test(test_what_is_transparent_shows_white),
        cmocka_unit_test(test_ppm_and_pgm),
        cmocka_unit_test(test_a_ppm_sample_above_its_largest_is_cut),
        cmocka_unit_test(test_a_file_is_read_whole),
        cmocka_unit_test(test_a_missing_file_is_named),
        cmocka_unit_test(test_no_memory_is_an_error),
        cmocka_unit_test(test_real_photographs_decode),
        cmocka_unit_test(test_npy_is_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

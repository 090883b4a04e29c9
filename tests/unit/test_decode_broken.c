/*
 * Files that are no pictures, or broken ones. Most are made here from a
 * correct file of tests/golden/image by one change, so that nothing but that
 * change can be what is found.
 */
#include "tests/lib/golden.h"
#include "tests/lib/unit.h"

#include "base/limits.h"
#include "base/mem.h"
#include "base/rng.h"
#include "image/decode.h"

#include <stdio.h>
#include <string.h>

struct file {
    uint8_t *data; /* on the heap with its exact size */
    size_t size;
};

static struct file file_of(const void *data, size_t size)
{
    struct file file = {mem_dup(data, size), size};

    assert_non_null(file.data);
    return file;
}

static struct file file_golden(const char *name)
{
    struct blob *blob = golden_file("image", name);
    struct file file = file_of(blob->data, blob->size);

    blob_unref(blob);
    return file;
}

/* Decodes and releases it; wants `rc` and a sentence with `words`. */
static void assert_refused(struct file file, int rc, const char *words)
{
    struct image image = {0};
    struct err err = {""};
    int got = image_decode("pic", file.data, file.size, &image, &err);

    mem_free(file.data);
    if (got != rc || strstr(err.text, words) == NULL) {
        fail_msg("wanted %s with \"%s\", got %s: %s", err_name(rc), words,
                 err_name(got), err.text);
    }
    assert_null(image.pixels);
}

/* Where a JPEG's segment `marker` begins. */
static uint8_t *segment(struct file file, uint8_t marker)
{
    size_t at = 2;

    while (at + 4 <= file.size) {
        if (file.data[at + 1] == marker) {
            return file.data + at;
        }
        at += 2 + (size_t)(file.data[at + 2] << 8 | file.data[at + 3]);
    }
    fail_msg("no segment %02x", marker);
    return NULL;
}

enum { SOF0 = 0xc0, SOF2 = 0xc2, DHT = 0xc4, SOS = 0xda, DQT = 0xdb };

static struct file jpeg_of_size(const char *name, uint8_t sof, unsigned width,
                                unsigned height)
{
    struct file file = file_golden(name);
    uint8_t *p = segment(file, sof);

    p[5] = (uint8_t)(height >> 8);
    p[6] = (uint8_t)height;
    p[7] = (uint8_t)(width >> 8);
    p[8] = (uint8_t)width;
    return file;
}

static void test_jpeg_cut_anywhere(void **state)
{
    struct file whole = file_golden("420.jpg");

    (void)state;
    for (size_t size = 3; size < whole.size; size += 7) {
        assert_refused(file_of(whole.data, size), EDGE_ECORRUPT,
                       "is a damaged JPEG: it is cut off");
    }
    mem_free(whole.data);
}

static void test_jpeg_progressive_cut_between_scans(void **state)
{
    struct file file = file_golden("scans64.jpg");
    uint8_t *scan = segment(file, SOS);
    size_t size = (size_t)(scan - file.data);

    (void)state;
    for (int n = 0; n < 2; size++) { /* up to the second scan */
        n += file.data[size] == 0xff && file.data[size + 1] == SOS;
    }
    assert_refused(file_of(file.data, size - 1), EDGE_ECORRUPT, "cut off");
    mem_free(file.data);
}

static void test_jpeg_huge_sides_in_its_header(void **state)
{
    (void)state;
    assert_refused(jpeg_of_size("444.jpg", SOF0, 65500, 65500), EDGE_ETOOBIG,
                   "65500x65500 pixels; edged reads pictures of up to 4096");
    assert_refused(jpeg_of_size("444.jpg", SOF0, 4097, 10), EDGE_ETOOBIG,
                   "4097x10");
    assert_refused(jpeg_of_size("444.jpg", SOF0, 65535, 65535), EDGE_ECORRUPT,
                   "Maximum supported image dimension");
}

static void test_jpeg_without_pixels(void **state)
{
    (void)state;
    assert_refused(jpeg_of_size("444.jpg", SOF0, 0, 10), EDGE_ECORRUPT,
                   "Empty JPEG");
    assert_refused(jpeg_of_size("444.jpg", SOF0, 10, 0), EDGE_ECORRUPT,
                   "Empty JPEG");
}

/* Its coefficients alone would take 96 MiB. */
static void test_jpeg_that_needs_too_much_memory(void **state)
{
    struct file file = jpeg_of_size("progressive.jpg", SOF2, 4096, 4096);

    (void)state;
    segment(file, SOF2)[11] = 0x11; /* luma sampled as its two chromas */
    assert_refused(file, EDGE_ETOOBIG, "needs more than 64 MiB to decode");
}

static void test_jpeg_of_too_many_scans(void **state)
{
    (void)state;
    assert_refused(file_golden("scans65.jpg"), EDGE_ETOOBIG,
                   "more than 64 scans");
}

static void test_jpeg_of_kinds_not_read(void **state)
{
    struct file lossless = file_golden("444.jpg");
    struct file deep = file_golden("444.jpg");

    (void)state;
    segment(lossless, SOF0)[1] = 0xc3;
    assert_refused(lossless, EDGE_EUNSUPPORTED, "kind of JPEG");
    segment(deep, SOF0)[4] = 12;
    assert_refused(deep, EDGE_EUNSUPPORTED, "kind of JPEG");
}

static void test_jpeg_with_wrong_tables(void **state)
{
    struct file huffman = file_golden("444.jpg");
    struct file quant = file_golden("444.jpg");
    struct file marker = file_golden("444.jpg");

    (void)state;
    memset(segment(huffman, DHT) + 5, 255, 16);
    assert_refused(huffman, EDGE_ECORRUPT, "Huffman");
    segment(quant, DQT)[4] = 3; /* defines table 3, so 0 is missing */
    assert_refused(quant, EDGE_ECORRUPT, "antization table");
    segment(marker, DQT)[1] = SOS; /* a scan before the frame */
    assert_refused(marker, EDGE_ECORRUPT, "SOS before SOF");
}

static void test_jpeg_with_spoilt_data(void **state)
{
    struct file end = file_golden("444.jpg");
    struct file lost = file_golden("restart.jpg");
    uint8_t *p = segment(end, SOS);

    (void)state;
    p[20] = 0xff; /* an end of the picture amid its data */
    p[21] = 0xd9;
    assert_refused(end, EDGE_ECORRUPT, "premature end of data");
    p = segment(lost, SOS) + 14;
    while (p[0] != 0xff || p[1] != 0xd1) {
        p++;
    }
    p[1] = 0xd6; /* a restart that belongs elsewhere */
    assert_refused(lost, EDGE_ECORRUPT, "instead of RST1");
}

/* ---- PNG ---- */

static void put_be32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (uint8_t)(v >> (24 - 8 * i));
    }
}

static uint32_t png_crc(const uint8_t *p, size_t n)
{
    uint32_t crc = 0xffffffffu;

    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1)));
        }
    }
    return ~crc;
}

/* Makes every chunk's CRC right again, as far as the chunks make sense. */
static void png_mend(struct file file)
{
    size_t at = 8;

    while (file.size >= at + 12) {
        uint8_t *p = file.data + at;
        size_t n =
            (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];

        if (n > file.size - at - 12) {
            return;
        }
        put_be32(p + 8 + n, png_crc(p + 4, n + 4));
        at += 12 + n;
    }
}

enum { WIDTH = 16, HEIGHT = 20, DEPTH = 24, COLOR = 25 }; /* of an IHDR */

static struct file png_with(size_t at, uint32_t value)
{
    struct file file = file_golden("rgb.png");

    if (at < DEPTH) {
        put_be32(file.data + at, value);
    } else {
        file.data[at] = (uint8_t)value;
    }
    png_mend(file);
    return file;
}

static void test_png_with_wrong_sums(void **state)
{
    struct file head = file_golden("rgb.png");
    struct file data = file_golden("rgb.png");

    (void)state;
    head.data[29] ^= 1;
    assert_refused(head, EDGE_ECORRUPT, "CRC");
    data.data[60] ^= 1;
    assert_refused(data, EDGE_ECORRUPT, "is a damaged PNG");
}

static void test_png_with_wrong_sizes(void **state)
{
    (void)state;
    assert_refused(png_with(WIDTH, 0), EDGE_ECORRUPT, "IHDR");
    assert_refused(png_with(HEIGHT, 0), EDGE_ECORRUPT, "IHDR");
    assert_refused(png_with(WIDTH, 0x80000000u), EDGE_ECORRUPT, "out of range");
    assert_refused(png_with(WIDTH, 900000), EDGE_ETOOBIG, "900000x22 pixels");
    assert_refused(png_with(HEIGHT, 4097), EDGE_ETOOBIG, "29x4097 pixels");
    assert_refused(png_with(HEIGHT, 4096), EDGE_ECORRUPT, "damaged PNG");
}

static void test_png_of_unknown_colours(void **state)
{
    (void)state;
    assert_refused(png_with(COLOR, 5), EDGE_ECORRUPT, "IHDR");
    assert_refused(png_with(DEPTH, 3), EDGE_ECORRUPT, "IHDR");
}

static void test_png_cut_anywhere(void **state)
{
    struct file whole = file_golden("rgb.png");

    (void)state;
    /* The last bytes are the end mark alone, with all pixels before it. */
    for (size_t size = 8; size < whole.size - 20; size += 11) {
        assert_refused(file_of(whole.data, size), EDGE_ECORRUPT,
                       "is a damaged PNG");
    }
    mem_free(whole.data);
}

/* ---- PPM ---- */

static void assert_ppm_refused(const char *text, int rc, const char *words)
{
    assert_refused(file_of(text, strlen(text)), rc, words);
}

static void test_ppm_with_wrong_headers(void **state)
{
    static const char *const wrong[] = {"P6",
                                        "P6 ",
                                        "P6 3",
                                        "P6 3 4",
                                        "P6 3 4 255",
                                        "P6 x 4 255\n",
                                        "P6 -3 4 255\n",
                                        "P6 3 4 0\n",
                                        "P6 3 4 999999\n",
                                        "P6 3 4 255x",
                                        "P6 # 3 4 255\n",
                                        "P6 99999999999999999999 1 255\n"};

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_ppm_refused(wrong[i], EDGE_ECORRUPT, "header makes no sense");
    }
}

static void test_ppm_with_wrong_sizes(void **state)
{
    (void)state;
    assert_ppm_refused("P6 0 4 255\n", EDGE_ECORRUPT, "no pixels");
    assert_ppm_refused("P6 99999 99999 255\n", EDGE_ETOOBIG, "99999x99999");
    assert_ppm_refused("P6 4096 4096 255\nabc", EDGE_ECORRUPT, "cut off");
    assert_ppm_refused("P6 1 1 255\nab", EDGE_ECORRUPT, "cut off");
    assert_ppm_refused("P5 1 1 256\na", EDGE_ECORRUPT, "cut off");
}

/* ---- other files ---- */

static void test_other_formats_are_named(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *name;
    } other[] = {
        {"", 0, "(empty)"},
        {"hello\n", 6, "(text)"},
        {"\1\2\3\4", 4, "(a file of unknown format)"},
        {"\0\0\0\x18"
         "ftypheic",
         12, "(HEIC)"},
        {"\0\0\0\x18"
         "ftypmif1",
         12, "(HEIC)"},
        {"\0\0\0\x18"
         "ftypavif",
         12, "(AVIF)"},
        {"RIFF\1\2\3\4WEBPVP8 ", 16, "(WebP)"},
        {"GIF89a", 6, "(GIF)"},
        {"BM\1\2\3\4", 6, "(BMP)"},
        {"II*\0\1\2\3\4", 8, "(TIFF or a camera's raw format)"},
        {"\x89PNX\r\n\x1a\n", 8, "(a file of unknown format)"},
        {"\xff\xd9\xff", 3, "(a file of unknown format)"},
        {"\x93NUMPY", 6, "(.npy)"},
        {"P3\n1 1 255\n", 11, "(plain PPM)"},
        {"%PDF-1.4", 8, "(PDF)"},
        {"<svg>", 5, "(SVG)"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        assert_refused(file_of(other[i].bytes, other[i].size),
                       EDGE_EUNSUPPORTED, other[i].name);
    }
}

static void test_the_whole_sentence(void **state)
{
    struct image image = {0};
    struct err err = {""};

    (void)state;
    assert_int_equal(image_decode("photo.heic",
                                  (const uint8_t *)"\0\0\0\x18"
                                                   "ftypheic",
                                  12, &image, &err),
                     EDGE_EUNSUPPORTED);
    assert_string_equal(err.text,
                        "\"photo.heic\" is not an image edged reads (HEIC). "
                        "Supported: JPEG, PNG, PPM, .npy");
}

static void test_a_large_file_is_not_even_looked_at(void **state)
{
    struct file file = {mem_zalloc(1, LIMIT_IMAGE_FILE + 1),
                        LIMIT_IMAGE_FILE + 1};

    (void)state;
    assert_non_null(file.data);
    assert_refused(file, EDGE_ETOOBIG, "8388609 bytes");
}

/* ---- mutations ---- */

static void mutate(struct file *file, struct rng *rng)
{
    size_t at = rng_below(rng, file->size);
    size_t n = rng_below(rng, 16) + 1;

    n = n < file->size - at ? n : file->size - at;
    switch (rng_below(rng, 5)) {
    case 0: file->data[at] = (uint8_t)rng_next(rng); break;
    case 1: file->data[at] ^= (uint8_t)(1u << rng_below(rng, 8)); break;
    case 2: memset(file->data + at, rng_below(rng, 2) ? 255 : 0, n); break;
    case 3: /* bytes from elsewhere */
        memmove(file->data + at,
                file->data + rng_below(rng, file->size - n + 1), n);
        break;
    default: /* a hole; the end moves up */
        memmove(file->data + at, file->data + at + n, file->size - at - n);
        file->size -= file->size > n + 8 ? n : 0;
        break;
    }
}

/* Whatever the bytes, there is a picture within the limits or an error with a
 * sentence. What this cannot see, the sanitizers do. */
static void decode_any(struct file file, const char *name, uint64_t seed)
{
    struct file exact = file_of(file.data, file.size);
    struct image image = {0};
    struct err err = {""};
    int rc = image_decode(name, exact.data, exact.size, &image, &err);
    bool fine = image.width <= LIMIT_IMAGE_SIDE &&
                image.height <= LIMIT_IMAGE_SIDE && image.pixels != NULL;

    if (rc < 0) {
        fine = image.pixels == NULL && strlen(err.text) > strlen(name);
    }
    if (!fine) {
        fail_msg("%s with seed %llu: %d %s", name, (unsigned long long)seed, rc,
                 err.text);
    }
    image_deinit(&image);
    mem_free(exact.data);
}

static void mutate_golden(const char *name, uint64_t rounds)
{
    struct file whole = file_golden(name);
    bool png = strstr(name, ".png") != NULL;

    for (uint64_t seed = 0; seed < rounds; seed++) {
        struct file file = file_of(whole.data, whole.size);
        size_t changes;
        struct rng rng;

        rng_init(&rng, seed);
        changes = rng_below(&rng, 4) + 1;
        for (size_t i = 0; i < changes; i++) {
            mutate(&file, &rng);
        }
        if (png && rng_below(&rng, 8) > 0) {
            png_mend(file); /* or no change would pass the first sum */
        }
        decode_any(file, name, seed);
        mem_free(file.data);
    }
    mem_free(whole.data);
}

static void test_thousands_of_mutations(void **state)
{
    static const char *const names[] = {
        "420.jpg",        "cmyk.jpg",     "progressive.jpg", "restart.jpg",
        "arithmetic.jpg", "exif6.jpg",    "icc.jpg",         "scans64.jpg",
        "rgba.png",       "palettet.png", "adam7.png",       "gray16.png",
        "exif6.png",      "bit.png",      "rgb.ppm",         "max3.pgm"};

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        mutate_golden(names[i], 300);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jpeg_cut_anywhere),
        cmocka_unit_test(test_jpeg_progressive_cut_between_scans),
        cmocka_unit_test(test_jpeg_huge_sides_in_its_header),
        cmocka_unit_test(test_jpeg_without_pixels),
        cmocka_unit_test(test_jpeg_that_needs_too_much_memory),
        cmocka_unit_test(test_jpeg_of_too_many_scans),
        cmocka_unit_test(test_jpeg_of_kinds_not_read),
        cmocka_unit_test(test_jpeg_with_wrong_tables),
        cmocka_unit_test(test_jpeg_with_spoilt_data),
        cmocka_unit_test(test_png_with_wrong_sums),
        cmocka_unit_test(test_png_with_wrong_sizes),
        cmocka_unit_test(test_png_of_unknown_colours),
        cmocka_unit_test(test_png_cut_anywhere),
        cmocka_unit_test(test_ppm_with_wrong_headers),
        cmocka_unit_test(test_ppm_with_wrong_sizes),
        cmocka_unit_test(test_other_formats_are_named),
        cmocka_unit_test(test_the_whole_sentence),
        cmocka_unit_test(test_a_large_file_is_not_even_looked_at),
        cmocka_unit_test(test_thousands_of_mutations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

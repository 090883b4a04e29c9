/*
 * Samples made a model's input: the same whatever the order, the batch, the
 * cache and the board; what is not random equals what inference does.
 */
#include "tests/lib/golden.h"
#include "tests/lib/heap.h"
#include "tests/lib/sets.h"
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "dataset/order.h"
#include "image/decode.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SAMPLES 23

struct room {
    struct tmp tmp;
    struct sets_packed raw;  /* CIFAR-10's form */
    struct sets_packed pics; /* five pictures */
};

static int set_up(void **state)
{
    static struct room room;
    struct origin_place place = {.path = room.tmp.path};
    char folder[TMP_PATH];

    tmp_init(&room.tmp);
    sets_cifar10(&room.tmp, "data_batch_1.bin", SAMPLES, 4);
    sets_pack(&room.tmp, &place, &room.raw);
    sets_folder(&room.tmp, "set");
    (void)snprintf(folder, sizeof(folder), "%s", tmp_path(&room.tmp, "set"));
    place.path = folder;
    sets_pack(&room.tmp, &place, &room.pics);
    *state = &room;
    return 0;
}

static int tear_down(void **state)
{
    struct room *room = *state;

    heap_heal();
    sets_unpack(&room->raw);
    sets_unpack(&room->pics);
    tmp_deinit(&room->tmp);
    return 0;
}

static struct loader_spec spec_of(int width, int height)
{
    return (struct loader_spec){.input = image_spec_default(width, height),
                                .augment = augment_none(),
                                .seed = 7};
}

static struct loader_spec all_at_random(int width, int height)
{
    struct loader_spec spec = spec_of(width, height);

    spec.augment.crop = AUGMENT_CROP_PADDED;
    spec.augment.padding = 4;
    spec.augment.flip = 0.5;
    spec.augment.brightness = 0.3;
    spec.augment.contrast = 0.3;
    spec.augment.saturation = 0.3;
    spec.input.mean[1] = 0.4f;
    spec.input.std[2] = 0.25f;
    return spec;
}

static void fill(struct loader *loader, uint64_t epoch, const uint64_t *samples,
                 size_t n, float *images)
{
    const struct loader_batch batch = {.images = images};
    struct err err = {""};

    if (loader_fill(loader, epoch, samples, n, &batch, &err) < 0) {
        fail_msg("%s", err.text);
    }
}

static float *images_of(const struct loader *loader, size_t n)
{
    float *images = mem_array(float, n *loader_image_count(loader));

    assert_non_null(images);
    return images;
}

/* One by one, backwards, after another epoch: always the same. */
static void assert_same_in_any_order(struct sets_packed *packed,
                                     const struct loader_spec *spec, size_t n)
{
    struct loader *one = sets_loader(packed, spec);
    struct loader *other = sets_loader(packed, spec);
    float *all = images_of(one, n);
    float *single = images_of(one, 1);
    size_t bytes = loader_image_count(one) * sizeof(float);
    uint64_t samples[SAMPLES];
    unsigned changed = 0;

    for (size_t i = 0; i < n; i++) {
        samples[i] = i;
    }
    fill(one, 3, samples, n, all);
    for (size_t i = n; i-- > 0;) {
        fill(other, 4, &samples[i], 1, single);
        changed +=
            memcmp(single, all + i * loader_image_count(one), bytes) != 0;
        fill(other, 3, &samples[i], 1, single);
        assert_memory_equal(single, all + i * loader_image_count(one), bytes);
    }
    assert_true(changed > n / 2); /* epochs differ */
    loader_free(one);
    loader_free(other);
    mem_free(all);
    mem_free(single);
}

static void test_a_sample_does_not_depend_on_its_batch(void **state)
{
    struct room *room = *state;
    struct loader_spec spec = all_at_random(32, 32);

    assert_same_in_any_order(&room->raw, &spec, SAMPLES);
    spec = all_at_random(24, 20);
    assert_same_in_any_order(&room->raw, &spec, SAMPLES);
    assert_same_in_any_order(&room->pics, &spec, 5);
    spec.augment.crop = AUGMENT_CROP_RESIZED;
    assert_same_in_any_order(&room->pics, &spec, 5);
    assert_same_in_any_order(&room->raw, &spec, SAMPLES);
    spec.cache_bytes = 1 << 20;
    assert_same_in_any_order(&room->pics, &spec, 5);
}

static void test_a_cache_changes_nothing_and_is_bounded(void **state)
{
    static const uint64_t samples[] = {0, 4, 1, 3, 2};
    static const size_t sizes[] = {1, 1024, 5000, 12000, 1 << 22};
    struct room *room = *state;
    struct loader_spec spec = all_at_random(24, 20);
    struct loader *plain = sets_loader(&room->pics, &spec);
    float *want = images_of(plain, 5);
    float *got = images_of(plain, 5);

    for (uint64_t epoch = 0; epoch < 3; epoch++) {
        fill(plain, epoch, samples, 5, want);
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            struct loader *loader;

            spec.cache_bytes = sizes[i];
            loader = sets_loader(&room->pics, &spec);
            for (uint64_t e = 0; e <= epoch; e++) {
                fill(loader, e, samples, 5, got);
            }
            assert_memory_equal(got, want,
                                5 * loader_image_count(plain) * sizeof(*got));
            assert_true(loader_cached_bytes(loader) <= sizes[i]);
            if (sizes[i] == 1 << 22) { /* all fit, some of them gray */
                assert_true(loader_cached_bytes(loader) > 5 * 24 * 20);
            }
            loader_free(loader);
        }
    }
    loader_free(plain);
    mem_free(want);
    mem_free(got);
}

/* What inference would give the model, bit for bit. */
static void test_evaluation_is_what_inference_does(void **state)
{
    static const char *const files[] = {"palette.png", "exif6.jpg", "gray.jpg",
                                        "420.jpg", "rgb.png"};
    struct room *room = *state;

    for (int color = 0; color < 3; color++) {
        for (int fit = 0; fit < 3; fit++) {
            struct loader_spec spec = spec_of(20, 17);
            struct loader *loader;
            float *want;
            float *got;

            spec.input.color = (enum image_color)color;
            spec.input.fit = (enum image_fit)fit;
            spec.input.mean[0] = 0.3f;
            spec.input.std[1] = 0.5f;
            loader = sets_loader(&room->pics, &spec);
            want = images_of(loader, 1);
            got = images_of(loader, 1);
            for (uint64_t i = 0; i < 5; i++) {
                struct blob *file = golden_file("image", files[i]);
                struct image image = {0};
                struct err err = {""};

                assert_int_equal(
                    image_decode("x", file->data, file->size, &image, &err), 0);
                assert_int_equal(
                    image_prepare_into(&image, &spec.input, want, &err), 0);
                fill(loader, 9, &i, 1, got);
                assert_memory_equal(got, want,
                                    loader_image_count(loader) * sizeof(*got));
                image_deinit(&image);
                blob_unref(file);
            }
            loader_free(loader);
            mem_free(want);
            mem_free(got);
        }
    }
}

/* A raw sample of the model's size is not cropped by `crop`: it is as it is,
 * whatever the order of colours. */
static void test_raw_samples_are_taken_as_they_are(void **state)
{
    struct room *room = *state;
    struct blob *file = NULL;
    struct err err = {""};

    assert_int_equal(blob_read(tmp_path(&room->tmp, "data_batch_1.bin"),
                               1 << 20, &file, &err),
                     0);
    for (int color = 0; color < 2; color++) {
        struct loader_spec spec = spec_of(32, 32);
        struct loader *loader;
        float *got;

        spec.input.color = (enum image_color)color;
        spec.input.range = IMAGE_RANGE_BYTE;
        loader = sets_loader(&room->raw, &spec);
        got = images_of(loader, 1);
        for (uint64_t i = 0; i < SAMPLES; i++) {
            const uint8_t *p = file->data + i * SETS_CIFAR_RECORD + 1;

            fill(loader, 0, &i, 1, got);
            for (size_t k = 0; k < 3072; k++) {
                size_t plane = color == 0 ? k / 1024 : 2 - k / 1024;

                assert_true(got[k] == (float)p[plane * 1024 + k % 1024]);
            }
        }
        loader_free(loader);
        mem_free(got);
    }
    blob_unref(file);
}

static void test_a_gray_model_gets_luma(void **state)
{
    struct room *room = *state;
    struct loader_spec spec = spec_of(32, 32);
    const uint64_t sample = 2;
    struct loader *loader;
    struct blob *shard;
    float got[1024];

    spec.input.color = IMAGE_COLOR_GRAY;
    spec.input.fit = IMAGE_FIT_STRETCH;
    spec.input.range = IMAGE_RANGE_BYTE;
    loader = sets_loader(&room->raw, &spec);
    assert_int_equal(loader_image_count(loader), 1024);
    shard = sets_blob(&room->raw, &room->raw.set.shards[0].digest);
    fill(loader, 0, &sample, 1, got);
    for (size_t i = 0; i < 1024; i++) {
        const uint8_t *p = shard->data + sample * 3072 + i;
        double luma = 0.299 * p[0] + 0.587 * p[1024] + 0.114 * p[2048];

        assert_true(fabs((double)got[i] - luma) <= 0.51);
    }
    blob_unref(shard);
    loader_free(loader);
}

static void test_the_mean_picture_is_taken_off(void **state)
{
    struct room *room = *state;
    struct loader_spec spec = spec_of(32, 32);
    struct loader *loader;
    struct blob *mean = sets_blob(&room->raw, &room->raw.set.mean);
    struct err err = {""};
    uint64_t samples[SAMPLES];
    double worst = 0;
    float *got;

    spec.input.range = IMAGE_RANGE_BYTE;
    loader = sets_loader(&room->raw, &spec);
    got = images_of(loader, SAMPLES);
    assert_int_equal(loader_give_mean(loader, mean, &err), 0);
    for (size_t i = 0; i < SAMPLES; i++) {
        samples[i] = i;
    }
    fill(loader, 0, samples, SAMPLES, got);
    for (size_t k = 0; k < 3072; k++) {
        double sum = 0;

        for (size_t i = 0; i < SAMPLES; i++) {
            sum += (double)got[i * 3072 + k];
        }
        worst = fmax(worst, fabs(sum));
    }
    assert_true(worst < 1e-2); /* of sums of about a thousand */
    mean->size -= 4;
    assert_int_equal(loader_give_mean(loader, mean, &err), EDGE_ECORRUPT);
    mean->size += 4;
    loader_free(loader);
    spec.input.width = 24;
    loader = sets_loader(&room->raw, &spec);
    assert_int_equal(loader_give_mean(loader, mean, &err), EDGE_EINVAL);
    loader_free(loader);
    mem_free(got);
    blob_unref(mean);
}

static void test_labels_and_seeds_come_along(void **state)
{
    static const uint64_t samples[] = {22, 0, 13, 9, 13};
    struct room *room = *state;
    struct loader_spec spec = spec_of(32, 32);
    struct loader *loader = sets_loader(&room->raw, &spec);
    int64_t labels[5];
    int64_t seeds[5];
    int64_t later[5];
    struct err err = {""};

    assert_int_equal(
        loader_fill(loader, 1, samples, 5,
                    &(struct loader_batch){.labels = labels, .seeds = seeds},
                    &err),
        0);
    assert_int_equal(loader_fill(loader, 2, samples, 5,
                                 &(struct loader_batch){.seeds = later}, &err),
                     0);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(labels[i], samples[i] % 10);
        assert_int_not_equal(seeds[i], later[i]);
        for (int j = 0; j < i; j++) {
            assert_int_equal(seeds[i] == seeds[j], samples[i] == samples[j]);
        }
    }
    loader_free(loader);
}

/* A board that holds no labels gives images, one without images labels. */
static void test_each_part_may_be_elsewhere(void **state)
{
    struct room *room = *state;
    struct loader_spec spec = spec_of(32, 32);
    struct loader *loader = NULL;
    struct blob *blob;
    struct err err = {""};
    const uint64_t sample = 3;
    const uint64_t beyond = SAMPLES;
    float image[3072];
    int64_t label;
    const struct loader_batch images = {.images = image};
    const struct loader_batch labels = {.labels = &label};

    assert_int_equal(loader_new(&spec, &room->raw.set, &loader, &err), 0);
    assert_int_equal(loader_fill(loader, 0, &sample, 1, &images, &err),
                     EDGE_EUNAVAILABLE);
    assert_non_null(strstr(err.text, "sample 3 is in shard 0"));
    assert_int_equal(loader_fill(loader, 0, &sample, 1, &labels, &err),
                     EDGE_EUNAVAILABLE);
    blob = sets_blob(&room->raw, &room->raw.set.labels);
    assert_int_equal(loader_give_shard(loader, 0, blob, &err), EDGE_ECORRUPT);
    assert_int_equal(loader_give_shard(loader, 1, blob, &err), EDGE_EINVAL);
    assert_int_equal(loader_give_labels(loader, blob, &err), 0);
    blob_unref(blob);
    assert_int_equal(loader_fill(loader, 0, &sample, 1, &labels, &err), 0);
    assert_int_equal(label, 3);
    assert_int_equal(loader_fill(loader, 0, &beyond, 1, &labels, &err),
                     EDGE_EINVAL);
    loader_free(loader);
}

static void test_a_shard_is_found_for_each_sample(void **state)
{
    struct dataset_shard shards[] = {{.samples = 1, .bytes = 4},
                                     {.samples = 5, .bytes = 20},
                                     {.samples = 2, .bytes = 8}};
    struct dataset set = {.shape = {1, 2, 2},
                          .samples = 8,
                          .shards = shards,
                          .n_shards = 3,
                          .n_classes = 1};
    static const size_t want[] = {0, 1, 1, 1, 1, 1, 2, 2};
    struct loader_spec spec = spec_of(2, 2);
    struct loader *loader = NULL;
    struct err err = {""};

    (void)state;
    assert_int_equal(loader_new(&spec, &set, &loader, &err), 0);
    for (uint64_t i = 0; i < 8; i++) {
        assert_int_equal(loader_shard_of(loader, i), want[i]);
    }
    loader_free(loader);
}

static void test_wrong_specs_are_refused(void **state)
{
    struct room *room = *state;
    struct loader_spec spec = spec_of(0, 5);
    struct loader *loader = NULL;
    struct err err = {""};

    assert_int_equal(loader_new(&spec, &room->raw.set, &loader, &err),
                     EDGE_EINVAL);
    spec = spec_of(5, 5);
    spec.augment.flip = 2;
    assert_int_equal(loader_new(&spec, &room->raw.set, &loader, &err),
                     EDGE_EINVAL);
}

/* Damage that the store's digest would have found is still no crash. */
static void test_a_damaged_picture_is_an_error(void **state)
{
    struct room *room = *state;
    struct loader_spec spec = spec_of(8, 8);
    struct loader *loader = NULL;
    struct err err = {""};
    const uint64_t sample = 1;
    float image[192];
    struct blob *shard =
        sets_blob(&room->pics, &room->pics.set.shards[0].digest);
    struct blob *bad = blob_copy(shard->data, shard->size);

    assert_non_null(bad);
    memset(bad->data + 4 * 6, 0, bad->size - 4 * 6);
    assert_int_equal(loader_new(&spec, &room->pics.set, &loader, &err), 0);
    assert_int_equal(loader_give_shard(loader, 0, bad, &err), 0);
    assert_int_equal(loader_fill(loader, 0, &sample, 1,
                                 &(struct loader_batch){.images = image}, &err),
                     EDGE_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "\"sample 1 of the data\""));
    loader_free(loader);
    blob_unref(bad);
    blob_unref(shard);
}

struct loading {
    const struct dataset *set;
    struct loader_spec spec;
    struct blob *shard;
    struct blob *labels;
};

static int load_once(void *arg)
{
    static const uint64_t samples[] = {1, 4, 0};
    struct loading *l = arg;
    struct loader *loader = NULL;
    float images[3 * 3 * 20 * 24];
    int64_t labels[3];
    const struct loader_batch batch = {images, labels, NULL};
    struct err err = {""};
    int rc = loader_new(&l->spec, l->set, &loader, &err);

    if (rc == 0) {
        rc = loader_give_shard(loader, 0, l->shard, &err);
    }
    if (rc == 0) {
        rc = loader_give_labels(loader, l->labels, &err);
    }
    if (rc == 0) {
        rc = loader_fill(loader, 0, samples, 3, &batch, &err);
    }
    loader_free(loader);
    return rc;
}

static void test_without_memory_it_fails_cleanly(void **state)
{
    struct room *room = *state;
    struct loading l = {.set = &room->pics.set, .spec = all_at_random(24, 20)};

    l.shard = sets_blob(&room->pics, &room->pics.set.shards[0].digest);
    l.labels = sets_blob(&room->pics, &room->pics.set.labels);
    l.spec.cache_bytes = 1 << 20;
    assert_true(heap_each(load_once, &l) > 10);
    l.spec.augment.crop = AUGMENT_CROP_RESIZED;
    assert_true(heap_each(load_once, &l) > 10);
    l.spec.input.color = IMAGE_COLOR_GRAY;
    assert_true(heap_each(load_once, &l) > 10);
    blob_unref(l.shard);
    blob_unref(l.labels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_sample_does_not_depend_on_its_batch),
        cmocka_unit_test(test_a_cache_changes_nothing_and_is_bounded),
        cmocka_unit_test(test_evaluation_is_what_inference_does),
        cmocka_unit_test(test_raw_samples_are_taken_as_they_are),
        cmocka_unit_test(test_a_gray_model_gets_luma),
        cmocka_unit_test(test_the_mean_picture_is_taken_off),
        cmocka_unit_test(test_labels_and_seeds_come_along),
        cmocka_unit_test(test_each_part_may_be_elsewhere),
        cmocka_unit_test(test_a_shard_is_found_for_each_sample),
        cmocka_unit_test(test_wrong_specs_are_refused),
        cmocka_unit_test(test_a_damaged_picture_is_an_error),
        cmocka_unit_test(test_without_memory_it_fails_cleanly),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/*
 * Sets made blobs and read again: nothing lost, nothing trusted.
 */
#include "tests/lib/golden.h"
#include "tests/lib/heap.h"
#include "tests/lib/sets.h"
#include "tests/lib/unit.h"

#include "base/limits.h"
#include "base/mem.h"
#include "dataset/pack.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int set_up(void **state)
{
    static struct tmp tmp;

    tmp_init(&tmp);
    *state = &tmp;
    return 0;
}

static int tear_down(void **state)
{
    heap_heal();
    tmp_deinit(*state);
    return 0;
}

static void test_raw_samples_come_back(void **state)
{
    struct tmp *tmp = *state;
    struct origin_place place = {.path = tmp->path};
    struct sets_packed packed;
    struct blob *shard;
    struct blob *labels;
    struct blob *file = NULL;
    struct err err = {""};

    sets_cifar10(tmp, "data_batch_1.bin", 23, 4);
    sets_pack(tmp, &place, &packed);
    assert_int_equal(packed.set.samples, 23);
    assert_int_equal(packed.set.n_shards, 1);
    assert_string_equal(packed.set.classes[8], "ship");
    assert_int_equal(
        blob_read(tmp_path(tmp, "data_batch_1.bin"), 1 << 20, &file, &err), 0);
    shard = sets_blob(&packed, &packed.set.shards[0].digest);
    labels = sets_blob(&packed, &packed.set.labels);
    assert_int_equal(pack_check_shard(&packed.set, 0, shard, &err), 0);
    assert_int_equal(pack_check_labels(&packed.set, labels, &err), 0);
    for (uint32_t i = 0; i < 23; i++) {
        size_t size;
        const uint8_t *p = pack_sample(&packed.set, 0, shard, i, &size);

        assert_int_equal(size, 3072);
        assert_memory_equal(p, file->data + i * SETS_CIFAR_RECORD + 1, size);
        assert_int_equal(pack_label(labels, i), i % 10);
    }
    blob_unref(shard);
    blob_unref(labels);
    blob_unref(file);
    sets_unpack(&packed);
}

/* The same set again has the same name: it is sent to no board twice. */
static void test_same_data_same_name(void **state)
{
    struct tmp *tmp = *state;
    struct origin_place place = {.path = tmp->path};
    struct sets_packed one;
    struct sets_packed two;
    struct dataset again = {0};
    struct blob *text;
    struct err err = {""};

    sets_idx(tmp, "train", 40, 9, 11, 4);
    sets_pack(tmp, &place, &one);
    sets_gzip(tmp, "train-images-idx3-ubyte");
    sets_pack(tmp, &place, &two);
    assert_true(digest_equal(&one.name, &two.name));
    text = sets_blob(&one, &one.name);
    assert_int_equal(dataset_parse(text->data, text->size, &again, &err), 0);
    assert_int_equal(again.samples, 40);
    assert_true(digest_equal(&again.labels, &two.set.labels));
    blob_unref(text);
    dataset_deinit(&again);
    sets_unpack(&one);
    sets_unpack(&two);
}

static void test_pictures_come_back_as_files(void **state)
{
    static const char *const files[] = {"palette.png", "exif6.jpg", "gray.jpg",
                                        "420.jpg", "rgb.png"};
    struct tmp *tmp = *state;
    struct origin_place place = {.path = NULL};
    struct sets_packed packed;
    char folder[TMP_PATH];
    struct blob *shard;
    struct err err = {""};

    sets_folder(tmp, "set");
    (void)snprintf(folder, sizeof(folder), "%s", tmp_path(tmp, "set"));
    place.path = folder;
    sets_pack(tmp, &place, &packed);
    assert_int_equal(packed.set.samples, 5);
    shard = sets_blob(&packed, &packed.set.shards[0].digest);
    assert_int_equal(pack_check_shard(&packed.set, 0, shard, &err), 0);
    for (uint32_t i = 0; i < 5; i++) {
        struct blob *file = golden_file("image", files[i]);
        size_t size;
        const uint8_t *p = pack_sample(&packed.set, 0, shard, i, &size);

        assert_int_equal(size, file->size);
        assert_memory_equal(p, file->data, size);
        blob_unref(file);
    }
    blob_unref(shard);
    sets_unpack(&packed);
}

static void test_a_set_of_many_bytes_has_several_shards(void **state)
{
    struct tmp *tmp = *state;
    struct origin_place place = {.path = tmp->path};
    struct sets_packed packed;
    uint64_t samples = 0;

    sets_idx(tmp, "train", 70, 1000, 1000, 4);
    sets_pack(tmp, &place, &packed);
    assert_int_equal(packed.set.n_shards, 3);
    for (size_t i = 0; i < 3; i++) {
        struct blob *blob = sets_blob(&packed, &packed.set.shards[i].digest);

        assert_true(blob->size <= LIMIT_DATA_SHARD);
        assert_int_equal(blob->size, packed.set.shards[i].bytes);
        samples += packed.set.shards[i].samples;
        blob_unref(blob);
    }
    assert_int_equal(samples, 70);
    sets_unpack(&packed);
}

static int pack_place(struct tmp *tmp, const struct origin_place *place,
                      struct err *err)
{
    struct origin *origin = NULL;
    struct store *store = NULL;
    struct pack *pack = NULL;
    struct dataset set = {0};
    struct digest name;
    int rc = origin_open(place, &origin, err);

    if (rc == 0) {
        rc = store_open(tmp_path(tmp, "store"), STORE_NO_SYNC, &store, err);
    }
    if (rc == 0) {
        rc = pack_new(origin, store, &pack, err);
    }
    while (rc == 0 && (rc = pack_more(pack, 2, err)) > 0) {
        rc = 0;
    }
    if (rc == 0) {
        rc = pack_finish(pack, &set, &name, err);
    }
    dataset_deinit(&set);
    pack_free(pack);
    store_free(store);
    origin_free(origin);
    return rc;
}

static void assert_not_packed(struct tmp *tmp, const struct origin_place *place,
                              int rc, const char *words)
{
    struct err err = {""};
    int got = pack_place(tmp, place, &err);

    if (got != rc || strstr(err.text, words) == NULL) {
        fail_msg("wanted %s with \"%s\", got %s: %s", err_name(rc), words,
                 err_name(got), err.text);
    }
}

static void test_what_is_no_picture_is_found_while_packing(void **state)
{
    struct tmp *tmp = *state;
    struct origin_place place = {.path = NULL};
    char folder[TMP_PATH];
    struct blob *file = golden_file("image", "420.jpg");

    sets_folder(tmp, "set");
    (void)snprintf(folder, sizeof(folder), "%s", tmp_path(tmp, "set"));
    place.path = folder;
    (void)tmp_write(tmp, "set/b/20.jpg", file->data, file->size / 2);
    assert_not_packed(tmp, &place, EDGE_ECORRUPT,
                      "set/b/20.jpg\" is a damaged JPEG");
    sets_picture(tmp, "set/b/20.jpg", "rgb.ppm");
    assert_not_packed(tmp, &place, EDGE_EUNSUPPORTED,
                      "20.jpg\" is neither JPEG nor PNG but PPM");
    (void)tmp_write(tmp, "set/b/20.jpg", "", 0);
    assert_not_packed(tmp, &place, EDGE_EUNSUPPORTED, "but empty");
    blob_unref(file);
}

static void test_no_samples_are_no_set(void **state)
{
    struct tmp *tmp = *state;
    struct origin_place place = {.path = tmp->path};

    (void)tmp_write(tmp, "data_batch_1.bin", "", 0);
    assert_not_packed(tmp, &place, EDGE_ENOENT, "have no samples");
}

static void test_wrong_blobs_are_refused(void **state)
{
    struct tmp *tmp = *state;
    struct origin_place place = {.path = NULL};
    struct sets_packed packed;
    char folder[TMP_PATH];
    struct blob *good;
    struct err err = {""};

    sets_folder(tmp, "set");
    (void)snprintf(folder, sizeof(folder), "%s", tmp_path(tmp, "set"));
    place.path = folder;
    sets_pack(tmp, &place, &packed);
    good = sets_blob(&packed, &packed.set.shards[0].digest);
    /* Each byte of the table: 5 + 1 offsets. */
    for (size_t i = 0; i < 24; i++) {
        struct blob *bad = blob_copy(good->data, good->size);

        assert_non_null(bad);
        bad->data[i] ^= 0x80; /* beyond the next one, or the end */
        if (i != 4 && i != 8 && i != 12 && i != 16) {
            assert_int_equal(pack_check_shard(&packed.set, 0, bad, &err),
                             EDGE_ECORRUPT);
        }
        blob_unref(bad);
    }
    good->size--;
    assert_int_equal(pack_check_shard(&packed.set, 0, good, &err),
                     EDGE_ECORRUPT);
    good->size++;
    blob_unref(good);
    good = blob_copy("\1\0\0\0\0\0\0\0\2\0", 10);
    assert_non_null(good);
    assert_int_equal(pack_check_labels(&packed.set, good, &err), EDGE_ECORRUPT);
    assert_non_null(strstr(err.text, "label 2 of sample 4 is none of 2"));
    good->size = 8;
    assert_int_equal(pack_check_labels(&packed.set, good, &err), EDGE_ECORRUPT);
    blob_unref(good);
    sets_unpack(&packed);
}

struct packing {
    struct tmp *tmp;
    struct origin_place place;
};

static int pack_once(void *arg)
{
    struct packing *p = arg;
    struct err err = {""};

    return pack_place(p->tmp, &p->place, &err);
}

static void test_without_memory_it_fails_cleanly(void **state)
{
    struct tmp *tmp = *state;
    struct packing p = {.tmp = tmp};
    char folder[TMP_PATH];

    sets_folder(tmp, "set");
    (void)snprintf(folder, sizeof(folder), "%s", tmp_path(tmp, "set"));
    p.place.path = folder;
    assert_true(heap_each(pack_once, &p) > 20);
    sets_cifar10(tmp, "data_batch_1.bin", 3, 1);
    p.place.path = tmp->path;
    assert_true(heap_each(pack_once, &p) > 10);
}

/* The published mean and deviation of MNIST: 0.1307 and 0.3081. */
static void test_mnist_has_its_mean_and_deviation(void **state)
{
    const char *path = golden_data("mnist");
    struct origin_place place = {.path = path};
    struct sets_packed packed;
    struct blob *mean_picture;
    float mean[3];
    float std[3];
    double sum = 0;

    if (path == NULL) {
        SKIP_TEST("no $EDGE_DATA/mnist");
    }
    sets_pack(*state, &place, &packed);
    dataset_normal(&packed.set, mean, std);
    assert_true(fabs((double)mean[0] - 0.1307) < 5e-5);
    assert_true(fabs((double)std[0] - 0.3081) < 5e-5);
    mean_picture = sets_blob(&packed, &packed.set.mean);
    assert_int_equal(mean_picture->size, 784 * 4);
    for (size_t i = 0; i < 784; i++) {
        float v;

        memcpy(&v, mean_picture->data + 4 * i, 4);
        sum += (double)v / 784 / 255;
    }
    assert_true(fabs(sum - (double)mean[0]) < 1e-6);
    blob_unref(mean_picture);
    sets_unpack(&packed);
}

#define WITH_TMP(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TMP(test_raw_samples_come_back),
        WITH_TMP(test_same_data_same_name),
        WITH_TMP(test_pictures_come_back_as_files),
        WITH_TMP(test_a_set_of_many_bytes_has_several_shards),
        WITH_TMP(test_what_is_no_picture_is_found_while_packing),
        WITH_TMP(test_no_samples_are_no_set),
        WITH_TMP(test_wrong_blobs_are_refused),
        WITH_TMP(test_without_memory_it_fails_cleanly),
        WITH_TMP(test_mnist_has_its_mean_and_deviation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Readers of data sets: small sets written here, right and wrong, and the
 * real ones where $EDGE_DATA has them.
 */
#include "tests/lib/golden.h"
#include "tests/lib/heap.h"
#include "tests/lib/sets.h"
#include "tests/lib/unit.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* How many samples came, or an error. */
static int64_t count(const struct origin_place *place, uint64_t labels[256],
                     struct err *err)
{
    struct origin *origin = NULL;
    struct origin_sample sample;
    int64_t n = 0;
    int rc = origin_open(place, &origin, err);

    memset(labels, 0, 256 * sizeof(labels[0]));
    if (rc < 0) {
        return rc;
    }
    while ((rc = origin_next(origin, &sample, err)) > 0) {
        labels[sample.label & 255]++;
        n++;
    }
    origin_free(origin);
    return rc < 0 ? rc : n;
}

static void assert_count(const struct origin_place *place, int64_t wanted)
{
    uint64_t labels[256];
    struct err err = {""};
    int64_t n = count(place, labels, &err);

    if (n != wanted) {
        fail_msg("%s: %lld samples, not %lld: %s", place->path, (long long)n,
                 (long long)wanted, err.text);
    }
}

static void assert_fails(const struct origin_place *place, int rc,
                         const char *words)
{
    uint64_t labels[256];
    struct err err = {""};
    int64_t got = count(place, labels, &err);

    if (got != rc || strstr(err.text, words) == NULL) {
        fail_msg("wanted %s with \"%s\", got %lld: %s", err_name(rc), words,
                 (long long)got, err.text);
    }
}

static struct origin_place at(struct tmp *tmp, enum dataset_part part)
{
    return (struct origin_place){.path = tmp->path, .part = part};
}

/* ---- idx ---- */

static void write_idx(struct tmp *tmp)
{
    sets_idx(tmp, "train", 25, 28, 20, 1);
    sets_idx(tmp, "t10k", 12, 28, 20, 2);
}

static void test_idx_has_two_parts(void **state)
{
    struct origin_place place = at(*state, DATASET_TRAIN);
    struct origin *origin = NULL;
    struct err err = {""};
    size_t n;

    write_idx(*state);
    assert_count(&place, 25);
    place.part = DATASET_TEST;
    assert_count(&place, 12);
    assert_int_equal(origin_open(&place, &origin, &err), 0);
    assert_int_equal(origin_kind(origin), DATASET_RAW);
    assert_int_equal(origin_shape(origin).channels, 1);
    assert_int_equal(origin_shape(origin).height, 28);
    assert_int_equal(origin_shape(origin).width, 20);
    assert_string_equal(origin_classes(origin, &n)[9], "9");
    assert_int_equal(n, 10);
    origin_free(origin);
}

static void test_idx_may_be_packed_each_in_its_way(void **state)
{
    struct origin_place place = at(*state, DATASET_TRAIN);

    write_idx(*state);
    sets_gzip(*state, "train-images-idx3-ubyte");
    sets_xz(*state, "train-labels-idx1-ubyte");
    assert_count(&place, 25);
    place.path = tmp_path(*state, "train-images-idx3-ubyte.gz");
    assert_count(&place, 25);
}

static void test_idx_may_be_one_file(void **state)
{
    struct tmp *tmp = *state;
    struct origin_place place = {.part = DATASET_TEST};

    sets_idx(tmp, "mine", 7, 5, 5, 1);
    place.path = tmp_path(tmp, "mine-images-idx3-ubyte");
    assert_fails(&place, EDGE_ENOENT, "has no test data");
    place.is_whole = true;
    assert_count(&place, 7);
    place.path = tmp->path; /* the folder's only pair */
    assert_count(&place, 7);
}

static void patch(struct tmp *tmp, const char *name, long offset,
                  const void *bytes, size_t n)
{
    FILE *file = fopen(tmp_path(tmp, name), "r+b");

    assert_non_null(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static void cut(struct tmp *tmp, const char *name, off_t size)
{
    assert_int_equal(truncate(tmp_path(tmp, name), size), 0);
}

#define IMAGES "train-images-idx3-ubyte"
#define LABELS "train-labels-idx1-ubyte"

static void test_broken_idx_is_refused(void **state)
{
    struct origin_place place = at(*state, DATASET_TRAIN);
    const off_t whole = 16 + 25 * 28 * 20;

    write_idx(*state);
    patch(*state, IMAGES, 3, "\4", 1);
    assert_fails(&place, EDGE_ECORRUPT, "no idx file of gray pictures");
    patch(*state, IMAGES, 3, "\3", 1);
    patch(*state, LABELS, 2, "\15", 1); /* of floats */
    assert_fails(&place, EDGE_ECORRUPT, "no idx file of labels");
    patch(*state, LABELS, 2, "\10", 1);
    patch(*state, LABELS, 7, "\30", 1);
    assert_fails(&place, EDGE_ECORRUPT, "has 25 pictures and");
    patch(*state, LABELS, 7, "\31", 1);
    patch(*state, IMAGES, 8, "\0\0\4\1", 4);
    assert_fails(&place, EDGE_ETOOBIG, "20x1025; edged reads data sets of");
    patch(*state, IMAGES, 8, "\0\0\0\0", 4);
    assert_fails(&place, EDGE_ETOOBIG, "20x0");
    patch(*state, IMAGES, 8, "\0\0\0\34", 4);
    cut(*state, IMAGES, whole - 1);
    assert_fails(&place, EDGE_ECORRUPT, "as many pictures as its head says");
    cut(*state, IMAGES, whole + 1);
    assert_fails(&place, EDGE_ECORRUPT, "it goes on");
    cut(*state, IMAGES, whole);
    assert_count(&place, 25);
    cut(*state, LABELS, 8 + 24);
    assert_fails(&place, EDGE_ECORRUPT, "as many labels as its head says");
    cut(*state, LABELS, 8 + 26);
    assert_fails(&place, EDGE_ECORRUPT, "it goes on");
    cut(*state, LABELS, 6);
    assert_fails(&place, EDGE_ECORRUPT, "no idx file of labels");
    assert_int_equal(unlink(tmp_path(*state, LABELS)), 0);
    assert_fails(&place, EDGE_ENOENT, "labels-idx1-ubyte.xz: No such file");
}

/* A head that promises 2^32 pictures allocates none of them. */
static void test_a_huge_idx_is_refused(void **state)
{
    struct origin_place place = at(*state, DATASET_TRAIN);

    write_idx(*state);
    patch(*state, IMAGES, 4, "\xff\xff\xff\xff", 4);
    patch(*state, LABELS, 4, "\xff\xff\xff\xff", 4);
    assert_fails(&place, EDGE_ECORRUPT, "1 to 134217728");
}

/* ---- CIFAR-10 ---- */

static void test_cifar10_is_several_files(void **state)
{
    struct origin_place place = at(*state, DATASET_TRAIN);
    uint64_t labels[256];
    struct err err = {""};

    sets_cifar10(*state, "data_batch_1.bin", 10, 1);
    sets_cifar10(*state, "data_batch_2.bin", 30, 2);
    sets_cifar10(*state, "test_batch.bin", 7, 3);
    sets_xz(*state, "data_batch_2.bin");
    sets_gzip(*state, "test_batch.bin");
    assert_int_equal(count(&place, labels, &err), 40);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(labels[i], 4);
    }
    place.part = DATASET_TEST;
    assert_count(&place, 7);
    place.path = tmp_path(*state, "data_batch_1.bin");
    assert_fails(&place, EDGE_ENOENT, "has no test data. Name them");
    place.is_whole = true;
    assert_count(&place, 10);
}

static void test_broken_cifar10_is_refused(void **state)
{
    struct origin_place place = at(*state, DATASET_TRAIN);

    sets_cifar10(*state, "data_batch_1.bin", 3, 1);
    place.part = DATASET_TEST;
    assert_fails(&place, EDGE_ENOENT, "has no test data");
    place.part = DATASET_TRAIN;
    patch(*state, "data_batch_1.bin", SETS_CIFAR_RECORD, "\12", 1);
    assert_fails(&place, EDGE_ECORRUPT, "a label is above 9");
    cut(*state, "data_batch_1.bin", SETS_CIFAR_RECORD + 5);
    assert_fails(&place, EDGE_ECORRUPT, "its last record is cut short");
    cut(*state, "data_batch_1.bin", SETS_CIFAR_RECORD);
    assert_count(&place, 1);
}

static void test_a_format_is_what_one_says(void **state)
{
    struct origin_place place = at(*state, DATASET_TRAIN);

    place.format = DATASET_CIFAR10;
    assert_fails(&place, EDGE_ENOENT, "has no data_batch_*.bin");
    place.format = DATASET_IDX;
    assert_fails(&place, EDGE_ENOENT, "has no train-images-idx3-ubyte");
    place.format = DATASET_FOLDER;
    assert_fails(&place, EDGE_ENOENT, "has no folders: there must be one");
    place.path = tmp_write(*state, "file", "x", 1);
    assert_fails(&place, EDGE_EINVAL, "is a file. Name the folder");
    place.format = DATASET_IDX;
    assert_fails(&place, EDGE_EINVAL, "must have \"images\" in its name");
    place.format = DATASET_AUTO;
    assert_fails(&place, EDGE_ECORRUPT, "no CIFAR-10 file");
    place.path = tmp_path(*state, "nothing");
    assert_fails(&place, EDGE_ENOENT, "No such file or directory. Check data:");
}

static void test_classes_may_be_named(void **state)
{
    struct tmp *tmp = *state;
    struct origin_place place = at(tmp, DATASET_TRAIN);
    struct origin *origin = NULL;
    struct err err = {""};
    char names[TMP_PATH];
    size_t n;

    write_idx(tmp);
    (void)snprintf(
        names, sizeof(names), "%s",
        tmp_write(tmp, "names", "shirt\r\na b\n2\n3\n4\n5\n6\n7\n8\nboot", 29));
    place.classes = names;
    assert_int_equal(origin_open(&place, &origin, &err), 0);
    assert_string_equal(origin_classes(origin, &n)[0], "shirt");
    assert_string_equal(origin_classes(origin, &n)[1], "a b");
    assert_string_equal(origin_classes(origin, &n)[9], "boot");
    assert_int_equal(n, 10);
    origin_free(origin);
    (void)tmp_write(tmp, "names", "a\nb\n", 4);
    assert_fails(&place, EDGE_EINVAL, "names 2 classes, but the data have");
    (void)tmp_write(tmp, "names", "a\n\nb\n", 5);
    assert_fails(&place, EDGE_EINVAL, "names\", line 2: a class's name of 0");
    place.classes = tmp_path(tmp, "nothing");
    assert_fails(&place, EDGE_ENOENT, "nothing");
}

/* ---- folders ---- */

static void test_folders_are_classes_in_order(void **state)
{
    static const char *const files[] = {"a/x.png", "a/y.jpg", "b/1.jpg",
                                        "b/10.jpeg", "b/2.PNG"};
    struct tmp *tmp = *state;
    struct origin_place place = {.part = DATASET_TRAIN};
    struct origin *origin = NULL;
    struct origin_sample sample;
    struct err err = {""};
    char folder[TMP_PATH];
    size_t n;

    sets_folder(tmp, "set");
    (void)tmp_write(tmp, "set/README", "?", 1);
    (void)tmp_write(tmp, "set/a/.hidden", "?", 1);
    (void)tmp_write(tmp, "set/a/Thumbs.db", "?", 1);
    (void)snprintf(folder, sizeof(folder), "%s", tmp_path(tmp, "set"));
    place.path = folder;
    assert_int_equal(origin_open(&place, &origin, &err), 0);
    assert_int_equal(origin_kind(origin), DATASET_PICTURES);
    assert_string_equal(origin_classes(origin, &n)[0], "a");
    assert_int_equal(n, 2);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(origin_next(origin, &sample, &err), 1);
        assert_non_null(strstr(sample.name, files[i]));
        assert_int_equal(sample.label, i >= 2);
    }
    assert_int_equal(origin_next(origin, &sample, &err), 0);
    origin_free(origin);
    place.part = DATASET_TEST;
    assert_fails(&place, EDGE_ENOENT, "has no test data");
    place.is_whole = true;
    assert_count(&place, 5);
    place.classes = folder;
    assert_fails(&place, EDGE_EINVAL, "cannot name the classes");
}

static void test_parts_may_be_folders(void **state)
{
    struct tmp *tmp = *state;
    struct origin_place place = at(tmp, DATASET_TRAIN);

    sets_folder(tmp, "train");
    assert_count(&place, 5);
    place.part = DATASET_TEST;
    assert_fails(&place, EDGE_ENOENT, "has no test data");
    sets_folder(tmp, "val");
    assert_int_equal(unlink(tmp_path(tmp, "val/a/x.png")), 0);
    assert_count(&place, 4);
    (void)tmp_write(tmp, "labels.txt", "?", 1);
    assert_count(&place, 4);
}

/* Trains are something one may want to tell from buses. */
static void test_train_may_be_a_class(void **state)
{
    struct tmp *tmp = *state;
    struct origin_place place = at(tmp, DATASET_TRAIN);

    sets_mkdir(tmp, "bus");
    sets_mkdir(tmp, "train");
    sets_picture(tmp, "bus/1.png", "rgb.png");
    sets_picture(tmp, "train/1.png", "rgb.png");
    assert_count(&place, 2);
}

static void test_folders_within_a_class_belong_to_it(void **state)
{
    struct tmp *tmp = *state;
    struct origin_place place = at(tmp, DATASET_TRAIN);

    sets_folder(tmp, "a");
    assert_count(&place, 5);
    assert_int_equal(symlink("..", tmp_path(tmp, "a/again")), 0);
    assert_fails(&place, EDGE_ETOOBIG, "more than 8 folders deep");
}

static void test_wrong_folders_are_refused(void **state)
{
    struct tmp *tmp = *state;
    struct origin_place place = at(tmp, DATASET_TRAIN);

    sets_mkdir(tmp, "a");
    assert_fails(&place, EDGE_ENOENT, "/a has no pictures. Put some there");
    sets_mkdir(tmp, "b\nc");
    assert_fails(&place, EDGE_EINVAL, "holds a control character");
    assert_int_equal(rmdir(tmp_path(tmp, "b\nc")), 0);
    sets_picture(tmp, "lone.png", "rgb.png");
    assert_fails(&place, EDGE_EINVAL, "lies beside the folders");
}

/* ---- memory ---- */

static int read_once(void *arg)
{
    uint64_t labels[256];
    struct err err = {""};
    int64_t n = count(arg, labels, &err);

    return n < 0 ? (int)n : 0;
}

static void test_without_memory_readers_fail_cleanly(void **state)
{
    struct tmp *tmp = *state;
    struct origin_place place = at(tmp, DATASET_TRAIN);
    char folder[TMP_PATH];

    write_idx(tmp);
    assert_true(heap_each(read_once, &place) > 10);
    sets_cifar10(tmp, "data_batch_1.bin", 2, 1);
    place.format = DATASET_CIFAR10;
    assert_true(heap_each(read_once, &place) > 10);
    sets_mkdir(tmp, "sets");
    sets_folder(tmp, "sets/train");
    (void)snprintf(folder, sizeof(folder), "%s", tmp_path(tmp, "sets"));
    place.path = folder;
    place.format = DATASET_FOLDER;
    assert_true(heap_each(read_once, &place) > 10);
}

/* ---- the real ones ---- */

static void test_mnist_is_read(void **state)
{
    const char *path = golden_data("mnist");
    struct origin_place place = {.path = path, .part = DATASET_TEST};
    uint64_t labels[256];
    struct err err = {""};

    (void)state;
    if (path == NULL) {
        SKIP_TEST("no $EDGE_DATA/mnist");
    }
    assert_int_equal(count(&place, labels, &err), 10000);
    assert_int_equal(labels[0], 980); /* of the published test set */
    assert_int_equal(labels[9], 1009);
    place.part = DATASET_TRAIN;
    assert_int_equal(count(&place, labels, &err), 60000);
    assert_int_equal(labels[1], 6742);
}

static void test_cifar10_is_read(void **state)
{
    const char *path = golden_data("cifar10");
    struct origin_place place = {.path = path, .part = DATASET_TEST};
    uint64_t labels[256];
    struct err err = {""};

    (void)state;
    if (path == NULL) {
        SKIP_TEST("no $EDGE_DATA/cifar10");
    }
    assert_int_equal(count(&place, labels, &err), 10000);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(labels[i], 1000);
    }
}

#define WITH_TMP(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_TMP(test_idx_has_two_parts),
        WITH_TMP(test_idx_may_be_packed_each_in_its_way),
        WITH_TMP(test_idx_may_be_one_file),
        WITH_TMP(test_broken_idx_is_refused),
        WITH_TMP(test_a_huge_idx_is_refused),
        WITH_TMP(test_cifar10_is_several_files),
        WITH_TMP(test_broken_cifar10_is_refused),
        WITH_TMP(test_a_format_is_what_one_says),
        WITH_TMP(test_classes_may_be_named),
        WITH_TMP(test_folders_are_classes_in_order),
        WITH_TMP(test_parts_may_be_folders),
        WITH_TMP(test_train_may_be_a_class),
        WITH_TMP(test_folders_within_a_class_belong_to_it),
        WITH_TMP(test_wrong_folders_are_refused),
        WITH_TMP(test_without_memory_readers_fail_cleanly),
        cmocka_unit_test(test_mnist_is_read),
        cmocka_unit_test(test_cifar10_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

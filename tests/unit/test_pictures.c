#include "tests/lib/tmp.h"
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "coordinator/ctl/pictures.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct fixture {
    struct tmp tmp;
    struct pictures pictures;
    struct err err;
};

static int setup(void **state)
{
    struct fixture *f = mem_new(struct fixture);

    tmp_init(&f->tmp);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    pictures_deinit(&f->pictures);
    tmp_deinit(&f->tmp);
    mem_free(f);
    return 0;
}

static int list(struct fixture *f, char *a, char *b)
{
    char *arguments[] = {a, b};

    return pictures_list(arguments, b != NULL ? 2 : 1, &f->pictures, &f->err);
}

/* ---- the list ----------------------------------------------------------- */

static void test_files_stay_in_their_order(void **state)
{
    struct fixture *f = *state;
    char b[] = "b.png";
    char a[] = "a-longer-name.jpg";

    assert_int_equal(list(f, b, a), 0);
    assert_int_equal(f->pictures.n, 2);
    assert_string_equal(f->pictures.names[0], "b.png");
    assert_string_equal(f->pictures.names[1], "a-longer-name.jpg");
    assert_int_equal(f->pictures.widest, strlen(a));
}

static void test_a_folder_gives_its_pictures_by_name(void **state)
{
    static const char *const names[] = {"b.JPG",       "a.png", "notes.txt",
                                        ".hidden.png", "c.npy", "png"};
    struct fixture *f = *state;
    char folder[sizeof(f->tmp.path)];
    char wanted[TMP_PATH];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)tmp_write(&f->tmp, names[i], "x", 1);
    }
    memcpy(folder, f->tmp.path, sizeof(folder));
    assert_int_equal(list(f, folder, NULL), 0);
    assert_int_equal(f->pictures.n, 3);
    (void)snprintf(wanted, sizeof(wanted), "%s/a.png", f->tmp.path);
    assert_string_equal(f->pictures.names[0], wanted);
    (void)snprintf(wanted, sizeof(wanted), "%s/b.JPG", f->tmp.path);
    assert_string_equal(f->pictures.names[1], wanted);
    (void)snprintf(wanted, sizeof(wanted), "%s/c.npy", f->tmp.path);
    assert_string_equal(f->pictures.names[2], wanted);
}

static void test_a_folder_with_its_slash_has_just_one(void **state)
{
    struct fixture *f = *state;
    char folder[sizeof(f->tmp.path) + 1];

    (void)tmp_write(&f->tmp, "a.png", "x", 1);
    (void)snprintf(folder, sizeof(folder), "%s/", f->tmp.path);
    assert_int_equal(list(f, folder, NULL), 0);
    assert_string_equal(f->pictures.names[0], tmp_path(&f->tmp, "a.png"));
}

static void test_a_folder_without_pictures_is_an_error(void **state)
{
    struct fixture *f = *state;
    char folder[sizeof(f->tmp.path)];

    (void)tmp_write(&f->tmp, "notes.txt", "x", 1);
    memcpy(folder, f->tmp.path, sizeof(folder));
    assert_int_equal(list(f, folder, NULL), EDGE_ENOENT);
    assert_non_null(strstr(f->err.text, "no picture in this folder"));
}

static void test_standard_input_only_once(void **state)
{
    struct fixture *f = *state;
    char dash[] = "-";

    assert_int_equal(list(f, dash, NULL), 0);
    pictures_deinit(&f->pictures);
    assert_int_equal(list(f, dash, dash), EDGE_EINVAL);
}

/* ---- one picture -------------------------------------------------------- */

static struct picture_form form_of(int rank, const int64_t *dims)
{
    struct picture_form form = {.spec = image_spec_default(4, 4),
                                .dtype = DTYPE_F32,
                                .shape = shape_of(rank, dims)};

    return form;
}

static const char *write_npy(struct fixture *f, enum dtype dtype, int rank,
                             const int64_t *dims)
{
    struct shape shape = shape_of(rank, dims);
    struct tensor t;

    assert_int_equal(tensor_init(&t, dtype, &shape), 0);
    memset(t.data, 0, tensor_bytes(&t));
    assert_int_equal(npy_write(tmp_path(&f->tmp, "x.npy"), &t, &f->err), 0);
    tensor_deinit(&t);
    return tmp_path(&f->tmp, "x.npy");
}

static void test_a_picture_becomes_the_models_input(void **state)
{
    struct fixture *f = *state;
    struct picture_form form = form_of(4, (int64_t[]){1, 3, 4, 4});
    const char gray[] = "P5\n2 2\n255\n\xff\xff\xff\xff";
    const char *path = tmp_write(&f->tmp, "g.pgm", gray, sizeof(gray) - 1);
    struct tensor t;

    assert_int_equal(picture_read(path, &form, &t, &f->err), 0);
    assert_true(shape_equal(&t.shape, &form.shape));
    assert_true(((float *)t.data)[47] == 1.0f);
    tensor_deinit(&t);
}

static void test_a_npy_is_taken_as_it_is(void **state)
{
    struct fixture *f = *state;
    struct picture_form form = form_of(2, (int64_t[]){1, 5});
    const char *path = write_npy(f, DTYPE_F32, 2, (int64_t[]){1, 5});
    struct tensor t;

    form.refusal = "no picture becomes this"; /* but a .npy is none */
    assert_int_equal(picture_read(path, &form, &t, &f->err), 0);
    assert_int_equal(tensor_count(&t), 5);
    tensor_deinit(&t);
}

static void test_a_npy_may_lack_a_first_dimension_of_1(void **state)
{
    struct fixture *f = *state;
    struct picture_form form = form_of(3, (int64_t[]){1, 2, 5});
    const char *path = write_npy(f, DTYPE_F32, 2, (int64_t[]){2, 5});
    struct tensor t;

    assert_int_equal(picture_read(path, &form, &t, &f->err), 0);
    assert_true(shape_equal(&t.shape, &form.shape));
    tensor_deinit(&t);
}

static void test_a_npy_of_another_shape_or_type_is_refused(void **state)
{
    struct fixture *f = *state;
    struct picture_form form = form_of(2, (int64_t[]){2, 5});
    struct tensor t;

    assert_int_equal(picture_read(write_npy(f, DTYPE_F32, 1, (int64_t[]){5}),
                                  &form, &t, &f->err),
                     EDGE_EINVAL);
    assert_non_null(
        strstr(f->err.text, "x.npy is float32 5, the model wants float32 2x5"));
    assert_int_equal(picture_read(write_npy(f, DTYPE_F64, 2, (int64_t[]){2, 5}),
                                  &form, &t, &f->err),
                     EDGE_EINVAL);
}

static void test_no_picture_where_the_model_wants_none(void **state)
{
    struct fixture *f = *state;
    struct picture_form form = form_of(2, (int64_t[]){1, 5});
    const char gray[] = "P5\n1 1\n255\n\xff";
    const char *path = tmp_write(&f->tmp, "g.pgm", gray, sizeof(gray) - 1);
    struct tensor t;

    form.refusal = "no picture becomes this";
    assert_int_equal(picture_read(path, &form, &t, &f->err), EDGE_EINVAL);
    assert_non_null(strstr(f->err.text, "g.pgm: no picture becomes this"));
}

static void test_a_file_that_is_no_image_says_what_it_is(void **state)
{
    struct fixture *f = *state;
    struct picture_form form = form_of(4, (int64_t[]){1, 3, 4, 4});
    const char *path = tmp_write(&f->tmp, "x.jpg", "hello world\n", 12);
    struct tensor t;

    assert_int_equal(picture_read(path, &form, &t, &f->err), EDGE_EUNSUPPORTED);
    assert_non_null(strstr(f->err.text, "x.jpg\" is not an image edged reads"));
}

static void test_a_file_that_is_not_there(void **state)
{
    struct fixture *f = *state;
    struct picture_form form = form_of(4, (int64_t[]){1, 3, 4, 4});
    struct tensor t;

    assert_int_equal(
        picture_read(tmp_path(&f->tmp, "nope.jpg"), &form, &t, &f->err),
        EDGE_ENOENT);
}

static void test_a_picture_file_has_a_largest_size(void **state)
{
    struct fixture *f = *state;
    struct picture_form form = form_of(4, (int64_t[]){1, 3, 4, 4});
    size_t size = LIMIT_IMAGE_FILE + 1;
    char *bytes = mem_zalloc(size, 1);
    struct tensor t;

    memcpy(bytes, "P5\n1 1\n255\n", 11);
    assert_int_equal(picture_read(tmp_write(&f->tmp, "big.pgm", bytes, size),
                                  &form, &t, &f->err),
                     EDGE_ETOOBIG);
    mem_free(bytes);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_files_stay_in_their_order),
        TEST(test_a_folder_gives_its_pictures_by_name),
        TEST(test_a_folder_with_its_slash_has_just_one),
        TEST(test_a_folder_without_pictures_is_an_error),
        TEST(test_standard_input_only_once),
        TEST(test_a_picture_becomes_the_models_input),
        TEST(test_a_npy_is_taken_as_it_is),
        TEST(test_a_npy_may_lack_a_first_dimension_of_1),
        TEST(test_a_npy_of_another_shape_or_type_is_refused),
        TEST(test_no_picture_where_the_model_wants_none),
        TEST(test_a_file_that_is_no_image_says_what_it_is),
        TEST(test_a_file_that_is_not_there),
        TEST(test_a_picture_file_has_a_largest_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

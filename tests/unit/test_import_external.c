/* Data beside a model: what may be opened, and how its bytes are used. */
#include "tests/lib/onnx_make.h"
#include "tests/lib/tmp.h"
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "onnx/import.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const float weights[4] = {1, 2, 3, 4};

struct fix {
    struct tmp tmp;
    struct graph *graph;
    struct err err;
};

static int set_up(void **state)
{
    struct fix *f = mem_new(struct fix);

    if (f == NULL) {
        return -1;
    }
    tmp_init(&f->tmp);
    (void)tmp_write(&f->tmp, "w.bin", weights, sizeof(weights));
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fix *f = *state;

    graph_free(f->graph);
    tmp_deinit(&f->tmp);
    mem_free(f);
    return 0;
}

static void put_entry(struct onnx_bytes *tensor, const char *key,
                      const char *value)
{
    struct onnx_bytes entry = {.data = NULL};

    onnx_put_text(&entry, 1, key);
    onnx_put_text(&entry, 2, value);
    onnx_put_message(tensor, 13, &entry);
}

/* An initializer of 2 floats at `offset` of `location`. */
static void put_weight(struct onnx_make *m, const char *name,
                       const char *location, const char *offset)
{
    struct onnx_bytes tensor = {.data = NULL};

    onnx_put_int(&tensor, 1, 2);
    onnx_put_int(&tensor, 2, ONNX_F32);
    onnx_put_text(&tensor, 8, name);
    put_entry(&tensor, "location", location);
    put_entry(&tensor, "offset", offset);
    onnx_put_int(&tensor, 14, 1);
    onnx_put_message(&m->graph, 5, &tensor);
}

static struct blob *make_model(const char *location, const char *offset)
{
    struct onnx_make m;

    onnx_begin(&m, 17);
    onnx_input(&m, "x", ONNX_F32, LIST(2));
    put_weight(&m, "w", location, offset);
    onnx_node(&m, "Add", "x w", "y");
    onnx_output(&m, "y");
    return onnx_end(&m);
}

static int import_it(struct fix *f, const char *location, const char *offset)
{
    struct blob *model = make_model(location, offset);
    int rc;

    (void)tmp_write(&f->tmp, "m.onnx", model->data, model->size);
    blob_unref(model);
    rc = import_file(tmp_path(&f->tmp, "m.onnx"), &f->graph, &f->err);
    return rc;
}

static const float *weight(const struct fix *f)
{
    return f->graph->values[f->graph->ops[0].in[1]].data.data;
}

static void refused(struct fix *f, const char *location, int rc,
                    const char *why)
{
    char wanted[1024];

    assert_int_equal(import_it(f, location, "0"), rc);
    (void)snprintf(wanted, sizeof(wanted),
                   "%s: initializer \"w\": external data \"%s\"%s",
                   tmp_path(&f->tmp, "m.onnx"), location, why);
    assert_string_equal(f->err.text, wanted);
}

static void make_link(struct fix *f, const char *target, const char *name)
{
    assert_int_equal(symlink(target, tmp_path(&f->tmp, name)), 0);
}

/* ---- what is read ------------------------------------------------------- */

static void test_bytes_are_taken_from_their_offset(void **state)
{
    struct fix *f = *state;

    assert_int_equal(import_it(f, "w.bin", "8"), 0);
    assert_true(weight(f)[0] == 3 && weight(f)[1] == 4);
}

static void test_an_odd_offset_is_copied_into_place(void **state)
{
    struct fix *f = *state;
    uint8_t odd[9] = {0};

    memcpy(odd + 1, weights, 8);
    (void)tmp_write(&f->tmp, "odd.bin", odd, sizeof(odd));
    assert_int_equal(import_it(f, "odd.bin", "1"), 0);
    assert_int_equal((uintptr_t)weight(f) % sizeof(float), 0);
    assert_true(weight(f)[0] == 1 && weight(f)[1] == 2);
}

static void test_tensors_of_one_file_share_its_bytes(void **state)
{
    struct fix *f = *state;
    struct onnx_make m;
    struct blob *model;

    onnx_begin(&m, 17);
    onnx_input(&m, "x", ONNX_F32, LIST(2));
    put_weight(&m, "a", "w.bin", "0");
    put_weight(&m, "b", "w.bin", "8");
    onnx_node(&m, "Sum", "x a b", "y");
    onnx_output(&m, "y");
    model = onnx_end(&m);
    (void)tmp_write(&f->tmp, "m.onnx", model->data, model->size);
    blob_unref(model);
    assert_int_equal(
        import_file(tmp_path(&f->tmp, "m.onnx"), &f->graph, &f->err), 0);
    assert_ptr_equal(f->graph->values[f->graph->ops[0].in[1]].data.blob,
                     f->graph->values[f->graph->ops[0].in[2]].data.blob);
}

static void test_a_file_in_a_folder_below(void **state)
{
    struct fix *f = *state;

    assert_int_equal(mkdir(tmp_path(&f->tmp, "sub"), 0700), 0);
    (void)tmp_write(&f->tmp, "sub/w.bin", weights, sizeof(weights));
    assert_int_equal(import_it(f, "sub/w.bin", "0"), 0);
    assert_true(weight(f)[0] == 1);
}

/* ---- what is refused ---------------------------------------------------- */

static void test_a_link_is_refused(void **state)
{
    struct fix *f = *state;

    make_link(f, "w.bin", "link.bin");
    refused(f, "link.bin", EDGE_EREFUSED, ": it is, or lies behind, a link");
}

static void test_a_linked_folder_is_refused(void **state)
{
    struct fix *f = *state;

    make_link(f, ".", "sub");
    refused(f, "sub/w.bin", EDGE_EREFUSED, ": it is, or lies behind, a link");
}

static void test_a_second_hard_link_is_refused(void **state)
{
    struct fix *f = *state;
    char *path = mem_strdup(tmp_path(&f->tmp, "w.bin"));

    assert_int_equal(link(path, tmp_path(&f->tmp, "hard.bin")), 0);
    mem_free(path);
    refused(f, "hard.bin", EDGE_EREFUSED,
            " has 2 hard links; copy it, so that it has one name only");
}

static void test_a_fifo_is_refused_at_once(void **state)
{
    struct fix *f = *state;

    assert_int_equal(mkfifo(tmp_path(&f->tmp, "fifo"), 0600), 0);
    refused(f, "fifo", EDGE_EREFUSED, " is no regular file");
}

static void test_odd_paths_are_refused(void **state)
{
    static const char *const paths[] = {"..",          "../w.bin",  "a/..",
                                        "/etc/passwd", "a//b",      "w.bin/",
                                        "//w.bin",     "a/../w.bin"};
    struct fix *f = *state;

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        refused(f, paths[i], EDGE_EREFUSED,
                " is not beneath the model's folder");
    }
}

/* ---- before Linux 5.6 --------------------------------------------------- */

/* Makes openat2 fail as a kernel does that has none. */
static bool forget_openat2(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = 4, .filter = code};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

enum { CHILD_OK, CHILD_NO_FILTER, CHILD_WRONG };

static int import_without_openat2(struct fix *f)
{
    static const struct {
        const char *path;
        int rc;
    } rows[] = {{"w.bin", 0},
                {"sub/w.bin", 0},
                {"link.bin", EDGE_EREFUSED},
                {"linked/w.bin", EDGE_EREFUSED},
                {"missing", EDGE_ENOENT}};

    if (!forget_openat2()) {
        return CHILD_NO_FILTER;
    }
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int rc = import_it(f, rows[i].path, "0");

        if (rc != rows[i].rc) {
            print_error("%s: %d %s\n", rows[i].path, rc, f->err.text);
            return CHILD_WRONG;
        }
        graph_free(f->graph);
        f->graph = NULL;
    }
    return CHILD_OK;
}

static void test_an_old_kernel_is_as_strict(void **state)
{
    struct fix *f = *state;
    int status = 0;
    pid_t child;

    assert_int_equal(mkdir(tmp_path(&f->tmp, "sub"), 0700), 0);
    (void)tmp_write(&f->tmp, "sub/w.bin", weights, sizeof(weights));
    make_link(f, "w.bin", "link.bin");
    make_link(f, "sub", "linked");
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(import_without_openat2(f));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == CHILD_NO_FILTER) {
        SKIP_TEST("this kernel lets no filter be set");
    }
    assert_int_equal(WEXITSTATUS(status), CHILD_OK);
}

/* ---- through a callback ------------------------------------------------- */

static int give(void *arg, const char *location, struct blob **blob,
                struct err *err)
{
    int *calls = arg;

    (*calls)++;
    if (strcmp(location, "known") != 0) {
        return err_set(err, EDGE_ENOENT, "no blob %s", location);
    }
    *blob = blob_copy(weights, sizeof(weights));
    return *blob != NULL ? 0 : EDGE_ENOMEM;
}

static void test_a_callback_gives_the_bytes(void **state)
{
    struct fix *f = *state;
    struct blob *model = make_model("known", "4");
    int calls = 0;

    assert_int_equal(import_blob(model, "m", give, &calls, &f->graph, &f->err),
                     0);
    assert_int_equal(calls, 1);
    assert_true(weight(f)[0] == 2);
    blob_unref(model);
}

static void test_a_callback_says_why_not(void **state)
{
    struct fix *f = *state;
    struct blob *model = make_model("foreign", "0");
    int calls = 0;

    assert_int_equal(import_blob(model, "m", give, &calls, &f->graph, &f->err),
                     EDGE_ENOENT);
    assert_string_equal(f->err.text, "m: initializer \"w\": no blob foreign");
    blob_unref(model);
}

static void test_without_a_callback_there_is_no_data(void **state)
{
    struct fix *f = *state;
    struct blob *model = make_model("known", "0");

    assert_int_equal(import_blob(model, "m", NULL, NULL, &f->graph, &f->err),
                     EDGE_EINVAL);
    assert_string_equal(f->err.text,
                        "m: initializer \"w\": its data is in the file "
                        "\"known\", which cannot be reached from here");
    blob_unref(model);
}

#define TEST(name) \
    cmocka_unit_test_setup_teardown(test_##name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_are_taken_from_their_offset),
        TEST(an_odd_offset_is_copied_into_place),
        TEST(tensors_of_one_file_share_its_bytes),
        TEST(a_file_in_a_folder_below),
        TEST(a_link_is_refused),
        TEST(a_linked_folder_is_refused),
        TEST(a_second_hard_link_is_refused),
        TEST(a_fifo_is_refused_at_once),
        TEST(odd_paths_are_refused),
        TEST(an_old_kernel_is_as_strict),
        TEST(a_callback_gives_the_bytes),
        TEST(a_callback_says_why_not),
        TEST(without_a_callback_there_is_no_data),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Models of other opsets than 17 give the answers of their own opset:
 * tests/golden/onnx/opsets, made with NumPy by make_opsets.py there. */
#include "tests/lib/unit.h"
#include "tests/lib/vectors.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#define FOLDER "tests/golden/onnx/opsets"

static void check_outputs(const char *name, const struct vectors *v,
                          struct tensor *got)
{
    const struct vectors_bound bound = {1e-5, 1e-6};
    struct err err = {.text = ""};

    for (size_t i = 0; i < v->n_out; i++) {
        if (!vectors_same(&got[i], &v->out[i], &bound, NULL, &err)) {
            fail_msg("%s: output %zu: %s", name, i, err.text);
        }
        tensor_deinit(&got[i]);
    }
}

static void check_model(const char *name)
{
    struct tensor got[VECTORS_PORTS];
    struct err err = {.text = ""};
    struct vectors v;
    char model[512];
    char data[512];

    (void)snprintf(model, sizeof(model), FOLDER "/%s/model.onnx", name);
    (void)snprintf(data, sizeof(data), FOLDER "/%s/test_data_set_0", name);
    if (vectors_read(&v, data, &err) < 0 ||
        vectors_run(&v, model, VECTORS_BIND_NONE, got, &err) < 0) {
        fail_msg("%s: %s", name, err.text);
    }
    assert_true(v.n_out > 0);
    check_outputs(name, &v, got);
    vectors_deinit(&v);
}

static void test_each_opset_answers_in_its_own_way(void **state)
{
    DIR *dir = opendir(FOLDER);
    struct dirent *entry;
    int n = 0;

    (void)state;
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.') {
            check_model(entry->d_name);
            n++;
        }
    }
    (void)closedir(dir);
    assert_true(n >= 45);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_opset_answers_in_its_own_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Models that are read in a child process. The child is this program once
 * more; some labels make it misbehave as a reader that met an evil file would.
 */
#include "tests/lib/unit.h"

#include "onnx/guard.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define GOOD "deploy/demo/shapes.onnx"
#define BROKEN "tests/golden/onnx/broken/attribute-missing.onnx"

/* ---- the child ----------------------------------------------------------- */

static int has_limits(void)
{
    struct rlimit cpu = {0};
    struct rlimit core = {1, 1};
    struct rlimit as = {0};

    (void)getrlimit(RLIMIT_CPU, &cpu);
    (void)getrlimit(RLIMIT_CORE, &core);
    (void)getrlimit(RLIMIT_AS, &as);
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    as.rlim_cur = 0;
#endif
    return cpu.rlim_cur < 3600 && core.rlim_cur == 0 &&
           as.rlim_cur < ((rlim_t)1 << 31);
}

/* As evil as the label says; < 0: not at all. */
static int misbehave(const char *label)
{
    if (strcmp(label, "crashes") == 0) {
        (void)signal(SIGSEGV, SIG_DFL); /* not a sanitizer's report */
        (void)raise(SIGSEGV);
    }
    if (strcmp(label, "spins") == 0) {
        (void)signal(SIGXCPU, SIG_DFL);
        (void)raise(SIGXCPU);
    }
    if (strcmp(label, "is silent") == 0) {
        return 0;
    }
    if (strcmp(label, "starves") == 0) {
        (void)printf("%d ", EDGE_ENOMEM);
        (void)fflush(stdout);
        return 0;
    }
    return -1;
}

static bool is_child(int argc, char **argv, int *status)
{
    if (argc == 4 && (*status = misbehave(argv[3])) >= 0) {
        return true;
    }
    if (!guard_is_child(argc, argv, status)) {
        return false;
    }
    if (argc == 4 && strcmp(argv[3], "limited") == 0) {
        *status = has_limits() ? 0 : 3;
    }
    return true;
}

/* ---- its parent ---------------------------------------------------------- */

#define CHILD "a program cannot be started again through /proc/self/exe"

static void a_good_model_passes(void **state)
{
    struct graph *graph = NULL;
    struct err err;

    (void)state;
    SKIP_EMULATED(CHILD);
    assert_int_equal(guard_check(GOOD, "shapes.onnx", &err), 0);
    assert_int_equal(guard_import_file(GOOD, &graph, &err), 0);
    assert_true(graph->n_ops > 0);
    graph_free(graph);
}

static void what_the_child_says_is_said(void **state)
{
    struct graph *graph = NULL;
    struct err err;

    (void)state;
    SKIP_EMULATED(CHILD);
    assert_true(guard_check(BROKEN, "the model", &err) < 0);
    assert_non_null(strstr(err.text, "the model"));
    assert_null(strstr(err.text, BROKEN));
    assert_true(guard_import_file(BROKEN, &graph, &err) < 0);
    assert_non_null(strstr(err.text, BROKEN));
    assert_null(graph);
    assert_int_equal(guard_check("no such file", "m", &err), EDGE_ENOENT);
}

static void a_reader_that_misbehaves_is_an_error(void **state)
{
    static const struct {
        const char *label;
        int rc;
        const char *says;
    } cases[] = {
        {"crashes", EDGE_ECORRUPT, "ended its reader"},
        {"spins", EDGE_ETIMEOUT, "takes more than"},
        {"is silent", EDGE_ECORRUPT, "gave no answer"},
        {"starves", EDGE_ETOOBIG, "needs more memory"},
    };
    struct err err;

    (void)state;
    SKIP_EMULATED(CHILD);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(guard_check(GOOD, cases[i].label, &err), cases[i].rc);
        assert_non_null(strstr(err.text, cases[i].says));
        assert_non_null(strstr(err.text, cases[i].label));
    }
}

static void the_child_has_limits(void **state)
{
    struct err err;

    (void)state;
    SKIP_EMULATED(CHILD);
    assert_int_equal(guard_check(GOOD, "limited", &err), 0);
}

static void no_child_and_no_descriptor_is_left(void **state)
{
    int before = dup(0);
    struct err err;
    int after;

    (void)state;
    (void)close(before);
    (void)guard_check(GOOD, "crashes", &err);
    (void)guard_check(GOOD, "shapes.onnx", &err);
    after = dup(0);
    (void)close(after);
    assert_int_equal(after, before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_model_passes),
        cmocka_unit_test(what_the_child_says_is_said),
        cmocka_unit_test(a_reader_that_misbehaves_is_an_error),
        cmocka_unit_test(the_child_has_limits),
        cmocka_unit_test(no_child_and_no_descriptor_is_left),
    };
    int status;

    if (is_child(argc, argv, &status)) {
        return status;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}

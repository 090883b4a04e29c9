#include "tests/lib/tmp.h"
#include "tests/lib/unit.h"

#include "daemon/paced.h"
#include "graph/infer.h"
#include "onnx/zoo.h"

#include <stdio.h>
#include <string.h>

static void write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int load(const char *text, struct paced **pace, struct err *err)
{
    struct tmp tmp;
    char path[512];
    int rc;

    tmp_init(&tmp);
    (void)snprintf(path, sizeof(path), "%s/pace", tmp.path);
    write_text(path, text);
    rc = paced_load(path, pace, err);
    tmp_deinit(&tmp);
    return rc;
}

static struct graph *alexnet(void)
{
    const struct zoo_options options = {.classes = 10, .input = {3, 64, 64}};
    struct graph *graph = NULL;
    struct err err;

    assert_int_equal(zoo_make("alexnet", &options, &graph, &err), 0);
    assert_int_equal(infer_bind_batch(graph, 1, &err), 0);
    assert_int_equal(infer_graph(graph, &err), 0);
    return graph;
}

/* conv1: 48 x 16 x 16 outputs of 3 x 11 x 11; fc1: 4096 of 512. */
#define CONV1 "4460544"
#define FC1 "2097152"

static void whole_ops_take_their_time(void **state)
{
    struct graph *graph = alexnet();
    struct paced *pace = NULL;
    struct err err;

    (void)state;
    assert_int_equal(load("# a board\n\nconv1 0.5 " CONV1 "\n  fc1\t0.25 " FC1
                          " # dense\npool1 1 3072\nnot.there 9 1",
                          &pace, &err),
                     0);
    assert_int_equal(paced_us(pace, graph), 1750000);
    paced_free(pace);
    graph_free(graph);
}

static void pieces_take_their_part(void **state)
{
    struct graph *graph = alexnet();
    struct op *fc1 = &graph->ops[graph_find_op(graph, "fc1")];
    struct paced *pace = NULL;
    struct err err;

    (void)state;
    assert_int_equal(load("fc1 0.5 4194304\nfc 9 1", &pace, &err), 0);
    assert_int_equal(paced_us(pace, graph), 250000); /* half of the work */
    memcpy(fc1->name, "f/0", 4);
    assert_int_equal(paced_us(pace, graph), 0); /* nobody's */
    paced_free(pace);
    assert_int_equal(load("f 0.5 4194304\ng 1 1", &pace, &err), 0);
    assert_int_equal(paced_us(pace, graph), 250000); /* a piece of f */
    paced_free(pace);
    assert_int_equal(load("f 0.5 4194304\nf/0 0.1 4194304", &pace, &err), 0);
    assert_int_equal(paced_us(pace, graph), 50000); /* the longest name's */
    fc1->kind = OP_CONCAT; /* of pieces: no work of f's */
    paced_free(pace);
    assert_int_equal(load("f 0.5 4194304", &pace, &err), 0);
    assert_int_equal(paced_us(pace, graph), 0);
    fc1->kind = OP_GEMM;
    paced_free(pace);
    graph_free(graph);
}

static void more_than_an_hour_is_an_hour(void **state)
{
    struct graph *graph = alexnet();
    struct paced *pace = NULL;
    struct err err;

    (void)state;
    assert_int_equal(load("conv1 3600 1", &pace, &err), 0);
    assert_int_equal(paced_us(pace, graph), 3600000000u);
    paced_free(pace);
    graph_free(graph);
}

static void faults_slow_it_further(void **state)
{
    struct io_stretch none = {0};
    struct io_stretch slow = {.percent = 300, .extra_us = 7};
    struct io_stretch rated = {.least_us = 5000};

    (void)state;
    paced_stretch(&none, 0);
    assert_int_equal(none.least_us, 0);
    paced_stretch(&none, 1000);
    assert_int_equal(none.least_us, 1000);
    paced_stretch(&slow, 1000);
    assert_int_equal(slow.least_us, 3007);
    paced_stretch(&rated, 1000);
    assert_int_equal(rated.least_us, 5000);
}

static void a_run_is_as_long_as_the_table_or_as_it_is_here(void **state)
{
    const double table[3] = {100e6, 0, 10e6};
    double quick[3] = {20e6, 3e6, 40e6}; /* 63 ms, and the table says 110 */
    double slow[3] = {90e6, 3e6, 40e6};  /* 133 */

    (void)state;
    paced_rehearse(quick, table, 3);
    assert_true(quick[0] == 100e6 && quick[2] == 10e6);
    assert_true(quick[1] > 0 && quick[1] < 1e3); /* measured, and hidden */
    paced_rehearse(slow, table, 3);
    assert_true(slow[0] == 90e6 && slow[1] == 3e6 && slow[2] == 40e6);
}

static void refused(void **state)
{
    static const struct {
        const char *text;
        const char *says;
    } rows[] = {
        {"conv1 0.5", "line 1"},
        {"a 1 1\n\nb x 1\n", "line 3"},
        {"a -1 1", "line 1"},
        {"a 1 0", "line 1"},
        {"a 3601 1", "line 1"},
        {"a nan 1", "line 1"},
        {"a 1 1 1", "OP SECONDS WORK"},
        {"# nothing\n", "no rows"},
        {"", "no rows"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct paced *pace = NULL;
        struct err err = {.text = ""};

        assert_int_equal(load(rows[i].text, &pace, &err), EDGE_ECONFIG);
        assert_non_null(strstr(err.text, rows[i].says));
        assert_null(pace);
    }
}

static void a_file_that_is_not_there(void **state)
{
    struct paced *pace = NULL;
    struct err err = {.text = ""};

    (void)state;
    assert_true(paced_load("/nonexistent/pace", &pace, &err) < 0);
    assert_non_null(strstr(err.text, "/nonexistent/pace"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_ops_take_their_time),
        cmocka_unit_test(pieces_take_their_part),
        cmocka_unit_test(more_than_an_hour_is_an_hour),
        cmocka_unit_test(a_run_is_as_long_as_the_table_or_as_it_is_here),
        cmocka_unit_test(faults_slow_it_further),
        cmocka_unit_test(refused),
        cmocka_unit_test(a_file_that_is_not_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

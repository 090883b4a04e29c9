/* `training` of cluster.yaml: what is read, and that it can be written. */
#include "tests/lib/heap.h"
#include "tests/lib/unit.h"

#include "config/cluster.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#define HEAD "name: home\ndevices: local 2\nmodel: {file: m.onnx}\n"

struct fixture {
    struct cluster *cluster;
    struct config_errors errors;
    char *text;
};

static int set_up(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    *state = &f;
    return 0;
}

static void forget(struct fixture *f)
{
    cluster_free(f->cluster);
    mem_free(f->text);
    f->cluster = NULL;
    f->text = NULL;
}

static int tear_down(void **state)
{
    heap_heal();
    forget(*state);
    return 0;
}

static const struct cluster_training *read_good(struct fixture *f,
                                                const char *training)
{
    forget(f);
    f->text = mem_printf(HEAD "training: %s\n", training);
    assert_non_null(f->text);
    if (cluster_read(f->text, strlen(f->text), "x.yaml", &f->cluster,
                     &f->errors) < 0) {
        config_errors_print(&f->errors, "wrong", stderr);
        fail_msg("%s", training);
    }
    return &f->cluster->training;
}

static void test_a_folder_alone_has_every_default(void **state)
{
    const struct cluster_training *t =
        read_good(*state, "{data: photos/, freeze: 80%}");

    assert_string_equal(t->data.train, "photos/");
    assert_null(t->data.test);
    assert_int_equal(t->data.format, 0);
    assert_int_equal(t->epochs, 1);
    assert_int_equal(t->batch, 32);
    assert_int_equal(t->microbatches, 4);
    assert_int_equal(t->order, CLUSTER_ORDER_1F1B);
    assert_int_equal(t->mode, CLUSTER_TRAIN_AUTO);
    assert_int_equal(t->shares, CLUSTER_SHARES_MEASURED);
    assert_int_equal(t->sync.kind, CLUSTER_SYNC_GRADIENT);
    assert_false(t->codec.is_given);
    assert_int_equal(t->optimizer, CLUSTER_OPTIMIZER_SGD);
    assert_true(t->lr > 0.0099 && t->lr < 0.0101);
    assert_int_equal(t->rate.kind, CLUSTER_RATE_CONSTANT);
    assert_true(t->clip <= 0 && t->weight_decay <= 0);
    assert_true(t->freeze.part > 0.799 && t->freeze.part < 0.801);
    assert_int_equal(t->seed, 1);
    assert_int_equal(t->augment.crop, CLUSTER_CROP_NONE);
    assert_int_equal(t->stop.patience, 0);
    assert_int_equal(t->checkpoint.keep, 3);
    assert_int_equal(t->on_loss, CLUSTER_ON_LOSS_CONTINUE);
}

static const char all[] =
    "{data: {train: a, test: 'b c', format: cifar10, classes: l.txt, "
    "mean_picture: true}, "
    "epochs: 200, batch: 1024, microbatches: 16, schedule: gpipe, mode: "
    "pipeline, shares: equal, sync: {local: 8}, codec: q4+runs, recompute: "
    "true, optimizer: "
    "sgd, lr: 0.4, lr_schedule: {kind: plateau, warmup: 20.5, factor: 0.5, "
    "least: 0.001, patience: 3}, momentum: 0.8, nesterov: true, "
    "weight_decay: 0.0001, clip: 2, freeze: [stem, 'block*'], rates: "
    "[{parameters: ['*.bias', fc], lr: 2, decay: 0}], seed: "
    "4294967295, augment: {crop: 4, flip: true, colour: 0.25}, losses: "
    "{'device_*': 1, cloud: 0.5}, checkpoint: {steps: 7, time: 1m, keep: 2}, "
    "stop: {patience: 5, target: 75.3%}, on_loss: wait}";

static void assert_all(const struct cluster_training *t)
{
    assert_string_equal(t->data.train, "a");
    assert_string_equal(t->data.test, "b c");
    assert_int_equal(t->data.format, 2);
    assert_string_equal(t->data.classes, "l.txt");
    assert_int_equal(t->data.mean_picture, 1);
    assert_int_equal(t->order, CLUSTER_ORDER_GPIPE);
    assert_int_equal(t->mode, CLUSTER_TRAIN_PIPELINE);
    assert_int_equal(t->shares, CLUSTER_SHARES_EQUAL);
    assert_int_equal(t->sync.kind, CLUSTER_SYNC_LOCAL);
    assert_int_equal(t->sync.steps, 8);
    assert_true(t->codec.is_given);
    assert_int_equal(t->recompute, 1);
    assert_int_equal(t->rate.kind, CLUSTER_RATE_PLATEAU);
    assert_true(t->rate.warmup > 20.4 && t->rate.warmup < 20.6);
    assert_true(t->rate.factor > 0.4 && t->rate.least > 0.0009);
    assert_int_equal(t->rate.patience, 3);
    assert_int_equal(t->nesterov, 1);
    assert_true(t->clip > 1.9);
    assert_int_equal(t->freeze.n_layers, 2);
    assert_string_equal(t->freeze.layers[1], "block*");
    assert_int_equal(t->n_rates, 1);
    assert_string_equal(t->rates[0].parameters.layers[0], "*.bias");
    assert_true(t->rates[0].lr > 1.9 && t->rates[0].decay <= 0);
    assert_int_equal(t->seed, 4294967295);
    assert_int_equal(t->augment.crop, 4);
    assert_int_equal(t->augment.flip, 1);
    assert_true(t->augment.colour > 0.24);
    assert_int_equal(t->n_losses, 2);
    assert_int_equal(t->stop.patience, 5);
    assert_true(t->stop.target > 0.752 && t->stop.target < 0.754);
    assert_int_equal(t->on_loss, CLUSTER_ON_LOSS_WAIT);
}

static void test_every_key_is_read(void **state)
{
    assert_all(read_good(*state, all));
}

/* Written and read again it is the same; what means nothing is not written. */
static void test_what_is_written_reads_the_same(void **state)
{
    static const char *const trainings[] = {
        all, "{data: x}", "{data: {train: x}, optimizer: adam, clip: 1}",
        "{data: x, lr_schedule: {kind: step, every: 0.5}, sync: {delta: "
        "epoch}, augment: {crop: resized}}",
        "{data: x, lr_schedule: {kind: cosine, warmup: 1}, freeze: 12.5%}"};
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(trainings) / sizeof(trainings[0]); i++) {
        char *once = NULL;
        char *twice = NULL;
        size_t n;
        FILE *out;
        struct cluster *again = NULL;

        (void)read_good(f, trainings[i]);
        out = open_memstream(&once, &n);
        cluster_write(f->cluster, out);
        assert_int_equal(fclose(out), 0);
        if (cluster_read(once, strlen(once), "y.yaml", &again, &f->errors) <
            0) {
            config_errors_print(&f->errors, "wrong", stderr);
            fail_msg("%s", once);
        }
        out = open_memstream(&twice, &n);
        cluster_write(again, out);
        assert_int_equal(fclose(out), 0);
        assert_string_equal(once, twice);
        if (i == 0) {
            assert_all(&again->training);
        }
        cluster_free(again);
        free(once);
        free(twice);
    }
}

static void test_without_training_there_is_none(void **state)
{
    struct fixture *f = *state;
    char *text = NULL;
    size_t n;
    FILE *out;

    assert_int_equal(
        cluster_read(HEAD, strlen(HEAD), "x.yaml", &f->cluster, &f->errors), 0);
    assert_null(f->cluster->training.data.train);
    out = open_memstream(&text, &n);
    cluster_write(f->cluster, out);
    assert_int_equal(fclose(out), 0);
    assert_null(strstr(text, "training"));
    free(text);
}

static int read_all_keys(void *arg)
{
    struct fixture *f = arg;
    int rc;

    rc = cluster_read(f->text, strlen(f->text), "x.yaml", &f->cluster,
                      &f->errors);
    cluster_free(f->cluster);
    f->cluster = NULL;
    return rc;
}

static void test_without_memory_it_fails_cleanly(void **state)
{
    struct fixture *f = *state;

    (void)read_good(f, all);
    cluster_free(f->cluster);
    f->cluster = NULL;
    assert_true(heap_each(read_all_keys, f) > 4);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static void test_tiles_are_read_and_written(void **state)
{
    struct fixture *f = *state;
    const struct cluster_training *t = read_good(
        f, "{data: a, tiles: [{layers: a..b, grid: 2x3, halo: none}, {layers: "
           "c, grid: 4x4}], tile_loss: {model: markov, p11: 0.99, p22: 0.03, "
           "eval: false}, margin: {clip: [0.5, 0.8], own: true}, block_loss: "
           "{layers: [\"fc*\"]}}");

    for (int again = 0; again < 2; again++) {
        char *text = NULL;
        size_t size = 0;
        FILE *out;

        assert_int_equal(t->n_tiles, 2);
        assert_string_equal(t->tiles[0].first, "a");
        assert_string_equal(t->tiles[0].last, "b");
        assert_int_equal(t->tiles[0].halo, CLUSTER_TILED_NONE);
        assert_int_equal(t->tiles[0].tile.columns, 2);
        assert_int_equal(t->tiles[0].tile.rows, 3);
        assert_string_equal(t->tiles[1].last, "c");
        assert_int_equal(t->tiles[1].halo, CLUSTER_TILED_LOSSY);
        assert_int_equal(t->tile_loss.model, CLUSTER_LOSS_MARKOV);
        assert_true(t->tile_loss.p < 0 && t->tile_loss.p11 > 0.98);
        assert_true(t->tile_loss.train && !t->tile_loss.eval);
        assert_true(t->margin.own && t->margin.bits == 4);
        assert_true(t->margin.clip[0] > 0.49 && t->margin.clip[1] > 0.79);
        assert_string_equal(t->block_loss.layers.layers[0], "fc*");
        assert_int_equal(t->block_loss.blocks, 4);
        out = open_memstream(&text, &size);
        assert_non_null(out);
        cluster_write(f->cluster, out);
        (void)fclose(out);
        cluster_free(f->cluster);
        f->cluster = NULL;
        assert_int_equal(
            cluster_read(text, size, "y.yaml", &f->cluster, &f->errors), 0);
        free(text);
        t = &f->cluster->training;
    }
}

static void test_what_makes_no_sense_of_tiles_is_refused(void **state)
{
    static const char *const wrong[] = {
        "tile_loss: {p: 0.1}",
        "margin: {clip: [0, 1]}",
        "tiles: [{layers: a}]",
        "tiles: [{layers: a, grid: 2x2}], tile_loss: {model: markov}",
        "tiles: [{layers: a, grid: 2x2}], tile_loss: {p: 0.1, p11: 0.9}",
        "tiles: [{layers: a, grid: 2x2}], tile_loss: {model: markov, p11: 1}",
        "tiles: [{layers: a, grid: 2x2}], margin: {clip: [1, 1]}",
        "tiles: [{layers: a, grid: 2x2}], margin: {bits: 4}",
        "block_loss: {p: 0.1}",
        "block_loss: {layers: fc}",
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        forget(f);
        f->text = mem_printf(HEAD "training: {data: a, %s}\n", wrong[i]);
        assert_non_null(f->text);
        if (cluster_read(f->text, strlen(f->text), "x.yaml", &f->cluster,
                         &f->errors) != EDGE_ECONFIG) {
            fail_msg("%s is accepted", wrong[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_folder_alone_has_every_default),
        TEST(test_every_key_is_read),
        TEST(test_what_is_written_reads_the_same),
        TEST(test_tiles_are_read_and_written),
        TEST(test_what_makes_no_sense_of_tiles_is_refused),
        TEST(test_without_training_there_is_none),
        TEST(test_without_memory_it_fails_cleanly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a shard has learnt, as a file: written, read again, into a model, and
 * every way in which it can be damaged. */
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "graph/infer.h"
#include "tests/lib/heap.h"
#include "tests/lib/model.h"
#include "tests/lib/pipe.h"
#include "train/learnt.h"

#include <string.h>

static struct train_step *make(const struct graph *model, bool adam)
{
    const struct step_loss loss = {"scores", 1};
    struct step_ask ask = {.batch = 2,
                           .slots = 1,
                           .losses = &loss,
                           .n_losses = 1,
                           .rule =
                               optim_rule_of(adam ? OPTIM_ADAM : OPTIM_SGD)};
    struct train_step *step = NULL;
    struct err err;

    if (step_new(model, &ask, &step, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return step;
}

/* Numbers that are not those of the model. */
static void change(struct train_step *step)
{
    struct step_state state;
    float value = 1;

    step_state(step, &state);
    for (int i = 0; i < STEP_STATE; i++) {
        for (size_t k = 0; k < state.arrays[i].n; k++) {
            state.arrays[i].values[k] = value;
            value += 0.5F;
        }
    }
    *state.steps = 77;
    *state.skipped = 3;
}

static struct blob *write(const struct train_step *step)
{
    struct blob *blob = NULL;
    struct err err;

    assert_int_equal(learnt_write(step, &blob, &err), 0);
    return blob;
}

static void what_is_written_is_read(void **state)
{
    struct graph *model = pipe_model(true);

    (void)state;
    for (int adam = 0; adam < 2; adam++) {
        struct train_step *a = make(model, adam == 1);
        struct train_step *b = make(model, adam == 1);
        struct step_state read;
        struct blob *first;
        struct blob *again;
        struct err err;

        change(a);
        first = write(a);
        assert_int_equal(learnt_read(first, b, &err), 0);
        again = write(b);
        assert_int_equal(first->size, again->size);
        assert_memory_equal(first->data, again->data, first->size);
        step_state(b, &read);
        assert_int_equal(*read.steps, 77);
        assert_int_equal(*read.skipped, 3);
        blob_unref(first);
        blob_unref(again);
        step_free(a);
        step_free(b);
    }
    graph_free(model);
}

static void a_model_takes_it(void **state)
{
    struct graph *model = pipe_model(true);
    struct graph *same = pipe_model(true);
    struct train_step *step = make(model, false);
    struct learnt learnt;
    struct blob *blob;
    struct err err;

    (void)state;
    change(step);
    blob = write(step);
    assert_int_equal(learnt_open(blob, &learnt, &err), 0);
    assert_int_equal(learnt_store(&learnt, model, &err), 0);
    assert_int_equal(step_store(step, same, &err), 0);
    assert_true(learnt.n_params > 0 && learnt.n_items > learnt.n_params);
    for (size_t i = 0; i < learnt.n_items; i++) {
        const struct value *a = model_value(model, learnt.items[i].name);
        const struct value *b = model_value(same, learnt.items[i].name);

        assert_memory_equal(a->data.data, b->data.data, tensor_bytes(&a->data));
    }
    learnt_close(&learnt);
    blob_unref(blob);
    step_free(step);
    graph_free(model);
    graph_free(same);
}

static void another_shard_or_optimizer_is_refused(void **state)
{
    struct graph *model = pipe_model(true);
    struct graph *other = pipe_model(false);
    struct train_step *adam = make(model, true);
    struct train_step *sgd = make(model, false);
    struct train_step *plain = make(other, false);
    struct blob *blob = write(adam);
    struct blob *before = write(sgd);
    struct blob *after;
    struct learnt learnt;
    struct err err;

    (void)state;
    assert_int_equal(learnt_read(blob, sgd, &err), EDGE_EINVAL);
    after = write(sgd);
    assert_memory_equal(before->data, after->data, before->size);
    assert_int_equal(learnt_read(before, plain, &err), EDGE_EINVAL);
    assert_int_equal(learnt_open(before, &learnt, &err), 0);
    assert_int_equal(learnt_store(&learnt, other, &err), EDGE_EINVAL);
    learnt_close(&learnt);
    blob_unref(blob);
    blob_unref(before);
    blob_unref(after);
    step_free(adam);
    step_free(sgd);
    step_free(plain);
    graph_free(model);
    graph_free(other);
}

/* A copy of its own size, so that ASan watches its end. */
static int open_part(const struct blob *of, size_t size, size_t at,
                     uint8_t flip)
{
    struct blob *blob = blob_copy(of->data, size);
    struct learnt learnt = {0};
    struct err err = {""};
    int rc;

    assert_non_null(blob);
    if (at < size) {
        blob->data[at] ^= flip;
    }
    rc = learnt_open(blob, &learnt, &err);
    if (rc == 0) {
        learnt_close(&learnt);
    } else {
        assert_true(err.text[0] != '\0');
    }
    blob_unref(blob);
    return rc;
}

static void damage_is_told_and_does_no_harm(void **state)
{
    struct graph *model = pipe_model(true);
    struct train_step *step = make(model, true);
    struct blob *blob = write(step);

    (void)state;
    assert_int_equal(open_part(blob, blob->size, SIZE_MAX, 0), 0);
    for (size_t size = 0; size < blob->size; size += 1 + size / 50) {
        assert_int_equal(open_part(blob, size, SIZE_MAX, 0), EDGE_ECORRUPT);
    }
    for (size_t at = 0; at < 1024; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            (void)open_part(blob, blob->size, at, (uint8_t)(1U << bit));
        }
    }
    for (size_t at = 0; at < 16; at++) {
        assert_int_equal(open_part(blob, blob->size, at, 1), EDGE_ECORRUPT);
    }
    blob_unref(blob);
    step_free(step);
    graph_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(a_model_takes_it),
        cmocka_unit_test(another_shard_or_optimizer_is_refused),
        cmocka_unit_test(damage_is_told_and_does_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

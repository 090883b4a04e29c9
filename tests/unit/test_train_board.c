/* Boards in a training: however a model is divided among them they learn the
 * same, what they save they go on from, and what cannot be does no harm. */
#include "tests/lib/unit.h"

#include "tests/lib/lesson.h"
#include "train/learnt.h"
#include "wire/convert.h"

#include <math.h>
#include <string.h>

#define STEPS LESSON_STEPS
#define BATCH LESSON_BATCH

static void however_it_is_divided_it_learns_the_same(void **state)
{
    (void)state;
    for (size_t micros = 1; micros <= 4; micros *= 2) {
        struct school_ask ask = lesson_alone(micros);
        struct school s;
        struct lesson whole;

        lesson_learn(&s, &ask, &whole);
        for (size_t stages = 1; stages <= 3; stages++) {
            ask = (struct school_ask){.boards = stages,
                                      .stages = stages,
                                      .replicas = 1,
                                      .micros = micros,
                                      .batch = BATCH,
                                      .slots = 2,
                                      .backward_first = stages % 2 == 0};
            lesson_compare(&ask, &whole);
            ask.boards = stages * 2;
            ask.replicas = 2;
            ask.backward_first = !ask.backward_first;
            lesson_compare(&ask, &whole);
        }
        ask = (struct school_ask){.boards = 2,
                                  .stages = 3,
                                  .replicas = 1,
                                  .micros = micros,
                                  .batch = BATCH,
                                  .slots = 4,
                                  .home = true};
        lesson_compare(&ask, &whole);
        lesson_drop(&whole);
        school_deinit(&s);
    }
}

static void three_replicas_are_one_ring(void **state)
{
    struct school_ask ask = lesson_alone(4);
    struct school s;
    struct lesson whole;

    (void)state;
    lesson_learn(&s, &ask, &whole);
    ask.boards = 3;
    ask.replicas = 3;
    lesson_compare(&ask, &whole);
    lesson_drop(&whole);
    school_deinit(&s);
}

/* A replica sends 2 (P - 1) / P of what it has learnt, no more. */
static void a_ring_carries_no_more_than_it_must(void **state)
{
    struct school_ask ask = lesson_alone(2);
    struct school s;
    struct lesson learnt;
    size_t bytes = 0;

    (void)state;
    ask.boards = 2;
    ask.replicas = 2;
    ask.no_norm = true; /* no statistics beside the gradients */
    lesson_learn(&s, &ask, &learnt);
    for (size_t i = 0; i < learnt.states[0].n_params; i++) {
        bytes += learnt.states[0].items[i].n * sizeof(float);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_true(s.said[i][0].reduced <= bytes * STEPS + 4 * STEPS);
    }
    assert_int_equal(s.said[0][0].reduced + s.said[1][0].reduced,
                     2 * bytes * STEPS);
    lesson_drop(&learnt);
    school_deinit(&s);
}

/* Ten steps, and ten more in another placement that begins where these end. */
static void it_goes_on_from_what_was_saved(void **state)
{
    (void)state;
    for (int adam = 0; adam < 2; adam++) {
        struct school_ask ask = lesson_alone(4);
        struct school s;
        struct digest whole[PIPE_SHARDS];
        struct digest half[PIPE_SHARDS];
        struct digest both[PIPE_SHARDS];

        ask.boards = 4;
        ask.stages = 2;
        ask.replicas = 2;
        ask.slots = 2;
        ask.adam = adam == 1;
        school_init(&s, &ask);
        school_install(&s, 3);
        (void)school_train(&s, STEPS);
        school_save(&s, whole);
        school_deinit(&s);

        school_init(&s, &ask);
        school_install(&s, 3);
        (void)school_train(&s, STEPS / 2);
        school_save(&s, half);
        s.state = half;
        school_install(&s, 4);
        (void)school_train(&s, STEPS / 2);
        school_save(&s, both);
        for (size_t i = 0; i < ask.stages; i++) {
            assert_true(digest_equal(&whole[i], &both[i]));
            assert_false(digest_equal(&whole[i], &half[i]));
        }
        school_deinit(&s);
    }
}

static void evaluating_changes_nothing(void **state)
{
    struct school_ask ask = lesson_alone(4);
    struct school s;
    struct digest with[PIPE_SHARDS];
    struct digest without[PIPE_SHARDS];
    uint64_t correct = 0;
    double at_first;
    double at_last;

    (void)state;
    ask.boards = 3;
    ask.stages = 3;
    school_init(&s, &ask);
    school_install(&s, 3);
    at_first = school_evaluate(&s, &correct);
    (void)school_train(&s, STEPS);
    at_last = school_evaluate(&s, &correct);
    assert_true(at_first > 0 && at_last > 0 && at_last < at_first);
    assert_true(correct > 0 && correct <= SCHOOL_TESTS);
    assert_true(school_evaluate(&s, &correct) == at_last);
    school_save(&s, with);
    school_deinit(&s);
    school_init(&s, &ask);
    school_install(&s, 3);
    (void)school_train(&s, STEPS);
    school_save(&s, without);
    for (size_t i = 0; i < ask.stages; i++) {
        assert_true(digest_equal(&with[i], &without[i]));
    }
    school_deinit(&s);
}

/* ---- what cannot be ------------------------------------------------------ */

static struct school_ask four_boards(void)
{
    struct school_ask ask = lesson_alone(4);

    ask.boards = 4;
    ask.stages = 2;
    ask.replicas = 2;
    ask.slots = 2;
    return ask;
}

static void learn_alone(const struct school_ask *ask, struct digest *states)
{
    struct school s;

    school_init(&s, ask);
    school_install(&s, 3);
    (void)school_train(&s, STEPS);
    school_save(&s, states);
    school_deinit(&s);
}

static void what_comes_twice_counts_once(void **state)
{
    struct school_ask ask = four_boards();
    struct school s;
    struct digest once[PIPE_SHARDS];
    struct digest twice[PIPE_SHARDS];

    (void)state;
    learn_alone(&ask, once);
    school_init(&s, &ask);
    for (size_t i = 0; i < ask.boards; i++) {
        s.boards[i].doubles = true;
    }
    school_install(&s, 3);
    (void)school_train(&s, STEPS);
    school_save(&s, twice);
    lesson_assert_same(&ask, once, twice);
    school_deinit(&s);
}

/* Somebody who calls itself n1, or is no neighbour at all. */
struct rogue {
    struct io_identity id;
    struct io *io;
    struct io_peer *peer;
};

static void ignore_peer(void *arg, struct io_peer *peer)
{
    (void)arg;
    (void)peer;
}

static void ignore_down(void *arg, struct io_peer *peer, int rc,
                        const char *why)
{
    (void)arg;
    (void)peer;
    (void)rc;
    (void)why;
}

static void ignore_message(void *arg, struct io_peer *peer, struct msg *msg)
{
    (void)arg;
    (void)peer;
    (void)msg;
}

static void rogue_start(struct rogue *r, struct school *s, const char *name,
                        int port)
{
    struct err err;

    *r = (struct rogue){.id = {.role = EDGED__ROLE__ROLE_NODE,
                               .name = name,
                               .cluster = "home",
                               .instance = 77,
                               .version = "test"}};
    r->io = sim_node(s->sim, &r->id, "127.0.0.1", port, NULL);
    r->io->events = (struct io_events){.on_up = ignore_peer,
                                       .on_down = ignore_down,
                                       .on_message = ignore_message};
    assert_int_equal(io_dial(r->io, "n0", "127.0.0.1", 7000, &r->peer, &err),
                     0);
    school_run_for(s, 200);
    assert_true(r->peer->up);
}

static void say(struct rogue *r, bool reduce, const Edged__Flow *flow,
                uint64_t offset)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Reduce sum = EDGED__REDUCE__INIT;
    size_t n = 1;
    struct io_payload payload = {0};

    for (size_t i = 0; i < flow->tensor->n_dims; i++) {
        n *= (size_t)flow->tensor->dims[i];
    }
    payload.size = n * sizeof(float);
    payload.blob = blob_new(payload.size);
    memset(payload.blob->data, 0x3f, payload.size);
    sum.epoch = flow->epoch;
    sum.step = flow->step;
    sum.shard = flow->shard;
    sum.round = flow->micro;
    sum.offset = offset;
    sum.tensor = flow->tensor;
    env.body_case =
        reduce ? EDGED__ENVELOPE__BODY_REDUCE : EDGED__ENVELOPE__BODY_FLOW;
    if (reduce) {
        env.reduce = &sum;
    } else {
        env.flow = (Edged__Flow *)(uintptr_t)flow;
    }
    (void)io_send(r->peer, &env, &payload);
    blob_unref(payload.blob);
}

/* Everything but what could be right. */
static void babble(struct rogue *r, const struct school *s)
{
    static const uint32_t numbers[] = {0, 1, 2, 3, 1000, UINT32_MAX};
    static const int64_t sizes[] = {1, 3, 77};
    const size_t n = sizeof(numbers) / sizeof(numbers[0]);
    int64_t dims[2] = {2, 1};
    Edged__TensorMeta meta = EDGED__TENSOR_META__INIT;
    Edged__Flow flow = EDGED__FLOW__INIT;

    meta.dtype = DTYPE_F32;
    meta.dims = dims;
    flow.tensor = &meta;
    for (size_t i = 0; i < 4 * n * n; i++) {
        flow.epoch = i % 5 == 0 ? s->epoch + 1 : s->epoch;
        flow.step = s->step + (i % 3) - (i % 7 == 0);
        flow.shard = i % 11 == 0 ? 7 : 1;
        flow.micro = numbers[i % n];
        flow.port = numbers[i / n % n];
        flow.back = i / n / n % 2 == 1;
        meta.n_dims = 1 + i % 2;
        dims[1] = sizes[i % 3];
        say(r, false, &flow, 0);
        dims[0] = 1 + (int64_t)(i % 2) * 1000;
        say(r, true, &flow, i % 2 == 0 ? UINT64_MAX - 1 : 1);
        dims[0] = 2;
    }
}

static void what_cannot_be_is_dropped(void **state)
{
    static const char *const names[] = {"n1", "n2", "n9"};
    struct school_ask ask = four_boards();
    struct digest alone[PIPE_SHARDS];

    (void)state;
    learn_alone(&ask, alone);
    for (size_t k = 0; k < sizeof(names) / sizeof(names[0]); k++) {
        struct school s;
        struct rogue rogue;
        struct digest states[PIPE_SHARDS];

        school_init(&s, &ask);
        school_install(&s, 3);
        (void)school_train(&s, 1);
        rogue_start(&rogue, &s, names[k], 7900);
        for (int i = 1; i < STEPS; i++) {
            if (i % 4 == 1 && rogue.peer->up) {
                babble(&rogue, &s);
            }
            (void)school_train(&s, 1);
        }
        school_save(&s, states);
        lesson_assert_same(&ask, alone, states);
        school_deinit(&s);
    }
}

static void a_step_that_cannot_be_fails_once(void **state)
{
    uint32_t sizes[] = {4, 4, 4, 4};
    uint32_t large[] = {4, 5, 4, 4};
    uint32_t ways[] = {0, 1, 0, 1, 0, 1, 0, 1};
    uint32_t wrong[] = {0, 1, 0, 1, 0, 1, 0, 2};
    const struct {
        uint32_t *sizes;
        uint32_t *ways;
        size_t n_ways;
        uint64_t first;
    } rows[] = {{large, ways, 8, 0},
                {sizes, wrong, 8, 0},
                {sizes, ways, 7, 0},
                {sizes, ways, 8, SCHOOL_SAMPLES - 15},
                {sizes, ways, 8, UINT64_MAX}};
    struct school_ask ask = four_boards();

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        Edged__Step step = EDGED__STEP__INIT;
        struct school s;

        school_init(&s, &ask);
        school_install(&s, 3);
        (void)school_train(&s, 1);
        step.sizes = rows[i].sizes;
        step.n_sizes = 4;
        step.ways = rows[i].ways;
        step.n_ways = rows[i].n_ways;
        step.first = rows[i].first;
        school_send(&s, &step);
        assert_false(school_wait(&s, 10000));
        school_run_for(&s, 2000);
        for (size_t b = 0; b < ask.boards; b++) {
            assert_int_equal(s.said[b][b / 2].code, EDGE_EPROTO);
            assert_int_equal(s.said[b][b / 2].times, 1);
        }
        school_deinit(&s);
    }
}

/* Those that are left say so at once, once, and learn on from what is saved. */
static void a_lost_neighbour_ends_the_step(void **state)
{
    struct school_ask ask = four_boards();
    struct school s;
    struct digest states[PIPE_SHARDS];
    struct digest again[PIPE_SHARDS];

    (void)state;
    school_init(&s, &ask);
    school_install(&s, 3);
    (void)school_train(&s, 3);
    school_save(&s, states);
    school_ask_step(&s);
    sim_run_for(s.sim, 3); /* micro-batches are on their way */
    school_kill(&s, 3);
    assert_false(school_wait(&s, 5000));
    school_run_for(&s, 2000);
    for (size_t b = 0; b < 3; b++) {
        assert_true(s.said[b][b / 2].code < 0);
        assert_int_equal(s.said[b][b / 2].times, 1);
    }
    school_ask_step(&s); /* nothing is done any more in this placement */
    assert_false(school_wait(&s, 5000));
    s.ask.replicas = 1;
    s.ask.boards = 3;
    s.state = states;
    school_install(&s, 4);
    (void)school_train(&s, 3);
    school_save(&s, again);
    assert_false(digest_equal(&states[0], &again[0]));
    school_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(however_it_is_divided_it_learns_the_same),
        cmocka_unit_test(three_replicas_are_one_ring),
        cmocka_unit_test(a_ring_carries_no_more_than_it_must),
        cmocka_unit_test(it_goes_on_from_what_was_saved),
        cmocka_unit_test(evaluating_changes_nothing),
        cmocka_unit_test(what_comes_twice_counts_once),
        cmocka_unit_test(what_cannot_be_is_dropped),
        cmocka_unit_test(a_step_that_cannot_be_fails_once),
        cmocka_unit_test(a_lost_neighbour_ends_the_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Replicas add up while they still compute: what is final goes out before the
 * way back has ended, what comes early waits, and a step that is broken off
 * half-way leaves nothing. */
#include "tests/lib/unit.h"

#include "daemon/train.h"
#include "tests/lib/lesson.h"

#include <string.h>

/* ---- what boards send, and when ------------------------------------------ */

struct sendings {
    size_t early; /* Reduce that went while the way back was under way */
    size_t late;
    size_t ahead; /* that came before its Step */
};

/* The hook is found by the operations of an io alone. */
static struct sendings seen[SCHOOL_BOARDS];
static struct school *watched;

static void find(struct train *t, void *arg)
{
    struct train **found = arg;

    *found = t->ended ? *found : t;
}

static struct train *train_of(struct school *s, size_t board)
{
    struct train *t = NULL;

    if (s->boards[board].daemon != NULL) {
        train_each(s->boards[board].daemon, find, &t);
    }
    return t;
}

static int look_and_send(struct io_peer *peer, const Edged__Envelope *env,
                         const struct io_payload *payload)
{
    struct school_board *b =
        container_of(peer->io->ops, struct school_board, ops);
    size_t at = (size_t)(b - watched->boards);
    const struct train *t = train_of(watched, at);
    int rc = b->real->send(peer, env, payload);

    if (rc == 0 && env->body_case == EDGED__ENVELOPE__BODY_REDUCE) {
        seen[at].early += t->work->phase == WORK_MICROS;
        seen[at].late += t->work->phase != WORK_MICROS;
        for (size_t i = 0; i < watched->ask.boards; i++) {
            const struct train *to = train_of(watched, i);

            seen[i].ahead += i != at && to != NULL && to->work == NULL;
        }
    }
    return rc;
}

static void watch(struct school *s)
{
    memset(seen, 0, sizeof(seen));
    watched = s;
    for (size_t i = 0; i < s->ask.boards; i++) {
        s->boards[i].ops.send = look_and_send;
    }
}

static void open_school(struct school *s, const struct school_ask *ask)
{
    school_init(s, ask);
    watch(s);
    school_install(s, 3);
}

static struct school_ask replicas(size_t n, size_t micros, const char *codec)
{
    struct school_ask ask = lesson_alone(micros);

    ask.boards = n;
    ask.replicas = n;
    ask.slots = 2;
    ask.reduce = codec;
    return ask;
}

static const char *const codecs[] = {NULL, "q8", "sparse:25%+q8"};
#define CODECS (sizeof(codecs) / sizeof(codecs[0]))

static void learn(const struct school_ask *ask, struct digest *states)
{
    struct school s;

    open_school(&s, ask);
    (void)school_train(&s, LESSON_STEPS);
    school_save(&s, states);
    school_deinit(&s);
}

/* ---- pieces go early ----------------------------------------------------- */

static void what_is_final_goes_while_the_rest_is_computed(void **state)
{
    (void)state;
    for (size_t n = 2; n <= 4; n++) {
        for (size_t micros = n; micros <= 8; micros += n) {
            struct school_ask ask = replicas(n, micros, NULL);
            struct digest states[PIPE_SHARDS];

            ask.backward_first = n == 3;
            learn(&ask, states);
            for (size_t i = 0; i < n; i++) {
                /* Only owners of what is final last may have nothing. */
                assert_true(seen[i].early >= LESSON_STEPS || i == 0);
                assert_true(seen[i].late > 0);
            }
        }
    }
}

static void each_stage_does_so(void **state)
{
    struct school_ask ask = replicas(2, 4, NULL);
    struct digest states[PIPE_SHARDS];

    (void)state;
    ask.boards = 4;
    ask.stages = 2;
    learn(&ask, states);
    assert_true(seen[0].early + seen[1].early >= LESSON_STEPS);
    assert_true(seen[2].early + seen[3].early >= LESSON_STEPS);
}

static void nothing_is_early_where_there_is_nothing_to_add(void **state)
{
    struct school_ask ask = replicas(2, 4, NULL);
    struct digest states[PIPE_SHARDS];

    (void)state;
    ask.local = 3; /* the mean of the weights, between steps */
    learn(&ask, states);
    assert_int_equal(seen[0].early + seen[1].early, 0);
    assert_true(seen[0].late > 0 && seen[1].late > 0);
}

/* ---- pieces come early --------------------------------------------------- */

/* One board hears of each step late, or is slow: others are ahead by their
 * whole way back, in any order. */
static void what_comes_early_waits_and_changes_nothing(void **state)
{
    (void)state;
    for (size_t k = 0; k < CODECS; k++) {
        struct school_ask ask = replicas(3, 6, codecs[k]);
        struct digest calm[PIPE_SHARDS];
        struct digest uneven[PIPE_SHARDS];
        struct school s;

        learn(&ask, calm);
        open_school(&s, &ask);
        sim_set_path(
            s.sim, s.io, s.boards[1].io,
            (struct sim_path){.latency_us = 40000, .bytes_per_s = 100000000});
        sim_speed(s.boards[2].io, 900);
        (void)school_train(&s, LESSON_STEPS);
        assert_true(seen[1].ahead > 0);
        school_save(&s, uneven);
        lesson_assert_same(&ask, calm, uneven);
        school_deinit(&s);
    }
}

/* ---- a step that is broken off ------------------------------------------- */

static bool some_are_out(void *arg)
{
    const struct school *s = arg;

    for (size_t i = 0; i < s->ask.boards; i++) {
        if (seen[i].early == 0) {
            return false;
        }
    }
    return true;
}

/* Learns, is disturbed half-way through a step or not, and goes on from what
 * was saved in a placement with the same boards. */
static void learn_on(const struct school_ask *ask, bool is_disturbed,
                     struct digest *states)
{
    struct digest half[PIPE_SHARDS];
    struct school s;

    open_school(&s, ask);
    (void)school_train(&s, 3);
    school_save(&s, half);
    memset(seen, 0, sizeof(seen));
    school_ask_step(&s);
    if (is_disturbed) {
        assert_true(sim_run_until(s.sim, some_are_out, &s, 1000));
        assert_true(seen[0].late + seen[1].late == 0);
        sim_reset(s.sim, s.boards[0].io, s.boards[1].io);
        assert_false(school_wait(&s, 5000));
    } else {
        assert_true(school_wait(&s, 5000));
    }
    s.at -= s.ask.batch;
    s.state = half;
    school_install(&s, 4);
    (void)school_train(&s, LESSON_STEPS);
    school_save(&s, states);
    school_deinit(&s);
}

static void what_a_broken_step_sent_is_in_no_sum(void **state)
{
    (void)state;
    for (size_t k = 0; k < CODECS; k++) {
        struct school_ask ask = replicas(2, 4, codecs[k]);
        struct digest calm[PIPE_SHARDS];
        struct digest disturbed[PIPE_SHARDS];

        learn_on(&ask, false, calm);
        learn_on(&ask, true, disturbed);
        lesson_assert_same(&ask, calm, disturbed);
    }
}

/* Its pieces are there, the rest never comes, and nothing is held for ever. */
static void a_board_that_dies_half_way_ends_the_step_of_all(void **state)
{
    struct school_ask ask = replicas(3, 6, NULL);
    struct school s;

    (void)state;
    open_school(&s, &ask);
    (void)school_train(&s, 2);
    memset(seen, 0, sizeof(seen));
    school_ask_step(&s);
    assert_true(sim_run_until(s.sim, some_are_out, &s, 1000));
    school_kill(&s, 2);
    assert_false(school_wait(&s, 5000));
    school_run_for(&s, 1000); /* until the way back has ended */
    for (size_t b = 0; b < 2; b++) {
        assert_true(s.said[b][0].code < 0);
        assert_null(train_of(&s, b)->work);
        assert_int_equal(train_of(&s, b)->early_bytes, 0);
    }
    school_deinit(&s);
}

/* ---- what cannot be ------------------------------------------------------ */

/* The result of a piece whose owner cannot have all of it yet. */
static void say_result(struct school *s, uint64_t step)
{
    const struct params *params = step_params(train_of(s, 0)->made->step);
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Reduce reduce = EDGED__REDUCE__INIT;
    Edged__TensorMeta meta = EDGED__TENSOR_META__INIT;
    int64_t dims[1] = {(int64_t)(params->n - params->n / 2)};
    struct io_payload payload = {.size = (size_t)dims[0] * sizeof(float)};
    struct io_peer *peer = train_peer(s->boards[1].daemon, "n0");

    payload.blob = blob_new(payload.size);
    memset(payload.blob->data, 0x3f, payload.size);
    meta.dtype = DTYPE_F32;
    meta.dims = dims;
    meta.n_dims = 1;
    reduce.epoch = s->epoch;
    reduce.step = step;
    reduce.shard = 1;
    reduce.round = 1;
    reduce.offset = params->n / 2;
    reduce.tensor = &meta;
    env.body_case = EDGED__ENVELOPE__BODY_REDUCE;
    env.reduce = &reduce;
    assert_int_equal(io_send(peer, &env, &payload), 0);
    blob_unref(payload.blob);
}

static void a_result_that_cannot_be_yet_is_dropped(void **state)
{
    struct school_ask ask = replicas(2, 4, NULL);
    struct digest calm[PIPE_SHARDS];
    struct digest lied[PIPE_SHARDS];
    struct school s;

    (void)state;
    learn(&ask, calm);
    school_init(&s, &ask);
    school_install(&s, 3);
    for (int i = 0; i < LESSON_STEPS; i++) {
        say_result(&s, s.step + 1);
        school_run_for(&s, 10);
        (void)school_train(&s, 1);
    }
    school_save(&s, lied);
    lesson_assert_same(&ask, calm, lied);
    school_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_final_goes_while_the_rest_is_computed),
        cmocka_unit_test(each_stage_does_so),
        cmocka_unit_test(nothing_is_early_where_there_is_nothing_to_add),
        cmocka_unit_test(what_comes_early_waits_and_changes_nothing),
        cmocka_unit_test(what_a_broken_step_sent_is_in_no_sum),
        cmocka_unit_test(a_board_that_dies_half_way_ends_the_step_of_all),
        cmocka_unit_test(a_result_that_cannot_be_yet_is_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

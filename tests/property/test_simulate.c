/*
 * The simulator against closed forms, and what holds of any placement:
 * everything is answered once, and a seed gives the same figures again.
 */
#include "tests/lib/unit.h"

#include "base/mem.h"
#include "base/rng.h"
#include "coordinator/plan/simulate.h"

#include <string.h>

#define DEVICES 24
#define SHARDS 12
#define LINKS 64

struct bench { /* a model that a test makes up */
    struct profile profile;
    struct simulate_shard shards[SHARDS];
    struct simulate_link links[LINKS];
    size_t devices[SHARDS][DEVICES];
    double seconds[SHARDS][DEVICES];
    struct simulate_model model;
    struct simulate_options options;
    struct simulate_result result;
};

/* Boards that send at no cost, over links without delay. */
static int set_up(void **state)
{
    struct bench *b = mem_new(struct bench);

    *state = b;
    if (b == NULL || profile_default(&b->profile, DEVICES) < 0) {
        return -1;
    }
    b->profile.boards[0].send_s = 0;
    b->profile.boards[0].send_bytes_per_s = 0;
    b->profile.links[0].rtt_s = 0;
    b->profile.links[0].bytes_per_s = 1e12;
    b->model = (struct simulate_model){
        .profile = &b->profile, .shards = b->shards, .links = b->links};
    b->options = (struct simulate_options){
        .clients = 64, .requests = 20000, .warm_up = 2000, .seed = 7};
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;

    simulate_deinit(&b->result);
    profile_deinit(&b->profile);
    mem_free(b);
    return 0;
}

static size_t add_shard(struct bench *b)
{
    size_t i = b->model.n_shards++;

    assert_true(i < SHARDS);
    b->shards[i] = (struct simulate_shard){b->devices[i], b->seconds[i], 0, 0};
    return i;
}

static void add_replica(struct bench *b, size_t shard, size_t device, double s)
{
    size_t k = b->shards[shard].n_devices++;

    b->devices[shard][k] = device;
    b->seconds[shard][k] = s;
}

static void add_link(struct bench *b, int from, int to, double bytes)
{
    assert_true(b->model.n_links < LINKS);
    b->links[b->model.n_links++] = (struct simulate_link){from, to, bytes};
}

static const struct simulate_result *run(struct bench *b)
{
    struct err err = {""};

    simulate_deinit(&b->result);
    if (simulate_run(&b->model, &b->options, &b->result, &err) < 0) {
        fail_msg("%s", err.text);
    }
    assert_false(b->result.is_cut);
    assert_int_equal(b->result.admitted, b->result.answered);
    return &b->result;
}

static void near(double value, double want, double tolerance)
{
    if (!(value > want * (1 - tolerance) && value < want * (1 + tolerance))) {
        fail_msg("%g, expected %g within %g %%", value, want, tolerance * 100);
    }
}

static void refuse(struct bench *b)
{
    struct err err = {""};

    simulate_deinit(&b->result);
    assert_int_equal(simulate_run(&b->model, &b->options, &b->result, &err),
                     EDGE_EINVAL);
    assert_true(err.text[0] != '\0');
}

/* k whole stages, each on a board of its own. */
static void pipeline(struct bench *b, size_t k, double s, double bytes)
{
    for (size_t i = 0; i < k; i++) {
        add_replica(b, add_shard(b), i, s);
        add_link(b, i == 0 ? SIMULATE_OUTSIDE : (int)i - 1, (int)i, bytes);
    }
    add_link(b, (int)k - 1, SIMULATE_OUTSIDE, bytes);
}

static void test_one_board_answers_one_after_the_other(void **state)
{
    struct bench *b = *state;

    pipeline(b, 1, 0.02, 0);
    b->options.clients = 1;
    (void)run(b);
    near(b->result.throughput, 50, 1e-6);
    near(b->result.p50_s, 0.02, 1e-6);
    near(b->result.p99_s, 0.02, 1e-6);
    near(b->result.busy[0], 1, 1e-6);
    b->options.clients = 8; /* seven wait */
    (void)run(b);
    near(b->result.throughput, 50, 1e-6);
    near(b->result.p50_s, 0.16, 1e-6);
}

/* The mean wait of Poisson arrivals at one board of a fixed time s is
 * rho s / (2 (1 - rho)): Pollaczek and Khinchin. */
static void test_arrivals_at_random_wait_as_they_should(void **state)
{
    struct bench *b = *state;

    pipeline(b, 1, 0.01, 0);
    b->options.clients = 0;
    b->options.rate = 70;
    b->options.requests = 400000;
    (void)run(b);
    near(b->result.throughput, 70, 0.02);
    near(b->result.mean_s, 0.01 + 0.7 * 0.01 / (2 * 0.3), 0.05);
    near(b->result.busy[0], 0.7, 0.02);
    assert_int_equal(b->result.refused, 0);
}

static void test_a_balanced_pipeline_is_k_times_as_fast(void **state)
{
    static const size_t ks[] = {2, 4, 8};

    for (size_t i = 0; i < 3; i++) {
        struct bench *b = *state;

        b->model.n_shards = 0;
        b->model.n_links = 0;
        pipeline(b, ks[i], 0.08 / (double)ks[i], 0);
        b->options.clients = 1;
        (void)run(b);
        near(b->result.p50_s, 0.08, 1e-6);
        b->options.clients = 2 * ks[i];
        (void)run(b);
        near(b->result.throughput, (double)ks[i] / 0.08, 1e-3);
        near(b->result.busy[ks[i] - 1], 1, 1e-3);
    }
}

static void test_k_replicas_are_k_times_as_fast(void **state)
{
    struct bench *b = *state;
    size_t shard = add_shard(b);

    add_link(b, SIMULATE_OUTSIDE, 0, 0);
    add_link(b, 0, SIMULATE_OUTSIDE, 0);
    for (size_t k = 1; k <= 7; k++) {
        add_replica(b, shard, k, 0.07);
        (void)run(b);
        near(b->result.throughput, (double)k / 0.07, 1e-3);
    }
}

/* Each direction of a port carries one message after the other. */
static void test_a_link_bounds_the_rate_and_adds_to_the_latency(void **state)
{
    struct bench *b = *state;

    b->profile.links[0].bytes_per_s = 1e6;
    b->profile.links[0].rtt_s = 0.004;
    pipeline(b, 2, 0.001, 1e4); /* 10 ms on each link */
    b->options.clients = 1;
    (void)run(b);
    near(b->result.p50_s, 3 * (0.01 + 0.002) + 2 * 0.001, 1e-6);
    b->options.clients = 16;
    (void)run(b);
    near(b->result.throughput, 100, 1e-3);
    near(b->result.carried[1] / (double)b->result.requests, 1e4, 1e-2);
}

static void test_messages_take_the_processor(void **state)
{
    struct bench *b = *state;

    b->profile.boards[0].send_s = 0.003;
    b->profile.boards[0].send_bytes_per_s = 1e6;
    pipeline(b, 1, 0.01, 2e3); /* received and sent: 5 ms each */
    (void)run(b);
    near(b->result.throughput, 50, 1e-3);
}

/* Four tiles of a quarter each, sliced before and joined behind. */
static void test_tiles_run_side_by_side(void **state)
{
    struct bench *b = *state;
    size_t head = add_shard(b);
    size_t join;

    add_replica(b, head, 0, 0.001);
    add_link(b, SIMULATE_OUTSIDE, (int)head, 0);
    for (size_t i = 0; i < 4; i++) {
        size_t tile = add_shard(b);

        add_replica(b, tile, i, 0.02);
        add_link(b, (int)head, (int)tile, 0);
    }
    join = add_shard(b);
    add_replica(b, join, 0, 0.001);
    for (size_t i = 0; i < 4; i++) {
        add_link(b, (int)(head + 1 + i), (int)join, 0);
    }
    add_link(b, (int)join, SIMULATE_OUTSIDE, 0);
    b->options.clients = 1;
    (void)run(b);
    near(b->result.p50_s, 0.022, 1e-6);
    b->options.clients = 8;
    (void)run(b);
    near(b->result.throughput, 1 / 0.022, 1e-2); /* the first board's */
}

/* Two levels of a piece, on two devices each: what one hands to the other stays
 * where it is. */
static void test_levels_of_a_piece_share_a_replica(void **state)
{
    struct bench *b = *state;

    b->profile.links[0].bytes_per_s = 1e6;
    for (int i = 0; i < 2; i++) {
        size_t shard = add_shard(b);

        add_replica(b, shard, 0, 0.01);
        add_replica(b, shard, 1, 0.01);
        add_link(b, i - 1, i, i == 0 ? 0 : 1e6);
    }
    add_link(b, 1, SIMULATE_OUTSIDE, 0);
    b->shards[1].like = 1;
    (void)run(b);
    near(b->result.throughput, 100, 0.01);
    assert_true(b->result.carried[1] <= 0);
    b->shards[1].like = 3;
    refuse(b);
}

/* One replica is half as fast: in turns, it holds up the others. */
static void test_least_expected_beats_round_robin(void **state)
{
    struct bench *b = *state;
    size_t shard = add_shard(b);

    add_link(b, SIMULATE_OUTSIDE, 0, 0);
    add_link(b, 0, SIMULATE_OUTSIDE, 0);
    add_replica(b, shard, 0, 0.02);
    add_replica(b, shard, 1, 0.01);
    add_replica(b, shard, 2, 0.01);
    (void)run(b);
    near(b->result.throughput, 250, 0.01);
    b->options.policy = SIMULATE_ROUND_ROBIN;
    (void)run(b);
    near(b->result.throughput, 150, 0.01);
}

static void test_more_than_fits_the_window_is_refused(void **state)
{
    struct bench *b = *state;

    pipeline(b, 1, 0.01, 0);
    b->options.clients = 0;
    b->options.rate = 500;
    (void)run(b);
    near(b->result.throughput, 100, 1e-3);
    near(b->result.p50_s, LIMIT_GATEWAY_WINDOW * 0.01, 0.01);
    assert_true(b->result.refused > 3 * b->result.answered);
}

static void test_the_time_is_kept_to(void **state)
{
    struct bench *b = *state;

    pipeline(b, 1, 0.01, 0);
    b->options.requests = 0;
    b->options.for_s = 12;
    (void)run(b);
    near(b->result.seconds, 12, 1e-9);
    near((double)b->result.requests, 1200, 2e-3);
    near(b->result.throughput, 100, 2e-3);
}

/* ---- any placement ------------------------------------------------------- */

/* Each shard has an input from before it, and what nobody reads is answered. */
static void draw(struct bench *b, struct rng *rng)
{
    size_t n = 1 + rng_below(rng, SHARDS);
    bool has_reader[SHARDS] = {false};

    b->model.n_shards = 0;
    b->model.n_links = 0;
    b->profile.boards[0].send_s = rng_unit(rng) * 1e-3;
    b->profile.links[0].rtt_s = rng_unit(rng) * 1e-2;
    b->profile.links[0].bytes_per_s = 1e6 + rng_unit(rng) * 1e8;
    for (size_t i = 0; i < n; i++) {
        size_t shard = add_shard(b);
        size_t replicas = 1 + rng_below(rng, 4);

        for (size_t k = 0; k < replicas; k++) {
            add_replica(b, shard, rng_below(rng, DEVICES),
                        rng_unit(rng) * 0.01);
        }
        for (int from = -1; from < (int)i; from++) {
            if (from == (int)rng_below(rng, i + 1) - 1 ||
                (from == (int)i - 1 && rng_below(rng, 2) > 0) ||
                (from == (int)i - 1 && i == 0)) {
                add_link(b, from, (int)i, rng_unit(rng) * 1e5);
                if (from >= 0) {
                    has_reader[from] = true;
                }
            }
        }
        if (b->links[b->model.n_links - 1].to != (int)i) {
            add_link(b, SIMULATE_OUTSIDE, (int)i, 100);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (!has_reader[i]) {
            add_link(b, (int)i, SIMULATE_OUTSIDE, rng_unit(rng) * 1e4);
        }
    }
}

static void check_shares(const struct bench *b)
{
    for (size_t i = 0; i < DEVICES; i++) {
        assert_true(b->result.busy[i] >= 0 && b->result.busy[i] <= 1 + 1e-9);
    }
    assert_true(b->result.p50_s <= b->result.p99_s);
    assert_true(b->result.mean_s > 0);
}

static void test_every_request_is_answered_once(void **state)
{
    struct bench *b = *state;
    struct rng rng;

    rng_init(&rng, 1);
    b->options.requests = 300;
    b->options.warm_up = 30;
    for (int i = 0; i < 400; i++) {
        double before;

        draw(b, &rng);
        b->options.seed = (uint64_t)i;
        b->options.clients = rng_below(&rng, 20);
        b->options.rate = 1 + rng_unit(&rng) * 400;
        b->options.policy = (enum simulate_policy)rng_below(&rng, 2);
        (void)run(b); /* checks that all were answered */
        assert_int_equal(b->result.requests, 300);
        check_shares(b);
        before = b->result.mean_s;
        (void)run(b);
        assert_memory_equal(&before, &b->result.mean_s, sizeof(before));
    }
}

static void test_models_that_cannot_run_are_refused(void **state)
{
    struct bench *b = *state;

    refuse(b); /* without a shard */
    pipeline(b, 3, 0.01, 10);
    b->links[1].from = 2; /* in a ring */
    refuse(b);
    b->links[1].from = 9;
    refuse(b);
    b->links[1].from = 0;
    b->devices[1][0] = DEVICES;
    refuse(b);
    b->devices[1][0] = 1;
    b->links[3].bytes = -1;
    refuse(b);
    b->links[3].bytes = 1;
    b->options.clients = LIMIT_GATEWAY_WINDOW + 1;
    refuse(b);
    b->options.clients = 0;
    refuse(b);
    b->options.rate = 10;
    b->model.n_links--; /* nothing answers */
    refuse(b);
    b->model.n_links++;
    (void)run(b);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_one_board_answers_one_after_the_other),
        T(test_arrivals_at_random_wait_as_they_should),
        T(test_a_balanced_pipeline_is_k_times_as_fast),
        T(test_k_replicas_are_k_times_as_fast),
        T(test_a_link_bounds_the_rate_and_adds_to_the_latency),
        T(test_messages_take_the_processor),
        T(test_tiles_run_side_by_side),
        T(test_levels_of_a_piece_share_a_replica),
        T(test_least_expected_beats_round_robin),
        T(test_more_than_fits_the_window_is_refused),
        T(test_the_time_is_kept_to),
        T(test_every_request_is_answered_once),
        T(test_models_that_cannot_run_are_refused),
    };

    return cmocka_run_group_tests_name("simulate", tests, NULL, NULL);
}

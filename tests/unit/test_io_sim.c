#include "tests/lib/io_sim.h"

#include "base/mem.h"
#include "net/hub.h"
#include "tests/lib/beater.h"
#include "tests/lib/heap.h"
#include "tests/lib/io_suite.h"
#include "tests/lib/unit.h"

#include <string.h>

#define MAX_NODES BEATER_PEERS

struct fixture {
    struct sim *sim;
    struct beater nodes[MAX_NODES];
    struct beater client;
};

static void build(struct fixture *f, uint64_t seed)
{
    static const char *const names[MAX_NODES] = {"n0", "n1", "n2", "n3"};

    f->sim = sim_new(seed);
    for (int i = 0; i < MAX_NODES; i++) {
        beater_start(&f->nodes[i], f->sim, names[i], 7000 + i);
    }
}

static int set_up(void **state)
{
    struct fixture *f = mem_new(struct fixture);

    assert_non_null(f);
    build(f, 7);
    *state = f;
    return 0;
}

/* n0 dials n1 and both are up. */
static int set_up_pair(void **state)
{
    struct fixture *f;

    (void)set_up(state);
    f = *state;
    beater_dial(&f->nodes[0], &f->nodes[1]);
    sim_run_for(f->sim, 2000);
    assert_int_equal(f->nodes[0].ups + f->nodes[1].ups, 2);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    sim_free(f->sim);
    mem_free(f);
    return 0;
}

static bool has_no_peer(void *arg)
{
    return ((struct beater *)arg)->downs > 0;
}

static bool is_up_again(void *arg)
{
    return ((struct beater *)arg)->ups > 1;
}

/* When the program lost its peer, in ms from now. */
static uint64_t time_of_loss(struct fixture *f, struct beater *p)
{
    uint64_t before_us = sim_now_us(f->sim);

    if (!sim_run_until(f->sim, has_no_peer, p, 20000)) {
        fail_msg("%s still has its peer", p->id.name);
    }
    return (sim_now_us(f->sim) - before_us) / 1000;
}

/* ---- determinism --------------------------------------------------------- */

/* An hour of virtual time with all faults at random; returns its hash. */
static uint64_t run_story(uint64_t seed, unsigned rounds)
{
    struct fixture f;
    uint64_t hash;

    build(&f, seed);
    for (int i = 0; i < MAX_NODES; i++) {
        beater_dial(&f.nodes[i], &f.nodes[(i + 1) % MAX_NODES]);
    }
    for (unsigned i = 0; i < rounds; i++) {
        struct beater *a = &f.nodes[sim_random(f.sim, MAX_NODES)];
        struct beater *b = &f.nodes[sim_random(f.sim, MAX_NODES)];
        const char *name = a->id.name;

        switch (sim_random(f.sim, 8)) {
        case 0: sim_partition(f.sim, a->io, b->io, true); break;
        case 1: sim_partition(f.sim, a->io, b->io, false); break;
        case 2: sim_heal_all(f.sim); break;
        case 3: sim_reset(f.sim, a->io, b->io); break;
        case 4: sim_pause(a->io); break;
        case 5: sim_resume(a->io); break;
        case 6: sim_isolate(a->io); break;
        case 7:
            if (sim_random(f.sim, 2) == 0) {
                sim_kill(a->io);
            } else {
                sim_unplug(a->io);
            }
            beater_start(a, f.sim, name, a->port);
            beater_dial(a, b);
            break;
        default: break;
        }
        sim_run_for(f.sim, 500 + sim_random(f.sim, 1500));
    }
    sim_heal_all(f.sim);
    for (int i = 0; i < MAX_NODES; i++) {
        sim_resume(f.nodes[i].io);
    }
    sim_run_for(f.sim, 20000);
    for (int i = 0; i < MAX_NODES; i++) {
        assert_true(f.nodes[i].beats > 0);
    }
    hash = sim_hash(f.sim);
    sim_free(f.sim);
    return hash;
}

static void test_same_seed_same_story(void **state)
{
    uint64_t first = run_story(3, 60);

    (void)state;
    assert_int_equal(run_story(3, 60), first);
    assert_int_not_equal(run_story(4, 60), first);
}

static void test_many_seeds_end_well(void **state)
{
    (void)state;
    for (uint64_t seed = 100; seed < 130; seed++) {
        (void)run_story(seed, 40);
    }
}

static void test_events_do_not_multiply(void **state)
{
    struct fixture *f = *state;
    uint64_t before;

    sim_run_for(f->sim, 60000);
    before = sim_events(f->sim);
    sim_run_for(f->sim, 60000);
    /* A minute of 4 timers and 2 senders at 10 Hz, and 2 sweeps at 4 Hz. */
    assert_in_range(sim_events(f->sim) - before, 4000, 4400);
}

/* ---- memory -------------------------------------------------------------- */

/* Two nodes meet, talk and part while the n-th allocation fails; returns the
 * number of allocations. They must come together all the same. */
static unsigned run_short_of_memory(unsigned n)
{
    struct fixture f;
    struct io_peer *peer;
    unsigned count;
    int rc;

    build(&f, 11);
    heap_fail_at(n);
    rc = io_dial(f.nodes[0].io, "n1", "10.0.0.1", 7001, &peer, NULL);
    if (rc == EDGE_ENOMEM) {
        rc = io_dial(f.nodes[0].io, "n1", "10.0.0.1", 7001, &peer, NULL);
    }
    assert_int_equal(rc, 0);
    sim_run_for(f.sim, 3000);
    count = heap_count();
    heap_heal();
    sim_run_for(f.sim, 3000);
    assert_true(f.nodes[0].beats > 0 && f.nodes[1].beats > 0);
    sim_free(f.sim);
    return count;
}

static void test_each_failed_allocation_is_survived(void **state)
{
    unsigned sites = run_short_of_memory(0);

    (void)state;
    assert_true(sites > 100);
    for (unsigned n = 1; n <= sites; n++) {
        (void)run_short_of_memory(n);
    }
}

/* ---- faults -------------------------------------------------------------- */

static void test_a_killed_node_is_silent(void **state)
{
    struct fixture *f = *state;
    int beats = f->nodes[1].beats;

    sim_kill(f->nodes[1].io);
    assert_false(sim_is_alive(f->nodes[1].io));
    assert_in_range(time_of_loss(f, &f->nodes[0]), 0, 10);
    assert_int_equal(f->nodes[0].rc, EDGE_ECLOSED);
    sim_run_for(f->sim, 2000);
    assert_int_equal(f->nodes[1].beats, beats);
    assert_int_equal(f->nodes[1].downs, 0);
}

static void test_a_partition_times_out_at_both_ends(void **state)
{
    struct fixture *f = *state;

    sim_partition(f->sim, f->nodes[0].io, f->nodes[1].io, false);
    assert_in_range(time_of_loss(f, &f->nodes[0]), 2900, 3300);
    assert_int_equal(f->nodes[0].rc, EDGE_ETIMEOUT);
    assert_in_range(time_of_loss(f, &f->nodes[1]), 0, 400);
    sim_heal(f->sim, f->nodes[0].io, f->nodes[1].io);
    assert_true(sim_run_until(f->sim, is_up_again, &f->nodes[0], 6000));
}

static void test_a_short_partition_only_delays(void **state)
{
    struct fixture *f = *state;
    int beats = f->nodes[0].beats;

    sim_partition(f->sim, f->nodes[0].io, f->nodes[1].io, false);
    sim_run_for(f->sim, 2000);
    assert_in_range(f->nodes[0].beats, beats, beats + 1);
    sim_heal(f->sim, f->nodes[0].io, f->nodes[1].io);
    sim_run_for(f->sim, 500);
    assert_true(f->nodes[0].beats >= beats + 22); /* none is lost */
    assert_int_equal(f->nodes[0].downs + f->nodes[1].downs, 0);
}

static void test_a_one_way_cut_lets_the_other_way_pass(void **state)
{
    struct fixture *f = *state;
    int to_0 = f->nodes[0].beats;
    int to_1 = f->nodes[1].beats;

    sim_partition(f->sim, f->nodes[0].io, f->nodes[1].io, true);
    sim_run_for(f->sim, 2000);
    assert_true(f->nodes[0].beats >= to_0 + 19);
    assert_in_range(f->nodes[1].beats, to_1, to_1 + 1);
    sim_run_for(f->sim, 2000); /* neither gets acknowledgements */
    assert_int_equal(f->nodes[0].downs, 1);
    assert_int_equal(f->nodes[1].downs, 1);
}

static void test_an_isolated_place_reaches_nobody(void **state)
{
    struct fixture *f = *state;

    sim_isolate(f->nodes[1].io);
    assert_in_range(time_of_loss(f, &f->nodes[0]), 2900, 3300);
    beater_dial(&f->nodes[2], &f->nodes[3]);
    sim_run_for(f->sim, 500);
    assert_int_equal(f->nodes[2].ups, 1);
    sim_heal_all(f->sim);
    assert_true(sim_run_until(f->sim, is_up_again, &f->nodes[0], 6000));
}

static void test_power_loss_tells_nobody(void **state)
{
    struct fixture *f = *state;

    sim_unplug(f->nodes[1].io);
    assert_in_range(time_of_loss(f, &f->nodes[0]), 2900, 3300);
    assert_int_equal(f->nodes[0].rc, EDGE_ETIMEOUT);
    beater_start(&f->nodes[1], f->sim, "n1", 7001);
    assert_true(sim_run_until(f->sim, is_up_again, &f->nodes[0], 8000));
}

static void test_a_rebooted_place_resets_old_connections(void **state)
{
    struct fixture *f = *state;

    sim_unplug(f->nodes[1].io);
    sim_run_for(f->sim, 1000);
    assert_int_equal(f->nodes[0].downs, 0);
    beater_start(&f->nodes[1], f->sim, "n1", 7001);
    assert_in_range(time_of_loss(f, &f->nodes[0]), 0, 500);
    assert_string_equal(f->nodes[0].why, "connection reset by peer");
}

static void test_a_paused_node_goes_on_later(void **state)
{
    struct fixture *f = *state;
    int sent_by_1 = f->nodes[0].beats;
    int got_by_1 = f->nodes[1].beats;

    sim_pause(f->nodes[1].io);
    sim_run_for(f->sim, 2500);
    assert_in_range(f->nodes[0].beats, sent_by_1, sent_by_1 + 1);
    assert_int_equal(f->nodes[1].beats, got_by_1);
    sim_resume(f->nodes[1].io);
    sim_run_for(f->sim, 5);
    assert_true(f->nodes[1].beats >= got_by_1 + 24);
    assert_int_equal(f->nodes[0].downs + f->nodes[1].downs, 0);
}

static void test_standing_still_is_nobodys_fault(void **state)
{
    struct fixture *f = *state;

    /* Its Hello is on its way when the other end stops for 3 s, which is
     * longer than that end gives a Hello. */
    sim_set_paths(f->sim, (struct sim_path){.latency_us = 300000});
    hub_of(f->nodes[1].io)->limits.hello_ms = 1000;
    beater_dial(&f->nodes[0], &f->nodes[1]);
    sim_run_for(f->sim, 310);
    assert_int_equal(hub_of(f->nodes[1].io)->n_strangers, 1);
    sim_pause(f->nodes[1].io);
    sim_run_for(f->sim, 3000);
    sim_resume(f->nodes[1].io);
    sim_run_for(f->sim, 1000);
    assert_int_equal(f->nodes[0].ups, 1);
    assert_int_equal(f->nodes[1].ups, 1);
}

static void test_a_reset_is_seen_by_both(void **state)
{
    struct fixture *f = *state;

    sim_reset(f->sim, f->nodes[0].io, f->nodes[1].io);
    sim_run_for(f->sim, 10);
    assert_int_equal(f->nodes[0].downs, 1);
    assert_int_equal(f->nodes[1].downs, 1);
    assert_string_equal(f->nodes[1].why, "connection reset by peer");
    sim_run_for(f->sim, 500);
    assert_int_equal(f->nodes[0].ups, 2);
}

/* ---- paths --------------------------------------------------------------- */

static void test_a_slow_path_takes_its_time(void **state)
{
    struct fixture *f = *state;
    uint64_t before_us = sim_now_us(f->sim);

    sim_set_path(f->sim, f->nodes[0].io, f->nodes[1].io,
                 (struct sim_path){.latency_us = 80000});
    beater_dial(&f->nodes[0], &f->nodes[1]);
    while (f->nodes[0].ups == 0) {
        assert_true(sim_step(f->sim));
    }
    /* SYN and its answer, Hello and its answer. */
    assert_in_range(sim_now_us(f->sim) - before_us, 320000, 321000);
}

static void test_a_narrow_path_takes_its_time(void **state)
{
    struct fixture *f = *state;
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__Beat beat = EDGED__BEAT__INIT;
    struct io_payload payload = {.size = 200000};
    uint64_t before_us = sim_now_us(f->sim);

    sim_set_paths(f->sim, (struct sim_path){.bytes_per_s = 1000000});
    env.body_case = EDGED__ENVELOPE__BODY_BEAT;
    env.beat = &beat;
    payload.blob = blob_new(payload.size);
    assert_non_null(payload.blob);
    memset(payload.blob->data, 1, payload.size);
    assert_int_equal(io_send(f->nodes[0].peers[0], &env, &payload), 0);
    blob_unref(payload.blob);
    while (f->nodes[1].payloads == 0) {
        assert_true(sim_step(f->sim));
    }
    assert_in_range(sim_now_us(f->sim) - before_us, 200000, 210000);
}

static void test_what_is_lost_comes_later(void **state)
{
    struct fixture *f = *state;
    int beats = f->nodes[1].beats;

    sim_set_path(f->sim, f->nodes[0].io, f->nodes[1].io,
                 (struct sim_path){.loss_permille = 50});
    sim_run_for(f->sim, 10000);
    assert_int_equal(f->nodes[0].downs, 0);
    assert_in_range(f->nodes[1].beats, beats + 85, beats + 101);
}

static void test_a_path_that_loses_all_breaks(void **state)
{
    struct fixture *f = *state;

    sim_set_path(f->sim, f->nodes[0].io, f->nodes[1].io,
                 (struct sim_path){.loss_permille = 1000});
    sim_run_for(f->sim, USER_TIMEOUT_MS + 500);
    assert_true(f->nodes[0].downs + f->nodes[1].downs > 0);
    sim_reset_path(f->sim, f->nodes[0].io, f->nodes[1].io);
    sim_run_for(f->sim, 10000);
    assert_int_equal(f->nodes[0].ups, f->nodes[0].downs + 1);
}

/* ---- nodes --------------------------------------------------------------- */

static void test_one_node_at_a_place(void **state)
{
    struct fixture *f = *state;

    assert_null(sim_node(f->sim, &f->nodes[0].id, "10.0.0.1", 7000, NULL));
    sim_stop(f->nodes[0].io);
    assert_non_null(sim_node(f->sim, &f->nodes[0].id, "10.0.0.1", 7000, NULL));
}

static void test_clients_come_by_path(void **state)
{
    struct fixture *f = *state;
    struct beater *client = &f->client;
    struct io_peer *peer;

    sim_listen_path(f->nodes[0].io, "/run/edged.sock");
    beater_start(client, f->sim, "edgectl", 0);
    client->id.role = EDGED__ROLE__ROLE_CLIENT;
    assert_int_equal(
        io_dial(client->io, NULL, "/run/edged.sock", 0, &peer, NULL), 0);
    sim_run_for(f->sim, 100);
    assert_int_equal(client->ups, 1);
    assert_int_equal(f->nodes[0].peers[0]->role, EDGED__ROLE__ROLE_CLIENT);
}

static void work_run(struct io_work *work)
{
    container_of(work, struct beater, work)->ran++;
}

static void work_done(struct io_work *work)
{
    container_of(work, struct beater, work)->finished++;
}

static void start_work(struct beater *p, uint64_t cost_us)
{
    p->work.run = work_run;
    p->work.done = work_done;
    p->work.cost_us = cost_us;
    io_work(p->io, IO_COMPUTE, &p->work);
    assert_int_equal(p->ran, 0); /* not inside the call */
}

static void test_work_takes_its_cost(void **state)
{
    struct fixture *f = *state;
    uint64_t before_us = sim_now_us(f->sim);

    sim_speed(f->nodes[0].io, 200);
    start_work(&f->nodes[0], 10000);
    while (f->nodes[0].finished == 0) {
        assert_true(sim_step(f->sim));
    }
    assert_in_range(sim_now_us(f->sim) - before_us, 20000, 22000);
    assert_int_equal(f->nodes[0].work.took_us, sim_now_us(f->sim) - before_us);
    assert_int_equal(f->nodes[0].ran, 1);
}

static void test_a_stuck_strand_goes_on_later(void **state)
{
    struct fixture *f = *state;

    sim_stick(f->nodes[0].io, IO_COMPUTE, true);
    start_work(&f->nodes[0], 10000);
    sim_run_for(f->sim, 1000);
    assert_int_equal(f->nodes[0].ran, 0);
    sim_stick(f->nodes[0].io, IO_COMPUTE, false);
    sim_run_for(f->sim, 5);
    sim_stick(f->nodes[0].io, IO_COMPUTE, true); /* in the middle of a job */
    sim_run_for(f->sim, 1000);
    assert_int_equal(f->nodes[0].finished, 0);
    sim_stick(f->nodes[0].io, IO_COMPUTE, false);
    sim_run_for(f->sim, 1);
    assert_int_equal(f->nodes[0].finished, 1);
    assert_int_equal(f->nodes[0].ran, 1);
}

static void test_work_of_a_killed_node_is_dropped(void **state)
{
    struct fixture *f = *state;
    int ran = 0;

    for (int i = 0; i < MAX_NODES; i++) {
        start_work(&f->nodes[i], 10000);
    }
    sim_run_for(f->sim, 5);
    for (int i = 0; i < MAX_NODES; i++) {
        sim_kill(f->nodes[i].io);
    }
    sim_run_for(f->sim, 100);
    for (int i = 0; i < MAX_NODES; i++) {
        assert_int_equal(f->nodes[i].finished, 0);
        ran += f->nodes[i].ran;
    }
    assert_in_range(ran, 1, MAX_NODES - 1); /* done or lost, either may be */
}

static void kill_itself(struct io_timer *timer)
{
    sim_kill(container_of(timer, struct beater, timer)->io);
}

static void test_a_node_may_die_in_its_own_callback(void **state)
{
    struct fixture *f = *state;

    f->nodes[0].timer.cb = kill_itself;
    sim_run_for(f->sim, 1000);
    assert_false(sim_is_alive(f->nodes[0].io));
    assert_int_equal(f->nodes[1].downs, 1);
}

static void test_a_dead_node_can_be_taken_down(void **state)
{
    struct fixture *f = *state;
    struct io_peer *peer = f->nodes[0].peers[0];

    sim_kill(f->nodes[0].io);
    assert_false(peer->up);
    io_timer_stop(f->nodes[0].io, &f->nodes[0].timer);
    io_hang_up(peer, EDGE_ECLOSED, "of no effect");
    io_undial(peer);
    sim_run_for(f->sim, 100);
    assert_int_equal(f->nodes[0].downs, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_seed_same_story),
        cmocka_unit_test(test_many_seeds_end_well),
        cmocka_unit_test(test_each_failed_allocation_is_survived),
#define PAIR(name) cmocka_unit_test_setup_teardown(name, set_up_pair, tear_down)
#define PLAIN(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        PAIR(test_events_do_not_multiply),
        PAIR(test_a_killed_node_is_silent),
        PAIR(test_a_partition_times_out_at_both_ends),
        PAIR(test_a_short_partition_only_delays),
        PAIR(test_a_one_way_cut_lets_the_other_way_pass),
        PAIR(test_an_isolated_place_reaches_nobody),
        PAIR(test_power_loss_tells_nobody),
        PAIR(test_a_rebooted_place_resets_old_connections),
        PAIR(test_a_paused_node_goes_on_later),
        PLAIN(test_standing_still_is_nobodys_fault),
        PAIR(test_a_reset_is_seen_by_both),
        PLAIN(test_a_slow_path_takes_its_time),
        PAIR(test_a_narrow_path_takes_its_time),
        PAIR(test_what_is_lost_comes_later),
        PAIR(test_a_path_that_loses_all_breaks),
        PLAIN(test_one_node_at_a_place),
        PLAIN(test_clients_come_by_path),
        PLAIN(test_work_takes_its_cost),
        PLAIN(test_a_stuck_strand_goes_on_later),
        PLAIN(test_work_of_a_killed_node_is_dropped),
        PAIR(test_a_node_may_die_in_its_own_callback),
        PAIR(test_a_dead_node_can_be_taken_down),
    };
    int failed = io_suite_run("io_sim", io_world_sim);

    return failed + cmocka_run_group_tests_name("faults", tests, NULL, NULL);
}

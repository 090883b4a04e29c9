#include "tests/lib/unit.h"

#include "net/strand.h"

#include <unistd.h>

/* Of jobs that are to take LEAST_US each, one after the other. */
#define JOBS 12
#define LEAST_US 20000

struct fixture {
    uv_loop_t loop;
    uv_async_t wake;
    struct strand strand;
    struct io_work jobs[JOBS];
    uv_sem_t submitted; /* all of them */
    size_t n_done;
};

/* The first one, so that none of the others comes late. */
static void wait_for_all(struct io_work *work)
{
    uv_sem_wait(&container_of(work, struct fixture, jobs[0])->submitted);
}

static void nothing(struct io_work *work)
{
    (void)work;
}

static void on_wake(uv_async_t *wake)
{
    struct fixture *f = wake->data;
    struct list done;

    list_init(&done);
    strand_take_done(&f->strand, &done);
    list_each(&done, it, after)
    {
        list_unlink(it);
        f->n_done++;
    }
}

static int set_up(void **state)
{
    struct fixture *f = test_calloc(1, sizeof(*f));
    struct err err;

    assert_int_equal(uv_sem_init(&f->submitted, 0), 0);
    assert_int_equal(uv_loop_init(&f->loop), 0);
    assert_int_equal(uv_async_init(&f->loop, &f->wake, on_wake), 0);
    f->wake.data = f;
    assert_int_equal(strand_start(&f->strand, &f->wake, &err), 0);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    strand_stop(&f->strand);
    uv_close((uv_handle_t *)&f->wake, NULL);
    (void)uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    uv_sem_destroy(&f->submitted);
    test_free(f);
    return 0;
}

static void run_all(struct fixture *f, struct io_stretch stretch)
{
    for (size_t i = 0; i < JOBS; i++) {
        f->jobs[i] = (struct io_work){.run = i == 0 ? wait_for_all : nothing,
                                      .stretch = stretch};
        strand_submit(&f->strand, &f->jobs[i]);
    }
    uv_sem_post(&f->submitted);
    while (f->n_done < JOBS) {
        (void)uv_run(&f->loop, UV_RUN_ONCE);
    }
}

/* However late the thread wakes up, the next job begins when the one before
 * it was to end, to the microsecond; unless the machine took it away in the
 * middle of a job, which it will not do in all of them. */
static void paced_jobs_follow_each_other_without_a_gap(void **state)
{
    struct fixture *f = *state;
    size_t n_exact = 0;

    run_all(f, (struct io_stretch){.least_us = LEAST_US});
    for (size_t i = 1; i + 1 < JOBS; i++) {
        uint64_t due = f->jobs[i].started_us + LEAST_US;

        assert_true(f->jobs[i].took_us >= LEAST_US);
        assert_true(f->jobs[i + 1].started_us >= due);
        n_exact += f->jobs[i + 1].started_us == due;
    }
    assert_true(n_exact > 0);
}

static void jobs_slowed_by_a_factor_begin_when_they_do(void **state)
{
    struct fixture *f = *state;

    run_all(f, (struct io_stretch){.percent = 200, .extra_us = 1000});
    for (size_t i = 0; i + 1 < JOBS; i++) {
        assert_true(f->jobs[i + 1].started_us >=
                    f->jobs[i].started_us + f->jobs[i].took_us);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(paced_jobs_follow_each_other_without_a_gap),
        TEST(jobs_slowed_by_a_factor_begin_when_they_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "net/strand.h"

#define LATE_US 50000 /* that a slow job makes up for */

static void move_all(struct list *from, struct list *to)
{
    list_each(from, it, after)
    {
        list_unlink(it);
        list_push(to, it);
    }
}

/* The next job, or NULL when the strand shall end. */
static struct io_work *wait_for_job(struct strand *strand)
{
    struct io_work *work = NULL;

    uv_mutex_lock(&strand->mutex);
    while (!strand->stop && list_is_empty(&strand->waiting)) {
        uv_cond_wait(&strand->cond, &strand->mutex);
    }
    if (!strand->stop) {
        work = list_entry(strand->waiting.next, struct io_work, link);
        list_unlink(&work->link);
    }
    uv_mutex_unlock(&strand->mutex);
    return work;
}

static void finish_job(struct strand *strand, struct io_work *work)
{
    uv_mutex_lock(&strand->mutex);
    list_push(&strand->finished, &work->link);
    uv_mutex_unlock(&strand->mutex);
    (void)uv_async_send(strand->wake);
}

/* A job that is slow on purpose; its strand may end meanwhile. */
static void stretch(struct strand *strand, const struct io_work *work)
{
    uint64_t until_us =
        work->started_us +
        io_stretched_us(&work->stretch, uv_hrtime() / 1000 - work->started_us);
    uint64_t now_us = uv_hrtime() / 1000;

    strand->until_us = until_us;
    uv_mutex_lock(&strand->mutex);
    while (!strand->stop && now_us < until_us) {
        (void)uv_cond_timedwait(&strand->cond, &strand->mutex,
                                (until_us - now_us) * 1000);
        now_us = uv_hrtime() / 1000;
    }
    uv_mutex_unlock(&strand->mutex);
}

/* When a job that is to take so long at least begins: as soon as it was there
 * and the one before it was to end, though on a busy machine this thread woke
 * up later; otherwise each would be slower than it is meant to be. By LATE_US
 * at most. */
static uint64_t begin_us(const struct strand *strand,
                         const struct io_work *work)
{
    uint64_t now_us = uv_hrtime() / 1000;
    uint64_t due_us = work->started_us > strand->until_us ? work->started_us
                                                          : strand->until_us;

    bool is_paced = work->stretch.least_us > 0 && work->stretch.percent <= 100;

    return is_paced && due_us < now_us && now_us - due_us <= LATE_US ? due_us
                                                                     : now_us;
}

static bool is_stretched(const struct io_stretch *stretch)
{
    return stretch->percent > 100 || stretch->extra_us > 0 ||
           stretch->least_us > 0;
}

static void strand_main(void *arg)
{
    struct strand *strand = arg;
    struct io_work *work = wait_for_job(strand);

    while (work != NULL) {
        work->started_us = begin_us(strand, work);
        work->run(work);
        if (is_stretched(&work->stretch)) {
            stretch(strand, work);
        }
        work->took_us = uv_hrtime() / 1000 - work->started_us;
        finish_job(strand, work);
        work = wait_for_job(strand);
    }
}

int strand_start(struct strand *strand, uv_async_t *wake, struct err *err)
{
    int rc;

    list_init(&strand->waiting);
    list_init(&strand->finished);
    strand->stop = false;
    strand->until_us = 0;
    strand->wake = wake;
    rc = uv_mutex_init(&strand->mutex);
    if (rc < 0) {
        goto fail;
    }
    rc = uv_cond_init(&strand->cond);
    if (rc < 0) {
        goto fail_mutex;
    }
    rc = uv_thread_create(&strand->thread, strand_main, strand);
    if (rc < 0) {
        goto fail_cond;
    }
    return 0;
fail_cond:
    uv_cond_destroy(&strand->cond);
fail_mutex:
    uv_mutex_destroy(&strand->mutex);
fail:
    return err_set(err, err_from_errno(-rc), "cannot start a thread: %s",
                   uv_strerror(rc));
}

void strand_stop(struct strand *strand)
{
    uv_mutex_lock(&strand->mutex);
    strand->stop = true;
    uv_cond_signal(&strand->cond);
    uv_mutex_unlock(&strand->mutex);
    (void)uv_thread_join(&strand->thread);
    list_each(&strand->waiting, it, after)
    {
        list_unlink(it);
    }
    list_each(&strand->finished, it2, after2)
    {
        list_unlink(it2);
    }
    uv_cond_destroy(&strand->cond);
    uv_mutex_destroy(&strand->mutex);
}

void strand_submit(struct strand *strand, struct io_work *work)
{
    work->started_us = uv_hrtime() / 1000; /* until it begins: since when */
    uv_mutex_lock(&strand->mutex);
    list_push(&strand->waiting, &work->link);
    uv_cond_signal(&strand->cond);
    uv_mutex_unlock(&strand->mutex);
}

void strand_take_done(struct strand *strand, struct list *done)
{
    uv_mutex_lock(&strand->mutex);
    move_all(&strand->finished, done);
    uv_mutex_unlock(&strand->mutex);
}

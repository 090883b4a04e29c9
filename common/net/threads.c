#include "net/threads.h"

#include "base/list.h"
#include "base/mem.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

/* How often a thread looks before it sleeps: steps follow one another within
 * microseconds, and waking up takes longer. It yields each time, for there may
 * be more threads than processors. */
#define LOOKS 100

struct worker {
    struct team *team;
    size_t index;
    pthread_t thread;
};

struct team {
    struct threads threads; /* what others see */
    size_t started;
    pthread_mutex_t mutex; /* for those that sleep */
    pthread_cond_t begin;
    pthread_cond_t end;
    atomic_uint round; /* changes when there is a job, or it is over */
    atomic_size_t left;
    bool stop; /* these three belong to the round */
    void (*job)(void *arg, size_t i);
    void *arg;
    struct worker workers[];
};

static void wait_for_round(struct team *t, unsigned seen)
{
    for (int i = 0; i < LOOKS; i++) {
        if (atomic_load(&t->round) != seen) {
            return;
        }
        (void)sched_yield();
    }
    pthread_mutex_lock(&t->mutex);
    while (atomic_load(&t->round) == seen) {
        pthread_cond_wait(&t->begin, &t->mutex);
    }
    pthread_mutex_unlock(&t->mutex);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct team *t = w->team;

    for (unsigned seen = 0;; seen++) {
        wait_for_round(t, seen);
        if (t->stop) {
            return NULL;
        }
        t->job(t->arg, w->index);
        if (atomic_fetch_sub(&t->left, 1) == 1) {
            pthread_mutex_lock(&t->mutex);
            pthread_cond_signal(&t->end);
            pthread_mutex_unlock(&t->mutex);
        }
    }
}

static void begin_round(struct team *t)
{
    pthread_mutex_lock(&t->mutex);
    atomic_fetch_add(&t->round, 1);
    pthread_cond_broadcast(&t->begin);
    pthread_mutex_unlock(&t->mutex);
}

static void run(struct threads *threads, void (*job)(void *arg, size_t i),
                void *arg)
{
    struct team *t = container_of(threads, struct team, threads);

    t->job = job;
    t->arg = arg;
    atomic_store(&t->left, t->threads.n - 1);
    begin_round(t);
    job(arg, 0);
    for (int i = 0; i < LOOKS; i++) {
        if (atomic_load(&t->left) == 0) {
            return;
        }
        (void)sched_yield();
    }
    pthread_mutex_lock(&t->mutex);
    while (atomic_load(&t->left) > 0) {
        pthread_cond_wait(&t->end, &t->mutex);
    }
    pthread_mutex_unlock(&t->mutex);
}

static int start_workers(struct team *t, struct err *err)
{
    for (; t->started + 1 < t->threads.n; t->started++) {
        struct worker *w = &t->workers[t->started];
        int rc;

        w->team = t;
        w->index = t->started + 1;
        rc = pthread_create(&w->thread, NULL, work, w);
        if (rc != 0) {
            return err_set(err, err_from_errno(rc),
                           "cannot start compute thread %zu of %zu: %s",
                           w->index + 1, t->threads.n, strerror(rc));
        }
    }
    return 0;
}

int threads_start(size_t n, struct threads **threads, struct err *err)
{
    struct team *t;
    int rc;

    if (n < 1 || n > THREADS_MOST) {
        return err_set(err, EDGE_EINVAL, "%zu compute threads: 1 to %d are", n,
                       THREADS_MOST);
    }
    t = mem_zalloc(1, sizeof(*t) + (n - 1) * sizeof(t->workers[0]));
    if (t == NULL) {
        return err_set(err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
    }
    t->threads = (struct threads){n, run};
    (void)pthread_mutex_init(&t->mutex, NULL);
    (void)pthread_cond_init(&t->begin, NULL);
    (void)pthread_cond_init(&t->end, NULL);
    rc = start_workers(t, err);
    if (rc < 0) {
        threads_stop(&t->threads);
        return rc;
    }
    *threads = &t->threads;
    return 0;
}

void threads_stop(struct threads *threads)
{
    struct team *t;

    if (threads == NULL) {
        return;
    }
    t = container_of(threads, struct team, threads);
    t->stop = true;
    begin_round(t);
    for (size_t i = 0; i < t->started; i++) {
        (void)pthread_join(t->workers[i].thread, NULL);
    }
    (void)pthread_cond_destroy(&t->end);
    (void)pthread_cond_destroy(&t->begin);
    (void)pthread_mutex_destroy(&t->mutex);
    mem_free(t);
}

/*
 * Threads that share work: what plans know of them. net/threads.h starts them.
 */
#ifndef EDGE_BASE_THREADS_H
#define EDGE_BASE_THREADS_H

#include <stddef.h>

struct threads {
    size_t n; /* with the caller's */
    /* Calls job(arg, i) for each i below n, each on its thread, 0 on the
     * caller's, and returns when all have returned. One caller at a time. */
    void (*run)(struct threads *threads, void (*job)(void *arg, size_t i),
                void *arg);
};

#endif

/*
 * Starts the threads of base/threads.h.
 */
#ifndef EDGE_NET_THREADS_H
#define EDGE_NET_THREADS_H

#include "base/err.h"
#include "base/threads.h"

#define THREADS_MOST 256

/* `n` of them with the caller's, 1 to THREADS_MOST. */
int threads_start(size_t n, struct threads **threads, struct err *err);
void threads_stop(struct threads *threads); /* NULL is fine */

#endif

/*
 * An allocator that fails on demand, for tests. It counts the allocations
 * made through base/mem.h on all threads and makes the n-th one fail.
 */
#ifndef EDGE_TESTS_HEAP_H
#define EDGE_TESTS_HEAP_H

/* The n-th allocation from now fails, once (1 is the next); 0: none does.
 * Starts the count anew. */
void heap_fail_at(unsigned n);
/* Allocations asked for since then, a failed one included. */
unsigned heap_count(void);
/* Back to the real allocator; for tear-downs. */
void heap_heal(void);

/* Runs `step` with its first allocation failing, then its second, and so on,
 * until one run needs no more allocations and succeeds. A run in which an
 * allocation failed must return EDGE_ENOMEM, otherwise the test fails.
 * `step` undoes what it made before it returns. Returns the number of
 * allocations of the run that succeeded. */
unsigned heap_each(int (*step)(void *arg), void *arg);

#endif

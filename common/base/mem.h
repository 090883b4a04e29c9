/*
 * Allocation with overflow checks. Every allocation of the project goes
 * through here, so tests can make each one fail in turn (tests/lib/heap.h).
 * All return NULL on failure; mem_free(NULL) is fine.
 */
#ifndef EDGE_BASE_MEM_H
#define EDGE_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

#define MEM_ALIGN 64 /* a cache line, and the widest vector */

/* Zeroed room for one `type`, or for `n` of them. */
#define mem_new(type) ((type *)mem_zalloc(1, sizeof(type)))
#define mem_array(type, n) ((type *)mem_zalloc((n), sizeof(type)))

void *mem_zalloc(size_t n, size_t size);
/* Resizes to `n` items of `size`; new bytes are not cleared. */
void *mem_resize(void *p, size_t n, size_t size);
char *mem_strdup(const char *text);
void *mem_dup(const void *p, size_t size);
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void mem_free(void *p);

/* MEM_ALIGN-aligned and not cleared; released with mem_free(). */
void *mem_aligned(size_t size);

/* Makes room for one more item in a growing array: *items points to the
 * array, of `n` used and *capacity allocated items. 0 or EDGE_ENOMEM. */
int mem_grow(void *items, size_t *capacity, size_t n, size_t size);

/* Gives what was freed back to the system, after a burst of large blocks: a
 * heap keeps it otherwise. */
void mem_trim(void);

/* For programs that run for months, before any thread: blocks of 1 MiB and
 * more go back to the system when they are freed. glibc otherwise raises that
 * size to the largest block ever freed (a calibration's, an old model's), and
 * all the tensors below it stay in the heap for good. */
void mem_return_large(void);

bool mem_mul(size_t a, size_t b, size_t *product); /* false: it overflows */
bool mem_add(size_t a, size_t b, size_t *sum);

/* Tests only: called before each allocation; true makes that one fail. */
typedef bool (*mem_fail_hook)(void);
void mem_set_fail_hook(mem_fail_hook hook);

#endif

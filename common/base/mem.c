#include "base/mem.h"

#include "base/err.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef __GLIBC__ /* known once a header was read */
#include <malloc.h>
#endif

static mem_fail_hook fail_hook; /* set by tests alone, before any thread */

static bool must_fail(void)
{
    return fail_hook != NULL && fail_hook();
}

void mem_set_fail_hook(mem_fail_hook hook)
{
    fail_hook = hook;
}

bool mem_mul(size_t a, size_t b, size_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

bool mem_add(size_t a, size_t b, size_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

void *mem_zalloc(size_t n, size_t size)
{
    size_t bytes;

    if (!mem_mul(n, size, &bytes) || must_fail()) {
        return NULL;
    }
    return calloc(n > 0 ? n : 1, size > 0 ? size : 1);
}

void *mem_resize(void *p, size_t n, size_t size)
{
    size_t bytes;

    if (!mem_mul(n, size, &bytes) || must_fail()) {
        return NULL;
    }
    return realloc(p, bytes > 0 ? bytes : 1);
}

void *mem_dup(const void *p, size_t size)
{
    void *copy = mem_resize(NULL, size, 1);

    if (copy != NULL && size > 0) {
        memcpy(copy, p, size);
    }
    return copy;
}

char *mem_strdup(const char *text)
{
    return mem_dup(text, strlen(text) + 1);
}

char *mem_printf(const char *format, ...)
{
    va_list args;
    char *text;
    int length;

    va_start(args, format);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) {
        return NULL;
    }
    text = mem_resize(NULL, (size_t)length + 1, 1);
    if (text == NULL) {
        return NULL;
    }
    va_start(args, format);
    (void)vsnprintf(text, (size_t)length + 1, format, args);
    va_end(args);
    return text;
}

void mem_free(void *p)
{
    free(p);
}

void *mem_aligned(size_t size)
{
    size_t rounded;
    void *p;

    if (!mem_add(size, MEM_ALIGN - 1, &rounded) || must_fail()) {
        return NULL;
    }
    rounded -= rounded % MEM_ALIGN;
    if (posix_memalign(&p, MEM_ALIGN, rounded > 0 ? rounded : MEM_ALIGN) != 0) {
        return NULL;
    }
    return p;
}

int mem_grow(void *items, size_t *capacity, size_t n, size_t size)
{
    void **array = items;
    size_t wanted;
    void *p;

    if (n < *capacity) {
        return 0;
    }
    wanted = *capacity > 0 ? *capacity * 2 : 8;
    p = mem_resize(*array, wanted, size);
    if (p == NULL) {
        return EDGE_ENOMEM;
    }
    *array = p;
    *capacity = wanted;
    return 0;
}

#define RETURNED (1 << 20) /* and more; most tensors of a request are less */

void mem_return_large(void)
{
#ifdef __GLIBC__
    (void)mallopt(M_MMAP_THRESHOLD, RETURNED);
    (void)mallopt(M_TRIM_THRESHOLD, RETURNED);
#endif
}

void mem_trim(void)
{
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

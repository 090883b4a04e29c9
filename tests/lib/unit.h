/*
 * What a cmocka test includes first. A test that cannot run here says why:
 * `make check` prints the reason of every skip.
 */
#ifndef EDGE_TESTS_UNIT_H
#define EDGE_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define SKIP_TEST(reason)                                 \
    do {                                                  \
        print_message("SKIP %s: %s\n", __func__, reason); \
        skip();                                           \
    } while (0)

/* Under qemu: ten times as slow, and not every system call is there. */
static inline bool is_emulated(void)
{
    return getenv("EDGE_EMULATED") != NULL;
}

#define SKIP_EMULATED(reason)           \
    do {                                \
        if (is_emulated()) {            \
            SKIP_TEST("qemu: " reason); \
        }                               \
    } while (0)

#endif

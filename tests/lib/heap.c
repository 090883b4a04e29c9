#include "tests/lib/heap.h"

#include "base/err.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define STEPS_MAX 100000

static unsigned fail_at;
static unsigned count;

static bool on_allocation(void)
{
    return __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED) == fail_at;
}

void heap_fail_at(unsigned n)
{
    fail_at = n;
    count = 0;
    mem_set_fail_hook(on_allocation);
}

unsigned heap_count(void)
{
    return __atomic_load_n(&count, __ATOMIC_RELAXED);
}

void heap_heal(void)
{
    mem_set_fail_hook(NULL);
    fail_at = 0;
}

unsigned heap_each(int (*step)(void *arg), void *arg)
{
    for (unsigned n = 1; n < STEPS_MAX; n++) {
        int rc;

        heap_fail_at(n);
        rc = step(arg);
        heap_heal();
        if (heap_count() < n) {
            assert_int_equal(rc, 0);
            return heap_count();
        }
        if (rc != EDGE_ENOMEM) {
            fail_msg("allocation %u failed and the result was %d (%s)", n, rc,
                     err_name(rc));
        }
    }
    fail_msg("no end after %d allocations", STEPS_MAX);
    return 0;
}

#include "kernels/isa.h"

extern const struct isa isa_base;
#if defined(__x86_64__)
extern const struct isa isa_avx2;
#endif

const struct isa *isa_each(size_t i)
{
    if (i == 0) {
        return &isa_base;
    }
#if defined(__x86_64__)
    if (i == 1 && __builtin_cpu_supports("avx2") &&
        __builtin_cpu_supports("fma") && __builtin_cpu_supports("popcnt")) {
        return &isa_avx2;
    }
#endif
    return NULL;
}

const struct isa *isa_best(void)
{
    const struct isa *best = isa_each(0);

    for (size_t i = 1; isa_each(i) != NULL; i++) {
        best = isa_each(i);
    }
    return best;
}

/* Compiled for AVX2 and FMA whatever the compiler's default; isa.c sees to it
 * that only a CPU that has both comes here. */
#if defined(__x86_64__)

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma,popcnt"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma,popcnt")
#endif

#define SIMD_WIDTH 8
#define SIMD_AVX2
#include "kernels/isa_table.h"

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

extern const struct isa isa_avx2;
const struct isa isa_avx2 = ISA_TABLE("avx2");

#endif

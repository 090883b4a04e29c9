#define SIMD_WIDTH 4
#include "kernels/isa_table.h"

extern const struct isa isa_base;
const struct isa isa_base = ISA_TABLE("base");

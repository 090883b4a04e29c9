/* What fuzz targets read their bytes with. Behind the last one all are 0. */
#ifndef EDGE_TESTS_FUZZ_INPUT_H
#define EDGE_TESTS_FUZZ_INPUT_H

#include <stdbool.h>
#include <stdint.h>

struct fuzz_input {
    const uint8_t *at;
    const uint8_t *end;
};

uint8_t fuzz_take(struct fuzz_input *in);
/* A small one in a byte, a power of two's multiple in two, or one of those at
 * the end of what numbers can be. */
uint64_t fuzz_take_number(struct fuzz_input *in);
/* Aborts with `what` if it does not hold. */
void fuzz_require(bool condition, const char *what);

#endif

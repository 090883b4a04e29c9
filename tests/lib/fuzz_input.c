#include "tests/lib/fuzz_input.h"

#include <stdio.h>
#include <stdlib.h>

uint8_t fuzz_take(struct fuzz_input *in)
{
    return in->at < in->end ? *in->at++ : 0;
}

uint64_t fuzz_take_number(struct fuzz_input *in)
{
    static const uint64_t far[] = {UINT32_MAX, (uint64_t)1 << 32, INT64_MAX,
                                   UINT64_MAX - 1, UINT64_MAX};
    uint8_t first = fuzz_take(in);

    return first < 0xf0   ? first
           : first < 0xfb ? (uint64_t)fuzz_take(in) << (first - 0xf0)
                          : far[first - 0xfb];
}

void fuzz_require(bool condition, const char *what)
{
    if (!condition) {
        (void)fprintf(stderr, "it does not hold: %s\n", what);
        abort();
    }
}

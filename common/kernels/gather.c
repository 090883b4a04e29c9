#include "kernels/pick.h"

#include <string.h>

static int64_t read_index(const void *index, enum dtype dtype, int64_t i,
                          int64_t n)
{
    int64_t at = dtype == DTYPE_I32 ? ((const int32_t *)index)[i]
                                    : ((const int64_t *)index)[i];

    at = at < 0 ? at + n : at;
    return at < 0 ? 0 : at >= n ? n - 1 : at;
}

void gather_run(const struct pick *p, void *out, const void *in,
                const void *index, enum dtype index_dtype, int64_t n_index)
{
    size_t row = (size_t)p->inner * dtype_size(p->dtype);
    const uint8_t *from = in;
    uint8_t *to = out;

    if (p->n == 0 || row == 0) {
        return;
    }
    for (int64_t o = 0; o < p->outer; o++) {
        for (int64_t i = 0; i < n_index; i++) {
            int64_t at = read_index(index, index_dtype, i, p->n);

            memcpy(to, from + (size_t)at * row, row);
            to += row;
        }
        from += (size_t)p->n * row;
    }
}

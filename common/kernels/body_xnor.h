/* Products of bits; a body, see simd.h. */
#include <stddef.h>
#include <stdint.h>

/* y[r * step] = the product of x with row r of w (xnor.h). */
static void xnor_dots(const uint64_t *x, const uint64_t *w, size_t words,
                      size_t rows, float *y, size_t step)
{
    for (size_t r = 0; r < rows; r++, w += 2 * words) {
        int64_t sum = 0;

        for (size_t i = 0; i < words; i++) {
            uint64_t both = x[i] & w[i];
            uint64_t differ = both & (x[words + i] ^ w[words + i]);

            sum += __builtin_popcountll(both) -
                   2 * (int64_t)__builtin_popcountll(differ);
        }
        y[r * step] = (float)sum;
    }
}

#include "kernels/pick.h"

#include "kernels/types.h"

#include <string.h>

#define PLAIN(v) (v)

/* ---- the best one ---------------------------------------------------------
 */

/* Goes through the rows of `inner` elements; out[j] is the best so far. */
#define ARG(suffix, type, load)                                              \
    static void arg_##suffix(const struct pick *p, int64_t *out,             \
                             const void *in, bool smallest, bool last)       \
    {                                                                        \
        const type *x = in;                                                  \
                                                                             \
        for (int64_t j = 0; j < p->inner; j++) {                             \
            out[j] = 0;                                                      \
        }                                                                    \
        for (int64_t k = 1; k < p->n; k++) {                                 \
            for (int64_t j = 0; j < p->inner; j++) {                         \
                const __auto_type a = load(x[k * p->inner + j]);             \
                const __auto_type b = load(x[out[j] * p->inner + j]);        \
                bool better = smallest ? a < b : a > b;                      \
                                                                             \
                better = better || (a != a && b == b);                       \
                better = better || (last && (a == b || (a != a && b != b))); \
                out[j] = better ? k : out[j];                                \
            }                                                                \
        }                                                                    \
    }

/* ---- the best k -----------------------------------------------------------
 */

/* A heap of places whose root is the worst of those kept; an element further
 * on in memory is worse than an equal one before it. */
#define TOP_K(suffix, type, load)                                         \
    static bool worse_##suffix(const type *x, int64_t a, int64_t b,       \
                               int64_t step, bool smallest)               \
    {                                                                     \
        const __auto_type va = load(x[a * step]);                         \
        const __auto_type vb = load(x[b * step]);                         \
                                                                          \
        if (va == vb) {                                                   \
            return a > b;                                                 \
        }                                                                 \
        return smallest ? va > vb : va < vb;                              \
    }                                                                     \
    static void sift_##suffix(int64_t *heap, int64_t n, int64_t i,        \
                              const type *x, int64_t step, bool smallest) \
    {                                                                     \
        for (int64_t child = 2 * i + 1; child < n; child = 2 * i + 1) {   \
            int64_t moved = heap[i];                                      \
                                                                          \
            if (child + 1 < n &&                                          \
                worse_##suffix(x, heap[child + 1], heap[child], step,     \
                               smallest)) {                               \
                child++;                                                  \
            }                                                             \
            if (!worse_##suffix(x, heap[child], moved, step, smallest)) { \
                return;                                                   \
            }                                                             \
            heap[i] = heap[child];                                        \
            heap[child] = moved;                                          \
            i = child;                                                    \
        }                                                                 \
    }                                                                     \
    static void top_##suffix(int64_t *heap, int64_t k, const void *in,    \
                             int64_t n, int64_t step, bool smallest)      \
    {                                                                     \
        const type *x = in;                                               \
                                                                          \
        for (int64_t i = 0; i < k; i++) {                                 \
            heap[i] = i;                                                  \
        }                                                                 \
        for (int64_t i = k / 2 - 1; i >= 0; i--) {                        \
            sift_##suffix(heap, k, i, x, step, smallest);                 \
        }                                                                 \
        for (int64_t i = k; i < n; i++) {                                 \
            if (worse_##suffix(x, heap[0], i, step, smallest)) {          \
                heap[0] = i;                                              \
                sift_##suffix(heap, k, 0, x, step, smallest);             \
            }                                                             \
        }                                                                 \
        for (int64_t i = k - 1; i > 0; i--) { /* the worst goes last */   \
            int64_t worst = heap[0];                                      \
                                                                          \
            heap[0] = heap[i];                                            \
            heap[i] = worst;                                              \
            sift_##suffix(heap, i, 0, x, step, smallest);                 \
        }                                                                 \
    }

#define BOTH(NAME, type, suffix, wide) \
    ARG(suffix, type, PLAIN)           \
    TOP_K(suffix, type, PLAIN)

TYPES_NUMBER(BOTH)
ARG(f16, uint16_t, tensor_half_to_float)
TOP_K(f16, uint16_t, tensor_half_to_float)

struct picker {
    void (*arg)(const struct pick *p, int64_t *out, const void *in,
                bool smallest, bool last);
    void (*top)(int64_t *heap, int64_t k, const void *in, int64_t n,
                int64_t step, bool smallest);
};

#define ENTRY(NAME, type, suffix, wide) \
    [DTYPE_##NAME] = {arg_##suffix, top_##suffix},

static const struct picker pickers[DTYPE_COUNT] = {
    TYPES_NUMBER(ENTRY) ENTRY(F16, uint16_t, f16, float)};

bool pick_has(enum dtype dtype)
{
    return pickers[dtype].arg != NULL;
}

void arg_run(const struct pick *p, int64_t *out, const void *in, bool smallest,
             bool last)
{
    size_t slab = (size_t)(p->n * p->inner) * dtype_size(p->dtype);
    const uint8_t *x = in;

    for (int64_t o = 0; o < p->outer; o++) {
        pickers[p->dtype].arg(p, out + o * p->inner, x + (size_t)o * slab,
                              smallest, last);
    }
}

void top_k_run(const struct pick *p, void *values, int64_t *places,
               const void *in, int64_t k, bool smallest, int64_t *heap)
{
    size_t size = dtype_size(p->dtype);
    uint8_t *v = values;

    for (int64_t lane = 0; k > 0 && lane < p->outer * p->inner; lane++) {
        int64_t o = lane / p->inner;
        int64_t j = lane % p->inner;
        const uint8_t *x =
            (const uint8_t *)in + (size_t)(o * p->n * p->inner + j) * size;

        pickers[p->dtype].top(heap, k, x, p->n, p->inner, smallest);
        for (int64_t i = 0; i < k; i++) {
            int64_t at = (o * k + i) * p->inner + j;

            if (places != NULL) {
                places[at] = heap[i];
            }
            if (v != NULL) {
                memcpy(v + (size_t)at * size,
                       x + (size_t)(heap[i] * p->inner) * size, size);
            }
        }
    }
}

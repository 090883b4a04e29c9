#include "kernels/reduce.h"

#include "kernels/types.h"

#include <math.h>
#include <string.h>

#define COLUMNS HALF_BLOCK /* results worked on at a time */
#define LANES 8            /* sums of a row that go side by side */

struct reducer {
    void (*start)(void *acc, size_t n);
    /* acc (1) takes all of in (n). */
    void (*row)(void *acc, const void *in, size_t n);
    /* acc (n) takes in (n), each its own. */
    void (*columns)(void *acc, const void *in, size_t n);
    /* out (n) from acc (n), each of `count` elements. */
    void (*finish)(void *out, const void *acc, size_t n, int64_t count);
};

/* ---- what is done with elements -------------------------------------------
 */

#define ADD(a, b) ((a) + (b))
#define MAX(a, b) ((b) > (a) || (b) != (b) ? (b) : (a))
#define MIN(a, b) ((b) < (a) || (b) != (b) ? (b) : (a))

/* `acc_type` holds the result so far, beginning with `first`; combining is
 * associative enough to go in LANES lanes. */
#define REDUCER(name, type, acc_type, first, f)                     \
    static void name##_start(void *acc, size_t n)                   \
    {                                                               \
        for (size_t i = 0; i < n; i++) {                            \
            ((acc_type *)acc)[i] = (acc_type)(first);               \
        }                                                           \
    }                                                               \
    static void name##_row(void *acc, const void *in, size_t n)     \
    {                                                               \
        const type *x = in;                                         \
        acc_type lanes[LANES];                                      \
        acc_type all = ((acc_type *)acc)[0];                        \
        size_t i = 0;                                               \
                                                                    \
        name##_start(lanes, LANES);                                 \
        for (; i + LANES <= n; i += LANES) {                        \
            for (size_t k = 0; k < LANES; k++) {                    \
                lanes[k] = f(lanes[k], (acc_type)x[i + k]);         \
            }                                                       \
        }                                                           \
        for (size_t k = 0; i + k < n; k++) {                        \
            lanes[k] = f(lanes[k], (acc_type)x[i + k]);             \
        }                                                           \
        for (size_t k = 0; k < LANES; k++) {                        \
            all = f(all, lanes[k]);                                 \
        }                                                           \
        ((acc_type *)acc)[0] = all;                                 \
    }                                                               \
    static void name##_columns(void *acc, const void *in, size_t n) \
    {                                                               \
        const type *x = in;                                         \
        acc_type *a = acc;                                          \
                                                                    \
        LOOP_FREE                                                   \
        for (size_t i = 0; i < n; i++) {                            \
            a[i] = f(a[i], (acc_type)x[i]);                         \
        }                                                           \
    }

#define FINISH(name, type, acc_type, f)                                   \
    static void name(void *out, const void *acc, size_t n, int64_t count) \
    {                                                                     \
        const acc_type *a = acc;                                          \
        type *y = out;                                                    \
                                                                          \
        (void)count;                                                      \
        for (size_t i = 0; i < n; i++) {                                  \
            y[i] = (type)(f);                                             \
        }                                                                 \
    }

#define INT_REDUCERS(NAME, type, suffix, wide)                                \
    REDUCER(sum_##suffix, type, int64_t, 0, WRAP_ADD)                         \
    REDUCER(max_##suffix, type, type, LEAST_##NAME, MAX)                      \
    REDUCER(min_##suffix, type, type, MOST_##NAME, MIN)                       \
    FINISH(sum_finish_##suffix, type, int64_t, a[i])                          \
    FINISH(mean_finish_##suffix, type, int64_t, count > 0 ? a[i] / count : 0) \
    FINISH(same_finish_##suffix, type, type, a[i])

#define FLOAT_REDUCERS(NAME, type, suffix, wide)                     \
    REDUCER(sum_##suffix, type, double, 0, ADD)                      \
    REDUCER(max_##suffix, type, type, -INFINITY, MAX)                \
    REDUCER(min_##suffix, type, type, INFINITY, MIN)                 \
    FINISH(sum_finish_##suffix, type, double, a[i])                  \
    FINISH(mean_finish_##suffix, type, double, a[i] / (double)count) \
    FINISH(same_finish_##suffix, type, type, a[i])

#define WRAP_ADD(a, b) ((int64_t)((uint64_t)(a) + (uint64_t)(b)))

#define LEAST_I8 INT8_MIN
#define MOST_I8 INT8_MAX
#define LEAST_U8 0
#define MOST_U8 UINT8_MAX
#define LEAST_I16 INT16_MIN
#define MOST_I16 INT16_MAX
#define LEAST_U16 0
#define MOST_U16 UINT16_MAX
#define LEAST_I32 INT32_MIN
#define MOST_I32 INT32_MAX
#define LEAST_U32 0
#define MOST_U32 UINT32_MAX
#define LEAST_I64 INT64_MIN
#define MOST_I64 INT64_MAX
#define LEAST_U64 0
#define MOST_U64 UINT64_MAX

TYPES_INT(INT_REDUCERS)
TYPES_FLOAT(FLOAT_REDUCERS)

#define ROW(name, finish)                                \
    {                                                    \
        name##_start, name##_row, name##_columns, finish \
    }

#define COLUMN(NAME, type, suffix, wide)                                       \
    [DTYPE_##NAME] = {[REDUCE_SUM] = ROW(sum_##suffix, sum_finish_##suffix),   \
                      [REDUCE_MEAN] = ROW(sum_##suffix, mean_finish_##suffix), \
                      [REDUCE_MAX] = ROW(max_##suffix, same_finish_##suffix),  \
                      [REDUCE_MIN] = ROW(min_##suffix, same_finish_##suffix)},

static const struct reducer reducers[DTYPE_COUNT][REDUCE_OPS] = {
    TYPES_NUMBER(COLUMN)};

/* ---- which elements ---------------------------------------------------------
 */

bool reduce_init(struct reduce *r, enum reduce_op op, enum dtype dtype,
                 const struct shape *in, const bool *mask)
{
    int64_t stride = 1;
    bool first = true;
    struct reduce_axes *to = NULL;
    int64_t *dim = NULL;

    *r = (struct reduce){.op = op, .dtype = dtype, .length = 1, .count = 1};
    for (int i = in->rank - 1; i >= 0; i--) {
        if (mask[i]) {
            r->count *= in->dims[i];
        }
        if (in->dims[i] == 1) {
            continue;
        }
        if (first || mask[i] != (to == &r->reduced)) { /* not merged */
            to = mask[i] ? &r->reduced : &r->kept;
            if (first) {
                r->by_rows = mask[i];
                dim = &r->length;
            } else {
                to->stride[to->rank] = stride;
                dim = &to->dims[to->rank++];
            }
            *dim = 1;
            first = false;
        }
        *dim *= in->dims[i];
        stride *= in->dims[i];
    }
    return reducers[dtype == DTYPE_F16 ? DTYPE_F32 : dtype][op].start != NULL;
}

/* The next offset of a walk whose innermost dimension is the first; false:
 * it has come round. */
static bool next(const struct reduce_axes *a, int64_t *index, int64_t *offset)
{
    for (int i = 0; i < a->rank; i++) {
        *offset += a->stride[i];
        if (++index[i] < a->dims[i]) {
            return true;
        }
        *offset -= a->stride[i] * a->dims[i];
        index[i] = 0;
    }
    return false;
}

static bool is_empty(const struct reduce_axes *a)
{
    for (int i = 0; i < a->rank; i++) {
        if (a->dims[i] == 0) {
            return true;
        }
    }
    return false;
}

/* acc takes `n` elements at `in`: one row of one result, or of n results. */
static void take(const struct reduce *r, const struct reducer *f, void *acc,
                 const uint8_t *in, size_t n)
{
    float block[HALF_BLOCK];

    if (r->dtype != DTYPE_F16) {
        (r->by_rows ? f->row : f->columns)(acc, in, n);
        return;
    }
    for (size_t i = 0; i < n; i += HALF_BLOCK) { /* once, if by columns */
        size_t m = n - i < HALF_BLOCK ? n - i : HALF_BLOCK;

        half_to_floats(block, (const uint16_t *)(const void *)in + i, m);
        (r->by_rows ? f->row : f->columns)(acc, block, m);
    }
}

static void finish(const struct reduce *r, const struct reducer *f, void *out,
                   const void *acc, size_t n)
{
    float block[COLUMNS];

    if (r->dtype != DTYPE_F16) {
        f->finish(out, acc, n, r->count);
        return;
    }
    f->finish(block, acc, n, r->count);
    floats_to_half(out, block, n);
}

/* `n` results side by side (1 if by rows), from all reduced positions. */
static void run_block(const struct reduce *r, const struct reducer *f,
                      void *out, const uint8_t *in, size_t n)
{
    size_t size = dtype_size(r->dtype);
    double acc[COLUMNS]; /* no accumulator is larger */
    int64_t index[LIMIT_RANK] = {0};
    int64_t offset = 0;

    f->start(acc, n);
    if (!is_empty(&r->reduced) && (!r->by_rows || r->length > 0)) {
        do {
            take(r, f, acc, in + offset * (int64_t)size,
                 r->by_rows ? (size_t)r->length : n);
        } while (next(&r->reduced, index, &offset));
    }
    finish(r, f, out, acc, n);
}

void reduce_run(const struct reduce *r, void *out, const void *in)
{
    const struct reducer *f =
        &reducers[r->dtype == DTYPE_F16 ? DTYPE_F32 : r->dtype][r->op];
    size_t size = dtype_size(r->dtype);
    size_t results = r->by_rows ? 1 : (size_t)r->length;
    int64_t index[LIMIT_RANK] = {0};
    int64_t offset = 0;
    uint8_t *to = out;

    if (is_empty(&r->kept)) {
        return;
    }
    do {
        const uint8_t *from = (const uint8_t *)in + offset * (int64_t)size;

        for (size_t i = 0; i < results; i += COLUMNS) {
            size_t n = results - i < COLUMNS ? results - i : COLUMNS;

            run_block(r, f, to + i * size, from + i * size, n);
        }
        to += results * size;
    } while (next(&r->kept, index, &offset));
}

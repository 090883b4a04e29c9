#include "tensor/shape.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

struct dtype_row {
    const char *name;
    size_t size;
};

static const struct dtype_row rows[DTYPE_COUNT] = {
    [DTYPE_NONE] = {"none", 0},   [DTYPE_F32] = {"float32", 4},
    [DTYPE_F16] = {"float16", 2}, [DTYPE_F64] = {"float64", 8},
    [DTYPE_I8] = {"int8", 1},     [DTYPE_U8] = {"uint8", 1},
    [DTYPE_I16] = {"int16", 2},   [DTYPE_U16] = {"uint16", 2},
    [DTYPE_I32] = {"int32", 4},   [DTYPE_U32] = {"uint32", 4},
    [DTYPE_I64] = {"int64", 8},   [DTYPE_U64] = {"uint64", 8},
    [DTYPE_BOOL] = {"bool", 1},
};

size_t dtype_size(enum dtype dtype)
{
    return rows[dtype].size;
}

const char *dtype_name(enum dtype dtype)
{
    return rows[dtype].name;
}

enum dtype dtype_parse(const char *name)
{
    for (int i = 1; i < DTYPE_COUNT; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return (enum dtype)i;
        }
    }
    return DTYPE_NONE;
}

bool dtype_is_float(enum dtype dtype)
{
    return dtype == DTYPE_F32 || dtype == DTYPE_F16 || dtype == DTYPE_F64;
}

bool dtype_is_signed(enum dtype dtype)
{
    return dtype_is_float(dtype) || dtype == DTYPE_I8 || dtype == DTYPE_I16 ||
           dtype == DTYPE_I32 || dtype == DTYPE_I64;
}

struct shape shape_of(int rank, const int64_t *dims)
{
    struct shape s = {.rank = rank};

    for (int i = 0; i < rank; i++) {
        s.dims[i] = dims[i];
    }
    return s;
}

bool shape_equal(const struct shape *a, const struct shape *b)
{
    if (a->rank != b->rank) {
        return false;
    }
    for (int i = 0; i < a->rank; i++) {
        if (a->dims[i] != b->dims[i]) {
            return false;
        }
    }
    return true;
}

bool shape_is_static(const struct shape *s)
{
    for (int i = 0; i < s->rank; i++) {
        if (s->dims[i] < 0) {
            return false;
        }
    }
    return true;
}

int64_t shape_count(const struct shape *s)
{
    return shape_is_static(s) ? shape_span(s, 0, s->rank) : -1;
}

int64_t shape_span(const struct shape *s, int from, int to)
{
    int64_t product = 1;

    for (int i = from; i < to; i++) {
        if (__builtin_mul_overflow(product, s->dims[i], &product)) {
            return -1;
        }
    }
    return product;
}

bool shape_bytes(const struct shape *s, enum dtype dtype, size_t *bytes)
{
    int64_t count = shape_count(s);

    return count >= 0 && dtype_size(dtype) > 0 &&
           mem_mul((size_t)count, dtype_size(dtype), bytes) &&
           *bytes <= LIMIT_TENSOR_BYTES;
}

int shape_axis(int64_t axis, int rank)
{
    if (axis < 0) {
        axis += rank;
    }
    return axis >= 0 && axis < rank ? (int)axis : -1;
}

/* Of two that agree. One that is not known yet can only be 1 or equal to a
 * known one other than 1. */
static int64_t broadcast_dim(int64_t a, int64_t b)
{
    if (a == 1) {
        return b;
    }
    return a < 0 && b != 1 ? b : a;
}

bool shape_broadcast(const struct shape *a, const struct shape *b,
                     struct shape *out)
{
    int rank = a->rank > b->rank ? a->rank : b->rank;

    out->rank = rank;
    for (int i = 0; i < rank; i++) {
        int ia = i - (rank - a->rank);
        int ib = i - (rank - b->rank);
        int64_t da = ia >= 0 ? a->dims[ia] : 1;
        int64_t db = ib >= 0 ? b->dims[ib] : 1;

        if (da != db && da != 1 && db != 1 && da >= 0 && db >= 0) {
            return false;
        }
        out->dims[i] = broadcast_dim(da, db);
    }
    return true;
}

const char *shape_text(const struct shape *s, char out[SHAPE_TEXT])
{
    size_t n = 0;

    if (s->rank == 0) {
        (void)snprintf(out, SHAPE_TEXT, "scalar");
    }
    for (int i = 0; i < s->rank; i++) {
        const char *sep = i > 0 ? "x" : "";

        if (s->dims[i] < 0) {
            n += (size_t)snprintf(out + n, SHAPE_TEXT - n, "%s?", sep);
        } else {
            n += (size_t)snprintf(out + n, SHAPE_TEXT - n, "%s%lld", sep,
                                  (long long)s->dims[i]);
        }
    }
    return out;
}

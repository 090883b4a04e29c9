#include "kernels/pad.h"

#include "kernels/move.h"

#include <string.h>

/* Where out[i] comes from in a dimension of n elements. */
static int64_t source(const struct pad *pad, int64_t i, int64_t n)
{
    if (pad->mode == PAD_REFLECT && n > 1) {
        int64_t period = 2 * (n - 1);

        i = i % period < 0 ? i % period + period : i % period;
        return i < n ? i : period - i;
    }
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

/* One row of the innermost dimension: the middle is copied whole. */
static void pad_row(const struct pad *pad, uint8_t *out, const uint8_t *in)
{
    int last = pad->in.rank - 1;
    int64_t n = pad->in.dims[last];
    int64_t wide = pad->out.dims[last];
    int64_t begin = pad->begin[last];
    int64_t from = begin > 0 ? begin : 0;
    int64_t to = begin + n < wide ? begin + n : wide;
    int64_t size = (int64_t)pad->size;

    for (int64_t i = 0; i < wide; i++) {
        if (i == from && to > from) {
            memcpy(out + i * size, in + (i - begin) * size,
                   (size_t)((to - from) * size));
            i = to;
        }
        if (i < wide) {
            memcpy(out + i * size, in + source(pad, i - begin, n) * size,
                   pad->size);
        }
    }
}

static void pad_mapped(const struct pad *pad, uint8_t *out, const uint8_t *in)
{
    int last = pad->in.rank - 1;
    int64_t row = pad->out.dims[last] * (int64_t)pad->size;
    int64_t rows = shape_span(&pad->out, 0, last);
    int64_t index[LIMIT_RANK] = {0};

    for (int64_t r = 0; r < rows; r++) {
        int64_t from = 0;

        for (int k = 0; k < last; k++) {
            int64_t n = pad->in.dims[k];

            from = from * n + source(pad, index[k] - pad->begin[k], n);
        }
        pad_row(pad, out + r * row,
                in + from * pad->in.dims[last] * (int64_t)pad->size);
        for (int k = last - 1; k >= 0; k--) {
            if (++index[k] < pad->out.dims[k]) {
                break;
            }
            index[k] = 0;
        }
    }
}

/* The constant everywhere, then what is left of the input over it. */
static void pad_constant(const struct pad *pad, uint8_t *out, const uint8_t *in,
                         const void *value)
{
    struct move m = {.size = pad->size};
    int64_t stride_in[LIMIT_RANK];
    int64_t stride_out[LIMIT_RANK];
    int64_t s_in = 1;
    int64_t s_out = 1;

    for (int i = pad->in.rank - 1; i >= 0; i--) {
        stride_in[i] = s_in;
        stride_out[i] = s_out;
        s_in *= pad->in.dims[i];
        s_out *= pad->out.dims[i];
    }
    move_fill(out, value, (size_t)s_out, pad->size);
    for (int i = 0; i < pad->in.rank; i++) {
        int64_t from = pad->begin[i] > 0 ? pad->begin[i] : 0;
        int64_t to = pad->begin[i] + pad->in.dims[i];

        to = to < pad->out.dims[i] ? to : pad->out.dims[i];
        if (to <= from) {
            return; /* nothing of the input is left */
        }
        out += from * stride_out[i] * (int64_t)pad->size;
        in += (from - pad->begin[i]) * stride_in[i] * (int64_t)pad->size;
        move_add(&m, to - from, stride_in[i], stride_out[i]);
    }
    move_plan(&m);
    move_run(&m, out, in);
}

void pad_run(const struct pad *pad, void *out, const void *in,
             const void *value)
{
    if (shape_count(&pad->out) == 0) {
        return;
    }
    if (pad->mode == PAD_CONSTANT) {
        pad_constant(pad, out, in, value);
    } else if (pad->in.rank == 0) {
        memcpy(out, in, pad->size);
    } else if (shape_count(&pad->in) > 0) {
        pad_mapped(pad, out, in);
    }
}

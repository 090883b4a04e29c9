#include "kernels/blocks.h"

#include "kernels/gemm.h"
#include "kernels/mix.h"

#include <string.h>

static size_t begin_of(size_t n, size_t blocks, size_t block)
{
    return n * block / blocks;
}

static bool is_kept(const struct blocks *b, const int64_t *seeds, size_t row,
                    size_t in, size_t out)
{
    return b->p <= 0 || mix_at(mix_base(seeds[row], b->salt),
                               in * b->blocks + out) >= mix_bound(b->p);
}

size_t blocks_scratch(const struct blocks *b)
{
    size_t deep = gemm_fresh_scratch(b->depth, b->cols);
    size_t wide = gemm_fresh_scratch(b->cols, b->depth);
    size_t tall = gemm_fresh_scratch(b->rows, b->depth);
    size_t most = deep > wide ? deep : wide;

    return b->rows * b->depth + (most > tall ? most : tall);
}

/* What of x gets to the outputs of a part; the rest is 0. */
static void mask(const struct blocks *b, const float *x, const int64_t *seeds,
                 size_t out, float *to)
{
    for (size_t n = 0; n < b->rows; n++) {
        for (size_t in = 0; in < b->blocks; in++) {
            size_t from = begin_of(b->depth, b->blocks, in);
            size_t bytes =
                (begin_of(b->depth, b->blocks, in + 1) - from) * sizeof(*to);

            if (is_kept(b, seeds, n, in, out)) {
                memcpy(to + n * b->depth + from, x + n * b->depth + from,
                       bytes);
            } else {
                memset(to + n * b->depth + from, 0, bytes);
            }
        }
    }
}

/* Where the weights of output `col` begin. */
static size_t weights_at(const struct blocks *b, size_t col)
{
    return b->turned ? col * b->depth : col;
}

void blocks_run(const struct blocks *b, const float *x, const float *w,
                const float *bias, const int64_t *seeds, float *y,
                float *scratch)
{
    for (size_t out = 0; out < b->blocks; out++) {
        size_t from = begin_of(b->cols, b->blocks, out);
        struct gemm_right g = {
            .isa = b->isa,
            .rows = b->rows,
            .cols = begin_of(b->cols, b->blocks, out + 1) - from,
            .depth = b->depth,
            .a = scratch,
            .a_row = b->depth,
            .a_step = 1,
            .c = y + from,
            .ldc = b->cols,
            .post = POST_NONE,
        };

        if (g.cols > 0) {
            g.post.bias = bias != NULL ? bias + from : NULL;
            mask(b, x, seeds, out, scratch);
            gemm_fresh_run(&g, w + weights_at(b, from), b->turned ? 1 : b->cols,
                           b->turned ? b->depth : 1,
                           scratch + b->rows * b->depth);
        }
    }
}

static void add_kept(const struct blocks *b, const float *part,
                     const int64_t *seeds, size_t out, float *dx)
{
    for (size_t n = 0; n < b->rows; n++) {
        for (size_t in = 0; in < b->blocks; in++) {
            size_t end = begin_of(b->depth, b->blocks, in + 1);
            bool kept = is_kept(b, seeds, n, in, out);

            for (size_t k = begin_of(b->depth, b->blocks, in); k < end; k++) {
                dx[n * b->depth + k] += kept ? part[n * b->depth + k] : 0;
            }
        }
    }
}

void blocks_input_grad(const struct blocks *b, const float *dy, const float *w,
                       const int64_t *seeds, float *dx, float *scratch)
{
    memset(dx, 0, b->rows * b->depth * sizeof(*dx));
    for (size_t out = 0; out < b->blocks; out++) {
        size_t from = begin_of(b->cols, b->blocks, out);
        const struct gemm_right g = {
            .isa = b->isa,
            .rows = b->rows,
            .cols = b->depth,
            .depth = begin_of(b->cols, b->blocks, out + 1) - from,
            .a = dy + from,
            .a_row = b->cols,
            .a_step = 1,
            .c = scratch,
            .ldc = b->depth,
            .post = POST_NONE,
        };

        if (g.depth > 0) {
            gemm_fresh_run(&g, w + weights_at(b, from),
                           b->turned ? b->depth : 1, b->turned ? 1 : b->cols,
                           scratch + b->rows * b->depth);
            add_kept(b, scratch, seeds, out, dx);
        }
    }
}

void blocks_weight_grad(const struct blocks *b, const float *dy, const float *x,
                        const int64_t *seeds, float *dw, float *scratch)
{
    float *fresh = scratch + b->rows * b->depth;

    for (size_t out = 0; out < b->blocks; out++) {
        size_t from = begin_of(b->cols, b->blocks, out);
        size_t n = begin_of(b->cols, b->blocks, out + 1) - from;
        struct gemm_right g = {.isa = b->isa,
                               .depth = b->rows,
                               .c = dw + weights_at(b, from),
                               .ldc = b->turned ? b->depth : b->cols,
                               .post = POST_NONE};

        if (n == 0) {
            continue;
        }
        mask(b, x, seeds, out, scratch);
        if (b->turned) { /* dw (cols, depth) = dy' x */
            g.rows = n;
            g.cols = b->depth;
            g.a = dy + from;
            g.a_row = 1;
            g.a_step = b->cols;
            gemm_fresh_run(&g, scratch, b->depth, 1, fresh);
        } else { /* dw (depth, cols) = x' dy */
            g.rows = b->depth;
            g.cols = n;
            g.a = scratch;
            g.a_row = 1;
            g.a_step = b->depth;
            gemm_fresh_run(&g, dy + from, b->cols, 1, fresh);
        }
    }
}

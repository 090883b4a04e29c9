#include "kernels/conv_transpose.h"

#include "kernels/gemm.h"
#include "kernels/lanes.h"

#include <math.h>
#include <string.h>

#define COLUMNS_FLOATS ((size_t)1 << 18) /* of columns at once, if possible */

static size_t group_rows(const struct conv_transpose *conv)
{
    return conv->shape.cout / conv->shape.groups;
}

static size_t group_depth(const struct conv_transpose *conv)
{
    return conv->shape.cin / conv->shape.groups;
}

static size_t columns_floats(const struct conv_transpose *conv)
{
    return conv->chunk * grid_taps(&conv->shape.grid) *
           grid_out(&conv->shape.grid);
}

void conv_transpose_init(struct conv_transpose *conv, const struct isa *isa,
                         const struct conv_shape *shape)
{
    size_t taps = grid_taps(&shape->grid);
    size_t positions = grid_out(&shape->grid);

    *conv = (struct conv_transpose){.isa = isa, .shape = *shape};
    conv->chunk = COLUMNS_FLOATS / (taps * positions);
    if (conv->chunk > group_rows(conv)) {
        conv->chunk = group_rows(conv);
    }
    if (conv->chunk == 0) {
        conv->chunk = 1;
    }
    conv->packed_floats = shape->cin * group_rows(conv) * taps;
    conv->by_plane = group_depth(conv) == 1 && planes_can(&shape->grid);
    if (conv->by_plane) {
        planes_init(&conv->planes, isa, &shape->grid);
        conv->scratch_bytes = conv->planes.scratch_floats * sizeof(float);
        return;
    }
    conv->by_lanes = lanes_can(shape);
    if (conv->by_lanes) {
        conv->packed_floats = 0;
        conv->scratch_bytes = lanes_scratch(shape, true);
        return;
    }
    conv->scratch_bytes = (columns_floats(conv) +
                           gemm_left_scratch(group_depth(conv), positions)) *
                          sizeof(float);
}

/* Output channels of the chunk that begins with channel `first` of a group. */
static size_t chunk_rows(const struct conv_transpose *conv, size_t first)
{
    size_t left = group_rows(conv) - first;

    return left < conv->chunk ? left : conv->chunk;
}

void conv_transpose_pack(const struct conv_transpose *conv, const float *w,
                         float *packed)
{
    size_t taps = grid_taps(&conv->shape.grid);
    size_t depth = group_depth(conv);
    size_t outs = group_rows(conv);

    for (size_t g = 0; g < conv->shape.groups; g++) {
        for (size_t c = 0; c < outs; c += conv->chunk) {
            size_t rows = chunk_rows(conv, c) * taps;

            gemm_left_pack(w + g * depth * outs * taps + c * taps, 1,
                           outs * taps, rows, depth, packed);
            packed += rows * depth;
        }
    }
}

static void add_strided(const float *from, float *to, size_t n, size_t stride)
{
    if (stride == 1) {
        for (size_t i = 0; i < n; i++) {
            to[i] += from[i];
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        to[i * stride] += from[i];
    }
}

/* The sum of a channel's columns (taps, positions). */
static void add_columns(const struct grid *g, const float *columns, float *y)
{
    memset(y, 0, grid_in(g) * sizeof(*y));
    for (size_t k = 0; k < grid_taps(g); k++, columns += grid_out(g)) {
        struct grid_tap t = grid_tap(g, k);
        size_t first = t.from[2];
        size_t n = t.to[2] - first;

        for (size_t d = t.from[0]; d < t.to[0] && n > 0; d++) {
            for (size_t h = t.from[1]; h < t.to[1]; h++) {
                add_strided(columns + (d * g->out[1] + h) * g->out[2] + first,
                            y + grid_element(g, &t, d, h, first), n,
                            g->stride[2]);
            }
        }
    }
}

/* Positions of x and y are the same: a kernel of 1, without strides or pads. */
static bool is_whole(const struct grid *g)
{
    bool whole = true;

    for (int a = 0; a < GRID_AXES; a++) {
        whole = whole && g->pad[a] == 0 && g->in[a] == g->out[a] &&
                g->stride[a] == 1;
    }
    return whole;
}

/* Plane `at` of all images' channels. */
static void finish_plane(const struct conv_transpose *conv, size_t at,
                         const struct post *post, float *y)
{
    size_t size = grid_in(&conv->shape.grid);
    struct post p = *post;

    if (p.bias == NULL && p.residual == NULL && !p.leaky && isinf(p.low) &&
        isinf(p.high)) {
        return;
    }
    if (p.bias != NULL) {
        p.bias += at % conv->shape.cout;
    }
    if (p.residual != NULL) {
        p.residual += at * size;
    }
    conv->isa->post_finish(y + at * size, size, &p);
}

/* Channels [c, c + rows) of a group, the first of them `channel` of all
 * images' channels. */
static void run_chunk(const struct conv_transpose *conv, const float *x,
                      const float *packed, size_t channel, size_t rows,
                      const struct post *post, float *y, float *scratch)
{
    const struct grid *grid = &conv->shape.grid;
    size_t taps = grid_taps(grid);
    size_t positions = grid_out(grid);
    struct gemm_matrix matrix;
    struct gemm_left g = {.isa = conv->isa,
                          .rows = rows * taps,
                          .cols = positions,
                          .depth = group_depth(conv),
                          .packed = packed,
                          .c = scratch,
                          .ldc = positions,
                          .post = POST_NONE,
                          .scratch = scratch + columns_floats(conv)};

    bool direct = taps == 1 && is_whole(grid);

    if (direct) {
        g.c = y + channel * positions;
    }
    gemm_matrix_init(&matrix, conv->isa, x, positions);
    g.b = &matrix.source;
    gemm_left_run(&g);
    for (size_t i = 0; i < rows; i++) {
        if (!direct) {
            add_columns(grid, scratch + i * taps * positions,
                        y + (channel + i) * grid_in(grid));
        }
        finish_plane(conv, channel + i, post, y);
    }
}

/* With a depth of 1, packed weights lie as they came. */
static void run_planes(const struct conv_transpose *conv, const float *x,
                       const float *packed, const struct post *post, float *y,
                       float *scratch)
{
    const struct grid *grid = &conv->shape.grid;
    size_t outs = group_rows(conv);

    for (size_t i = 0; i < conv->shape.batch * conv->shape.cout; i++) {
        planes_inputs(&conv->planes, x + i / outs * grid_out(grid),
                      packed + i % conv->shape.cout * grid_taps(grid),
                      y + i * grid_in(grid), scratch);
        finish_plane(conv, i, post, y);
    }
}

void conv_transpose_run(const struct conv_transpose *conv, const float *x,
                        const float *packed, const struct post *post, float *y,
                        void *scratch)
{
    const struct conv_shape *s = &conv->shape;
    size_t taps = grid_taps(&s->grid);
    size_t depth = group_depth(conv);
    size_t outs = group_rows(conv);

    if (conv->by_plane) {
        run_planes(conv, x, packed, post, y, scratch);
        return;
    }
    if (conv->by_lanes) {
        const struct lanes lanes = {conv->isa, s, true};

        lanes_run(&lanes, x, packed, post, y, scratch);
        return;
    }
    for (size_t i = 0; i < s->batch * s->groups; i++) {
        const float *from = packed + i % s->groups * outs * taps * depth;

        for (size_t c = 0; c < outs; c += conv->chunk) {
            size_t rows = chunk_rows(conv, c);

            run_chunk(conv, x + i * depth * grid_out(&s->grid), from,
                      i * outs + c, rows, post, y, scratch);
            from += rows * taps * depth;
        }
    }
}

#include "kernels/conv_grad.h"

#include "kernels/gemm.h"
#include "kernels/lanes.h"

#define DEPTH_MAX 256 /* positions: with the rows below, a block fits in L2 */
#define DEPTH_LEAST 64
#define ROWS_MAX 120 /* of the im2col matrix at once */
#define SPILL 16     /* floats that a row's vectors may write beyond it */
#define PLANE_OUTS 4 /* outputs of one input plane that go by plane */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t group_rows(const struct conv_grad *c)
{
    return c->shape.cin / c->shape.groups * grid_taps(&c->shape.grid);
}

static size_t group_cols(const struct conv_grad *c)
{
    return c->shape.cout / c->shape.groups;
}

static size_t panel_floats(const struct conv_grad *c)
{
    size_t cols = (group_cols(c) + GEMM_COLS - 1) / GEMM_COLS * GEMM_COLS;

    return c->deep * cols;
}

/* A kernel of 1 reads x as it lies, where blocks do not go on from one image
 * to the next and are not too short. */
static bool lies_in_lines(const struct conv_shape *shape, size_t *deep)
{
    const struct grid *g = &shape->grid;
    size_t out = grid_out(g);
    size_t parts = (out + DEPTH_MAX - 1) / DEPTH_MAX;

    for (int a = 0; a < GRID_AXES; a++) {
        if (g->kernel[a] != 1 || g->stride[a] != 1 || g->pad[a] != 0 ||
            g->in[a] != g->out[a]) {
            return false;
        }
    }
    if (out < DEPTH_LEAST || out % parts != 0) {
        return false;
    }
    *deep = out / parts;
    return true;
}

void conv_grad_init(struct conv_grad *c, const struct isa *isa,
                    const struct conv_shape *shape)
{
    size_t depth = shape->batch * grid_out(&shape->grid);
    size_t parts = (depth + DEPTH_MAX - 1) / DEPTH_MAX;
    size_t rows;

    *c = (struct conv_grad){.isa = isa, .shape = *shape};
    rows = group_rows(c);
    c->by_plane = shape->cin == shape->groups && shape->groups > 1 &&
                  group_cols(c) <= PLANE_OUTS && planes_can(&shape->grid);
    c->parts = shape->groups > 1 ? shape->groups
                                 : (shape->cout + GEMM_COLS - 1) / GEMM_COLS;
    if (c->by_plane) {
        planes_init(&c->planes, isa, &shape->grid);
        c->scratch_bytes = c->planes.scratch_floats * sizeof(float);
        return;
    }
    c->by_lanes = lanes_can(shape);
    if (c->by_lanes) {
        c->parts = lanes_grad_parts(shape);
        c->scratch_bytes = lanes_grad_scratch(shape);
        return;
    }
    c->deep = parts > 0 ? (depth + parts - 1) / parts : 1;
    c->in_place = lies_in_lines(shape, &c->deep);
    c->pitch = c->deep + SPILL;
    c->scratch_bytes = (rows * group_cols(c) + panel_floats(c) +
                        least(rows, ROWS_MAX) * c->pitch) *
                       sizeof(float);
}

/* ---- depthwise ---------------------------------------------------------- */

/* Groups [from, to). */
static void run_planes(const struct conv_grad *c, const float *x,
                       const float *dy, float *dw, float *scratch, size_t from,
                       size_t to)
{
    const struct grid *grid = &c->shape.grid;
    size_t taps = grid_taps(grid);
    size_t outs = group_cols(c);

    for (size_t i = from * outs * taps; i < to * outs * taps; i++) {
        dw[i] = 0;
    }
    for (size_t i = 0; i < c->shape.batch * (to - from); i++) {
        size_t group = from + i % (to - from);
        size_t at = i / (to - from) * c->shape.groups + group;

        planes_weights(&c->planes, x + at * grid_in(grid),
                       dy + at * outs * grid_out(grid), outs,
                       dw + group * outs * taps, scratch);
    }
}

/* ---- products ----------------------------------------------------------- */

/* Positions [at, at + n) of all images' are n of image at / out's. */
static size_t segment(const struct conv_grad *c, size_t at, size_t end,
                      size_t *image, size_t *pos)
{
    size_t out = grid_out(&c->shape.grid);

    *image = at / out;
    *pos = at % out;
    return least(out - *pos, end - at);
}

/* A block of `cols` channels of dy from `first` on, transposed: (panel,
 * position, channel). */
static void pack_dy(const struct conv_grad *c, const float *dy, size_t first,
                    size_t cols, size_t k0, size_t depth, float *panels)
{
    size_t out = grid_out(&c->shape.grid);
    size_t width = c->isa->width;
    size_t wide = (cols + width - 1) / width * width;

    for (size_t n = 0; n < wide; n += GEMM_COLS) {
        size_t across = least(GEMM_COLS, wide - n);
        size_t there = least(across, cols - n);
        size_t run;

        for (size_t k = k0; k < k0 + depth; k += run) {
            size_t image;
            size_t pos;
            const float *from;

            run = segment(c, k, k0 + depth, &image, &pos);
            from = dy + (image * c->shape.cout + first + n) * out + pos;
            for (size_t i = 0; i < run; i++, panels += across) {
                for (size_t j = 0; j < across; j++) {
                    panels[j] = j < there ? from[j * out + i] : 0;
                }
            }
        }
    }
}

/* Rows [r0, r0 + rows) of the im2col matrix at positions k0... */
static void fill_rows(const struct conv_grad *c, const float *x, size_t group,
                      size_t r0, size_t rows, size_t k0, size_t depth,
                      float *lines)
{
    const struct grid *grid = &c->shape.grid;
    size_t ins = c->shape.cin / c->shape.groups;
    size_t run;

    for (size_t k = 0; k < depth; k += run) {
        struct columns_piece p = {.k0 = r0, .depth = rows};
        size_t image;

        run = segment(c, k0 + k, k0 + depth, &image, &p.n0);
        p.cols = run;
        c->isa->columns_lines(
            grid, x + (image * c->shape.cin + group * ins) * grid_in(grid), &p,
            lines + k, c->pitch);
    }
}

/* The weights of `cols` channels of dy from `first` on, turned. */
static void run_group(const struct conv_grad *c, const float *x,
                      const float *dy, size_t first, size_t cols, float *turned,
                      float *scratch)
{
    size_t out = grid_out(&c->shape.grid);
    size_t depth = c->shape.batch * out;
    size_t rows = group_rows(c);
    size_t group = first / group_cols(c);
    float *lines = scratch + panel_floats(c);

    for (size_t k0 = 0; k0 < depth; k0 += c->deep) {
        size_t deep = least(c->deep, depth - k0);

        pack_dy(c, dy, first, cols, k0, deep, scratch);
        for (size_t r0 = 0; r0 < rows; r0 += ROWS_MAX) {
            struct gemm_block block = {.rows = least(ROWS_MAX, rows - r0),
                                       .cols = cols,
                                       .depth = deep,
                                       .a = lines,
                                       .a_row = c->pitch,
                                       .a_step = 1,
                                       .b = scratch,
                                       .c = turned + r0 * cols,
                                       .ldc = cols,
                                       .first = k0 == 0,
                                       .last = k0 + deep == depth,
                                       .post = POST_NONE};

            if (c->in_place) {
                block.a_row = out;
                block.a = x +
                          (k0 / out * c->shape.cin + group * rows + r0) * out +
                          k0 % out;
            } else {
                fill_rows(c, x, group, r0, block.rows, k0, deep, lines);
            }
            c->isa->gemm_right(&block);
        }
    }
}

static void turn(const float *from, size_t rows, size_t cols, float *to)
{
    for (size_t n = 0; n < cols; n++) {
        for (size_t r = 0; r < rows; r++) {
            *to++ = from[r * cols + n];
        }
    }
}

/* Channels [first, end) of dy, of one group. */
static void run_cols(const struct conv_grad *c, const float *x, const float *dy,
                     float *dw, float *scratch, size_t first, size_t end)
{
    size_t rows = group_rows(c);
    size_t size = rows * (end - first);
    float *to = dw + first * rows;

    if (c->shape.batch * grid_out(&c->shape.grid) == 0) {
        for (size_t i = 0; i < size; i++) {
            to[i] = 0;
        }
        return;
    }
    run_group(c, x, dy, first, end - first, scratch, scratch + size);
    turn(scratch, rows, end - first, to);
}

void conv_grad_run_part(const struct conv_grad *c, const float *x,
                        const float *dy, float *dw, void *scratch, size_t from,
                        size_t to)
{
    size_t cols = group_cols(c);

    if (c->by_plane) {
        run_planes(c, x, dy, dw, scratch, from, to);
    } else if (c->by_lanes) {
        lanes_grad_run(c->isa, &c->shape, x, dy, dw, scratch, from, to);
    } else if (c->shape.groups == 1) {
        run_cols(c, x, dy, dw, scratch, from * GEMM_COLS,
                 least(to * GEMM_COLS, cols));
    } else {
        for (size_t g = from; g < to; g++) {
            run_cols(c, x, dy, dw, scratch, g * cols, (g + 1) * cols);
        }
    }
}

void conv_grad_run(const struct conv_grad *c, const float *x, const float *dy,
                   float *dw, void *scratch)
{
    conv_grad_run_part(c, x, dy, dw, scratch, 0, c->parts);
}

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
    if (c->by_plane) {
        planes_init(&c->planes, isa, &shape->grid);
        c->scratch_bytes = c->planes.scratch_floats * sizeof(float);
        return;
    }
    c->by_lanes = lanes_can(shape);
    if (c->by_lanes) {
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

static void run_planes(const struct conv_grad *c, const float *x,
                       const float *dy, float *dw, float *scratch)
{
    const struct grid *grid = &c->shape.grid;
    size_t taps = grid_taps(grid);
    size_t outs = group_cols(c);

    for (size_t i = 0; i < c->shape.cout * taps; i++) {
        dw[i] = 0;
    }
    for (size_t i = 0; i < c->shape.batch * c->shape.groups; i++) {
        planes_weights(&c->planes, x + i * grid_in(grid),
                       dy + i * outs * grid_out(grid), outs,
                       dw + i % c->shape.groups * outs * taps, scratch);
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

/* A block of dy, transposed: (panel, position, channel). */
static void pack_dy(const struct conv_grad *c, const float *dy, size_t group,
                    size_t k0, size_t depth, float *panels)
{
    size_t out = grid_out(&c->shape.grid);
    size_t cols = group_cols(c);
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
            from = dy + (image * c->shape.cout + group * cols + n) * out + pos;
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

static void run_group(const struct conv_grad *c, const float *x,
                      const float *dy, size_t group, float *turned,
                      float *scratch)
{
    size_t out = grid_out(&c->shape.grid);
    size_t depth = c->shape.batch * out;
    size_t rows = group_rows(c);
    size_t cols = group_cols(c);
    float *lines = scratch + panel_floats(c);

    for (size_t k0 = 0; k0 < depth; k0 += c->deep) {
        size_t deep = least(c->deep, depth - k0);

        pack_dy(c, dy, group, k0, deep, scratch);
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

void conv_grad_run(const struct conv_grad *c, const float *x, const float *dy,
                   float *dw, void *scratch)
{
    size_t size = group_rows(c) * group_cols(c);
    float *turned = scratch;

    if (c->by_plane) {
        run_planes(c, x, dy, dw, scratch);
        return;
    }
    if (c->by_lanes) {
        lanes_grad_run(c->isa, &c->shape, x, dy, dw, scratch);
        return;
    }
    for (size_t g = 0; g < c->shape.groups; g++) {
        if (c->shape.batch * grid_out(&c->shape.grid) == 0) {
            for (size_t i = 0; i < size; i++) {
                dw[g * size + i] = 0;
            }
            continue;
        }
        run_group(c, x, dy, g, turned, turned + size);
        turn(turned, group_rows(c), group_cols(c), dw + g * size);
    }
}

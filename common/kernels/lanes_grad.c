/* The gradient of the weights by lanes (lanes.h): for each tap a product of
 * the input at the positions that it reads, lanes and all, with dy turned so
 * that its channels lie together. An element is one chain of multiply-adds
 * over images in pieces, then positions, then images. */
#include "kernels/lanes.h"

#include "kernels/conv.h"
#include "kernels/gemm_block.h"

#include <string.h>

#define DEEP 256    /* of the sums at once: a panel of dy stays in L1 */
#define POSITIONS 8 /* at least, so that dy is turned by whole vectors */

struct job {
    const struct isa *isa;
    const struct conv_shape *shape;
    struct lanes_turned turned;
    size_t ins; /* channels of a group */
    size_t outs;
    size_t out; /* positions */
    size_t taps;
    size_t deep;                /* positions at once */
    size_t width;               /* of a panel of outputs */
    size_t n;                   /* images at once */
    size_t *n_pieces;           /* by tap */
    struct lanes_piece *pieces; /* (tap, deep) */
    float *x;
    float *dy;
    float *sums; /* (panel, channel, tap, width) */
};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t round_up(size_t n)
{
    return (n + GEMM_COLS - 1) / GEMM_COLS * GEMM_COLS;
}

static void job_init(struct job *j, const struct conv_shape *s)
{
    *j = (struct job){.shape = s};
    j->ins = s->cin / s->groups;
    j->outs = s->cout / s->groups;
    j->out = grid_out(&s->grid);
    j->taps = grid_taps(&s->grid);
    j->turned = lanes_turned(s->batch, j->ins, grid_in(&s->grid));
    j->deep = DEEP / j->turned.lanes;
    j->deep = least(j->deep < POSITIONS ? POSITIONS : j->deep, j->out);
    j->width = j->outs <= LANES_EACH ? LANES_EACH : GEMM_COLS;
}

size_t lanes_grad_parts(const struct conv_shape *shape)
{
    struct job j;

    job_init(&j, shape);
    return shape->groups > 1 ? shape->groups : (j.outs + j.width - 1) / j.width;
}

/* If all images are lanes at once, a panel is done before the next begins. */
static size_t panels_kept(const struct job *j)
{
    return j->turned.images >= j->shape->batch
               ? 1
               : (j->outs + j->width - 1) / j->width;
}

static size_t panel_floats(const struct job *j)
{
    return j->ins * j->taps * j->width;
}

/* Lays the parts of the scratch out; the floats of all of them. */
static size_t lay_out(struct job *j, float *scratch)
{
    size_t lists = round_up((j->taps * sizeof(*j->n_pieces) +
                             j->taps * j->deep * sizeof(*j->pieces)) /
                                sizeof(float) +
                            1);
    size_t x = j->ins * j->turned.pitch;
    size_t dy = j->deep * j->turned.lanes * j->width;

    if (scratch != NULL) {
        j->n_pieces = (size_t *)(void *)scratch;
        j->pieces = (struct lanes_piece *)(void *)(j->n_pieces + j->taps);
        j->x = scratch + lists;
        j->dy = j->x + round_up(x);
        j->sums = j->dy + dy;
    }
    return lists + round_up(x) + dy + panels_kept(j) * panel_floats(j);
}

size_t lanes_grad_scratch(const struct conv_shape *shape)
{
    struct job j;

    job_init(&j, shape);
    return lay_out(&j, NULL) * sizeof(float);
}

/* Outputs from `first` on of `n` positions from p0: (position, image, output).
 */
static void turn_dy(const struct job *j, const float *dy, size_t first,
                    size_t p0, size_t n)
{
    size_t outs = least(j->width, j->outs - first);
    size_t image = j->shape->cout * j->out;

    if (outs < j->width || j->n < j->turned.lanes) {
        memset(j->dy, 0, n * j->turned.lanes * j->width * sizeof(*j->dy));
    }
    for (size_t i = 0; i < j->n; i++) {
        j->isa->lanes.turn(dy + i * image + first * j->out + p0, j->out, outs,
                           n, j->dy + i * j->width, j->turned.lanes * j->width);
    }
}

/* Tap t at the outputs [from, to) of one row, which begins at p0 + skip. */
static size_t list_row(const struct job *j, const struct grid_tap *t,
                       size_t row, size_t from, size_t to, size_t skip,
                       struct lanes_piece *list)
{
    const struct grid *g = &j->shape->grid;
    size_t lanes = j->turned.lanes;
    bool whole = g->stride[2] == 1;
    size_t lo = from > t->from[2] ? from : t->from[2];
    size_t hi = least(to, t->to[2]);
    size_t n = 0;

    for (size_t w = lo; w < hi; w += whole ? hi - lo : 1) {
        size_t at = grid_element(g, t, row / g->out[1], row % g->out[1], w);

        list[n++] = (struct lanes_piece){
            .x = (uint32_t)(at * lanes),
            .dy = (uint32_t)((skip + w - from) * lanes),
            .n = (uint32_t)((whole ? hi - lo : 1) * lanes),
        };
    }
    return n;
}

/* What each tap reads of positions [p0, p0 + n). */
static void list_pieces(const struct job *j, size_t p0, size_t n)
{
    const struct grid *g = &j->shape->grid;

    for (size_t k = 0; k < j->taps; k++) {
        struct lanes_piece *list = j->pieces + k * j->deep;
        struct grid_tap t = grid_tap(g, k);
        size_t done = 0;
        size_t made = 0;

        while (done < n) {
            size_t row = (p0 + done) / g->out[2];
            size_t from = (p0 + done) % g->out[2];
            size_t to = least(g->out[2], from + n - done);
            size_t d = row / g->out[1];
            size_t h = row % g->out[1];

            if (d >= t.from[0] && d < t.to[0] && h >= t.from[1] &&
                h < t.to[1]) {
                made += list_row(j, &t, row, from, to, done, list + made);
            }
            done += to - from;
        }
        j->n_pieces[k] = made;
    }
}

/* Adds a block of dy to the sums of a panel. */
static void add_block(const struct job *j, float *sums, bool first)
{
    struct lanes_sum s = {.cols = j->width,
                          .x_row = j->turned.pitch,
                          .dy = j->dy,
                          .c_row = j->taps * j->width,
                          .first = first};

    for (size_t c = 0; c < j->ins; c += s.rows) {
        s.rows = least(GEMM_ROWS, j->ins - c);
        s.x = j->x + c * j->turned.pitch;
        for (size_t k = 0; k < j->taps; k++) {
            s.pieces = j->pieces + k * j->deep;
            s.n_pieces = j->n_pieces[k];
            s.c = sums + (c * j->taps + k) * j->width;
            if (first || s.n_pieces > 0) {
                j->isa->lanes.sum(&s);
            }
        }
    }
}

/* The weights of a panel of outputs from `first` on go out. */
static void store(const struct job *j, const float *sums, size_t first,
                  float *dw)
{
    size_t size = j->ins * j->taps;

    j->isa->lanes.turn(sums, j->width, size, least(j->width, j->outs - first),
                       dw + first * size, size);
}

/* Outputs [from, to) of images from `image` on, whose x are lanes now. */
static void run_group(const struct job *j, size_t image, const float *dy,
                      float *dw, size_t from, size_t to)
{
    bool last = image + j->n == j->shape->batch;

    for (size_t first = from; first < to; first += j->width) {
        float *sums = j->sums;

        if (panels_kept(j) > 1) {
            sums += first / j->width * panel_floats(j);
        }
        for (size_t p = 0; p < j->out; p += j->deep) {
            size_t n = least(j->deep, j->out - p);

            list_pieces(j, p, n);
            turn_dy(j, dy, first, p, n);
            add_block(j, sums, image == 0 && p == 0);
        }
        if (last) {
            store(j, sums, first, dw);
        }
    }
}

void lanes_grad_run(const struct isa *isa, const struct conv_shape *s,
                    const float *x, const float *dy, float *dw, void *scratch,
                    size_t from, size_t to)
{
    size_t in = grid_in(&s->grid);
    bool whole = s->groups > 1; /* a part is a group */
    struct job j;

    job_init(&j, s);
    j.isa = isa;
    (void)lay_out(&j, scratch);
    for (size_t g = whole ? from : 0; g < (whole ? to : 1); g++) {
        size_t at = g * j.outs * j.ins * j.taps;

        for (size_t i = 0; i < s->batch; i += j.turned.images) {
            j.n = least(j.turned.images, s->batch - i);
            lanes_load(isa, &j.turned, x + (i * s->cin + g * j.ins) * in,
                       s->cin * in, j.n, j.ins, in, j.x);
            run_group(&j, i, dy + (i * s->cout + g * j.outs) * j.out, dw + at,
                      whole ? 0 : from * j.width,
                      whole ? j.outs : least(to * j.width, j.outs));
        }
    }
}

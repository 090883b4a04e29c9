#include "kernels/lanes.h"

#include "kernels/conv.h"
#include "kernels/gemm_block.h"

#include <math.h>
#include <string.h>

#define LOAD_FLOATS ((size_t)1 << 17) /* of images that are lanes at once */
#define BAND_LEAST ((size_t)1 << 15)  /* floats of results at once */
#define BAND_MOST ((size_t)1 << 18)
#define IMAGE_MOST ((size_t)1 << 17) /* floats: 16 of them are 8 MiB */
#define ROWS_LEAST 4 /* outputs of a group: fewer are hardly a product */
#define GAP_LEAST                                              \
    1024 /* floats of a channel that shall not be a power of 2 \
          */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static bool fits(size_t channels, size_t plane)
{
    return plane <= IMAGE_MOST && channels * plane <= IMAGE_MOST;
}

bool lanes_can(const struct conv_shape *s)
{
    return grid_taps(&s->grid) > 1 && fits(s->cin, grid_in(&s->grid)) &&
           fits(s->cout, grid_out(&s->grid)) &&
           s->cout / s->groups >= ROWS_LEAST && s->batch > LANES_EACH / 2 &&
           round_up(s->batch, LANES_EACH) * 3 <= s->batch * 4;
}

struct lanes_turned lanes_turned(size_t batch, size_t channels, size_t plane)
{
    size_t most = LOAD_FLOATS / (channels * plane + 1);
    struct lanes_turned t;

    most = most < GEMM_COLS ? GEMM_COLS : most - most % GEMM_COLS;
    t.images = least(batch, most);
    t.lanes = round_up(t.images, LANES_EACH);
    t.pitch = plane * t.lanes;
    if (t.pitch >= GAP_LEAST) {
        t.pitch += GEMM_COLS; /* or all channels have the same place in L1 */
    }
    return t;
}

void lanes_load(const struct isa *isa, const struct lanes_turned *t,
                const float *x, size_t stride, size_t n, size_t channels,
                size_t plane, float *to)
{
    if (n < t->lanes) {
        memset(to, 0, channels * t->pitch * sizeof(*to));
    }
    if (t->pitch == plane * t->lanes) { /* all channels are one */
        plane *= channels;
        channels = channels > 0 ? 1 : 0;
    }
    for (size_t c = 0; c < channels; c++) {
        isa->lanes.turn(x + c * plane, stride, n, plane, to + c * t->pitch,
                        t->lanes);
    }
}

/* ---- the product --------------------------------------------------------- */

/* A run over some images: what is where. */
struct job {
    const struct lanes *l;
    struct lanes_turned turned;
    size_t n;   /* images */
    size_t ins; /* channels of a group */
    size_t outs;
    size_t from; /* positions */
    size_t to;
    size_t taps;
    size_t band; /* positions of results at once */
    size_t deep; /* channels at once */
    struct lanes_tap *list;
    float *x;
    float *y;
};

/* The weights are read once a band. */
static size_t band_floats(const struct job *j)
{
    size_t floats = j->outs * j->ins * j->taps;

    return floats < BAND_LEAST ? BAND_LEAST : least(floats, BAND_MOST);
}

static void job_init(struct job *j, const struct lanes *l)
{
    const struct conv_shape *s = l->shape;
    size_t floats;

    *j = (struct job){.l = l};
    j->ins = s->cin / s->groups;
    j->outs = s->cout / s->groups;
    j->from = l->back ? grid_out(&s->grid) : grid_in(&s->grid);
    j->to = l->back ? grid_in(&s->grid) : grid_out(&s->grid);
    j->taps = grid_taps(&s->grid);
    j->turned = lanes_turned(s->batch, s->cin, j->from);
    j->deep = GEMM_DEPTH_MAX / j->taps > 0 ? GEMM_DEPTH_MAX / j->taps : 1;
    floats = band_floats(j);
    j->band = floats / (j->outs * j->turned.lanes);
    j->band = j->band < LANES_EACH ? LANES_EACH : j->band;
    j->band = least(j->band, j->to);
}

static size_t list_floats(const struct job *j)
{
    return round_up(j->taps * sizeof(*j->list) / sizeof(float), GEMM_COLS);
}

size_t lanes_scratch(const struct conv_shape *shape, bool back)
{
    struct lanes l = {NULL, shape, back};
    struct job j;
    size_t band;

    job_init(&j, &l);
    /* Enough for fewer images too, whose bands are of more positions. */
    band = j.outs * j.turned.lanes;
    band = band * LANES_EACH > band_floats(&j) ? band * LANES_EACH
                                               : band_floats(&j);
    band = least(band, j.outs * j.turned.lanes * j.to);
    return (list_floats(&j) + shape->cin * j.turned.pitch + band) *
           sizeof(float);
}

/* Where tap k of output `at` reads along an axis; outside it is too large. */
static size_t source(const struct lanes *l, int axis, size_t at, size_t k)
{
    const struct grid *g = &l->shape->grid;
    size_t shifted = at + g->pad[axis] - k * g->dilation[axis];

    if (!l->back) {
        return grid_at(g, axis, at, k);
    }
    if (g->stride[axis] == 1) {
        return shifted; /* before 0, it wraps around */
    }
    if (at + g->pad[axis] < k * g->dilation[axis] ||
        shifted % g->stride[axis] != 0) {
        return SIZE_MAX;
    }
    return shifted / g->stride[axis];
}

/* The taps of output position `at` that read inside, and how many. */
static size_t list_taps(const struct job *j, size_t at)
{
    const struct grid *g = &j->l->shape->grid;
    const size_t *extent = j->l->back ? g->out : g->in;
    const size_t *outs = j->l->back ? g->in : g->out;
    size_t lanes = j->turned.lanes;
    size_t n = 0;

    for (size_t kd = 0; kd < g->kernel[0]; kd++) {
        size_t d = source(j->l, 0, at / outs[2] / outs[1], kd);

        for (size_t kh = 0; kh < g->kernel[1] && d < extent[0]; kh++) {
            size_t h = source(j->l, 1, at / outs[2] % outs[1], kh);
            size_t tap = (kd * g->kernel[1] + kh) * g->kernel[2];
            size_t row = (d * extent[1] + h) * extent[2];

            for (size_t kw = 0; kw < g->kernel[2] && h < extent[1]; kw++) {
                size_t w = source(j->l, 2, at % outs[2], kw);

                if (w < extent[2]) {
                    j->list[n].weight = (uint32_t)(tap + kw);
                    j->list[n++].at = (uint32_t)((row + w) * lanes);
                }
            }
        }
    }
    return n;
}

/* Results of a group at positions [p0, p0 + n). */
static void run_band(const struct job *j, size_t group, const float *w,
                     size_t p0, size_t n)
{
    bool back = j->l->back;
    struct lanes_block b = {
        .rows = j->outs,
        .lanes = j->turned.lanes,
        .a_row = back ? j->taps : j->ins * j->taps,
        .a_channel = back ? j->outs * j->taps : j->taps,
        .b_channel = j->turned.pitch,
        .taps = j->list,
        .c_row = n * j->turned.lanes,
    };

    for (size_t c = 0; c == 0 || c < j->ins; c += j->deep) {
        b.channels = least(j->deep, j->ins - c);
        b.a = w + c * b.a_channel;
        b.b = j->x + (group * j->ins + c) * b.b_channel;
        b.first = c == 0;
        for (size_t p = 0; p < n; p++) {
            b.n_taps = list_taps(j, p0 + p);
            b.c = j->y + p * b.lanes;
            j->l->isa->lanes.block(&b);
        }
    }
}

static bool does_nothing(const struct post *p)
{
    return p->bias == NULL && p->residual == NULL && !p->leaky &&
           isinf(p->low) && isinf(p->high);
}

/* What follows the sums of `n` positions from p0 of one image's group. */
static void finish(const struct job *j, size_t channel, size_t p0, size_t n,
                   const struct post *post, float *image, size_t at)
{
    for (size_t c = 0; c < j->outs; c++) {
        size_t begin = (channel + c) * j->to + p0;
        struct post p = *post;

        p.bias = p.bias != NULL ? p.bias + channel + c : NULL;
        p.residual = p.residual != NULL ? p.residual + at + begin : NULL;
        j->l->isa->post_finish(image + begin, n, &p);
    }
}

/* The images' results of a band go out to y, the first of them. */
static void store_band(const struct job *j, size_t channel, size_t p0, size_t n,
                       const struct post *post, float *y, size_t image)
{
    size_t size = j->l->shape->cout * j->to;
    size_t lanes = j->turned.lanes;
    size_t rows = n == j->to ? j->outs * n : n; /* touch, where it is all */

    for (size_t c = 0; c < j->outs * n; c += rows) {
        size_t at = (channel + c / n) * j->to + p0;

        j->l->isa->lanes.turn(j->y + c * lanes, lanes, rows, j->n,
                              y + image * size + at, size);
    }
    for (size_t i = 0; i < j->n && !does_nothing(post); i++) {
        size_t at = (image + i) * size;

        finish(j, channel, p0, n, post, y + at, at);
    }
}

static void run_group(const struct job *j, size_t group, const float *w,
                      const struct post *post, float *y, size_t image)
{
    for (size_t p = 0; p < j->to; p += j->band) {
        size_t n = least(j->band, j->to - p);

        run_band(j, group, w + group * j->outs * j->ins * j->taps, p, n);
        store_band(j, group * j->outs, p, n, post, y, image);
    }
}

void lanes_run(const struct lanes *l, const float *x, const float *w,
               const struct post *post, float *y, void *scratch)
{
    const struct conv_shape *s = l->shape;
    struct job j;

    job_init(&j, l);
    j.list = scratch;
    j.x = (float *)scratch + list_floats(&j);
    j.y = j.x + s->cin * j.turned.pitch;
    for (size_t i = 0; i < s->batch; i += j.turned.images) {
        j.n = least(j.turned.images, s->batch - i);
        lanes_load(l->isa, &j.turned, x + i * s->cin * j.from, s->cin * j.from,
                   j.n, s->cin, j.from, j.x);
        for (size_t g = 0; g < s->groups; g++) {
            run_group(&j, g, w, post, y, i);
        }
    }
}

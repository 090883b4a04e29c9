#include "kernels/conv.h"

#include "base/list.h"
#include "kernels/gemm.h"
#include "kernels/lanes.h"

/* With more outputs than this from each input plane, copying the plane to a
 * slab for every one of them costs more than the im2col of it does. */
#define DEPTHWISE_OUTS 4

struct conv_source { /* im2col of one image's group */
    struct gemm_source source;
    const struct conv *conv;
    const float *x;
};

static bool is_point(const struct grid *w)
{
    for (int a = 0; a < GRID_AXES; a++) {
        if (w->kernel[a] != 1 || w->stride[a] != 1 || w->pad[a] != 0 ||
            w->in[a] != w->out[a]) {
            return false;
        }
    }
    return true;
}

/* The window is all of the input: its im2col matrix is the input. */
static bool is_whole(const struct grid *w)
{
    for (int a = 0; a < GRID_AXES; a++) {
        if (w->kernel[a] != w->in[a] || w->pad[a] != 0 ||
            (w->dilation[a] != 1 && w->kernel[a] > 1)) {
            return false;
        }
    }
    return grid_out(w) == 1;
}

static enum conv_method choose(const struct conv_shape *s)
{
    if (s->groups > 1 && s->cin == s->groups &&
        s->cout / s->groups <= DEPTHWISE_OUTS) {
        return CONV_DEPTHWISE;
    }
    if (grid_out(&s->grid) == 1) {
        return CONV_DENSE;
    }
    if (is_point(&s->grid)) {
        return CONV_POINT;
    }
    return lanes_can(s) ? CONV_LANES : CONV_COLUMNS;
}

static size_t group_rows(const struct conv *conv)
{
    return conv->shape.cout / conv->shape.groups;
}

static size_t group_depth(const struct conv *conv)
{
    return conv->shape.cin / conv->shape.groups * grid_taps(&conv->shape.grid);
}

static size_t group_bytes(const struct conv *conv)
{
    size_t all = conv->narrow_bytes > 0 ? conv->narrow_bytes
                                        : conv->packed_floats * sizeof(float);

    return all / conv->shape.groups;
}

/* Where the weights of a group lie. */
static const void *group_of(const struct conv *conv, const void *packed,
                            size_t group)
{
    return (const char *)packed + group * group_bytes(conv);
}

static void use_columns(struct conv *conv)
{
    size_t depth = group_depth(conv);
    size_t out = grid_out(&conv->shape.grid);

    conv->packed_floats = conv->shape.cout * depth;
    conv->scratch_bytes = gemm_left_scratch(depth, out) * sizeof(float);
}

void conv_init(struct conv *conv, const struct isa *isa,
               const struct conv_shape *shape)
{
    size_t depth;

    *conv = (struct conv){.isa = isa, .shape = *shape};
    conv->method = choose(shape);
    depth = group_depth(conv);
    switch (conv->method) {
    case CONV_DEPTHWISE:
        conv->taps.kind = TAPS_PRODUCT;
        conv->taps.grid = shape->grid;
        taps_init(&conv->taps, isa);
        conv->scratch_bytes = conv->taps.scratch_bytes;
        break;
    case CONV_DENSE:
        conv->packed_floats =
            shape->groups * gemm_right_floats(isa, depth, group_rows(conv));
        conv->scratch_bytes =
            is_whole(&shape->grid) ? 0 : shape->batch * depth * sizeof(float);
        break;
    case CONV_LANES: conv->scratch_bytes = lanes_scratch(shape, false); break;
    default: use_columns(conv); break;
    }
}

bool conv_keep_narrow(struct conv *conv)
{
    size_t rows = group_rows(conv);
    size_t depth = group_depth(conv);
    size_t groups = conv->shape.groups;

    if (conv->method == CONV_LANES) { /* which has floats alone */
        conv->method = CONV_COLUMNS;
        use_columns(conv);
    }
    switch (conv->method) {
    case CONV_DEPTHWISE: return false;
    case CONV_DENSE:
        conv->narrow_bytes =
            groups * narrow_right_bytes(conv->isa, depth, rows);
        conv->scratch_bytes += NARROW_RIGHT_WIDE * sizeof(float);
        return true;
    default:
        conv->narrow_bytes = groups * narrow_left_bytes(rows, depth);
        conv->scratch_bytes += NARROW_LEFT_WIDE * sizeof(float);
        return true;
    }
}

void conv_pack(const struct conv *conv, const float *w, float *packed)
{
    size_t rows = group_rows(conv);
    size_t depth = group_depth(conv);

    for (size_t g = 0; g < conv->shape.groups; g++) {
        const float *from = w + g * rows * depth;
        float *to = packed + g * (group_bytes(conv) / sizeof(float));

        if (conv->method == CONV_DENSE) {
            gemm_right_pack(conv->isa, from, 1, depth, depth, rows, to);
        } else {
            gemm_left_pack(from, depth, 1, rows, depth, to);
        }
    }
}

/* The weights of channels from `channel`, `depth` of them each. */
static struct narrow_weights narrow_at(const struct narrow_weights *w,
                                       size_t channel, size_t depth)
{
    struct narrow_weights part = *w;

    part.q += channel * depth;
    if (w->channels > 1) {
        part.scales += channel;
        part.zeros = w->zeros != NULL ? w->zeros + channel : NULL;
    }
    return part;
}

void conv_pack_narrow(const struct conv *conv, const struct narrow_weights *w,
                      void *packed)
{
    size_t rows = group_rows(conv);
    size_t depth = group_depth(conv);

    for (size_t g = 0; g < conv->shape.groups; g++) {
        struct narrow_weights part = narrow_at(w, g * rows, depth);
        void *to = (char *)packed + g * group_bytes(conv);

        if (conv->method == CONV_DENSE) {
            narrow_right_pack(conv->isa, &part, 1, depth, depth, rows, to);
        } else {
            narrow_left_pack(&part, depth, 1, rows, depth, to);
        }
    }
}

static void source_fill(const struct gemm_source *source,
                        const struct columns_piece *piece, float *panels)
{
    const struct conv_source *s =
        container_of(source, const struct conv_source, source);

    s->conv->isa->columns_fill(&s->conv->shape.grid, s->x, piece, panels);
}

/* The post of channels from `channel` of one image. */
static struct post post_of(const struct conv *conv, const struct post *post,
                           size_t image, size_t channel)
{
    size_t at =
        (image * conv->shape.cout + channel) * grid_out(&conv->shape.grid);
    struct post p = *post;

    p.bias = p.bias != NULL ? p.bias + channel : NULL;
    p.residual = p.residual != NULL ? p.residual + at : NULL;
    return p;
}

/* Gives a left product the weights of a group. */
static void give_left(const struct conv *conv, const void *weights,
                      struct narrow *narrow, struct gemm_left *g)
{
    if (conv->narrow_bytes > 0) {
        *narrow = narrow_left_of(weights, g->rows);
        g->narrow = narrow;
    } else {
        g->packed = weights;
    }
}

static void run_product(const struct conv *conv, const float *x,
                        const void *packed, const struct post *post, float *y,
                        float *scratch)
{
    const struct conv_shape *s = &conv->shape;
    size_t in = s->cin / s->groups * grid_in(&s->grid);
    size_t out = grid_out(&s->grid);
    struct conv_source columns = {{source_fill}, conv, NULL};
    struct gemm_matrix matrix;
    struct narrow narrow;
    struct gemm_left g = {.isa = conv->isa,
                          .rows = group_rows(conv),
                          .cols = out,
                          .depth = group_depth(conv),
                          .ldc = out,
                          .scratch = scratch};

    g.wide = scratch + gemm_left_scratch(g.depth, out);
    for (size_t i = 0; i < s->batch * s->groups; i++) {
        size_t channel = i % s->groups * g.rows;

        columns.x = x + i * in;
        gemm_matrix_init(&matrix, conv->isa, x + i * in, out);
        g.b = conv->method == CONV_POINT ? &matrix.source : &columns.source;
        give_left(conv, group_of(conv, packed, i % s->groups), &narrow, &g);
        g.c = y + i * g.rows * out;
        g.post = post_of(conv, post, i / s->groups, channel);
        gemm_left_run(&g);
    }
}

/* The one column of an image's group, of which outside is 0. */
static void gather_column(const struct grid *w, const float *x, size_t channels,
                          float *to)
{
    for (size_t c = 0; c < channels; c++, x += grid_in(w)) {
        for (size_t k = 0; k < grid_taps(w); k++) {
            size_t tap[GRID_AXES] = {k / w->kernel[2] / w->kernel[1],
                                     k / w->kernel[2] % w->kernel[1],
                                     k % w->kernel[2]};
            bool inside = true;
            size_t at = 0;

            for (int a = 0; a < GRID_AXES; a++) {
                size_t p = tap[a] * w->dilation[a] - w->pad[a];

                inside = inside && p < w->in[a]; /* before 0, it wraps */
                at = at * w->in[a] + p;
            }
            *to++ = inside ? x[at] : 0;
        }
    }
}

/* A right product with the weights of a group. */
static void run_right(const struct conv *conv, const struct gemm_right *g,
                      const void *weights, float *wide)
{
    if (conv->narrow_bytes > 0) {
        struct narrow narrow = narrow_right_of(conv->isa, weights, g->cols);

        narrow_right_run(g, &narrow, wide);
    } else {
        gemm_right_run(g, weights);
    }
}

static void run_dense(const struct conv *conv, const float *x,
                      const void *packed, const struct post *post, float *y,
                      float *scratch)
{
    const struct conv_shape *s = &conv->shape;
    size_t channels = s->cin / s->groups;
    bool whole = is_whole(&s->grid);
    struct gemm_right g = {.isa = conv->isa,
                           .rows = s->batch,
                           .cols = group_rows(conv),
                           .depth = group_depth(conv),
                           .a_step = 1,
                           .ldc = s->cout};

    for (size_t i = 0; i < s->groups; i++) {
        const float *from = x + i * channels * grid_in(&s->grid);

        for (size_t b = 0; b < s->batch && !whole; b++) {
            gather_column(&s->grid, from + b * s->cin * grid_in(&s->grid),
                          channels, scratch + b * g.depth);
        }
        g.a = whole ? from : scratch;
        g.a_row = whole ? s->cin * grid_in(&s->grid) : g.depth;
        g.c = y + i * g.cols;
        g.post = post_of(conv, post, 0, i * g.cols);
        run_right(conv, &g, group_of(conv, packed, i),
                  scratch + (whole ? 0 : s->batch * g.depth));
    }
}

static void run_depthwise(const struct conv *conv, const float *x,
                          const float *w, const struct post *post, float *y,
                          void *scratch)
{
    const struct conv_shape *s = &conv->shape;
    size_t outs = group_rows(conv);
    struct taps_job job = {.scratch = scratch};

    taps_begin(&conv->taps, scratch);
    for (size_t i = 0; i < s->batch * s->cout; i++) {
        size_t channel = i % s->cout;

        job.x = x + i / outs * grid_in(&s->grid);
        job.weights = w + channel * conv->taps.n_taps;
        job.post = post_of(conv, post, i / s->cout, channel);
        job.y = y + i * grid_out(&s->grid);
        conv->isa->taps_run(&conv->taps, &job);
    }
}

static void run_lanes(const struct conv *conv, const float *x, const float *w,
                      const struct post *post, float *y, void *scratch)
{
    const struct lanes lanes = {conv->isa, &conv->shape, false};

    lanes_run(&lanes, x, w, post, y, scratch);
}

void conv_run(const struct conv *conv, const float *x, const void *weights,
              const struct post *post, float *y, void *scratch)
{
    switch (conv->method) {
    case CONV_DEPTHWISE:
        run_depthwise(conv, x, weights, post, y, scratch);
        break;
    case CONV_DENSE: run_dense(conv, x, weights, post, y, scratch); break;
    case CONV_LANES: run_lanes(conv, x, weights, post, y, scratch); break;
    default: run_product(conv, x, weights, post, y, scratch); break;
    }
}

const char *conv_method_name(enum conv_method method)
{
    switch (method) {
    case CONV_POINT: return "conv.point";
    case CONV_COLUMNS: return "conv.columns";
    case CONV_LANES: return "conv.lanes";
    case CONV_DENSE: return "conv.dense";
    default: return "conv.depthwise";
    }
}

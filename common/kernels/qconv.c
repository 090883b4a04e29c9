#include "kernels/qconv.h"

#include "base/list.h"

#include <string.h>

#define TAPS_OUTS 4 /* as many outputs of a plane still go by taps */

/* ---- results ---- */

struct out_sink {
    struct qgemm_sink sink;
    const struct isa *isa;
    struct qout out; /* of this image and group */
    size_t rows;
};

/* Results one after another, of channel c from position n0. */
static void put_line(const struct isa *isa, const struct qout *out, size_t c,
                     const int32_t *sum, size_t n, void *to)
{
    int32_t bias = out->bias != NULL ? out->bias[c] : 0;
    int32_t *plain = to;

    switch (out->kind) {
    case QOUT_U8:
        isa->quant.sums_to_u8(sum, to, n, bias, out->by[c], out->zero);
        break;
    case QOUT_I8:
        isa->quant.sums_to_i8(sum, to, n, bias, out->by[c], out->zero);
        break;
    default:
        for (size_t i = 0; i < n; i++) {
            plain[i] = (int32_t)((uint32_t)sum[i] + (uint32_t)bias);
        }
        break;
    }
}

static void put(const struct isa *isa, const struct qout *out, size_t c,
                size_t n0, const int32_t *sum, size_t n)
{
    size_t size = out->kind == QOUT_I32 ? sizeof(int32_t) : 1;
    size_t at = c * out->channel + n0 * out->position;
    int32_t line[COLUMNS_MAX];
    char *to = (char *)out->data + at * size;

    if (out->position == 1) {
        put_line(isa, out, c, sum, n, to);
        return;
    }
    put_line(isa, out, c, sum, n, line);
    for (size_t i = 0; i < n; i++) {
        memcpy(to + i * out->position * size, (char *)line + i * size, size);
    }
}

static void out_take(const struct qgemm_sink *sink,
                     const struct columns_piece *p, const int32_t *sum)
{
    const struct out_sink *s = container_of(sink, const struct out_sink, sink);

    for (size_t c = 0; c < s->rows; c++) {
        put(s->isa, &s->out, c, p->n0, sum + c * p->cols, p->cols);
    }
}

/* The results from `channel` on of image `image`. */
static struct qout out_of(const struct qconv *conv, const struct qout *out,
                          size_t image, size_t channel)
{
    size_t size = out->kind == QOUT_I32 ? sizeof(int32_t) : 1;
    struct qout o = *out;

    o.data = (char *)out->data + (image * conv->shape.cout + channel) *
                                     grid_out(&conv->shape.grid) * size;
    o.bias = out->bias != NULL ? out->bias + channel : NULL;
    o.by = out->by != NULL ? out->by + channel : NULL;
    return o;
}

/* ---- convolution ---- */

static size_t group_rows(const struct qconv *conv)
{
    return conv->shape.cout / conv->shape.groups;
}

static size_t group_depth(const struct qconv *conv)
{
    return conv->shape.cin / conv->shape.groups * grid_taps(&conv->shape.grid);
}

void qconv_init(struct qconv *conv, const struct isa *isa,
                const struct conv_shape *shape)
{
    size_t out = grid_out(&shape->grid);

    *conv = (struct qconv){.isa = isa, .shape = *shape};
    if (shape->cin == shape->groups && group_rows(conv) <= TAPS_OUTS) {
        conv->by_taps = true;
        conv->scratch_bytes = out * sizeof(int32_t);
        return;
    }
    conv->packed_bytes =
        shape->groups * qgemm_packed_bytes(group_rows(conv), group_depth(conv));
    conv->scratch_bytes =
        qgemm_scratch_bytes(group_rows(conv), out, group_depth(conv));
}

static size_t group_packed(const struct qconv *conv)
{
    return conv->packed_bytes / conv->shape.groups;
}

static struct qgemm_bytes bytes_at(const struct qgemm_bytes *b, size_t at)
{
    struct qgemm_bytes moved = *b;

    moved.data = (const char *)b->data + at;
    return moved;
}

void qconv_pack(const struct qconv *conv, const struct qgemm_bytes *w,
                const int16_t *zero, int8_t *packed)
{
    size_t rows = group_rows(conv);
    size_t depth = group_depth(conv);

    for (size_t g = 0; g < conv->shape.groups; g++) {
        struct qgemm_bytes from = bytes_at(w, g * rows * depth);

        qgemm_pack(&from, depth, 1, rows, depth, zero + g * rows,
                   packed + g * group_packed(conv));
    }
}

struct conv_bytes {
    struct qgemm_source source;
    const struct qconv *conv;
    struct qgemm_bytes x;
};

static void conv_fill(const struct qgemm_source *source,
                      const struct columns_piece *piece, int16_t *panels)
{
    const struct conv_bytes *s =
        container_of(source, const struct conv_bytes, source);

    s->conv->isa->qcolumns_fill(&s->conv->shape.grid, &s->x, piece, panels);
}

static void run_product(const struct qconv *conv, const struct qgemm_bytes *x,
                        const int8_t *packed, const int16_t *zero,
                        const struct qout *out, void *scratch)
{
    const struct conv_shape *s = &conv->shape;
    size_t in = s->cin / s->groups * grid_in(&s->grid);
    struct conv_bytes source = {{conv_fill}, conv, *x};
    struct out_sink sink = {
        .sink = {out_take}, .isa = conv->isa, .rows = group_rows(conv)};
    struct qgemm g = {.isa = conv->isa,
                      .rows = sink.rows,
                      .cols = grid_out(&s->grid),
                      .depth = group_depth(conv),
                      .source = &source.source,
                      .sink = &sink.sink,
                      .scratch = scratch};

    for (size_t i = 0; i < s->batch * s->groups; i++) {
        size_t channel = i % s->groups * g.rows;

        source.x = bytes_at(x, i * in);
        sink.out = out_of(conv, out, i / s->groups, channel);
        g.packed = packed + i % s->groups * group_packed(conv);
        g.zero = zero + channel;
        qgemm_run(&g);
    }
}

/* One plane's sums from one input plane, tap after tap. */
static void sum_taps(const struct qconv *conv, const struct qgemm_bytes *x,
                     const struct qgemm_bytes *w, int32_t zero, int32_t *sum)
{
    const struct grid *g = &conv->shape.grid;
    size_t taps = grid_taps(g);

    memset(sum, 0, grid_out(g) * sizeof(*sum));
    for (size_t k = 0; k < taps; k++) {
        struct grid_tap t = grid_tap(g, k);
        size_t first = t.from[2];
        size_t n = t.to[2] - first;
        int32_t weight = (w->is_signed ? ((const int8_t *)w->data)[k]
                                       : ((const uint8_t *)w->data)[k]) -
                         zero;

        for (size_t d = t.from[0]; d < t.to[0] && n > 0; d++) {
            for (size_t h = t.from[1]; h < t.to[1]; h++) {
                size_t at = grid_element(g, &t, d, h, first);
                int32_t *to = sum + (d * g->out[1] + h) * g->out[2] + first;

                if (x->is_signed) {
                    conv->isa->quant.add_i8((const int8_t *)x->data + at, to, n,
                                            g->stride[2], x->zero, weight);
                } else {
                    conv->isa->quant.add_u8((const uint8_t *)x->data + at, to,
                                            n, g->stride[2], x->zero, weight);
                }
            }
        }
    }
}

static void run_taps(const struct qconv *conv, const struct qgemm_bytes *x,
                     const struct qgemm_bytes *w, const int16_t *zero,
                     const struct qout *out, int32_t *sum)
{
    const struct conv_shape *s = &conv->shape;
    size_t n = grid_out(&s->grid);
    size_t taps = grid_taps(&s->grid);

    for (size_t i = 0; i < s->batch * s->cout; i++) {
        size_t channel = i % s->cout;
        size_t plane = i / group_rows(conv);
        struct qgemm_bytes from = bytes_at(x, plane * grid_in(&s->grid));
        struct qgemm_bytes by = bytes_at(w, channel * taps);
        struct qout o = out_of(conv, out, i / s->cout, channel);
        int32_t z = zero[channel];

        /* zero[] is that of packed weights; these are not packed. */
        sum_taps(conv, &from, &by, w->is_signed ? z : z - qgemm_zero(0, false),
                 sum);
        for (size_t p = 0; p < n; p += COLUMNS_MAX) {
            put(conv->isa, &o, 0, p, sum + p,
                n - p < COLUMNS_MAX ? n - p : COLUMNS_MAX);
        }
    }
}

void qconv_run(const struct qconv *conv, const struct qgemm_bytes *x,
               const struct qgemm_bytes *w, const int8_t *packed,
               const int16_t *zero, const struct qout *out, void *scratch)
{
    if (conv->by_taps) {
        run_taps(conv, x, w, zero, out, scratch);
    } else {
        run_product(conv, x, packed, zero, out, scratch);
    }
}

/* ---- matrices ---- */

struct turned_bytes {
    struct qgemm_source source;
    const struct qmatmul *m;
    const struct qgemm_bytes *x;
};

static void turned_fill(const struct qgemm_source *source,
                        const struct columns_piece *piece, int16_t *panels)
{
    const struct turned_bytes *s =
        container_of(source, const struct turned_bytes, source);

    s->m->isa->qturned_fill(s->x, s->m->depth, piece, panels);
}

size_t qmatmul_scratch_bytes(const struct qmatmul *m)
{
    return qgemm_scratch_bytes(m->cols, m->rows, m->depth);
}

void qmatmul_run(const struct qmatmul *m, const struct qgemm_bytes *x,
                 const int8_t *packed, const int16_t *zero,
                 const struct qout *out, void *scratch)
{
    struct turned_bytes source = {{turned_fill}, m, x};
    struct out_sink sink = {
        .sink = {out_take}, .isa = m->isa, .out = *out, .rows = m->cols};
    struct qgemm g = {.isa = m->isa,
                      .rows = m->cols,
                      .cols = m->rows,
                      .depth = m->depth,
                      .packed = packed,
                      .zero = zero,
                      .source = &source.source,
                      .sink = &sink.sink,
                      .scratch = scratch};

    qgemm_run(&g);
}

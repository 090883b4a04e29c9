#include "kernels/taps.h"

#include "kernels/isa.h"

#define SLAB_FLOATS 5120 /* 20 KiB: stays in L1 beside the output */
#define ALIGN_FLOATS 16  /* a cache line */

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* Output rows of a slab: as many as fit, in whole groups if possible. */
static size_t band_rows(const struct taps *t)
{
    const struct grid *g = &t->grid;
    size_t below = (g->kernel[1] - 1) * g->dilation[1];
    size_t rows = SLAB_FLOATS / g->kernel[0] / t->row;
    size_t band = rows > below ? (rows - below - 1) / g->stride[1] + 1 : 1;

    band -= band > 8 ? band % 8 : 0;
    return band < g->out[1] ? band : g->out[1];
}

void taps_init(struct taps *t, const struct isa *isa)
{
    const struct grid *g = &t->grid;
    size_t reach = (g->kernel[2] - 1) * g->dilation[2];
    size_t below = (g->kernel[1] - 1) * g->dilation[1];
    size_t spare = g->stride[2] == 2 ? isa->width : 0;
    size_t lead = g->stride[2] == 1 ? g->pad[2] % isa->width : 0;

    t->n_taps = grid_taps(g);
    t->used = round_up(g->out[2], isa->width) + reach / g->stride[2] + 1;
    t->pitch = round_up(t->used + spare, isa->width);
    t->row = t->pitch * g->stride[2];
    t->band = band_rows(t);
    t->plane = ((t->band - 1) * g->stride[1] + below + 1) * t->row;
    t->slab = t->plane * g->kernel[0];
    t->slab_at = round_up(t->n_taps * sizeof(size_t) / sizeof(float) + t->used +
                              isa->width,
                          ALIGN_FLOATS) -
                 lead;
    t->scratch_bytes = (t->slab_at + t->slab + isa->width) * sizeof(float);
}

void taps_begin(const struct taps *t, void *scratch)
{
    const struct grid *g = &t->grid;
    size_t *offset = taps_offsets(scratch);
    float *count = taps_counts(t, scratch);
    float *slab = taps_slab(t, scratch);

    for (size_t d = 0; d < g->kernel[0]; d++) {
        for (size_t h = 0; h < g->kernel[1]; h++) {
            for (size_t c = 0; c < g->kernel[2]; c++) {
                size_t shift = c * g->dilation[2];

                *offset++ = d * t->plane + h * g->dilation[1] * t->row +
                            shift % g->stride[2] * t->pitch +
                            shift / g->stride[2];
            }
        }
    }
    for (size_t o = 0; o < t->used; o++) {
        size_t n =
            o < g->out[2] && t->kind == TAPS_MEAN ? taps_count(t, 2, o) : 1;

        count[o] = (float)n;
    }
    for (size_t i = 0; i < t->slab; i++) {
        slab[i] = taps_padding(t->kind);
    }
}

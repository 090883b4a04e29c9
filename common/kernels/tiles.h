/*
 * Pictures cut into tiles that overlap by what their neighbours' borders are
 * read for, and joined again (docs/decisions/0031).
 *
 * tiles_cut() makes t (samples, channels, tiles, rows, columns) from x
 * (samples, channels, height, width); tiles_join() is its transpose, which
 * adds up what several tiles have of an element. What a tile has of others,
 * its halo, may be lost on the way, and may be coarse. Nothing is kept of what
 * was lost: a sample's seed and the place decide it again.
 */
#ifndef EDGE_KERNELS_TILES_H
#define EDGE_KERNELS_TILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TILES_BANDS 16 /* along an axis */

struct tiles_axis {
    int64_t extent; /* of the picture */
    int bands;
    int64_t length;                  /* of a tile, halo included */
    int64_t from[TILES_BANDS];       /* where a tile begins; below 0: padding */
    int64_t border[TILES_BANDS + 1]; /* what a tile has of its own */
    int64_t reach; /* how far beyond its border a neighbour is read */
};

enum tiles_loss {
    TILES_EXACT,    /* all arrives */
    TILES_NONE,     /* nothing does */
    TILES_ELEMENTS, /* each element by itself, or not (Bernoulli) */
    TILES_SIDES     /* a side of a tile as a whole, in bursts (Markov) */
};

struct tiles {
    struct tiles_axis axis[2]; /* rows, columns */
    enum tiles_loss loss;
    double p;   /* TILES_ELEMENTS: the part that is lost */
    double p11; /* TILES_SIDES: one that arrives is followed by another, */
    double p22; /* and one that is lost by another */
    uint64_t salt;
    float pad; /* beyond the picture, and what is lost */
    /* Margins, all that a neighbour reads: round((clip(x) - low) / step) * step
     * with step = (high - low) / levels. levels 0: they are as they are. */
    float low;
    float high;
    int levels;
    bool own; /* a tile has its own margin like that too */
};

/* `seeds`, one a sample, are read where elements or sides are lost at random.
 */
void tiles_cut(const struct tiles *tiles, const float *x, size_t samples,
               size_t channels, const int64_t *seeds, float *t);
/* dx from dt. `x` is what was cut: where margins were clipped, no gradient
 * passes, and rounding counts as no change (straight through); NULL without
 * margins. */
void tiles_join(const struct tiles *tiles, const float *dt, const float *x,
                size_t samples, size_t channels, const int64_t *seeds,
                float *dx);

#endif

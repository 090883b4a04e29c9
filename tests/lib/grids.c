#include "tests/lib/grids.h"

#include "tests/lib/numbers.h"

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

void grids_flat(struct grid *g, int axis)
{
    g->in[axis] = 1;
    g->out[axis] = 1;
    g->kernel[axis] = 1;
    g->stride[axis] = 1;
    g->dilation[axis] = 1;
    g->pad[axis] = 0;
}

static void any_axis(struct rng *rng, struct grid *g, size_t after[GRID_AXES],
                     int axis, size_t most, bool small_pads)
{
    size_t kernel = numbers_between(rng, 1, least(most, 5));
    size_t dilation = numbers_between(rng, 1, 3);
    size_t reach = (kernel - 1) * dilation + 1;
    size_t pad_max = small_pads ? least(reach - 1, 3) : 3;
    size_t in = numbers_between(rng, 1, most);

    g->pad[axis] = numbers_between(rng, 0, pad_max);
    after[axis] = numbers_between(rng, 0, pad_max);
    if (in + g->pad[axis] + after[axis] < reach) {
        in = reach;
    }
    g->in[axis] = in;
    g->kernel[axis] = kernel;
    g->dilation[axis] = dilation;
    g->stride[axis] = numbers_between(rng, 1, 3);
    g->out[axis] =
        (in + g->pad[axis] + after[axis] - reach) / g->stride[axis] + 1;
}

void grids_any(struct rng *rng, struct grid *g, size_t after[GRID_AXES],
               int axes, size_t most, bool small_pads)
{
    for (int a = 0; a < GRID_AXES; a++) {
        after[a] = 0;
        if (a < GRID_AXES - axes) {
            grids_flat(g, a);
        } else {
            any_axis(rng, g, after, a, most, small_pads);
        }
    }
}

void grids_split(const size_t sizes[GRID_AXES], size_t i, size_t at[GRID_AXES])
{
    for (int a = GRID_AXES - 1; a >= 0; a--) {
        at[a] = i % sizes[a];
        i /= sizes[a];
    }
}

long grids_input(const struct grid *g, const size_t at[GRID_AXES],
                 const size_t tap[GRID_AXES])
{
    long index = 0;

    for (int a = 0; a < GRID_AXES; a++) {
        long p = (long)(at[a] * g->stride[a] + tap[a] * g->dilation[a]) -
                 (long)g->pad[a];

        if (p < 0 || p >= (long)g->in[a]) {
            return -1;
        }
        index = index * (long)g->in[a] + p;
    }
    return index;
}

#include "engine/bind_heavy.h"

#include "base/mem.h"
#include "engine/bind_util.h"
#include "graph/window.h"

#include <string.h>

/* Of a padded input: along an axis, and in all. */
#define EXTENT_MAX ((int64_t)1 << 24)
#define AREA_MAX ((int64_t)1 << 34)

int bind_need(const struct step *step, int i, enum dtype dtype, struct err *err)
{
    if (bind_has(step, i) && step->in[i].dtype != dtype) {
        return bind_no_type(step, i, err);
    }
    return 0;
}

static int check_extent(const struct window *w, const struct shape *in,
                        struct err *err)
{
    int64_t area = 1;

    for (int i = 0; i < w->n; i++) {
        int64_t extent = in->dims[2 + i] + w->pad_begin[i] +
                         (w->pad_end[i] > 0 ? w->pad_end[i] : 0);

        if (extent > EXTENT_MAX || extent * area > AREA_MAX) {
            return err_set(err, EDGE_ETOOBIG,
                           "its padded input is larger than allowed "
                           "(%lld along an axis, %lld in all)",
                           (long long)EXTENT_MAX, (long long)AREA_MAX);
        }
        area *= extent > 0 ? extent : 1;
    }
    return 0;
}

int bind_grid(const struct step *step, struct grid *grid,
              size_t after[GRID_AXES], struct err *err)
{
    return bind_grid_of(step, &step->out[0], grid, after, err);
}

int bind_grid_of(const struct step *step, const struct tensor *out,
                 struct grid *grid, size_t after[GRID_AXES], struct err *err)
{
    struct window w;
    int rc = window_of(step->graph, step->op, &w, err);

    if (rc < 0) {
        return rc;
    }
    if (w.n > GRID_AXES) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "it has %d spatial dimensions, kernels at most %d", w.n,
                       GRID_AXES);
    }
    rc = check_extent(&w, &step->in[0].shape, err);
    if (rc < 0) {
        return rc;
    }
    for (int a = 0; a < GRID_AXES; a++) {
        int i = a - (GRID_AXES - w.n);
        bool there = i >= 0;

        grid->in[a] = there ? (size_t)step->in[0].shape.dims[2 + i] : 1;
        grid->out[a] = there ? (size_t)out->shape.dims[2 + i] : 1;
        grid->kernel[a] = there ? (size_t)w.kernel[i] : 1;
        grid->stride[a] = there ? (size_t)w.stride[i] : 1;
        grid->dilation[a] = there ? (size_t)w.dilation[i] : 1;
        grid->pad[a] = there ? (size_t)w.pad_begin[i] : 0;
        if (after != NULL) {
            after[a] = there && w.pad_end[i] > 0 ? (size_t)w.pad_end[i] : 0;
        }
    }
    return 0;
}

static size_t round_up(size_t n)
{
    return (n + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN;
}

void *bind_state(struct step *step, size_t size, size_t extra, struct err *err)
{
    size_t total;

    step->state =
        mem_add(round_up(size), extra, &total) ? mem_aligned(total) : NULL;
    if (step->state == NULL) {
        err_set(err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
        return NULL;
    }
    memset(step->state, 0, size);
    step->packed_bytes = extra;
    return step->state;
}

void *bind_packed(const struct step *step, size_t size)
{
    return (char *)step->state + round_up(size);
}

struct post bind_post(const struct step *step)
{
    const struct epilogue *e = &step->epilogue;
    struct post post = POST_NONE;

    if (e->has_residual) {
        post.residual = step->in[step->n_in - 1].data;
    }
    switch (e->act) {
    case ACT_RELU: post.low = 0; break;
    case ACT_CLIP:
        post.low = e->low;
        post.high = e->high;
        break;
    case ACT_LEAKY:
        post.leaky = true;
        post.slope = e->slope;
        break;
    default: break;
    }
    return post;
}

const void *bind_data(const struct step *step, int i)
{
    return bind_has(step, i) ? step->in[i].data : NULL;
}

static struct shape as_matrix(const struct shape *s, bool left)
{
    if (s->rank > 1) {
        return *s;
    }
    return left ? shape_of(2, (int64_t[]){1, s->dims[0]})
                : shape_of(2, (int64_t[]){s->dims[0], 1});
}

/* The size of batch axis i of `axes`, and how far apart its matrices are: 0
 * where it is broadcast. */
static int64_t batch_axis(const struct shape *s, int axes, int i,
                          size_t *stride)
{
    int axis = s->rank - 2 - axes + i;
    int64_t dim = axis >= 0 ? s->dims[axis] : 1;

    *stride = dim == 1 ? 0 : (size_t)shape_span(s, axis + 1, s->rank);
    return dim;
}

void bind_batch(const struct tensor *a, const struct tensor *b,
                struct bind_batch *batch)
{
    struct shape sa = as_matrix(&a->shape, true);
    struct shape sb = as_matrix(&b->shape, false);

    *batch = (struct bind_batch){.count = 1};
    batch->rows = (size_t)sa.dims[sa.rank - 2];
    batch->depth = (size_t)sa.dims[sa.rank - 1];
    batch->cols = (size_t)sb.dims[sb.rank - 1];
    batch->one_b = shape_span(&sb, 0, sb.rank - 2) == 1;
    if (batch->one_b) {
        batch->rows *= (size_t)shape_span(&sa, 0, sa.rank - 2);
        return;
    }
    batch->axes = (sa.rank > sb.rank ? sa.rank : sb.rank) - 2;
    for (int i = 0; i < batch->axes; i++) {
        int64_t da = batch_axis(&sa, batch->axes, i, &batch->a_stride[i]);
        int64_t db = batch_axis(&sb, batch->axes, i, &batch->b_stride[i]);

        batch->dims[i] = (size_t)(da == 1 ? db : da);
        batch->count *= batch->dims[i];
    }
}

static size_t batch_offset(const struct bind_batch *batch,
                           const size_t stride[BIND_BATCH_AXES], size_t index)
{
    size_t at = 0;

    for (int i = batch->axes - 1; i >= 0; i--) {
        at += index % batch->dims[i] * stride[i];
        index /= batch->dims[i];
    }
    return at;
}

size_t bind_batch_a(const struct bind_batch *batch, size_t i)
{
    return batch_offset(batch, batch->a_stride, i);
}

size_t bind_batch_b(const struct bind_batch *batch, size_t i)
{
    return batch_offset(batch, batch->b_stride, i);
}

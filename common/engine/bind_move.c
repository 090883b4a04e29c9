/* Ops that put elements elsewhere: parts, orders, repeats, borders. */
#include "engine/bind_rows.h"

#include "base/mem.h"
#include "engine/bind_util.h"
#include "graph/window.h"
#include "kernels/move.h"
#include "kernels/pad.h"

#include <string.h>

/* ---- one walk: Transpose, Slice, Tile, Expand, DepthToSpace ... -----------
 */

struct walk {
    struct move move;
    int64_t first; /* element of the input to begin with */
};

static void strides_of(const struct shape *s, int64_t *strides)
{
    int64_t stride = 1;

    for (int i = s->rank - 1; i >= 0; i--) {
        strides[i] = stride;
        stride *= s->dims[i];
    }
}

static int keep_walk(struct step *step, struct walk *walk, const char *kernel,
                     struct err *err)
{
    walk->move.size = dtype_size(step->in[0].dtype);
    move_plan(&walk->move);
    step->kernel = kernel;
    return bind_keep(step, walk, sizeof(*walk), err);
}

static void run_walk(const struct step *step)
{
    const struct walk *w = step->state;

    move_run(&w->move, step->out[0].data,
             (const uint8_t *)step->in[0].data +
                 w->first * (int64_t)w->move.size);
}

/* Reads dimensions `dims` of a contiguous array in the order of `perm`. */
static void add_permuted(struct walk *walk, const struct shape *dims,
                         const int64_t *perm)
{
    int64_t from[LIMIT_RANK];
    int64_t to[LIMIT_RANK];
    struct shape out = {.rank = dims->rank};

    for (int i = 0; i < dims->rank; i++) {
        out.dims[i] = dims->dims[perm[i]];
    }
    strides_of(dims, from);
    strides_of(&out, to);
    for (int i = 0; i < dims->rank; i++) {
        move_add(&walk->move, out.dims[i], from[perm[i]], to[i]);
    }
}

static int prepare_transpose(struct step *step, struct err *err)
{
    struct walk walk = {0};
    const struct shape *in = &step->in[0].shape;
    int64_t perm[LIMIT_RANK];
    int64_t last = -1;

    for (int i = 0; i < in->rank; i++) {
        perm[i] = in->rank - 1 - i;
    }
    (void)op_ints(step->op, "perm", perm, LIMIT_RANK);
    step->is_view = true; /* unless a dimension of more than 1 moves */
    for (int i = 0; i < in->rank; i++) {
        perm[i] = shape_axis(perm[i], in->rank);
        if (in->dims[perm[i]] != 1) {
            step->is_view = step->is_view && perm[i] > last;
            last = perm[i];
        }
    }
    add_permuted(&walk, in, perm);
    return keep_walk(step, &walk, "transpose", err);
}

static int prepare_depth_to_space(struct step *step, struct err *err)
{
    static const int64_t dcr[] = {0, 3, 4, 1, 5, 2};
    static const int64_t crd[] = {0, 1, 4, 2, 5, 3};
    const int64_t *d = step->in[0].shape.dims;
    int64_t b = op_int(step->op, "blocksize", 1);
    bool is_crd = strcmp(op_string(step->op, "mode", "DCR"), "CRD") == 0;
    struct walk walk = {0};
    struct shape dims = {.rank = 6};

    dims.dims[0] = d[0];
    dims.dims[1] = is_crd ? d[1] / (b * b) : b;
    dims.dims[2] = b;
    dims.dims[3] = is_crd ? b : d[1] / (b * b);
    dims.dims[4] = d[2];
    dims.dims[5] = d[3];
    add_permuted(&walk, &dims, is_crd ? crd : dcr);
    return keep_walk(step, &walk, "depth_to_space", err);
}

static int prepare_space_to_depth(struct step *step, struct err *err)
{
    static const int64_t perm[] = {0, 3, 5, 1, 2, 4};
    const int64_t *d = step->in[0].shape.dims;
    int64_t b = op_int(step->op, "blocksize", 1);
    struct shape dims = {6, {d[0], d[1], d[2] / b, b, d[3] / b, b}};
    struct walk walk = {0};

    add_permuted(&walk, &dims, perm);
    return keep_walk(step, &walk, "space_to_depth", err);
}

static int prepare_slice(struct step *step, struct err *err)
{
    const struct shape *in = &step->in[0].shape;
    const struct shape *out = &step->out[0].shape;
    int64_t v[4][LIMIT_RANK]; /* starts, ends, axes, steps */
    int64_t from[LIMIT_RANK];
    int64_t to[LIMIT_RANK];
    struct walk walk = {0};
    size_t n = 0;

    strides_of(in, from);
    strides_of(out, to);
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < LIMIT_RANK; k++) {
            v[i][k] = i == 2 ? k : 1; /* where axes or steps are left out */
        }
        if (bind_has(step, i + 1)) {
            size_t *count = i == 0 ? &n : &(size_t){0};
            int rc = bind_ints(step, i + 1, v[i], LIMIT_RANK, count, err);

            if (rc < 0) {
                return rc;
            }
        }
    }
    for (size_t k = 0; k < n; k++) {
        int axis = shape_axis(v[2][k], in->rank);
        int64_t first;
        int64_t count;

        window_slice(in->dims[axis], v[0][k], v[1][k], v[3][k], &first, &count);
        walk.first += count > 0 ? first * from[axis] : 0;
        from[axis] = count > 1 ? from[axis] * v[3][k] : 0;
    }
    for (int i = 0; i < in->rank; i++) {
        move_add(&walk.move, out->dims[i], from[i], to[i]);
    }
    step->is_view = shape_equal(in, out) && walk.first == 0;
    return keep_walk(step, &walk, "slice", err);
}

static int prepare_tile(struct step *step, struct err *err)
{
    const struct shape *in = &step->in[0].shape;
    const struct shape *out = &step->out[0].shape;
    int64_t from[LIMIT_RANK];
    int64_t to[LIMIT_RANK];
    struct walk walk = {0};

    strides_of(in, from);
    strides_of(out, to);
    for (int i = 0; i < in->rank; i++) {
        int64_t repeats = in->dims[i] > 0 ? out->dims[i] / in->dims[i] : 0;

        move_add(&walk.move, repeats, 0, to[i] * in->dims[i]);
        move_add(&walk.move, in->dims[i], from[i], to[i]);
    }
    step->is_view = shape_equal(in, out);
    return keep_walk(step, &walk, "tile", err);
}

static int prepare_expand(struct step *step, struct err *err)
{
    const struct shape *in = &step->in[0].shape;
    const struct shape *out = &step->out[0].shape;
    int64_t from[LIMIT_RANK];
    int64_t to[LIMIT_RANK];
    struct walk walk = {0};

    strides_of(in, from);
    strides_of(out, to);
    for (int i = 0; i < out->rank; i++) {
        int k = i - (out->rank - in->rank);
        bool repeats = k < 0 || in->dims[k] == 1;

        move_add(&walk.move, out->dims[i], repeats ? 0 : from[k], to[i]);
    }
    step->is_view = tensor_count(&step->in[0]) == tensor_count(&step->out[0]);
    return keep_walk(step, &walk, "expand", err);
}

/* ---- Concat and Split ------------------------------------------------------
 */

struct parts {
    int64_t outer; /* rows */
    int64_t inner; /* bytes of one index of the axis */
    int axis;
};

static int prepare_parts(struct step *step, const struct shape *whole,
                         int64_t axis, struct err *err)
{
    struct parts p;

    p.axis = shape_axis(axis, whole->rank);
    p.outer = shape_span(whole, 0, p.axis);
    p.inner = shape_span(whole, p.axis + 1, whole->rank) *
              (int64_t)dtype_size(step->in[0].dtype);
    return bind_keep(step, &p, sizeof(p), err);
}

static int prepare_concat(struct step *step, struct err *err)
{
    step->is_view = step->n_in == 1;
    step->kernel = "concat";
    return prepare_parts(step, &step->out[0].shape, op_int(step->op, "axis", 0),
                         err);
}

/* `n` rows between arrays whose rows lie this many bytes apart. */
static void copy_rows(uint8_t *to, int64_t to_pitch, const uint8_t *from,
                      int64_t from_pitch, int64_t bytes, int64_t n)
{
    for (int64_t i = 0; bytes > 0 && i < n; i++) {
        memcpy(to, from, (size_t)bytes);
        to += to_pitch;
        from += from_pitch;
    }
}

static void run_concat(const struct step *step)
{
    const struct parts *p = step->state;
    int64_t whole = step->out[0].shape.dims[p->axis] * p->inner;
    uint8_t *to = step->out[0].data;

    for (int i = 0; i < step->n_in; i++) {
        int64_t part = step->in[i].shape.dims[p->axis] * p->inner;

        copy_rows(to, whole, step->in[i].data, part, part, p->outer);
        to += part;
    }
}

static int prepare_split(struct step *step, struct err *err)
{
    step->kernel = "split";
    return prepare_parts(step, &step->in[0].shape, op_int(step->op, "axis", 0),
                         err);
}

static int64_t part_of(const struct step *step, int i)
{
    const struct parts *p = step->state;

    return step->out[i].shape.dims[p->axis] * p->inner;
}

static void run_split(const struct step *step)
{
    const struct parts *p = step->state;
    int64_t whole = step->in[0].shape.dims[p->axis] * p->inner;
    const uint8_t *from = step->in[0].data;

    for (int i = 0; i < step->n_out; i++) {
        copy_rows(step->out[i].data, part_of(step, i), from, whole,
                  part_of(step, i), p->outer);
        from += part_of(step, i);
    }
}

/* ---- Pad --------------------------------------------------------------------
 */

static int prepare_pad(struct step *step, struct err *err)
{
    const char *mode = op_string(step->op, "mode", "constant");
    struct pad pad = {.in = step->in[0].shape, .out = step->out[0].shape};
    int64_t pads[2 * LIMIT_RANK];
    size_t n;
    int rc = bind_ints(step, 1, pads, 2 * LIMIT_RANK, &n, err);

    if (rc < 0) {
        return rc;
    }
    pad.size = dtype_size(step->in[0].dtype);
    pad.mode = strcmp(mode, "edge") == 0      ? PAD_EDGE
               : strcmp(mode, "reflect") == 0 ? PAD_REFLECT
                                              : PAD_CONSTANT;
    for (int i = 0; i < pad.in.rank; i++) {
        pad.begin[i] = pads[i];
    }
    if (pad.mode != PAD_CONSTANT && shape_count(&pad.in) == 0 &&
        shape_count(&pad.out) > 0) {
        return err_set(err, EDGE_EINVAL, "it pads an empty input by itself");
    }
    step->is_view = shape_equal(&pad.in, &pad.out);
    step->kernel = "pad";
    return bind_keep(step, &pad, sizeof(pad), err);
}

static void run_pad(const struct step *step)
{
    static const uint8_t zero[8];
    const void *value = bind_has(step, 2) && tensor_count(&step->in[2]) > 0
                            ? step->in[2].data
                            : zero;

    pad_run(step->state, step->out[0].data, step->in[0].data, value);
}

const struct bind bind_move_rows[] = {
    {OP_TRANSPOSE, false, prepare_transpose, run_walk},
    {OP_DEPTH_TO_SPACE, false, prepare_depth_to_space, run_walk},
    {OP_SPACE_TO_DEPTH, false, prepare_space_to_depth, run_walk},
    {OP_SLICE, false, prepare_slice, run_walk},
    {OP_TILE, false, prepare_tile, run_walk},
    {OP_EXPAND, false, prepare_expand, run_walk},
    {OP_CONCAT, false, prepare_concat, run_concat},
    {OP_SPLIT, false, prepare_split, run_split},
    {OP_PAD, false, prepare_pad, run_pad},
    {.prepare = NULL},
};

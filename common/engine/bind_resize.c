/* Resize. */
#include "engine/bind_rows.h"

#include "base/mem.h"
#include "engine/bind_util.h"
#include "kernels/cast.h"
#include "kernels/resize.h"

#include <math.h>
#include <string.h>

struct resize_state {
    struct resize_rule rule;
    int rank;
    struct resize_axis axes[LIMIT_RANK];
    struct shape in;
    float beyond;       /* tf_crop_and_resize */
    enum dtype compute; /* f32, f64, or the type itself if nearest */
    size_t buffer;      /* bytes of one of the two in scratch */
};

struct name_row {
    const char *name;
    int value;
};

static const struct name_row modes[] = {{"nearest", RESIZE_NEAREST},
                                        {"linear", RESIZE_LINEAR},
                                        {"cubic", RESIZE_CUBIC},
                                        {NULL, 0}};

static const struct name_row places[] = {
    {"half_pixel", RESIZE_HALF_PIXEL},
    {"half_pixel_symmetric", RESIZE_HALF_PIXEL_SYMMETRIC},
    {"pytorch_half_pixel", RESIZE_PYTORCH_HALF_PIXEL},
    {"align_corners", RESIZE_ALIGN_CORNERS},
    {"asymmetric", RESIZE_ASYMMETRIC},
    {"tf_half_pixel_for_nn", RESIZE_TF_HALF_PIXEL_FOR_NN},
    {"tf_crop_and_resize", RESIZE_TF_CROP_AND_RESIZE},
    {NULL, 0}};

static const struct name_row rounds[] = {
    {"round_prefer_floor", RESIZE_ROUND_PREFER_FLOOR},
    {"round_prefer_ceil", RESIZE_ROUND_PREFER_CEIL},
    {"floor", RESIZE_FLOOR},
    {"ceil", RESIZE_CEIL},
    {NULL, 0}};

static int find_name(const struct op *op, const char *attr,
                     const struct name_row *rows, int *value, struct err *err)
{
    const char *name = op_string(op, attr, rows[0].name);

    for (; rows->name != NULL; rows++) {
        if (strcmp(rows->name, name) == 0) {
            *value = rows->value;
            return 0;
        }
    }
    return err_set(err, EDGE_EUNSUPPORTED, "attribute \"%s\" is \"%.60s\"",
                   attr, name);
}

static int read_rule(const struct op *op, struct resize_rule *rule,
                     struct err *err)
{
    int mode = 0;
    int at = 0;
    int round = 0;

    if (find_name(op, "mode", modes, &mode, err) < 0 ||
        find_name(op, "coordinate_transformation_mode", places, &at, err) < 0 ||
        find_name(op, "nearest_mode", rounds, &round, err) < 0) {
        return EDGE_EUNSUPPORTED;
    }
    if (op_int(op, "antialias", 0) != 0) {
        return err_set(err, EDGE_EUNSUPPORTED, "attribute \"antialias\" is 1");
    }
    rule->mode = (enum resize_mode)mode;
    rule->at = (enum resize_at)at;
    rule->round = (enum resize_round)round;
    rule->exclude_outside = op_int(op, "exclude_outside", 0) != 0;
    rule->cubic_a = op_float(op, "cubic_coeff_a", -0.75F);
    return 0;
}

/* in[i] if it is a list of `n` numbers, else `fallback`. */
static double element(const struct step *step, int i, int n, int at,
                      double fallback)
{
    if (!bind_has(step, i) || tensor_count(&step->in[i]) != n) {
        return fallback;
    }
    return tensor_get(&step->in[i], at);
}

static int make_axes(struct step *step, struct resize_state *s, struct err *err)
{
    const int64_t *out = step->out[0].shape.dims;

    for (int i = 0; i < s->rank; i++) {
        double ratio = (double)out[i] / (double)s->in.dims[i];
        double scale = element(step, 2, s->rank, i, ratio);
        double start = element(step, 1, 2 * s->rank, i, 0);
        double end = element(step, 1, 2 * s->rank, s->rank + i, 1);

        if (out[i] < 1 || s->in.dims[i] < 1) {
            return err_set(err, EDGE_EUNSUPPORTED, "dimension %d is empty", i);
        }
        if (resize_axis_init(&s->axes[i], &s->rule, s->in.dims[i], out[i],
                             scale, start, end) < 0) {
            return err_set(err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
        }
        step->packed_bytes += (size_t)out[i] * (size_t)s->rule.mode * 16;
    }
    return 0;
}

/* The largest array on the way, as axes go from the last to the first. */
static int find_buffer(struct resize_state *s, struct err *err)
{
    struct shape shape = s->in;
    size_t bytes;

    for (int i = s->rank; i >= 0; i--) {
        if (i < s->rank) {
            shape.dims[i] = s->axes[i].n_out;
        }
        if (!shape_bytes(&shape, s->compute, &bytes)) {
            return err_set(err, EDGE_ETOOBIG, "%s", err_text(EDGE_ETOOBIG));
        }
        s->buffer = bytes > s->buffer ? bytes : s->buffer;
    }
    s->buffer = (s->buffer + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN;
    return 0;
}

static void free_resize(void *state)
{
    struct resize_state *s = state;

    for (int i = 0; i < s->rank; i++) {
        resize_axis_deinit(&s->axes[i]);
    }
    mem_free(s);
}

static int prepare_resize(struct step *step, struct err *err)
{
    struct resize_state *s = mem_new(struct resize_state);
    enum dtype dtype = step->in[0].dtype;
    int rc;

    step->state = s;
    step->free_state = free_resize;
    if (s == NULL) {
        return err_set(err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
    }
    for (int i = 1; i < step->n_in; i++) {
        if (bind_has(step, i) && !step->in_const[i]) {
            return err_set(err, EDGE_EUNSUPPORTED,
                           "input %d must be a constant", i);
        }
    }
    s->in = step->in[0].shape;
    s->rank = s->in.rank;
    s->beyond = op_float(step->op, "extrapolation_value", 0);
    rc = read_rule(step->op, &s->rule, err);
    if (rc < 0) {
        return rc;
    }
    s->compute = s->rule.mode == RESIZE_NEAREST || dtype == DTYPE_F64
                     ? dtype
                     : DTYPE_F32;
    rc = make_axes(step, s, err);
    if (rc == 0) {
        rc = find_buffer(s, err);
    }
    step->scratch_bytes = 2 * s->buffer;
    step->kernel = "resize";
    return rc;
}

static void run_axis(const struct resize_state *s, int i, void *to,
                     const void *from, int64_t outer, int64_t inner)
{
    const struct resize_axis *axis = &s->axes[i];

    if (s->rule.mode == RESIZE_NEAREST) {
        uint8_t beyond[8];

        cast_run(beyond, s->compute, &s->beyond, DTYPE_F32, 1);
        resize_any(axis, to, from, outer, inner, dtype_size(s->compute),
                   beyond);
    } else if (s->compute == DTYPE_F64) {
        resize_f64(axis, to, from, outer, inner, (double)s->beyond);
    } else {
        resize_f32(axis, to, from, outer, inner, s->beyond);
    }
}

/* Rounds to the nearest number that an integer type has. */
static void round_off(float *v, size_t n, enum dtype dtype)
{
    double bits = (double)dtype_size(dtype) * 8;
    double low = dtype_is_signed(dtype) ? -exp2(bits - 1) : 0;
    double high = (dtype_is_signed(dtype) ? exp2(bits - 1) : exp2(bits)) - 1;

    for (size_t i = 0; i < n && !dtype_is_float(dtype); i++) {
        v[i] = (float)fmin(fmax(rint((double)v[i]), low), high);
    }
}

static void run_resize(const struct step *step)
{
    const struct resize_state *s = step->state;
    uint8_t *buffers[2] = {step->scratch, (uint8_t *)step->scratch + s->buffer};
    bool converts = s->compute != step->in[0].dtype;
    const void *from = step->in[0].data;
    struct shape shape = s->in;
    int turn = 0;
    int left = 0;

    for (int i = 0; i < s->rank; i++) {
        left += s->axes[i].same ? 0 : 1;
    }
    if (converts) {
        cast_run(buffers[1], s->compute, from, step->in[0].dtype,
                 (size_t)shape_count(&shape));
        from = buffers[1];
    }
    for (int i = s->rank - 1; i >= 0; i--) {
        bool is_last = left == 1 && !converts;
        void *to = is_last ? step->out[0].data : buffers[turn];

        if (s->axes[i].same) {
            continue;
        }
        run_axis(s, i, to, from, shape_span(&shape, 0, i),
                 shape_span(&shape, i + 1, s->rank));
        shape.dims[i] = s->axes[i].n_out;
        from = to;
        turn = 1 - turn;
        left--;
    }
    if (converts) {
        round_off((float *)(uintptr_t)from, (size_t)shape_count(&shape),
                  step->in[0].dtype);
        cast_run(step->out[0].data, step->out[0].dtype, from, s->compute,
                 (size_t)shape_count(&shape));
    } else if (from == step->in[0].data) {
        bind_copy(step);
    }
}

const struct bind bind_resize_rows[] = {
    {OP_RESIZE, false, prepare_resize, run_resize},
    {.prepare = NULL},
};

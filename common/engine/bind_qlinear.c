/* QLinearConv, ConvInteger, QLinearMatMul, MatMulInteger. */
#include "engine/bind_rows.h"

#include "base/mem.h"
#include "engine/bind_heavy.h"
#include "engine/bind_util.h"
#include "kernels/qconv.h"

/* Which input is what; -1: the op has none. A scale or zero point of w may be
 * one for each channel of the output, the others are one number. */
struct roles {
    enum op_kind kind;
    int x;
    int x_scale;
    int x_zero;
    int w;
    int w_scale;
    int w_zero;
    int y_scale;
    int y_zero;
    int bias;
};

static const struct roles all_roles[] = {
    {OP_QLINEAR_CONV, 0, 1, 2, 3, 4, 5, 6, 7, 8},
    {OP_QLINEAR_MATMUL, 0, 1, 2, 3, 4, 5, 6, 7, -1},
    {OP_CONV_INTEGER, 0, -1, 2, 1, -1, 3, -1, -1, -1},
    {OP_MATMUL_INTEGER, 0, -1, 2, 1, -1, 3, -1, -1, -1},
};

struct product_state {
    const struct roles *roles;
    size_t channels;
    struct qconv conv; /* convolutions */
    struct qmatmul matmul;
    struct bind_batch batch; /* matrix products */
    bool packed;             /* w lies behind this struct */
    size_t packed_bytes;
    /* Where parts of the scratch begin; the kernel's own is first. */
    size_t zero_at;
    size_t by_at;
    size_t fresh_at;
};

static const struct roles *find_roles(enum op_kind kind)
{
    const struct roles *r = all_roles;

    while (r->kind != kind) {
        r++;
    }
    return r;
}

static bool has(const struct step *step, int i)
{
    return i >= 0 && bind_has(step, i);
}

static int check_type(const struct step *step, int i, struct err *err)
{
    enum dtype dtype = step->in[i].dtype;

    return dtype == DTYPE_U8 || dtype == DTYPE_I8 ? 0
                                                  : bind_no_type(step, i, err);
}

/* Input i, where it is there, is one number, or `channels` if `each`. */
static int check_count(const struct step *step, int i, size_t channels,
                       bool each, struct err *err)
{
    size_t n = has(step, i) ? (size_t)tensor_count(&step->in[i]) : 1;

    if (n == 1 || (each && n == channels)) {
        return 0;
    }
    return err_set(err, EDGE_EUNSUPPORTED,
                   "input %d has %zu numbers; there are kernels for one%s", i,
                   n, each ? ", or one a channel" : "");
}

static int check_inputs(const struct step *step, const struct roles *r,
                        size_t channels, struct err *err)
{
    const int single[] = {r->x_scale, r->x_zero, r->y_scale, r->y_zero};
    int rc = check_type(step, r->x, err);

    if (rc == 0) {
        rc = check_type(step, r->w, err);
    }
    for (size_t i = 0; rc == 0 && i < sizeof(single) / sizeof(*single); i++) {
        rc = check_count(step, single[i], channels, false, err);
    }
    if (rc == 0) {
        rc = check_count(step, r->w_scale, channels, true, err);
    }
    if (rc == 0) {
        rc = check_count(step, r->w_zero, channels, true, err);
    }
    return rc;
}

static float scale_of(const struct step *step, int i, size_t channel)
{
    const float *scale = step->in[i].data;

    return tensor_count(&step->in[i]) == 1 ? scale[0] : scale[channel];
}

static int32_t zero_of(const struct step *step, int i, size_t channel)
{
    bool one;

    if (!has(step, i)) {
        return 0;
    }
    one = tensor_count(&step->in[i]) == 1;
    return (int32_t)tensor_get_int(&step->in[i], one ? 0 : (int64_t)channel);
}

static struct qgemm_bytes bytes_of(const struct step *step, int i, int zero)
{
    return (struct qgemm_bytes){step->in[i].data, step->in[i].dtype == DTYPE_I8,
                                zero_of(step, zero, 0)};
}

static void fill_zero(const struct step *step, const struct product_state *s,
                      int16_t *zero)
{
    bool is_signed = step->in[s->roles->w].dtype == DTYPE_I8;

    for (size_t c = 0; c < s->channels; c++) {
        zero[c] = qgemm_zero(zero_of(step, s->roles->w_zero, c), is_signed);
    }
}

static bool is_conv(const struct product_state *s)
{
    return s->roles->kind == OP_QLINEAR_CONV ||
           s->roles->kind == OP_CONV_INTEGER;
}

static void pack(const struct product_state *s, const struct qgemm_bytes *w,
                 const int16_t *zero, int8_t *packed)
{
    const struct qmatmul *m = &s->matmul;

    if (is_conv(s)) {
        qconv_pack(&s->conv, w, zero, packed);
    } else {
        qgemm_pack(w, 1, m->cols, m->cols, m->depth, zero, packed);
    }
}

static size_t round_up(size_t n)
{
    return (n + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN;
}

/* Weights that are constant are packed now, with their zero points. */
static int make_state(struct step *step, const struct product_state *wanted,
                      size_t kernel_scratch, struct err *err)
{
    const struct roles *r = wanted->roles;
    bool one = is_conv(wanted) || wanted->batch.one_b;
    bool packs = one && wanted->packed_bytes > 0 && step->in_const[r->w] &&
                 (!has(step, r->w_zero) || step->in_const[r->w_zero]);
    struct product_state *s =
        bind_state(step, sizeof(*s), packs ? wanted->packed_bytes : 0, err);

    if (s == NULL) {
        return EDGE_ENOMEM;
    }
    *s = *wanted;
    s->packed = packs;
    s->zero_at = round_up(kernel_scratch);
    s->by_at = round_up(s->zero_at + s->channels * sizeof(int16_t));
    s->fresh_at = round_up(s->by_at + s->channels * sizeof(float));
    step->scratch_bytes = s->fresh_at + (packs ? 0 : s->packed_bytes);
    if (packs) {
        struct qgemm_bytes w = bytes_of(step, r->w, -1);
        int16_t *zero = mem_array(int16_t, s->channels);

        if (zero == NULL) {
            return err_set(err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
        }
        fill_zero(step, s, zero);
        pack(s, &w, zero, bind_packed(step, sizeof(*s)));
        mem_free(zero);
        step->drops_const[r->w] = true;
    }
    return 0;
}

static int prepare_conv(struct step *step, struct err *err)
{
    struct product_state s = {.roles = find_roles(step->op->kind)};
    const struct shape *w = &step->in[s.roles->w].shape;
    struct conv_shape shape = {
        .batch = (size_t)step->in[s.roles->x].shape.dims[0],
        .groups = (size_t)op_int(step->op, "group", 1),
        .cin = (size_t)step->in[s.roles->x].shape.dims[1],
        .cout = (size_t)w->dims[0]};
    int rc = bind_grid(step, &shape.grid, NULL, err);

    s.channels = shape.cout;
    if (rc == 0) {
        rc = check_inputs(step, s.roles, s.channels, err);
    }
    if (rc < 0) {
        return rc;
    }
    qconv_init(&s.conv, isa_best(), &shape);
    s.packed_bytes = s.conv.packed_bytes;
    step->kernel = s.conv.by_taps ? "qconv.taps" : "qconv.columns";
    return make_state(step, &s, s.conv.scratch_bytes, err);
}

static int prepare_matmul(struct step *step, struct err *err)
{
    struct product_state s = {.roles = find_roles(step->op->kind)};
    int rc;

    bind_batch(&step->in[s.roles->x], &step->in[s.roles->w], &s.batch);
    s.channels = s.batch.cols;
    rc = check_inputs(step, s.roles, s.channels, err);
    if (rc < 0) {
        return rc;
    }
    s.matmul = (struct qmatmul){.isa = isa_best(),
                                .rows = s.batch.rows,
                                .cols = s.batch.cols,
                                .depth = s.batch.depth};
    s.packed_bytes = qgemm_packed_bytes(s.batch.cols, s.batch.depth);
    step->kernel = "qgemm";
    return make_state(step, &s, qmatmul_scratch_bytes(&s.matmul), err);
}

static void *part(const struct step *step, size_t at)
{
    return (char *)step->scratch + at;
}

/* How results go out, but for their place; also fills the scratch's zero
 * points and multipliers. */
static struct qout prepare_out(const struct step *step)
{
    const struct product_state *s = step->state;
    const struct roles *r = s->roles;
    struct qout out = {.kind = QOUT_I32, .data = step->out[0].data};
    float *by = part(step, s->by_at);

    fill_zero(step, s, part(step, s->zero_at));
    if (r->y_scale < 0) {
        return out;
    }
    for (size_t c = 0; c < s->channels; c++) {
        by[c] = scale_of(step, r->x_scale, 0) * scale_of(step, r->w_scale, c) /
                scale_of(step, r->y_scale, 0);
    }
    out.kind = step->out[0].dtype == DTYPE_I8 ? QOUT_I8 : QOUT_U8;
    out.by = by;
    out.zero = zero_of(step, r->y_zero, 0);
    out.bias = has(step, r->bias) ? step->in[r->bias].data : NULL;
    return out;
}

/* The packed weights, made now unless they are constant. */
static const int8_t *packed_of(const struct step *step,
                               const struct qgemm_bytes *w)
{
    const struct product_state *s = step->state;
    int8_t *fresh = part(step, s->fresh_at);

    if (s->packed) {
        return bind_packed(step, sizeof(*s));
    }
    if (s->packed_bytes > 0) {
        pack(s, w, part(step, s->zero_at), fresh);
    }
    return fresh;
}

static void run_conv(const struct step *step)
{
    const struct product_state *s = step->state;
    struct qgemm_bytes x = bytes_of(step, s->roles->x, s->roles->x_zero);
    struct qgemm_bytes w = bytes_of(step, s->roles->w, -1);
    struct qout out = prepare_out(step);

    out.channel = grid_out(&s->conv.shape.grid);
    out.position = 1;
    qconv_run(&s->conv, &x, &w, packed_of(step, &w), part(step, s->zero_at),
              &out, step->scratch);
}

static void run_matmul(const struct step *step)
{
    const struct product_state *s = step->state;
    const struct qmatmul *m = &s->matmul;
    struct qgemm_bytes x = bytes_of(step, s->roles->x, s->roles->x_zero);
    struct qgemm_bytes w = bytes_of(step, s->roles->w, -1);
    struct qout out = prepare_out(step);
    size_t size = dtype_size(step->out[0].dtype);
    const char *a = x.data;
    const char *b = w.data;

    out.channel = 1;
    out.position = m->cols;
    for (size_t i = 0; i < s->batch.count; i++) {
        x.data = a + bind_batch_a(&s->batch, i);
        if (!s->packed) {
            w.data = b + bind_batch_b(&s->batch, i);
        }
        qmatmul_run(m, &x, packed_of(step, &w), part(step, s->zero_at), &out,
                    step->scratch);
        out.data = (char *)out.data + m->rows * m->cols * size;
    }
}

const struct bind bind_qlinear_rows[] = {
    {OP_QLINEAR_CONV, false, prepare_conv, run_conv},
    {OP_CONV_INTEGER, false, prepare_conv, run_conv},
    {OP_QLINEAR_MATMUL, false, prepare_matmul, run_matmul},
    {OP_MATMUL_INTEGER, false, prepare_matmul, run_matmul},
    {0},
};

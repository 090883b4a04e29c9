/* Gemm and MatMul. */
#include "engine/bind_rows.h"

#include "base/mem.h"
#include "engine/bind_heavy.h"
#include "engine/bind_util.h"
#include "engine/bind_xnor.h"
#include "kernels/narrow.h"

#include <math.h>

/* Inputs; the residual of an epilogue comes behind those of the op. */
enum { IN_A, IN_B, IN_C };

struct product_state {
    const struct isa *isa;
    size_t rows;
    size_t cols;
    size_t depth;
    size_t a_row; /* strides of a's elements, and of b's */
    size_t a_step;
    size_t b_row;
    size_t b_step;
    bool packed; /* b lies behind this struct */
    bool narrow; /* as bytes (kernels/narrow.h) */
    /* Gemm: alpha * product + beta * c. */
    float alpha;
    float beta;
    bool has_c;
    size_t c_row; /* 0: the same for all rows, or columns */
    size_t c_step;
    struct bind_batch batch; /* MatMul */
    struct bits_state bits;  /* Gemm */
};

static void free_product(void *state)
{
    struct product_state *s = state;

    bits_deinit(&s->bits);
    mem_free(s);
}

static size_t packed_bytes(const struct product_state *s, bool constant)
{
    if (s->narrow) {
        return narrow_right_bytes(s->isa, s->depth, s->cols);
    }
    return constant
               ? gemm_right_floats(s->isa, s->depth, s->cols) * sizeof(float)
               : 0;
}

static void pack(struct step *step, const struct product_state *s)
{
    void *packed = bind_packed(step, sizeof(*s));

    if (s->narrow) {
        narrow_right_pack(s->isa, &step->narrow, s->b_row, s->b_step, s->depth,
                          s->cols, packed);
        step->scratch_bytes = NARROW_RIGHT_WIDE * sizeof(float);
        step->kernel = "gemm.narrow";
    } else {
        gemm_right_pack(s->isa, step->in[IN_B].data, s->b_row, s->b_step,
                        s->depth, s->cols, packed);
        step->drops_const[IN_B] = true;
        step->kernel = "gemm.packed";
    }
}

/* Packs b now if it is constant, otherwise asks for the scratch to pack it
 * at each run. The first of the state's bytes are *wanted. */
static int make_state(struct step *step, struct product_state *wanted,
                      bool constant, struct err *err)
{
    struct product_state *s =
        bind_state(step, sizeof(*s), packed_bytes(wanted, constant), err);

    if (s == NULL) {
        bits_deinit(&wanted->bits);
        return EDGE_ENOMEM;
    }
    *s = *wanted;
    step->free_state = free_product;
    step->packed_bytes += s->bits.weight_bytes;
    s->packed = constant || s->narrow;
    if (s->packed) {
        pack(step, s);
    } else {
        step->scratch_bytes =
            gemm_fresh_scratch(s->depth, s->cols) * sizeof(float);
        step->kernel = "gemm.fresh";
    }
    if (bits_scratch(&s->bits) > step->scratch_bytes) {
        step->scratch_bytes = bits_scratch(&s->bits);
    }
    return 0;
}

/* One product of matrices, with its post. */
static void run_product(const struct step *step, const float *a, const float *b,
                        float *c, const struct post *post)
{
    const struct product_state *s = step->state;
    struct gemm_right g = {.isa = s->isa,
                           .rows = s->rows,
                           .cols = s->cols,
                           .depth = s->depth,
                           .a = a,
                           .a_row = s->a_row,
                           .a_step = s->a_step,
                           .c = c,
                           .ldc = s->cols,
                           .post = *post};

    if (s->narrow) {
        struct narrow narrow =
            narrow_right_of(s->isa, bind_packed(step, sizeof(*s)), s->cols);

        narrow_right_run(&g, &narrow, step->scratch);
    } else if (s->packed) {
        gemm_right_run(&g, bind_packed(step, sizeof(*s)));
    } else {
        gemm_fresh_run(&g, b, s->b_row, s->b_step, step->scratch);
    }
}

/* ---- Gemm ----------------------------------------------------------------*/

static size_t dim(const struct tensor *t, int axis)
{
    return (size_t)t->shape.dims[axis];
}

/* c broadcasts from the right: (rows, cols), (cols), (rows, 1), (1) ... */
static void place_c(const struct step *step, struct product_state *s)
{
    const struct shape *c = &step->in[IN_C].shape;
    size_t cols = c->rank > 0 ? (size_t)c->dims[c->rank - 1] : 1;
    size_t rows = c->rank > 1 ? (size_t)c->dims[c->rank - 2] : 1;

    s->has_c = true;
    s->c_step = cols > 1 ? 1 : 0;
    s->c_row = rows > 1 ? cols : 0;
}

/* Of a binary layer without a bias or an epilogue. */
static int find_bits(const struct step *step, struct product_state *s)
{
    bool is_plain = step->in_const[IN_B] && !s->narrow && !s->has_c &&
                    s->a_step == 1 && fabsf(s->alpha - 1) <= 0 &&
                    step->epilogue.act == ACT_NONE &&
                    !step->epilogue.has_residual;

    return is_plain ? bits_of_dense(&s->bits, step->in[IN_B].data, s->cols,
                                    s->depth, s->b_step, s->b_row)
                    : 0;
}

static int prepare_gemm(struct step *step, struct err *err)
{
    const struct op *op = step->op;
    bool turned_a = op_int(op, "transA", 0) != 0;
    bool turned_b = op_int(op, "transB", 0) != 0;
    struct product_state s = {.isa = isa_best(),
                              .narrow = step->narrow.q != NULL};
    int rc = bind_need(step, IN_A, DTYPE_F32, err);

    if (rc < 0) {
        return rc;
    }
    s.rows = dim(&step->out[0], 0);
    s.cols = dim(&step->out[0], 1);
    s.depth = dim(&step->in[IN_A], turned_a ? 0 : 1);
    s.a_row = turned_a ? 1 : s.depth;
    s.a_step = turned_a ? s.rows : 1;
    s.b_row = turned_b ? 1 : s.cols;
    s.b_step = turned_b ? s.depth : 1;
    s.alpha = op_float(op, "alpha", 1);
    s.beta = op_float(op, "beta", 1);
    if (op->n_in > IN_C && op->in[IN_C] >= 0) {
        place_c(step, &s);
    }
    rc = find_bits(step, &s);
    return rc < 0 ? err_set(err, rc, "no memory for its weights' bits")
                  : make_state(step, &s, step->in_const[IN_B], err);
}

static bool is_one(float x)
{
    return fabsf(x - 1) <= 0;
}

/* c, scaled, row by row over the finished product. */
static void add_c(const struct step *step, const float *c)
{
    const struct product_state *s = step->state;
    float *y = step->out[0].data;
    struct post post = bind_post(step);

    for (size_t i = 0; i < s->rows; i++) {
        s->isa->post_scale(y + i * s->cols, s->cols, s->alpha,
                           c != NULL ? c + i * s->c_row : NULL, s->c_step,
                           s->beta);
    }
    s->isa->post_finish(y, s->rows * s->cols, &post);
}

static void run_gemm(const struct step *step)
{
    const struct product_state *s = step->state;
    const float *c = s->has_c ? step->in[IN_C].data : NULL;
    bool plain = is_one(s->alpha) && (c == NULL || is_one(s->beta));
    bool by_col = s->c_row == 0 && (s->c_step == 1 || s->cols == 1);
    struct post none = POST_NONE;
    struct post post = bind_post(step);

    if (s->bits.has && xnor_dense(s->isa, step->in[IN_A].data, s->rows,
                                  s->depth, s->bits.weights, s->cols,
                                  step->out[0].data, step->scratch)) {
        return;
    }
    if (plain && (c == NULL || by_col)) {
        post.bias = c;
        run_product(step, step->in[IN_A].data, step->in[IN_B].data,
                    step->out[0].data, &post);
        return;
    }
    run_product(step, step->in[IN_A].data, step->in[IN_B].data,
                step->out[0].data, &none);
    add_c(step, c);
}

/* ---- MatMul --------------------------------------------------------------*/

static int prepare_matmul(struct step *step, struct err *err)
{
    struct product_state s = {.isa = isa_best(),
                              .narrow = step->narrow.q != NULL,
                              .alpha = 1,
                              .beta = 1};
    int rc = bind_need(step, IN_A, DTYPE_F32, err);

    if (rc < 0) {
        return rc;
    }
    bind_batch(&step->in[IN_A], &step->in[IN_B], &s.batch);
    s.rows = s.batch.rows;
    s.depth = s.batch.depth;
    s.cols = s.batch.cols;
    s.a_row = s.depth;
    s.a_step = 1;
    s.b_row = s.cols;
    s.b_step = 1;
    return make_state(step, &s, s.batch.one_b && step->in_const[IN_B], err);
}

static void run_matmul(const struct step *step)
{
    const struct product_state *s = step->state;
    const float *a = step->in[IN_A].data;
    const float *b = step->in[IN_B].data;
    float *c = step->out[0].data;

    for (size_t i = 0; i < s->batch.count; i++) {
        struct post post = bind_post(step);
        size_t at = i * s->rows * s->cols;

        if (post.residual != NULL) {
            post.residual += at;
        }
        run_product(step, a + bind_batch_a(&s->batch, i),
                    s->packed ? NULL : b + bind_batch_b(&s->batch, i), c + at,
                    &post);
    }
}

const struct bind bind_gemm_rows[] = {
    {OP_GEMM, true, prepare_gemm, run_gemm},
    {OP_MATMUL, true, prepare_matmul, run_matmul},
    {0},
};

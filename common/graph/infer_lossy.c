/* Shapes of lossy tiles and blocks. */
#include "graph/infer_op.h"
#include "graph/tile_form.h"

/* Input `i`, if there, has a seed for each of `samples`. */
static int check_seeds(const struct graph *graph, const struct op *op, int i,
                       int64_t samples, struct err *err)
{
    int rc = infer_vector(graph, op, i, samples, "its seeds", err);

    return rc < 0 ? rc : infer_type(graph, op, i, DTYPE_I64, err);
}

static int64_t tiles_of(const struct tile_form *f)
{
    return (int64_t)f->axis[0].bands * f->axis[1].bands;
}

static int check_extents(const struct op *op, const struct tile_form *f,
                         const struct shape *x, struct err *err)
{
    for (int a = 0; a < 2; a++) {
        int64_t wanted = f->axis[a].border[f->axis[a].bands];

        if (infer_differ(x->dims[2 + a], wanted)) {
            return infer_fail(
                op, err, "its tiles are of %lld, dimension %d is %lld",
                (long long)wanted, 2 + a, (long long)x->dims[2 + a]);
        }
    }
    return 0;
}

int infer_op_tile_cut(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *x = infer_in(graph, op, 0);
    struct tile_form f;
    struct shape shape = {.rank = 5};
    int rc = infer_type(graph, op, 0, DTYPE_F32, err);

    rc = rc == 0 ? infer_rank(op, x, 4, 4, err) : rc;
    rc = rc == 0 ? tile_form_get(op, &f, err) : rc;
    rc = rc == 0 ? check_extents(op, &f, &x->shape, err) : rc;
    rc = rc == 0 ? check_seeds(graph, op, 1, x->shape.dims[0], err) : rc;
    if (rc < 0) {
        return rc;
    }
    shape.dims[0] = x->shape.dims[0];
    shape.dims[1] = x->shape.dims[1];
    shape.dims[2] = tiles_of(&f);
    shape.dims[3] = f.axis[0].length;
    shape.dims[4] = f.axis[1].length;
    return infer_out(graph, op, 0, DTYPE_F32, &shape, err);
}

static int check_tiles(const struct op *op, const struct tile_form *f,
                       const struct shape *t, struct err *err)
{
    const int64_t wanted[] = {tiles_of(f), f->axis[0].length,
                              f->axis[1].length};

    for (int i = 0; i < 3; i++) {
        if (infer_differ(t->dims[2 + i], wanted[i])) {
            return infer_fail(op, err, "dimension %d is %lld, wants %lld",
                              2 + i, (long long)t->dims[2 + i],
                              (long long)wanted[i]);
        }
    }
    return 0;
}

int infer_op_tile_join(struct graph *graph, struct op *op, struct err *err)
{
    const struct value *t = infer_in(graph, op, 0);
    struct tile_form f;
    struct shape shape = {.rank = 4};
    int rc = infer_type(graph, op, 0, DTYPE_F32, err);

    rc = rc == 0 ? infer_rank(op, t, 5, 5, err) : rc;
    rc = rc == 0 ? tile_form_get(op, &f, err) : rc;
    rc = rc == 0 ? check_tiles(op, &f, &t->shape, err) : rc;
    rc = rc == 0 ? check_seeds(graph, op, 1, t->shape.dims[0], err) : rc;
    if (rc < 0) {
        return rc;
    }
    shape.dims[0] = t->shape.dims[0];
    shape.dims[1] = t->shape.dims[1];
    for (int a = 0; a < 2; a++) {
        shape.dims[2 + a] = f.axis[a].border[f.axis[a].bands];
    }
    rc = infer_type(graph, op, 2, DTYPE_F32, err);
    rc = rc == 0 ? infer_fits(graph, op, 2, &shape, err) : rc;
    return rc < 0 ? rc : infer_out(graph, op, 0, DTYPE_F32, &shape, err);
}

/* ---- blocks -------------------------------------------------------------- */

static int check_matrices(const struct graph *graph, const struct op *op,
                          struct err *err)
{
    int64_t blocks = op_int(op, "blocks", 0);
    float p = op_float(op, "p", 0);
    int rc = 0;

    for (int i = 0; rc == 0 && i < 2; i++) {
        rc = infer_type(graph, op, i, DTYPE_F32, err);
        rc = rc == 0 ? infer_rank(op, infer_in(graph, op, i), 2, 2, err) : rc;
    }
    if (rc == 0 && (blocks < 1 || blocks > 64 || !(p >= 0 && p <= 1))) {
        rc = infer_fail(op, err,
                        "attributes \"blocks\" and \"p\" are %lld "
                        "and %g",
                        (long long)blocks, (double)p);
    }
    return rc;
}

/* w is (depth, cols), or (cols, depth) with transB. */
int infer_op_block_gemm(struct graph *graph, struct op *op, struct err *err)
{
    const int64_t *a = infer_in(graph, op, 0)->shape.dims;
    const int64_t *b = infer_in(graph, op, 1)->shape.dims;
    bool turned = op_int(op, "transB", 0) != 0;
    struct shape shape = {.rank = 2};
    int meets = op->kind == OP_BLOCK_INPUT_GRAD ? !turned : turned;
    int rc = check_matrices(graph, op, err);

    if (rc == 0) {
        rc = check_seeds(graph, op, op->kind == OP_BLOCK_GEMM ? 3 : 2, a[0],
                         err);
    }
    if (rc < 0) {
        return rc;
    }
    if (op->kind == OP_BLOCK_WEIGHT_GRAD) {
        if (infer_differ(a[0], b[0])) {
            return infer_fail(op, err, "dy has %lld samples, x %lld",
                              (long long)a[0], (long long)b[0]);
        }
        shape.dims[0] = turned ? a[1] : b[1];
        shape.dims[1] = turned ? b[1] : a[1];
        return infer_out(graph, op, 0, DTYPE_F32, &shape, err);
    }
    if (infer_differ(a[1], b[meets])) {
        return infer_fail(op, err, "%lld columns meet %lld rows",
                          (long long)a[1], (long long)b[meets]);
    }
    shape.dims[0] = a[0];
    shape.dims[1] = b[1 - meets];
    if (op->kind == OP_BLOCK_GEMM) {
        rc = infer_vector(graph, op, 2, shape.dims[1], "its bias", err);
    }
    return rc < 0 ? rc : infer_out(graph, op, 0, DTYPE_F32, &shape, err);
}

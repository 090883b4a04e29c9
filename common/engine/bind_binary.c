/* Arithmetic that broadcasts: two inputs, or any number. */
#include "engine/bind_rows.h"

#include "base/mem.h"
#include "engine/bind_util.h"
#include "kernels/binary.h"
#include "kernels/broadcast.h"

#define PART 4096 /* elements that a thread takes at least */

struct pair { /* out = a op b, one walk of two inputs */
    binary_row row;
    power_row power; /* instead of row */
    struct broadcast walk;
};

struct many_state {
    int n;         /* of pairs */
    double divide; /* Mean: by how much at the end, else 0 */
    struct pair pairs[];
};

static enum binary_op choose(const struct op *op)
{
    switch (op->kind) {
    case OP_SUB: return BINARY_SUB;
    case OP_MUL: return BINARY_MUL;
    case OP_DIV: return BINARY_DIV;
    case OP_MIN: return BINARY_MIN;
    case OP_MAX: return BINARY_MAX;
    case OP_PRELU: return BINARY_PRELU;
    case OP_MOD: return op_int(op, "fmod", 0) != 0 ? BINARY_FMOD : BINARY_MOD;
    default: return BINARY_ADD; /* Add, Sum, Mean, Accumulate */
    }
}

static void pair_init(struct pair *pair, const struct step *step,
                      const struct shape *a, const struct shape *b)
{
    const struct shape in[2] = {*a, *b};

    broadcast_init(&pair->walk, &step->out[0].shape, in, 2);
}

static void pair_run(const struct pair *pair, void *out, const struct tensor *a,
                     const struct tensor *b)
{
    const struct broadcast *w = &pair->walk;
    size_t size = dtype_size(a->dtype);
    size_t size_b = dtype_size(b->dtype);
    struct broadcast_row at = {0};
    uint8_t *to = out;

    for (int64_t r = 0; r < w->rows; r++) {
        const uint8_t *x = (const uint8_t *)a->data + at.in[0] * (int64_t)size;
        const uint8_t *y =
            (const uint8_t *)b->data + at.in[1] * (int64_t)size_b;

        if (pair->power != NULL) {
            pair->power(to, x, y, (size_t)w->length, w->step[0], w->step[1],
                        b->dtype);
        } else {
            pair->row(to, x, y, (size_t)w->length, w->step[0], w->step[1]);
        }
        to += (size_t)w->length * size;
        broadcast_next(w, &at);
    }
}

/* ---- two inputs -----------------------------------------------------------
 */

/* Runs [from, to) of PART elements, where one row is all of both inputs. */
static void run_pair_part(const struct step *step, size_t from, size_t to,
                          void *scratch)
{
    const struct pair *pair = step->state;
    size_t size = dtype_size(step->in[0].dtype);
    size_t n = (size_t)pair->walk.length;
    size_t first = from * PART;
    size_t end = to * PART < n ? to * PART : n;

    (void)scratch;
    pair->row((uint8_t *)step->out[0].data + first * size,
              (const uint8_t *)step->in[0].data + first * size,
              (const uint8_t *)step->in[1].data + first * size, end - first, 1,
              1);
}

static void share_pair(struct step *step, const struct pair *pair)
{
    const struct broadcast *w = &pair->walk;

    if (pair->row != NULL && w->rows == 1 && w->step[0] == 1 &&
        w->step[1] == 1 && step->in[0].dtype == step->out[0].dtype &&
        bind_worth_sharing(step)) {
        step->parts = ((size_t)w->length + PART - 1) / PART;
        step->run_part = run_pair_part;
    }
}

static int prepare_pair(struct step *step, struct err *err)
{
    struct pair pair = {0};

    if (step->op->kind == OP_POW) {
        pair.power = power_find(step->in[0].dtype);
    } else {
        pair.row = binary_find(choose(step->op), step->in[0].dtype);
    }
    if (pair.row == NULL && pair.power == NULL) {
        return bind_no_type(step, 0, err);
    }
    pair_init(&pair, step, &step->in[0].shape, &step->in[1].shape);
    step->in_place = shape_equal(&step->in[0].shape, &step->out[0].shape);
    step->kernel = "binary";
    share_pair(step, &pair);
    return bind_keep(step, &pair, sizeof(pair), err);
}

static void run_pair(const struct step *step)
{
    pair_run(step->state, step->out[0].data, &step->in[0], &step->in[1]);
}

/* ---- any number ------------------------------------------------------------
 */

/* out = in[0] op in[1], then out = out op in[k]. */
static int prepare_many(struct step *step, struct err *err)
{
    int n = step->n_in > 1 ? step->n_in - 1 : 1;
    binary_row row = binary_find(choose(step->op), step->in[0].dtype);
    struct many_state *s =
        mem_zalloc(1, sizeof(*s) + (size_t)n * sizeof(s->pairs[0]));

    step->state = s;
    if (s == NULL) {
        return err_set(err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
    }
    if (row == NULL) {
        return bind_no_type(step, 0, err);
    }
    s->n = step->n_in - 1;
    s->divide = step->op->kind == OP_MEAN ? step->n_in : 0;
    for (int i = 0; i < n; i++) {
        int other = step->n_in > 1 ? i + 1 : 0;

        s->pairs[i].row = row;
        pair_init(&s->pairs[i], step,
                  i == 0 ? &step->in[0].shape : &step->out[0].shape,
                  &step->in[other].shape);
    }
    step->in_place = shape_equal(&step->in[0].shape, &step->out[0].shape);
    step->is_view = s->n == 0;
    step->kernel = "binary";
    return 0;
}

static void divide(const struct tensor *out, double by)
{
    binary_row row = binary_find(BINARY_DIV, out->dtype);
    double f64 = by;
    float f32 = (float)by;
    uint16_t f16 = tensor_float_to_half(f32);
    size_t n = (size_t)tensor_count(out);

    switch (out->dtype) {
    case DTYPE_F64: row(out->data, out->data, &f64, n, 1, 0); break;
    case DTYPE_F32: row(out->data, out->data, &f32, n, 1, 0); break;
    case DTYPE_F16: row(out->data, out->data, &f16, n, 1, 0); break;
    default: break; /* ONNX has no Mean of integers */
    }
}

static void run_many(const struct step *step)
{
    const struct many_state *s = step->state;
    const struct tensor *out = &step->out[0];

    if (s->n == 0) {
        bind_copy(step);
        return;
    }
    for (int i = 0; i < s->n; i++) {
        pair_run(&s->pairs[i], out->data, i == 0 ? &step->in[0] : out,
                 &step->in[i + 1]);
    }
    if (s->divide > 0) {
        divide(out, s->divide);
    }
}

const struct bind bind_binary_rows[] = {
    {OP_ADD, false, prepare_pair, run_pair},
    {OP_ACCUMULATE, false, prepare_pair, run_pair},
    {OP_SUB, false, prepare_pair, run_pair},
    {OP_MUL, false, prepare_pair, run_pair},
    {OP_DIV, false, prepare_pair, run_pair},
    {OP_POW, false, prepare_pair, run_pair},
    {OP_MOD, false, prepare_pair, run_pair},
    {OP_PRELU, false, prepare_pair, run_pair},
    {OP_MIN, false, prepare_many, run_many},
    {OP_MAX, false, prepare_many, run_many},
    {OP_SUM, false, prepare_many, run_many},
    {OP_MEAN, false, prepare_many, run_many},
    {.prepare = NULL},
};

#include "graph/tile_form.h"

#include "graph/infer_op.h"

#define EXTENT_MAX ((int64_t)1 << 24)
#define LEVELS_MAX 65535

static const char *const borders[] = {"rows", "columns"};
static const char *const starts[] = {"row_from", "column_from"};

bool tile_form_is_random(const struct tile_form *form)
{
    return form->loss == TILE_FORM_ELEMENTS || form->loss == TILE_FORM_SIDES;
}

/* ---- writing ------------------------------------------------------------- */

static int set_axes(struct op *op, const struct tile_form *f)
{
    const int64_t size[] = {f->axis[0].length, f->axis[1].length};
    const int64_t reach[] = {f->axis[0].reach, f->axis[1].reach};
    int rc = op_set_ints(op, "length", size, 2);

    rc = rc == 0 ? op_set_ints(op, "reach", reach, 2) : rc;
    for (int a = 0; rc == 0 && a < 2; a++) {
        size_t n = (size_t)f->axis[a].bands;

        rc = op_set_ints(op, borders[a], f->axis[a].border, n + 1);
        rc = rc == 0 ? op_set_ints(op, starts[a], f->axis[a].from, n) : rc;
    }
    return rc;
}

int tile_form_set(struct op *op, const struct tile_form *f)
{
    const float chain[] = {f->p11, f->p22};
    const float clip[] = {f->low, f->high};
    int rc = set_axes(op, f);

    rc = rc == 0 ? op_set_int(op, "loss", f->loss) : rc;
    rc = rc == 0 ? op_set_int(op, "salt", f->salt) : rc;
    rc = rc == 0 ? op_set_float(op, "p", f->p) : rc;
    rc = rc == 0 ? op_set_floats(op, "chain", chain, 2) : rc;
    rc = rc == 0 ? op_set_float(op, "pad", f->pad) : rc;
    rc = rc == 0 ? op_set_int(op, "levels", f->levels) : rc;
    rc = rc == 0 ? op_set_floats(op, "clip", clip, 2) : rc;
    return rc == 0 ? op_set_int(op, "own", f->own) : rc;
}

/* ---- reading ------------------------------------------------------------- */

static int wrong(const struct op *op, const char *name, struct err *err)
{
    return infer_fail(op, err, "attribute \"%s\" does not make sense", name);
}

static bool is_fine_axis(const struct tile_form_axis *a)
{
    bool fine = a->border[0] == 0 && a->length > 0 && a->length <= EXTENT_MAX &&
                a->reach >= 0 && a->reach <= EXTENT_MAX;

    for (int i = 0; fine && i < a->bands; i++) {
        fine = a->border[i + 1] > a->border[i] &&
               a->border[i + 1] <= EXTENT_MAX && a->from[i] <= EXTENT_MAX &&
               a->from[i] >= -EXTENT_MAX;
    }
    return fine;
}

static int get_axis(const struct op *op, int axis, struct tile_form_axis *a,
                    struct err *err)
{
    size_t n = op_ints(op, borders[axis], a->border, TILE_FORM_BANDS + 1);
    int64_t pair[2] = {0};

    if (n < 2 || n > TILE_FORM_BANDS + 1) {
        return wrong(op, borders[axis], err);
    }
    a->bands = (int)n - 1;
    if (op_ints(op, starts[axis], a->from, TILE_FORM_BANDS) != n - 1) {
        return wrong(op, starts[axis], err);
    }
    if (op_ints(op, "length", pair, 2) != 2) {
        return wrong(op, "length", err);
    }
    a->length = pair[axis];
    if (op_ints(op, "reach", pair, 2) != 2) {
        return wrong(op, "reach", err);
    }
    a->reach = pair[axis];
    return is_fine_axis(a) ? 0 : wrong(op, borders[axis], err);
}

static bool get_pair(const struct op *op, const char *name, float *a, float *b)
{
    const struct attr *attr = op_attr(op, name);

    if (attr == NULL || attr->kind != ATTR_FLOATS || attr->n != 2) {
        return false;
    }
    *a = attr->floats[0];
    *b = attr->floats[1];
    return true;
}

static bool is_part(float p)
{
    return p >= 0 && p <= 1;
}

int tile_form_get(const struct op *op, struct tile_form *f, struct err *err)
{
    int64_t loss = op_int(op, "loss", TILE_FORM_EXACT);
    int rc = 0;

    *f = (struct tile_form){.p = op_float(op, "p", 0),
                            .salt = op_int(op, "salt", 0),
                            .pad = op_float(op, "pad", 0),
                            .levels = op_int(op, "levels", 0),
                            .own = op_int(op, "own", 0) != 0};
    for (int a = 0; rc == 0 && a < 2; a++) {
        rc = get_axis(op, a, &f->axis[a], err);
    }
    if (rc < 0) {
        return rc;
    }
    if (loss < TILE_FORM_EXACT || loss > TILE_FORM_SIDES) {
        return wrong(op, "loss", err);
    }
    f->loss = (enum tile_form_loss)loss;
    if (!get_pair(op, "chain", &f->p11, &f->p22) || !is_part(f->p11) ||
        !is_part(f->p22) || !is_part(f->p)) {
        return wrong(op, "p", err);
    }
    if (!get_pair(op, "clip", &f->low, &f->high) || f->levels < 0 ||
        f->levels > LEVELS_MAX || (f->levels > 0 && !(f->low < f->high))) {
        return wrong(op, "clip", err);
    }
    return 0;
}

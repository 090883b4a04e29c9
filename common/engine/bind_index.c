/* Ops that choose elements: by index, by value, by overlap. */
#include "engine/bind_rows.h"

#include "engine/bind_util.h"
#include "kernels/nms.h"
#include "kernels/pick.h"

static struct pick pick_of(const struct tensor *t, int64_t axis)
{
    int a = shape_axis(axis, t->shape.rank);
    struct pick p = {.dtype = t->dtype};

    p.outer = shape_span(&t->shape, 0, a);
    p.n = t->shape.dims[a];
    p.inner = shape_span(&t->shape, a + 1, t->shape.rank);
    return p;
}

/* ---- Gather ----------------------------------------------------------------
 */

static int prepare_gather(struct step *step, struct err *err)
{
    struct pick p = pick_of(&step->in[0], op_int(step->op, "axis", 0));

    if (p.n == 0 && tensor_count(&step->out[0]) > 0) {
        return err_set(err, EDGE_EINVAL, "it takes elements of an empty input");
    }
    step->kernel = "gather";
    return bind_keep(step, &p, sizeof(p), err);
}

static void run_gather(const struct step *step)
{
    gather_run(step->state, step->out[0].data, step->in[0].data,
               step->in[1].data, step->in[1].dtype, tensor_count(&step->in[1]));
}

/* ---- ArgMax, ArgMin --------------------------------------------------------
 */

struct arg_state {
    struct pick pick;
    bool smallest;
    bool last;
};

static int prepare_arg(struct step *step, struct err *err)
{
    struct arg_state s = {.smallest = step->op->kind == OP_ARG_MIN};

    s.pick = pick_of(&step->in[0], op_int(step->op, "axis", 0));
    s.last = op_int(step->op, "select_last_index", 0) != 0;
    if (!pick_has(step->in[0].dtype)) {
        return bind_no_type(step, 0, err);
    }
    step->kernel = "arg";
    return bind_keep(step, &s, sizeof(s), err);
}

static void run_arg(const struct step *step)
{
    const struct arg_state *s = step->state;

    arg_run(&s->pick, step->out[0].data, step->in[0].data, s->smallest,
            s->last);
}

/* ---- TopK ------------------------------------------------------------------
 */

static int prepare_top_k(struct step *step, struct err *err)
{
    struct arg_state s = {.last = false};
    int64_t k;
    size_t n;
    int rc = bind_ints(step, 1, &k, 1, &n, err);

    if (rc < 0) {
        return rc;
    }
    s.pick = pick_of(&step->in[0], op_int(step->op, "axis", -1));
    s.smallest = op_int(step->op, "largest", 1) == 0;
    if (!pick_has(step->in[0].dtype)) {
        return bind_no_type(step, 0, err);
    }
    if (n != 1 || k < 0 || k > s.pick.n) {
        return err_set(err, EDGE_EINVAL, "k is out of range");
    }
    step->scratch_bytes = (size_t)k * sizeof(int64_t);
    step->kernel = "top_k";
    return bind_keep(step, &s, sizeof(s), err);
}

static void run_top_k(const struct step *step)
{
    const struct arg_state *s = step->state;
    int64_t k = (int64_t)(step->scratch_bytes / sizeof(int64_t));

    top_k_run(&s->pick, step->out[0].data, step->out[1].data, step->in[0].data,
              k, s->smallest, step->scratch);
}

/* ---- NonMaxSuppression -----------------------------------------------------
 */

static int prepare_nms(struct step *step, struct err *err)
{
    const struct shape *scores = &step->in[1].shape;
    struct nms n = {.batches = scores->dims[0]};

    if (step->in[0].dtype != DTYPE_F32 || step->in[1].dtype != DTYPE_F32) {
        return bind_no_type(step, 0, err);
    }
    n.classes = scores->dims[1];
    n.boxes = scores->dims[2];
    n.centered = op_int(step->op, "center_point_box", 0) != 0;
    step->scratch_bytes = nms_scratch(&n);
    step->kernel = "nms";
    return bind_keep(step, &n, sizeof(n), err);
}

/* The bounds may be made by other ops, so they are read at every run. */
static void run_nms(const struct step *step)
{
    struct nms n = *(const struct nms *)step->state;

    n.per_class = bind_has(step, 2) ? tensor_get_int(&step->in[2], 0) : 0;
    n.overlap = bind_has(step, 3) ? (float)tensor_get(&step->in[3], 0) : 0;
    n.has_floor = bind_has(step, 4);
    n.floor = n.has_floor ? (float)tensor_get(&step->in[4], 0) : 0;
    step->out[0].shape.dims[0] =
        nms_run(&n, step->out[0].data, step->in[0].data, step->in[1].data,
                step->scratch);
}

const struct bind bind_index_rows[] = {
    {OP_GATHER, false, prepare_gather, run_gather},
    {OP_ARG_MAX, false, prepare_arg, run_arg},
    {OP_ARG_MIN, false, prepare_arg, run_arg},
    {OP_TOP_K, false, prepare_top_k, run_top_k},
    {OP_NON_MAX_SUPPRESSION, false, prepare_nms, run_nms},
    {.prepare = NULL},
};

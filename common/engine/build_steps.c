#include "engine/build.h"

#include "base/mem.h"
#include "engine/fuse.h"
#include "graph/infer.h"
#include "graph/quantised.h"

static int no_memory(struct err *err)
{
    return err_set(err, EDGE_ENOMEM, "%s", err_text(EDGE_ENOMEM));
}

/* "Conv+Add+Relu". */
static char *kind_text(const struct graph *graph, const struct fusion *fusion)
{
    const char *names[3] = {"", "", ""};

    for (int i = 0; i < fusion->n_ops; i++) {
        names[i] = op_info(graph->ops[fusion->ops[i]].kind)->name;
    }
    return mem_printf("%s%s%s%s%s", names[0], fusion->n_ops > 1 ? "+" : "",
                      names[1], fusion->n_ops > 2 ? "+" : "", names[2]);
}

static int describe(struct plan_time *time, const struct graph *graph,
                    const struct fusion *fusion, const struct step *step)
{
    time->op = mem_strdup(graph->ops[fusion->head].name);
    time->kind = kind_text(graph, fusion);
    time->kernel = step->kernel != NULL ? step->kernel : "";
    for (int i = 0; i < fusion->n_ops; i++) {
        struct op_cost cost;

        infer_cost(graph, &graph->ops[fusion->ops[i]], &cost);
        time->macs += cost.macs;
    }
    return time->op != NULL && time->kind != NULL ? 0 : EDGE_ENOMEM;
}

/* The values behind the views of a step, in the order of step_init. */
static int name_values(struct placed *p, const struct op *head,
                       const struct step_extra *extra)
{
    p->in = mem_array(int, (size_t)p->step.n_in);
    p->out = mem_array(int, (size_t)p->step.n_out);
    if (p->in == NULL || p->out == NULL) {
        return EDGE_ENOMEM;
    }
    for (int i = 0; i < p->step.n_in; i++) {
        p->in[i] = i < head->n_in ? head->in[i] : extra->residual;
    }
    for (int i = 0; i < p->step.n_out; i++) {
        p->out[i] = i == 0 && extra->out >= 0 ? extra->out : head->out[i];
    }
    return 0;
}

/* Constants that the step packed are let go. */
static void release_inputs(struct builder *b, struct placed *p)
{
    for (int i = 0; i < p->step.n_in; i++) {
        bool keep = i >= 4 || !p->step.drops_const[i];

        if (!p->step.in_const[i]) {
            continue;
        }
        if (!keep) {
            p->step.in[i].data = NULL;
        }
        consts_release(&b->consts, p->in[i], keep);
    }
}

/* So are the bytes of weights that have been packed as such. */
static void release_narrow(struct builder *b, struct placed *p)
{
    if (p->step.narrow.q != NULL) {
        p->step.narrow = (struct narrow_weights){0};
        consts_skip(&b->consts, p->in[QUANTISED_INPUT]);
    }
}

/* The fused ops' own inputs (bounds of Clip) went into the epilogue. */
static void release_fused(struct builder *b, const struct fusion *fusion)
{
    for (int i = 1; i < fusion->n_ops; i++) {
        const struct op *op = &b->graph->ops[fusion->ops[i]];

        for (int k = 0; k < op->n_in; k++) {
            if (op->in[k] != fusion->extra.residual) {
                consts_release(&b->consts, op->in[k], false);
            }
        }
    }
}

/* Only a run says how many boxes are left, and sizes are fixed before. */
static int check_dynamic(const struct graph *graph, const struct op *op,
                         struct err *err)
{
    for (int i = 0; i < op->n_in; i++) {
        int v = op->in[i];
        int producer = v >= 0 ? graph->values[v].producer : -1;

        if (producer >= 0 && !graph_is_const(graph, v) &&
            graph->ops[producer].kind == OP_NON_MAX_SUPPRESSION) {
            return err_set(err, EDGE_EUNSUPPORTED,
                           "%s \"%s\": the size of its output depends on "
                           "data, so only a model's output may be made by it",
                           op_info(OP_NON_MAX_SUPPRESSION)->name,
                           graph->ops[producer].name);
        }
    }
    return 0;
}

/* Weights that are still to be computed from bytes need not be. */
static bool stays_narrow(const struct builder *b, const struct op *op)
{
    struct quantised q;

    return quantised_weights(b->graph, op, &q) &&
           consts_is_put_off(&b->consts, op->in[QUANTISED_INPUT]);
}

/* Computes an input, or what `narrow` weights would be computed from. */
static int need_input(struct builder *b, int v, bool narrow, struct err *err)
{
    const struct op *maker;
    int rc = 0;

    if (!narrow) {
        return consts_need(&b->consts, v, err);
    }
    maker = &b->graph->ops[b->graph->values[v].producer];
    for (int i = 0; i < maker->n_in && rc == 0; i++) {
        rc = consts_need(&b->consts, maker->in[i], err);
    }
    return rc;
}

/* Computes what is constant of the inputs; shapes that hang on it follow. */
static int need_inputs(struct builder *b, const struct fusion *fusion,
                       bool narrow, struct err *err)
{
    struct op *head = &b->graph->ops[fusion->head];

    for (int i = 0; i < head->n_in; i++) {
        int rc =
            need_input(b, head->in[i], narrow && i == QUANTISED_INPUT, err);

        if (rc < 0) {
            return rc;
        }
    }
    for (int i = 0; i < fusion->n_ops; i++) {
        struct op *op = &b->graph->ops[fusion->ops[i]];
        int rc = check_dynamic(b->graph, op, err);

        if (rc == 0) {
            rc = infer_op(b->graph, op, err);
        }
        if (rc < 0) {
            return rc;
        }
    }
    return consts_need(&b->consts, fusion->extra.residual, err);
}

static int add_step(struct builder *b, const struct fusion *fusion,
                    struct err *err)
{
    struct placed *p = &b->steps[b->n_steps];
    const struct op *head = &b->graph->ops[fusion->head];
    struct step_extra extra = fusion->extra;
    int rc;

    extra.narrow = stays_narrow(b, head);
    rc = need_inputs(b, fusion, extra.narrow, err);
    if (rc < 0) {
        return rc;
    }
    rc = step_init(&p->step, b->graph, head, &extra, err);
    if (rc < 0) {
        return rc;
    }
    b->n_steps++;
    if (name_values(p, head, &fusion->extra) < 0 ||
        describe(&b->plan->times[b->n_steps - 1], b->graph, fusion, &p->step) <
            0) {
        return no_memory(err);
    }
    b->plan->packed_bytes += p->step.packed_bytes;
    release_inputs(b, p);
    release_narrow(b, p);
    release_fused(b, fusion);
    p->step.op = NULL;
    return 0;
}

static int add_steps(struct builder *b, const struct fusion *fusions,
                     struct err *err)
{
    for (size_t i = 0; i < b->graph->n_ops; i++) {
        int rc;

        if (b->consts.put_off[i] || fusions[i].n_ops == 0) {
            continue;
        }
        rc = add_step(b, &fusions[i], err);
        if (rc < 0) {
            return rc;
        }
    }
    for (size_t i = 0; i < b->graph->n_outputs; i++) {
        int rc = consts_need(&b->consts, b->graph->outputs[i], err);

        if (rc < 0) {
            return rc;
        }
        consts_release(&b->consts, b->graph->outputs[i], true);
    }
    return 0;
}

/* Bounds of Clip decide whether it can be fused, so they are needed early. */
static int need_bounds(struct builder *b, struct err *err)
{
    for (size_t i = 0; i < b->graph->n_ops; i++) {
        const struct op *op = &b->graph->ops[i];

        if (op->kind != OP_CLIP || b->consts.put_off[i]) {
            continue;
        }
        for (int k = 1; k < op->n_in; k++) {
            int rc = consts_need(&b->consts, op->in[k], err);

            if (rc < 0) {
                return rc;
            }
        }
    }
    return 0;
}

int build_steps(struct builder *b, struct err *err)
{
    struct fusion *fusions = NULL;
    int rc = need_bounds(b, err);

    if (rc < 0) {
        return rc;
    }
    if (fuse_find(b->graph, b->consts.put_off, &fusions) < 0) {
        return no_memory(err);
    }
    rc = add_steps(b, fusions, err);
    mem_free(fusions);
    return rc;
}

#include "tests/lib/fleet_model.h"

#include "base/mem.h"
#include "chain/chain.h"
#include "coordinator/plan/cut.h"
#include "engine/fold.h"
#include "engine/plan.h"
#include "onnx/export.h"
#include "onnx/import.h"
#include "tests/lib/fleet_early.h"
#include "tests/lib/model.h"
#include "tests/lib/random_graph.h"
#include "tests/lib/run_graph.h"
#include "tests/lib/tmp.h"
#include "tests/lib/unit.h"

#include <math.h>
#include <stdio.h>
#include <math.h>
#include <string.h>

/* Weights of layers, where there are some, are a little larger. */
static void scale_weights(struct graph *g, float by)
{
    for (size_t i = 0; i < g->n_ops; i++) {
        const struct op *op = &g->ops[i];
        struct value *w;
        bool is_layer =
            op->kind == OP_CONV || op->kind == OP_GEMM || op->kind == OP_MATMUL;

        if (!is_layer || op->in[1] < 0) {
            continue;
        }
        w = &g->values[op->in[1]];
        if (w->data.blob != NULL && w->data.dtype == DTYPE_F32) {
            for (int64_t k = 0; k < tensor_count(&w->data); k++) {
                ((float *)w->data.data)[k] *= by;
            }
        }
    }
}

/* Every output plus a number that only this generation adds. */
static void mark_outputs(struct graph *g, float mark)
{
    for (size_t i = 0; i < g->n_outputs; i++) {
        char name[32];
        int add;

        (void)snprintf(name, sizeof(name), "mark%zu", i);
        add = model_f32(g, name, mark, 0, DIMS(1));
        (void)snprintf(name, sizeof(name), "answer%zu", i);
        g->outputs[i] = model_op(g, OP_ADD, name, IN(g->outputs[i], add));
    }
}

static struct graph *build(uint64_t seed, int n_ops, unsigned generation,
                           bool is_early)
{
    struct graph *g;
    struct rng rng;

    rng_init(&rng, seed);
    g = random_graph(&rng, n_ops);
    scale_weights(g, 1 + (float)generation / 16);
    if (is_early && !fleet_early_add(g)) {
        graph_free(g);
        return NULL;
    }
    mark_outputs(g, (float)generation);
    return g;
}

static struct blob *to_file(const struct graph *g)
{
    struct blob *file = NULL;
    struct tmp tmp;
    struct err err;

    tmp_init(&tmp);
    if (export_file(g, tmp_path(&tmp, "m.onnx"), &err) < 0 ||
        blob_read(tmp_path(&tmp, "m.onnx"), MIB(64), &file, &err) < 0) {
        fail_msg("%s", err.text);
    }
    tmp_deinit(&tmp);
    return file;
}

/* As coordinator/plan_job.c reads it. */
static struct graph *from_file(struct blob *file)
{
    struct graph *g = NULL;
    struct err err;

    if (import_blob(file, "m.onnx", NULL, NULL, &g, &err) < 0) {
        fail_msg("%s", err.text);
    }
    if (fold_prepare(g, 1, NULL, 0, &err) < 0) {
        graph_free(g);
        return NULL;
    }
    return g;
}

static bool is_plain(const struct tensor *t)
{
    for (int64_t i = 0; i < tensor_count(t); i++) {
        double v = tensor_get(t, i);

        if (!isfinite(v) || fabs(v) > 1e5) {
            return false;
        }
    }
    return tensor_count(t) > 0;
}

static bool make_answers(struct fleet_model *m, uint64_t seed)
{
    struct plan *plan = NULL;
    struct rng rng;
    struct err err;
    bool plain = true;

    if (plan_make(m->graph, &plan, &err) < 0) {
        return false;
    }
    rng_init(&rng, seed ^ 0x5eed);
    for (size_t set = 0; set < FLEET_INPUTS; set++) {
        for (size_t i = 0; i < m->graph->n_inputs; i++) {
            m->inputs[set][i] =
                random_tensor(&rng, &plan_input(plan, i)->shape);
        }
        for (size_t i = 0; i < m->graph->n_outputs; i++) {
            const struct plan_port *port = plan_output(plan, i);

            assert_int_equal(
                tensor_init(&m->outputs[set][i], port->dtype, &port->shape), 0);
        }
        assert_int_equal(plan_run(plan, m->inputs[set], m->outputs[set]), 0);
        for (size_t i = 0; i < m->graph->n_outputs; i++) {
            plain = plain && is_plain(&m->outputs[set][i]);
        }
    }
    plan_free(plan);
    return plain;
}

/* Of a graph that it takes over. */
static bool make(struct fleet_model *m, struct graph *g, uint64_t seed)
{
    struct err why;
    bool made = false;

    memset(m, 0, sizeof(*m));
    if (g->n_inputs <= FLEET_PORTS && g->n_outputs <= FLEET_PORTS &&
        run_graph_can(g, &why)) {
        m->file = to_file(g);
        m->graph = from_file(m->file);
        made = m->graph != NULL && m->graph->n_ops > 0 && make_answers(m, seed);
    }
    graph_free(g);
    if (!made) {
        fleet_model_free(m);
    }
    return made;
}

bool fleet_model_make(struct fleet_model *m, uint64_t seed, int n_ops,
                      unsigned generation)
{
    return make(m, build(seed, n_ops, generation, false), seed);
}

bool fleet_model_make_early(struct fleet_model *m, uint64_t seed, int n_ops,
                            unsigned generation)
{
    struct graph *g = build(seed, n_ops, generation, true);
    size_t last = g != NULL ? g->n_outputs - 1 : 0;

    if (g == NULL || !make(m, g, seed)) {
        return false;
    }
    if (!fleet_early_can(m->graph)) {
        fleet_model_free(m);
        return false;
    }
    m->early = (int)last;
    return true;
}

void fleet_model_choose(struct fleet_model *m)
{
    double doubts[FLEET_INPUTS];

    for (size_t set = 0; set < FLEET_INPUTS; set++) {
        double doubt = fleet_early_doubt(&m->outputs[set][m->early]);
        size_t at = set;

        while (at > 0 && doubts[at - 1] > doubt) {
            doubts[at] = doubts[at - 1];
            at--;
        }
        doubts[at] = doubt;
    }
    m->below = (doubts[FLEET_INPUTS / 2 - 1] + doubts[FLEET_INPUTS / 2]) / 2;
}

bool fleet_model_make_wide(struct fleet_model *m, uint64_t seed, int n_layers,
                           int width)
{
    struct graph *g = graph_new("wide");
    int value = model_input(g, "x", DTYPE_F32, DIMS(1, width));

    for (int i = 0; i < n_layers; i++) {
        float step = 0.05F / (float)(width * width);
        char name[32];
        int weights;

        (void)snprintf(name, sizeof(name), "w%d", i);
        weights = model_f32(g, name, -0.02F, step, DIMS(width, width));
        (void)snprintf(name, sizeof(name), "product%d", i);
        value = model_op(g, OP_MATMUL, name, IN(value, weights));
        (void)snprintf(name, sizeof(name), "bent%d", i);
        value = model_op(g, OP_RELU, name, IN(value));
    }
    model_output(g, value);
    return make(m, g, seed);
}

/* Outputs of a shard are the next one's inputs in the same order. */
static size_t link_up(const struct fleet_model *m, struct graph *const *shards,
                      size_t n, const struct codec *codecs[2],
                      struct chain_link *links)
{
    size_t n_links = 0;

    for (size_t i = 0; i <= n; i++) {
        size_t ports = i == 0 ? m->graph->n_inputs : shards[i - 1]->n_outputs;

        for (size_t k = 0; k < ports; k++) {
            const struct value *v =
                i == 0 ? &m->graph->values[m->graph->inputs[k]]
                       : &shards[i - 1]->values[shards[i - 1]->outputs[k]];
            struct chain_link *link = &links[n_links++];

            *link = (struct chain_link){.from = (int)i - 1,
                                        .to = i < n ? (int)i : CHAIN_OUTSIDE,
                                        .from_port = k,
                                        .to_port = k};
            if (i < n && v->dtype == DTYPE_F32) {
                link->codec = *codecs[i > 0];
            }
        }
    }
    return n_links;
}

void fleet_model_code(struct fleet_model *m, const int *positions, size_t n,
                      const struct codec *between, const struct codec *input)
{
    const struct codec *codecs[2] = {input, between};
    struct graph *shards[LIMIT_SHARDS];
    struct chain_link links[LIMIT_SHARDS * LIMIT_PORTS];
    struct chain *chain = NULL;
    struct err err;

    assert_int_equal(cut_split(m->graph, positions, n, shards, &err), 0);
    assert_int_equal(chain_make(shards, n + 1, links,
                                link_up(m, shards, n + 1, codecs, links),
                                &chain, &err),
                     0);
    for (size_t set = 0; set < FLEET_INPUTS; set++) {
        for (size_t i = 0; i < m->graph->n_outputs; i++) {
            tensor_deinit(&m->outputs[set][i]);
        }
        assert_int_equal(chain_run(chain, m->inputs[set], m->graph->n_inputs,
                                   m->outputs[set], m->graph->n_outputs, &err),
                         0);
    }
    chain_free(chain);
    for (size_t i = 0; i <= n; i++) {
        graph_free(shards[i]);
    }
}

void fleet_model_free(struct fleet_model *m)
{
    for (size_t set = 0; set < FLEET_INPUTS; set++) {
        for (size_t i = 0; i < FLEET_PORTS; i++) {
            tensor_deinit(&m->inputs[set][i]);
            tensor_deinit(&m->outputs[set][i]);
        }
    }
    graph_free(m->graph);
    blob_unref(m->file);
    memset(m, 0, sizeof(*m));
}

static bool are_equal(const struct tensor *a, const struct tensor *b)
{
    return a->dtype == b->dtype && shape_equal(&a->shape, &b->shape) &&
           memcmp(a->data, b->data, tensor_bytes(a)) == 0;
}

static bool are_close(const struct tensor *a, const struct tensor *b)
{
    const float *x = a->data;
    const float *y = b->data;
    float largest = 0;
    float apart = 0;

    if (a->dtype != DTYPE_F32 || b->dtype != DTYPE_F32 ||
        !shape_equal(&a->shape, &b->shape)) {
        return are_equal(a, b);
    }
    for (int64_t i = 0; i < tensor_count(a); i++) {
        largest = fmaxf(largest, fabsf(x[i]));
        apart = fmaxf(apart, fabsf(x[i] - y[i]));
    }
    return apart <= 1e-4f * largest;
}

bool fleet_model_differs(const struct fleet_model *a,
                         const struct fleet_model *b)
{
    for (size_t set = 0; set < FLEET_INPUTS; set++) {
        for (size_t i = 0; i < a->graph->n_outputs; i++) {
            if (are_close(&a->outputs[set][i], &b->outputs[set][i])) {
                return false;
            }
        }
    }
    return true;
}

static bool leaves(const struct fleet_model *m, size_t set, double by)
{
    return fleet_early_doubt(&m->outputs[set][m->early]) < m->below + by;
}

/* What rounds may fall to either side of the threshold; so may what is at it,
 * for the file has it with twelve digits. */
static bool gives_one(const struct fleet_model *m, size_t set,
                      const struct tensor *output)
{
    const struct tensor *want = m->outputs[set];
    double by = m->rounds ? 1e-4 : 1e-9;
    bool (*is_same)(const struct tensor *, const struct tensor *) =
        m->rounds ? are_close : are_equal;

    return (leaves(m, set, by) && is_same(&want[m->early], output)) ||
           (!leaves(m, set, -by) && is_same(&want[0], output));
}

bool fleet_model_gives(const struct fleet_model *m, size_t set,
                       const struct tensor *outputs, size_t n)
{
    if (m->early > 0) {
        return n == 1 && gives_one(m, set, &outputs[0]);
    }
    if (n != m->graph->n_outputs) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!(m->rounds ? are_close : are_equal)(&m->outputs[set][i],
                                                 &outputs[i])) {
            return false;
        }
    }
    return true;
}

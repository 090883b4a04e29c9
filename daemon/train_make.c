/*
 * A recipe made ready to train, on the disk strand: the model is read as for
 * a plan, its state loaded, its samples opened.
 */
#include "daemon/train.h"

#include "base/mem.h"
#include "graph/infer.h"
#include "onnx/import.h"
#include "train/learnt.h"
#include "wire/convert.h"

#include <string.h>

static int open_external(void *arg, const char *location, struct blob **blob,
                         struct err *err)
{
    struct digest digest;

    if (!digest_parse(location, &digest)) {
        return err_set(err, EDGE_ECORRUPT, "\"%s\" is not a digest", location);
    }
    return store_map(arg, &digest, true, blob, err);
}

static int read_graph(struct store *store, const struct train *t,
                      struct graph **graph, struct err *err)
{
    struct blob *model = NULL;
    int rc = store_map(store, &t->shard->model, true, &model, err);

    if (rc == 0) {
        rc = import_blob(model, t->shard->name, open_external, store, graph,
                         err);
    }
    blob_unref(model);
    return rc;
}

/* Shapes of the largest micro-batch. */
static int bind(const struct train *t, struct graph *g, struct err *err)
{
    if (g->n_inputs != t->shard->n_inputs ||
        g->n_outputs != t->shard->n_outputs) {
        return err_set(err, EDGE_ECORRUPT, "its model has other ports");
    }
    for (size_t i = 0; i < g->n_inputs; i++) {
        struct value *v = &g->values[g->inputs[i]];

        if (!v->has_shape || v->shape.rank < 1) {
            return err_set(err, EDGE_EUNSUPPORTED,
                           "its input \"%.100s\" has no dimension of samples",
                           v->name);
        }
        v->shape.dims[0] = t->recipe->micro_max;
    }
    return infer_graph(g, err);
}

/* Scores are seen from outside: to count what is right, and to evaluate. */
static int show_scores(const struct train *t, struct train_made *made,
                       struct err *err)
{
    struct graph *g = made->graph;

    for (size_t i = 0; i < t->recipe->n_losses; i++) {
        const char *name = t->recipe->losses[i]->scores;
        int value = graph_find_value(g, name);
        const struct value *v = value >= 0 ? &g->values[value] : NULL;
        int rc = 0;

        if (v == NULL || v->dtype != DTYPE_F32 || v->shape.rank < 2 ||
            v->shape.dims[0] != t->recipe->micro_max || v->shape.dims[1] < 1 ||
            shape_span(&v->shape, 2, v->shape.rank) != 1) {
            return err_set(err, EDGE_EINVAL,
                           "\"%.100s\" is no value of samples x classes that a "
                           "loss could be of",
                           name);
        }
        if (!graph_is_output(g, value)) {
            rc = graph_add_output(g, value);
        }
        if (rc < 0) {
            return err_set(err, rc, "scores \"%.100s\": %s", name,
                           err_text(rc));
        }
        while (g->outputs[made->scores[i]] != value) {
            made->scores[i]++;
        }
    }
    return 0;
}

static int read_port(const struct train *t, const struct graph *g, int value,
                     struct train_port *port, struct err *err)
{
    const struct value *v = &g->values[value];

    *port = (struct train_port){v->dtype, v->shape};
    if (!v->has_shape || !shape_is_static(&v->shape) || v->shape.rank < 1 ||
        v->shape.dims[0] != t->recipe->micro_max) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "\"%.100s\" has no dimension of samples, or its shape "
                       "is not known before it is computed",
                       v->name);
    }
    return 0;
}

static int read_ports(const struct train *t, struct train_made *made,
                      struct err *err)
{
    const struct graph *g = made->graph;
    int rc = 0;

    made->n_out = g->n_outputs;
    for (size_t i = 0; rc == 0 && i < g->n_inputs; i++) {
        rc = read_port(t, g, g->inputs[i], &made->in[i], err);
    }
    for (size_t i = 0; rc == 0 && i < g->n_outputs; i++) {
        rc = read_port(t, g, g->outputs[i], &made->out[i], err);
    }
    for (size_t i = 0; i < t->recipe->n_sources; i++) {
        made->wants_input_grads |=
            made->in[t->recipe->sources[i]->port].dtype == DTYPE_F32;
    }
    for (size_t i = 0; i < t->spec->n_links; i++) {
        const Edged__Link *link = t->spec->links[i];

        made->takes_output_grads |=
            link->to_shard != 0 && made->out[link->port].dtype == DTYPE_F32;
    }
    return rc;
}

/* ---- the step ------------------------------------------------------------ */

static struct optim_rule rule_of(const Edged__OptimizerSpec *o)
{
    return (struct optim_rule){
        .kind = (enum optim_kind)o->kind,
        .momentum = o->momentum,
        .dampening = o->dampening,
        .nesterov = o->nesterov,
        .beta1 = o->beta1,
        .beta2 = o->beta2,
        .epsilon = o->epsilon,
        .weight_decay = o->weight_decay,
        .clip_norm = o->clip_norm,
    };
}

static int make_step(const struct train *t, struct train_made *made,
                     struct err *err)
{
    const Edged__Recipe *r = t->recipe;
    struct step_loss *losses = mem_array(struct step_loss, r->n_losses + 1);
    struct step_param *params = mem_array(struct step_param, r->n_rates + 1);
    struct step_ask ask = {.threads = t->threads,
                           .batch = r->micro_max,
                           .slots = r->slots,
                           .recompute = r->recompute,
                           .input_grads = made->wants_input_grads,
                           .output_grads = made->takes_output_grads,
                           .losses = losses,
                           .n_losses = r->n_losses,
                           .params = params,
                           .n_params = r->n_rates,
                           .rule = rule_of(r->optimizer)};
    struct graph *g = NULL;
    int rc = EDGE_ENOMEM;

    for (size_t i = 0; params != NULL && i < r->n_rates; i++) {
        params[i] =
            (struct step_param){r->rates[i]->name, r->rates[i]->rate == 0,
                                r->rates[i]->rate, r->rates[i]->decay};
    }
    rc = losses != NULL && params != NULL && graph_clone(made->graph, &g) == 0
             ? train_lossy(r->lossy, false, g, err)
             : err_set(err, rc, "out of memory");
    for (size_t i = 0; rc == 0 && i < r->n_losses; i++) {
        losses[i] =
            (struct step_loss){r->losses[i]->scores, r->losses[i]->weight};
        rc = train_views_mask(made, g, i, &losses[i].scores, err);
    }
    if (rc == 0) {
        rc = step_new(g, &ask, &made->step, err);
    }
    graph_free(g);
    mem_free(losses);
    mem_free(params);
    return rc;
}

static int load_state(struct store *store, const struct train *t,
                      struct train_made *made, struct err *err)
{
    struct blob *blob = NULL;
    struct digest digest;
    int rc;

    if (t->recipe->state == NULL) {
        return 0;
    }
    rc = convert_digest_in(&t->recipe->state->digest, &digest, err);
    if (rc == 0) {
        rc = store_map(store, &digest, true, &blob, err);
    }
    if (rc == 0) {
        rc = learnt_read(blob, made->step, err);
    }
    blob_unref(blob);
    return rc;
}

/* ---- samples, size, pace ------------------------------------------------- */

/* Parts of a picture, which the loader gives in as many channels as `color`
 * has. */
static int check_views(const struct train *t, const struct train_made *made,
                       struct err *err)
{
    const Edged__DataSpec *spec = t->recipe->train;
    int64_t channels = spec->color == IMAGE_COLOR_GRAY ? 1 : 3;

    for (size_t k = 0; k < spec->n_views; k++) {
        const struct shape *shape = &made->in[spec->views[k]].shape;

        if (shape->rank != 4 || shape->dims[1] != channels ||
            shape->dims[2] != spec->height / spec->rows ||
            shape->dims[3] != spec->width / spec->columns) {
            return err_set(err, EDGE_EINVAL,
                           "view %zu of a picture is not as large as its input",
                           k);
        }
    }
    return spec->has_present && (made->in[spec->port].shape.rank != 2 ||
                                 made->in[spec->port].shape.dims[1] !=
                                     (int64_t)spec->n_views)
               ? err_set(err, EDGE_EINVAL,
                         "its input that says who is there has not as many "
                         "columns as there are views")
               : 0;
}

/* Pictures as the first stage takes them. */
static int check_pictures(const struct train *t, const struct train_set *set,
                          const struct train_made *made, struct err *err)
{
    const Edged__DataSpec *spec = t->recipe->train;
    const struct train_port *port = &made->in[spec->port];
    size_t count;

    if (!spec->images) {
        return 0;
    }
    if (spec->n_views > 0) {
        return check_views(t, made, err);
    }
    count = (size_t)shape_span(&port->shape, 1, port->shape.rank);
    if (port->dtype != DTYPE_F32 || count != loader_image_count(set->loader)) {
        return err_set(err, EDGE_EINVAL,
                       "the model takes pictures of %zu numbers, the data give "
                       "%zu",
                       count, loader_image_count(set->loader));
    }
    return 0;
}

static int open_data(struct store *store, const struct train *t,
                     struct train_made *made, struct err *err)
{
    const Edged__Recipe *r = t->recipe;
    int rc = train_data_open(store, r->train, r->seed, true, &made->train, err);

    if (rc == 0) {
        rc = check_pictures(t, &made->train, made, err);
    }
    if (rc == 0 && r->test != NULL) {
        rc = train_data_open(store, r->test, r->seed, false, &made->test, err);
        rc = rc == 0 ? check_pictures(t, &made->test, made, err) : rc;
    }
    return rc;
}

static uint64_t port_bytes(const struct train_port *ports, size_t n)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < n; i++) {
        size_t one = 0;

        (void)shape_bytes(&ports[i].shape, ports[i].dtype, &one);
        bytes += one;
    }
    return bytes;
}

/* Parameters, what is stored of micro-batches, and their values on the way:
 * inputs and outputs, and gradients of one of them. */
static void measure(const struct train *t, struct train_made *made)
{
    uint64_t values = port_bytes(made->in, t->shard->n_inputs) +
                      port_bytes(made->out, made->n_out);

    step_memory(made->step, &made->memory);
    made->bytes = made->memory.params + made->memory.plans +
                  (made->memory.stash + values) * t->recipe->slots + values;
    if (made->residual != NULL) {
        made->bytes += 2 * sizeof(*made->residual) * step_params(made->step)->n;
    }
    made->bytes += 2 * sizeof(*made->agreed) * made->n_agreed;
}

/* What the codec between replicas leaves out has a place on each of several
 * replicas. */
static int make_residual(const struct train *t, struct train_made *made,
                         struct err *err)
{
    size_t n = step_params(made->step)->n;

    if (t->n_replicas < 2 || codec_is_plain(&t->reduce)) {
        return 0;
    }
    made->residual = mem_array(float, n > 0 ? n : 1);
    made->next_residual = mem_array(float, n > 0 ? n : 1);
    return made->residual != NULL && made->next_residual != NULL
               ? 0
               : err_set(err, EDGE_ENOMEM,
                         "no memory for what codecs leave out of gradients");
}

int train_make(struct store *store, const struct train *t,
               const struct paced *pace, struct train_made **out,
               struct err *err)
{
    struct train_made *made = mem_new(struct train_made);
    int rc;

    if (made == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    rc = read_graph(store, t, &made->graph, err);
    if (rc == 0) {
        rc = bind(t, made->graph, err);
    }
    if (rc == 0) {
        rc = show_scores(t, made, err);
    }
    if (rc == 0) {
        rc = read_ports(t, made, err);
    }
    if (rc == 0) {
        rc = train_views_find(t, made, err);
    }
    if (rc == 0) {
        rc = make_step(t, made, err);
    }
    if (rc == 0) {
        rc = load_state(store, t, made, err);
    }
    if (rc == 0) {
        rc = make_residual(t, made, err);
    }
    if (rc == 0) {
        rc = train_mean_make(t, made, err);
    }
    if (rc == 0) {
        rc = open_data(store, t, made, err);
    }
    if (rc < 0) {
        train_made_free(made);
        return rc;
    }
    made->has_seeds = step_needs_seeds(made->step);
    if (pace != NULL) {
        made->pace_us =
            (double)paced_us(pace, made->graph) / (double)t->recipe->micro_max;
    }
    measure(t, made);
    *out = made;
    return 0;
}

void train_made_free(struct train_made *made)
{
    if (made == NULL) {
        return;
    }
    train_plans_free(made);
    step_free(made->step);
    graph_free(made->graph);
    loader_free(made->train.loader);
    loader_free(made->test.loader);
    mem_free(made->residual);
    mem_free(made->next_residual);
    train_mean_free(made);
    mem_free(made);
}

/*
 * edgectl model run: one model in one process, without a cluster.
 *
 * Some models take a shape as an input. Such an input must be known when the
 * model is planned: first none is, then the integers are, then all are, and
 * the first way that works is taken.
 */
#include "coordinator/ctl/model.h"

#include "base/mem.h"
#include "coordinator/ctl/table.h"
#include "engine/fold.h"
#include "engine/plan.h"
#include "onnx/guard.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum bind { BIND_NONE, BIND_INTS, BIND_ALL };

struct run {
    const struct ctl *ctl;
    const struct model_options *options;
    struct plan *plan;
    struct named_port *inputs; /* of the model, as its file says */
    struct tensor *given;      /* borrowed, one an input */
    char **names;              /* of `inputs` */
    size_t n_inputs;
    struct named_port *outputs;
    struct tensor *results;
    size_t n_outputs;
    double plan_ms;
    double run_ms;
};

static double now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* ---- inputs ------------------------------------------------------------- */

static int take_inputs(struct run *r, const struct graph *graph,
                       struct err *err)
{
    size_t n = graph->n_inputs;

    r->inputs = mem_array(struct named_port, n + 1);
    r->given = mem_array(struct tensor, n + 1);
    r->names = mem_array(char *, n + 1);
    if (r->inputs == NULL || r->given == NULL || r->names == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        const struct value *v = &graph->values[graph->inputs[i]];

        r->names[i] = mem_strdup(v->name);
        if (r->names[i] == NULL) {
            return err_set(err, EDGE_ENOMEM, "out of memory");
        }
        r->n_inputs = i + 1;
        r->inputs[i] = (struct named_port){r->names[i], v->dtype, v->shape};
    }
    return named_match(&r->options->inputs, r->inputs, n, r->given, err);
}

/* Open dimensions are those of what was given. */
static void close_shapes(const struct run *r, struct graph *graph)
{
    for (size_t i = 0; i < r->n_inputs; i++) {
        int v = graph_find_value(graph, r->names[i]);

        graph->values[v].has_shape = true;
        graph->values[v].shape = r->given[i].shape;
    }
}

static int prepare(const struct run *r, struct graph *graph, enum bind bind,
                   struct err *err)
{
    struct fold_input *bound = mem_array(struct fold_input, r->n_inputs + 1);
    size_t n = 0;
    int rc;

    if (bound == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < r->n_inputs; i++) {
        if (bind == BIND_ALL ||
            (bind == BIND_INTS && !dtype_is_float(r->inputs[i].dtype))) {
            bound[n++] = (struct fold_input){r->names[i], &r->given[i]};
        }
    }
    close_shapes(r, graph);
    rc = fold_prepare(graph, 1, bound, n, err);
    mem_free(bound);
    return rc;
}

/* ---- the plan ----------------------------------------------------------- */

static int try_plan(struct run *r, const struct graph *given, enum bind bind,
                    struct err *err)
{
    struct graph *graph = NULL;
    int rc = graph_clone(given, &graph);

    if (rc < 0) {
        return err_set(err, rc, "out of memory");
    }
    rc = prepare(r, graph, bind, err);
    if (rc == 0) {
        rc = plan_make(graph, &r->plan, err);
    }
    graph_free(graph);
    return rc;
}

static int make_plan(struct run *r, const struct graph *graph, struct err *err)
{
    double start = now_ms();
    int rc = try_plan(r, graph, BIND_NONE, err);

    for (int bind = BIND_INTS; rc < 0 && rc != EDGE_ENOMEM && bind <= BIND_ALL;
         bind++) {
        struct err again; /* the first one says what is wrong with the model */
        int other = try_plan(r, graph, (enum bind)bind, &again);

        rc = other == 0 ? 0 : rc;
    }
    r->plan_ms = now_ms() - start;
    return rc < 0 ? err_wrap(err, rc, "%s", r->options->file) : 0;
}

static int make_outputs(struct run *r, struct err *err)
{
    size_t n = plan_n_outputs(r->plan);
    int rc = 0;

    r->results = mem_array(struct tensor, n + 1);
    r->outputs = mem_array(struct named_port, n + 1);
    if (r->results == NULL || r->outputs == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    r->n_outputs = n;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const struct plan_port *port = plan_output(r->plan, i);

        r->outputs[i] =
            (struct named_port){port->name, port->dtype, port->shape};
        rc = tensor_init(&r->results[i], port->dtype, &port->shape);
    }
    return rc < 0 ? err_set(err, rc, "output: %s", err_text(rc)) : 0;
}

/* In the plan's order; inputs that were bound are not in it. */
static int run_plan(struct run *r, struct err *err)
{
    size_t n = plan_n_inputs(r->plan);
    struct tensor *inputs = mem_array(struct tensor, n + 1);
    double start;
    int rc;

    if (inputs == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < r->n_inputs; k++) {
            if (strcmp(r->names[k], plan_input(r->plan, i)->name) == 0) {
                inputs[i] = r->given[k];
            }
        }
    }
    start = now_ms();
    rc = plan_run(r->plan, inputs, r->results);
    r->run_ms = now_ms() - start;
    mem_free(inputs);
    return rc < 0
               ? err_set(err, rc, "%s: run: %s", r->options->file, err_text(rc))
               : 0;
}

/* ---- results ------------------------------------------------------------ */

static json_t *output_json(const struct run *r, size_t i)
{
    char *file = r->options->folder != NULL
                     ? named_file(r->outputs[i].name, ".npy")
                     : NULL;
    json_t *object =
        json_pack("{s:o,s:s,s:o,s:o}", "name", show_json(r->outputs[i].name),
                  "type", dtype_name(r->results[i].dtype), "shape",
                  model_shape_json(&r->results[i].shape), "file",
                  file != NULL ? show_json(file) : json_null());

    mem_free(file);
    return object;
}

static int print_json(const struct run *r, struct err *err)
{
    json_t *outputs = json_array();

    for (size_t i = 0; i < r->n_outputs; i++) {
        (void)json_array_append_new(outputs, output_json(r, i));
    }
    return show_json_line(
        json_pack("{s:o,s:o,s:f,s:f,s:I,s:I}", "file",
                  show_json(r->options->file), "outputs", outputs, "run_ms",
                  r->run_ms, "plan_ms", r->plan_ms, "weight_bytes",
                  (json_int_t)plan_packed_bytes(r->plan), "arena_bytes",
                  (json_int_t)plan_arena_bytes(r->plan)),
        err);
}

static void print_table(const struct run *r)
{
    char weights[SHOW_NUMBER];
    char arena[SHOW_NUMBER];

    for (size_t i = 0; i < r->n_outputs; i++) {
        char *name = show_copy(r->outputs[i].name);
        char shape[SHAPE_TEXT];

        (void)printf("%s  %s %s\n", name != NULL ? name : "?",
                     dtype_name(r->results[i].dtype),
                     shape_text(&r->results[i].shape, shape));
        mem_free(name);
    }
    (void)printf("ran in %.1f ms; planned in %.1f ms, weights %s, arena %s\n",
                 r->run_ms, r->plan_ms,
                 show_bytes((double)plan_packed_bytes(r->plan), weights),
                 show_bytes((double)plan_arena_bytes(r->plan), arena));
}

static int report(const struct run *r, struct err *err)
{
    int rc = 0;

    if (r->options->folder != NULL) {
        rc = named_write(r->options->folder, r->outputs, r->results,
                         r->n_outputs, err);
    }
    if (rc == 0 && r->ctl->format == CTL_JSON) {
        rc = print_json(r, err);
    } else if (rc == 0) {
        print_table(r);
    }
    return rc;
}

/* ---- the verb ----------------------------------------------------------- */

static void release(struct run *r)
{
    plan_free(r->plan);
    for (size_t i = 0; i < r->n_inputs; i++) {
        mem_free(r->names[i]);
    }
    for (size_t i = 0; i < r->n_outputs; i++) {
        tensor_deinit(&r->results[i]);
    }
    mem_free(r->names);
    mem_free(r->inputs);
    mem_free(r->given);
    mem_free(r->outputs);
    mem_free(r->results);
}

int model_run(const struct ctl *ctl, struct model_options *options,
              struct err *err)
{
    struct run r = {.ctl = ctl, .options = options};
    struct graph *graph = NULL;
    int rc = guard_import_file(options->file, &graph, err);

    if (rc == 0) {
        rc = named_read(&options->inputs, err);
    }
    if (rc == 0) {
        rc = take_inputs(&r, graph, err);
    }
    if (rc == 0) {
        rc = make_plan(&r, graph, err);
    }
    graph_free(graph);
    if (rc == 0) {
        rc = make_outputs(&r, err);
    }
    if (rc == 0) {
        rc = run_plan(&r, err);
    }
    if (rc == 0) {
        rc = report(&r, err);
    }
    release(&r);
    return rc;
}

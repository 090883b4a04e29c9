/*
 * edgectl model inspect: what is in a model and where it can be cut. The
 * layers are those of the simplified graph: their names are the ones that
 * `stages:` of cluster.yaml and `export-shards --cut` know.
 */
#include "coordinator/ctl/model.h"

#include "base/mem.h"
#include "coordinator/ctl/table.h"
#include "coordinator/plan/cut.h"
#include "engine/fold.h"
#include "graph/infer.h"
#include "onnx/guard.h"
#include "onnx/import.h"

#include <stdio.h>

struct inspect {
    const struct ctl *ctl;
    const char *file;
    int opset;
    struct graph *given; /* as the file says */
    struct graph *graph; /* simplified, one picture a run */
    int *order;
    size_t n_ops;
    struct cut *cuts;
    size_t n_cuts;
};

/* ---- the layers --------------------------------------------------------- */

/* The cut behind a layer, or NULL. */
static const struct cut *cut_behind(const struct inspect *in, size_t layer)
{
    for (size_t i = 0; i < in->n_cuts; i++) {
        if (in->cuts[i].position == (int)layer + 1 && layer + 1 < in->n_ops) {
            return &in->cuts[i];
        }
    }
    return NULL;
}

static const struct value *first_output(const struct inspect *in,
                                        const struct op *op)
{
    for (int i = 0; i < op->n_out; i++) {
        if (op->out[i] >= 0) {
            return &in->graph->values[op->out[i]];
        }
    }
    return &in->graph->values[op->out[0]];
}

static double parameters_of(const struct inspect *in, const struct op *op)
{
    double n = 0;

    for (int i = 0; i < op->n_in; i++) {
        if (graph_is_const(in->graph, op->in[i])) {
            n += (double)tensor_count(&in->graph->values[op->in[i]].data);
        }
    }
    return n;
}

/* ---- JSON --------------------------------------------------------------- */

static json_t *layer_json(const struct inspect *in, size_t layer)
{
    const struct op *op = &in->graph->ops[in->order[layer]];
    const struct cut *cut = cut_behind(in, layer);
    struct op_cost cost;
    json_t *crosses = json_array();

    infer_cost(in->graph, op, &cost);
    for (size_t i = 0; cut != NULL && i < cut->n_values; i++) {
        (void)json_array_append_new(
            crosses, show_json(in->graph->values[cut->values[i]].name));
    }
    return json_pack(
        "{s:o,s:s,s:o,s:I,s:I,s:o,s:o,s:b}", "name", show_json(op->name), "op",
        op_info(op->kind)->name, "output",
        model_shape_json(&first_output(in, op)->shape), "macs",
        (json_int_t)cost.macs, "parameters", (json_int_t)parameters_of(in, op),
        "cut_bytes",
        cut != NULL ? json_integer((json_int_t)cut->bytes) : json_null(),
        "crosses", crosses, "fused", cut != NULL && cut->splits_group);
}

static json_t *ports_json(const struct graph *graph, const int *values,
                          size_t n)
{
    json_t *ports = json_array();

    for (size_t i = 0; i < n; i++) {
        (void)json_array_append_new(ports, model_value_json(graph, values[i]));
    }
    return ports;
}

static int print_json(const struct inspect *in, struct err *err)
{
    struct model_size size = model_size(in->graph);
    json_t *layers = json_array();

    for (size_t i = 0; i < in->n_ops; i++) {
        (void)json_array_append_new(layers, layer_json(in, i));
    }
    return show_json_line(
        json_pack(
            "{s:o,s:i,s:I,s:I,s:I,s:o,s:o,s:o}", "file", show_json(in->file),
            "opset", in->opset, "parameters", (json_int_t)size.parameters,
            "weight_bytes", (json_int_t)size.bytes, "macs",
            (json_int_t)size.macs, "inputs",
            ports_json(in->given, in->given->inputs, in->given->n_inputs),
            "outputs",
            ports_json(in->graph, in->graph->outputs, in->graph->n_outputs),
            "layers", layers),
        err);
}

/* ---- for people --------------------------------------------------------- */

static void print_ports(const char *what, const struct graph *graph,
                        const int *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct value *v = &graph->values[values[i]];
        char *name = show_copy(v->name);
        char shape[SHAPE_TEXT];

        (void)printf("%-8s %s  %s %s\n", what, name != NULL ? name : "?",
                     dtype_name(v->dtype),
                     v->has_shape ? shape_text(&v->shape, shape) : "?");
        mem_free(name);
    }
}

static void print_head(const struct inspect *in)
{
    struct model_size size = model_size(in->graph);
    char *file = show_copy(in->file);
    char parameters[SHOW_NUMBER];
    char bytes[SHOW_NUMBER];
    char macs[SHOW_NUMBER];

    (void)printf("%s  opset %d, %s parameters, %s, %s multiply-adds an input, "
                 "%zu layers\n",
                 file != NULL ? file : "?", in->opset,
                 show_count(size.parameters, parameters),
                 show_bytes(size.bytes, bytes), show_count(size.macs, macs),
                 in->n_ops);
    print_ports("input", in->given, in->given->inputs, in->given->n_inputs);
    print_ports("output", in->graph, in->graph->outputs, in->graph->n_outputs);
    mem_free(file);
}

static void layer_row(struct table *table, const struct inspect *in, size_t i)
{
    const struct op *op = &in->graph->ops[in->order[i]];
    const struct cut *cut = cut_behind(in, i);
    double parameters = parameters_of(in, op);
    char *name = show_copy(op->name);
    char text[SHAPE_TEXT];
    struct op_cost cost;

    infer_cost(in->graph, op, &cost);
    table_row(table);
    table_text(table, 0, "%zu", i + 1);
    table_text(table, 1, "%s", name != NULL ? name : "?");
    table_text(table, 2, "%s", op_info(op->kind)->name);
    table_text(table, 3, "%s", shape_text(&first_output(in, op)->shape, text));
    table_text(table, 4, "%s",
               cost.macs > 0 ? show_count(cost.macs, text) : "-");
    table_text(table, 5, "%s",
               parameters > 0 ? show_count(parameters, text) : "-");
    table_text(table, 6, "%s",
               cut == NULL         ? "-"
               : cut->splits_group ? "fused"
                                   : show_bytes((double)cut->bytes, text));
    mem_free(name);
}

static void print_table(const struct inspect *in)
{
    static const struct table_column columns[] = {
        {"#", true},        {"LAYER", false},        {"OP", false},
        {"OUTPUT", false},  {"MULTIPLY-ADDS", true}, {"PARAMETERS", true},
        {"CUT AFTER", true}};
    struct table *table;

    print_head(in);
    table = table_new(in->ctl, columns, 7);
    for (size_t i = 0; i < in->n_ops; i++) {
        layer_row(table, in, i);
    }
    table_print(table);
}

/* ---- reading ------------------------------------------------------------ */

static int read_model(struct inspect *in, struct err *err)
{
    int rc = import_opset(in->file, &in->opset, err);

    if (rc == 0) {
        rc = guard_import_file(in->file, &in->given, err);
    }
    if (rc == 0 && graph_clone(in->given, &in->graph) < 0) {
        rc = err_set(err, EDGE_ENOMEM, "out of memory");
    }
    if (rc == 0) {
        rc = fold_prepare(in->graph, 1, NULL, 0, err);
        rc = rc < 0 ? err_wrap(err, rc, "%s", in->file) : 0;
    }
    if (rc == 0) {
        rc = cut_order(in->graph, &in->order, &in->n_ops, err);
    }
    return rc < 0 ? rc : cut_candidates(in->graph, &in->cuts, &in->n_cuts, err);
}

int model_inspect(const struct ctl *ctl, struct model_options *options,
                  struct err *err)
{
    struct inspect in = {.ctl = ctl, .file = options->file};
    int rc = read_model(&in, err);

    if (rc == 0 && ctl->format == CTL_JSON) {
        rc = print_json(&in, err);
    } else if (rc == 0) {
        print_table(&in);
    }
    graph_free(in.given);
    graph_free(in.graph);
    mem_free(in.order);
    cut_free(in.cuts, in.n_cuts);
    return rc;
}

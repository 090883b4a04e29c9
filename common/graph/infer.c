/* Shapes through a whole graph: sources first, then op by op. */
#include "graph/infer.h"

#include "graph/attr.h"
#include "graph/infer_op.h"

#include <string.h>

/* ---- attributes -------------------------------------------------------- */

struct attr_rule {
    const char *name;
    enum attr_kind kind;
};

/* What kind each attribute that some operator knows must be. Those of other
 * names are left alone: an exporter's own notes. */
static const struct attr_rule attr_rules[] = {
    {"allowzero", ATTR_INT},
    {"alpha", ATTR_FLOAT},
    {"approximate", ATTR_STRING},
    {"auto_pad", ATTR_STRING},
    {"axes", ATTR_INTS},
    {"axis", ATTR_INT},
    {"batch_dims", ATTR_INT},
    {"beta", ATTR_FLOAT},
    {"bias", ATTR_FLOAT},
    {"blocksize", ATTR_INT},
    {"ceil_mode", ATTR_INT},
    {"center_point_box", ATTR_INT},
    {"coordinate_transformation_mode", ATTR_STRING},
    {"count_include_pad", ATTR_INT},
    {"cubic_coeff_a", ATTR_FLOAT},
    {"dilations", ATTR_INTS},
    {"end", ATTR_INT},
    {"epsilon", ATTR_FLOAT},
    {"exclude_outside", ATTR_INT},
    {"extrapolation_value", ATTR_FLOAT},
    {"fmod", ATTR_INT},
    {"gamma", ATTR_FLOAT},
    {"group", ATTR_INT},
    {"keepdims", ATTR_INT},
    {"kernel_shape", ATTR_INTS},
    {"largest", ATTR_INT},
    {"mode", ATTR_STRING},
    {"momentum", ATTR_FLOAT},
    {"nearest_mode", ATTR_STRING},
    {"noop_with_empty_axes", ATTR_INT},
    {"output_padding", ATTR_INTS},
    {"output_shape", ATTR_INTS},
    {"pads", ATTR_INTS},
    {"perm", ATTR_INTS},
    {"ratio", ATTR_FLOAT},
    {"reduction", ATTR_STRING},
    {"salt", ATTR_INT},
    {"select_last_index", ATTR_INT},
    {"shape", ATTR_INTS},
    {"size", ATTR_INT},
    {"sorted", ATTR_INT},
    {"start", ATTR_INT},
    {"stash_type", ATTR_INT},
    {"storage_order", ATTR_INT},
    {"strides", ATTR_INTS},
    {"to", ATTR_INT},
    {"training_mode", ATTR_INT},
    {"transA", ATTR_INT},
    {"transB", ATTR_INT},
    {"value", ATTR_TENSOR},
};

static const char *const attr_kind_text[] = {
    [ATTR_INT] = "an integer",           [ATTR_FLOAT] = "a number",
    [ATTR_STRING] = "a string",          [ATTR_INTS] = "a list of integers",
    [ATTR_FLOATS] = "a list of numbers", [ATTR_TENSOR] = "a tensor",
};

static int check_attrs(const struct op *op, struct err *err)
{
    size_t n_rules = sizeof(attr_rules) / sizeof(attr_rules[0]);

    for (size_t i = 0; i < op->n_attrs; i++) {
        const struct attr *attr = &op->attrs[i];

        for (size_t k = 0; k < n_rules; k++) {
            if (attr->kind != attr_rules[k].kind &&
                strcmp(attr->name, attr_rules[k].name) == 0) {
                return infer_fail(op, err, "attribute \"%s\" must be %s, is %s",
                                  attr->name,
                                  attr_kind_text[attr_rules[k].kind],
                                  attr_kind_text[attr->kind]);
            }
        }
    }
    return 0;
}

/* ---- sources ----------------------------------------------------------- */

static int check_source(const struct value *v, const char *what,
                        struct err *err)
{
    if (v->dtype == DTYPE_NONE) {
        return err_set(err, EDGE_EINVAL, "%s \"%.200s\": its type is not known",
                       what, v->name);
    }
    for (int i = 0; v->has_shape && i < v->shape.rank; i++) {
        if (v->shape.dims[i] < -1 || v->shape.dims[i] > INFER_DIM_MAX) {
            return err_set(err, EDGE_EINVAL,
                           "%s \"%.200s\": dimension %d is %lld, which is out "
                           "of range",
                           what, v->name, i, (long long)v->shape.dims[i]);
        }
    }
    return 0;
}

static int check_sources(const struct graph *graph, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < graph->n_values; i++) {
        if (graph_is_const(graph, (int)i)) {
            rc = check_source(&graph->values[i], "constant", err);
        }
    }
    for (size_t i = 0; rc == 0 && i < graph->n_inputs; i++) {
        const struct value *v = &graph->values[graph->inputs[i]];
        size_t bytes;

        rc = check_source(v, "graph input", err);
        if (rc == 0 && v->has_shape && shape_is_static(&v->shape) &&
            !shape_bytes(&v->shape, v->dtype, &bytes)) {
            char text[SHAPE_TEXT];

            return err_set(err, EDGE_EINVAL,
                           "graph input \"%.200s\": %s is larger than allowed",
                           v->name, shape_text(&v->shape, text));
        }
    }
    return rc;
}

/* ---- ops whose inputs are of unknown rank ------------------------------- */

static bool ranks_are_known(const struct graph *graph, const struct op *op)
{
    for (int i = 0; i < op->n_in; i++) {
        const struct value *v = infer_in(graph, op, i);

        if (v != NULL && !v->has_shape) {
            return false;
        }
    }
    return true;
}

static int infer_unknown(struct graph *graph, const struct op *op,
                         struct err *err)
{
    for (int k = 0; k < op->n_out; k++) {
        struct value *v;

        if (op->out[k] < 0) {
            continue;
        }
        v = &graph->values[op->out[k]];
        v->has_shape = false;
        v->dtype = infer_output_type(graph, op, k);
        if (v->dtype == DTYPE_NONE) {
            return infer_fail(op, err, "the type of its output is not known");
        }
    }
    return 0;
}

/* ---- the graph --------------------------------------------------------- */

int infer_op(struct graph *graph, struct op *op, struct err *err)
{
    int rc = graph_check_arity(op, err);

    if (rc == 0) {
        rc = check_attrs(op, err);
    }
    if (rc == 0) {
        rc = infer_check_types(graph, op, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (!ranks_are_known(graph, op)) {
        return infer_unknown(graph, op, err);
    }
    return op_info(op->kind)->infer(graph, op, err);
}

int infer_graph(struct graph *graph, struct err *err)
{
    int rc = check_sources(graph, err);

    for (size_t i = 0; rc == 0 && i < graph->n_ops; i++) {
        rc = infer_op(graph, &graph->ops[i], err);
    }
    return rc;
}

int infer_bind_batch(struct graph *graph, int64_t batch, struct err *err)
{
    if (batch < 1) {
        return err_set(err, EDGE_EINVAL, "a batch of %lld is not possible",
                       (long long)batch);
    }
    for (size_t i = 0; i < graph->n_inputs; i++) {
        struct value *v = &graph->values[graph->inputs[i]];

        if (!v->has_shape) {
            return err_set(err, EDGE_EINVAL,
                           "graph input \"%.200s\": the model does not say "
                           "how many dimensions it has",
                           v->name);
        }
        if (v->shape.rank > 0 && v->shape.dims[0] == -1) {
            v->shape.dims[0] = batch;
        }
        for (int k = 1; k < v->shape.rank; k++) {
            if (v->shape.dims[k] == -1) {
                return err_set(err, EDGE_EINVAL,
                               "graph input \"%.200s\": dimension %d is not "
                               "fixed in the model; only the first may be open",
                               v->name, k);
            }
        }
    }
    return 0;
}

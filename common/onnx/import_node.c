/* One NodeProto made an op, or a constant. */
#include "onnx/import_impl.h"

#include "graph/infer.h"

#include <stdio.h>
#include <string.h>

const char *import_node_text(const Onnx__NodeProto *node, size_t index,
                             char out[NODE_TEXT])
{
    char name[SHOW_TEXT];

    if (node->name != NULL && node->name[0] != '\0') {
        (void)snprintf(out, NODE_TEXT, "node \"%s\"",
                       import_show(node->name, name));
    } else {
        const char *output = node->n_output > 0 ? node->output[0] : "";

        (void)snprintf(out, NODE_TEXT, "node %zu (output \"%s\")", index,
                       import_show(output, name));
    }
    return out;
}

static bool is_onnx_domain(const char *domain)
{
    return domain == NULL || domain[0] == '\0' ||
           strcmp(domain, "ai.onnx") == 0;
}

static bool is_constant(const Onnx__NodeProto *node)
{
    return strcmp(node->op_type, "Constant") == 0;
}

static bool is_upsample(const Onnx__NodeProto *node)
{
    return strcmp(node->op_type, "Upsample") == 0;
}

bool import_is_supported(const Onnx__NodeProto *node)
{
    return node->op_type != NULL && is_onnx_domain(node->domain) &&
           (is_constant(node) || is_upsample(node) ||
            op_find(node->op_type) >= 0);
}

int import_outputs_max(const Onnx__NodeProto *node)
{
    int kind = is_upsample(node) ? OP_RESIZE : op_find(node->op_type);
    int most = kind < 0 ? 1 : op_info((enum op_kind)kind)->out_max;

    return most < 0 ? LIMIT_OP_INPUTS : most;
}

/* ---- Constant ----------------------------------------------------------- */

static int constant_tensor(struct import *im, const Onnx__AttributeProto *a,
                           struct tensor *t, struct err *err)
{
    const char *name = a->name != NULL ? a->name : "";
    int64_t dims[1] = {(int64_t)(a->n_ints + a->n_floats)};
    struct shape list = shape_of(1, dims);
    struct shape scalar = shape_of(0, NULL);

    if (strcmp(name, "value") == 0 && a->t != NULL) {
        return import_tensor_proto(im, a->t, NULL, t, err);
    }
    if (strcmp(name, "value_int") == 0 && a->has_i) {
        return tensor_copy(t, DTYPE_I64, &scalar, &a->i);
    }
    if (strcmp(name, "value_float") == 0 && a->has_f) {
        return tensor_copy(t, DTYPE_F32, &scalar, &a->f);
    }
    if (strcmp(name, "value_ints") == 0 && a->n_floats == 0) {
        return tensor_copy(t, DTYPE_I64, &list, a->ints);
    }
    if (strcmp(name, "value_floats") == 0 && a->n_ints == 0) {
        return tensor_copy(t, DTYPE_F32, &list, a->floats);
    }
    return err_set(err, EDGE_EUNSUPPORTED,
                   "a constant must be a dense tensor, or integers or floats");
}

static int import_constant(struct import *im, const Onnx__NodeProto *node,
                           struct err *err)
{
    struct tensor t;
    int value;
    int rc;

    if (node->n_attribute != 1 || node->n_input != 0 || node->n_output != 1 ||
        node->output[0][0] == '\0') {
        return err_set(err, EDGE_EINVAL,
                       "it must have one attribute, no input and one output");
    }
    rc = import_value(im, node->output[0], &value, err);
    if (rc == 0) {
        rc = constant_tensor(im, node->attribute[0], &t, err);
    }
    if (rc == 0) {
        graph_set_const(im->graph, value, &t);
    }
    return rc;
}

/* ---- other operators ---------------------------------------------------- */

static int take_inputs(struct import *im, const Onnx__NodeProto *node,
                       int in[LIMIT_OP_INPUTS], struct err *err)
{
    int rc = 0;

    if (node->n_input == 0 || node->n_input > LIMIT_OP_INPUTS) {
        return err_set(err, EDGE_EINVAL, "it has %zu inputs, 1 to %d can be",
                       node->n_input, LIMIT_OP_INPUTS);
    }
    for (size_t i = 0; rc == 0 && i < node->n_input; i++) {
        in[i] = -1;
        if (node->input[i][0] != '\0') {
            rc = import_value(im, node->input[i], &in[i], err);
        }
    }
    return rc;
}

/* Outputs that inference does not need (the statistics of batch norm in
 * training) are let go where nothing reads them. */
static int take_outputs(struct import *im, const Onnx__NodeProto *node,
                        int out[LIMIT_OP_INPUTS], int *n_out, struct err *err)
{
    int most = import_outputs_max(node);
    int rc = 0;

    if (node->n_output == 0 || node->n_output > LIMIT_OP_INPUTS) {
        return err_set(err, EDGE_EINVAL, "it has %zu outputs, 1 to %d can be",
                       node->n_output, LIMIT_OP_INPUTS);
    }
    *n_out = 0;
    for (int i = 0; rc == 0 && i < (int)node->n_output; i++) {
        const char *name = node->output[i];
        char shown[SHOW_TEXT];

        if (i >= most) {
            if (name[0] != '\0' && import_is_read(im, name)) {
                return err_set(err, EDGE_EUNSUPPORTED,
                               "its output %d, \"%s\", is not supported", i,
                               import_show(name, shown));
            }
            continue;
        }
        out[i] = -1;
        (*n_out)++;
        if (name[0] != '\0') {
            rc = import_value(im, name, &out[i], err);
        }
    }
    return rc;
}

/* ONNX does not ask for unique node names; a second one gets a made-up one. */
static int add_op(struct import *im, const Onnx__NodeProto *node,
                  enum op_kind kind, struct err *err)
{
    int in[LIMIT_OP_INPUTS];
    int out[LIMIT_OP_INPUTS];
    const char *name = node->name;
    int n_out = 0;
    int rc = take_inputs(im, node, in, err);

    if (rc == 0) {
        rc = take_outputs(im, node, out, &n_out, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (name != NULL && (name[0] == '\0' || strlen(name) > LIMIT_GRAPH_NAME ||
                         graph_find_op(im->graph, name) >= 0)) {
        name = NULL;
    }
    rc =
        graph_add_op(im->graph, kind, name, in, (int)node->n_input, out, n_out);
    if (rc == EDGE_ETOOBIG) {
        return err_set(err, rc, "a model may have %d operators",
                       LIMIT_GRAPH_OPS);
    }
    return rc;
}

static int check_arity(const struct op *op, struct err *err)
{
    const struct op_info *info = op_info(op->kind);

    if (op->n_in < info->in_min ||
        (info->in_max >= 0 && op->n_in > info->in_max)) {
        return err_set(err, EDGE_EINVAL, "it cannot have %d input%s", op->n_in,
                       op->n_in == 1 ? "" : "s");
    }
    for (int i = 0; i < op->n_in; i++) {
        if (op->in[i] < 0 && (i < info->in_min || info->in_max < 0)) {
            return err_set(err, EDGE_EINVAL, "its input %d is missing", i);
        }
    }
    if (op->n_out < info->out_min) {
        return err_set(err, EDGE_EINVAL, "it cannot have %d output%s",
                       op->n_out, op->n_out == 1 ? "" : "s");
    }
    for (int i = 0; i < op->n_out; i++) {
        if (op->out[i] < 0 && (i < info->out_min || info->out_max < 0)) {
            return err_set(err, EDGE_EINVAL, "its output %d is missing", i);
        }
    }
    return 0;
}

static bool are_types_known(const struct graph *graph, const struct op *op)
{
    for (int i = 0; i < op->n_in; i++) {
        if (op->in[i] >= 0 && graph->values[op->in[i]].dtype == DTYPE_NONE) {
            return false;
        }
    }
    return true;
}

/* Shapes so far, for the upgrades of later nodes. What does not fit is said
 * by whoever infers the whole graph; nodes out of order are left alone. An
 * upgrade may have added ops that the node's own reads: hence twice. */
static void infer_from(struct graph *graph, int op)
{
    int n = (int)graph->n_ops - op;

    for (int i = 0; i < (n > 1 ? 2 * n : 1); i++) {
        struct op *next = &graph->ops[op + i % n];

        if (are_types_known(graph, next)) {
            (void)infer_op(graph, next, NULL);
        }
    }
}

static int import_op(struct import *im, const Onnx__NodeProto *node,
                     struct err *err)
{
    enum op_kind kind =
        is_upsample(node) ? OP_RESIZE : (enum op_kind)op_find(node->op_type);
    int op = add_op(im, node, kind, err);
    int rc = op;

    if (rc < 0) {
        return rc;
    }
    rc = import_attrs(im, node, op, err);
    if (rc == 0) {
        rc = upgrade_op(im, node->op_type, op, err);
    }
    for (int i = op; rc == 0 && i < (int)im->graph->n_ops; i++) {
        rc = check_arity(&im->graph->ops[i], err);
    }
    if (rc == 0) {
        infer_from(im->graph, op);
    }
    return rc;
}

int import_node(struct import *im, const Onnx__NodeProto *node, size_t index,
                struct err *err)
{
    char text[NODE_TEXT];
    int rc = is_constant(node) ? import_constant(im, node, err)
                               : import_op(im, node, err);

    if (rc < 0 && rc != EDGE_ENOMEM) {
        return err_wrap(err, rc, "%s (%s)", import_node_text(node, index, text),
                        node->op_type);
    }
    return rc;
}

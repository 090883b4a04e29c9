#include "onnx/import_impl.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

const char *import_show(const char *name, char out[SHOW_TEXT])
{
    size_t n = strnlen(name, SHOW_TEXT - 1);

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)name[i];

        out[i] = c < 0x20 || c == 0x7f ? '?' : (char)c;
    }
    out[n] = '\0';
    if (n == SHOW_TEXT - 1) { /* cut between characters, not inside one */
        while (n > 0 && ((unsigned char)out[n - 1] & 0xc0) == 0x80) {
            n--;
        }
        memcpy(out + (n > 4 ? n - 4 : 0), "...", 4);
    }
    return out;
}

int import_check_name(const char *name, const char *what, struct err *err)
{
    char shown[SHOW_TEXT];

    if (name == NULL || name[0] == '\0') {
        return err_set(err, EDGE_EINVAL, "%s has no name", what);
    }
    if (strlen(name) > LIMIT_GRAPH_NAME) {
        return err_set(err, EDGE_EINVAL,
                       "the name of %s is longer than %d bytes: \"%s\"", what,
                       LIMIT_GRAPH_NAME, import_show(name, shown));
    }
    return 0;
}

static int declare(struct import *im, const char *name, const char *what,
                   struct err *err)
{
    char shown[SHOW_TEXT];
    int rc = import_check_name(name, what, err);

    if (rc < 0) {
        return rc;
    }
    if (names_find(&im->names, name) >= 0) {
        return err_set(err, EDGE_EINVAL,
                       "%s \"%s\": another value has that name", what,
                       import_show(name, shown));
    }
    rc = mem_grow(&im->known, &im->known_room, im->n_known, sizeof(*im->known));
    if (rc == 0) {
        rc = names_add(&im->names, name, (int)im->n_known);
    }
    if (rc == 0) {
        im->known[im->n_known++] = (struct known){.value = -1};
    }
    return rc;
}

static int declare_node(struct import *im, const Onnx__NodeProto *node,
                        size_t index, struct err *err)
{
    char text[NODE_TEXT];
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < node->n_output; i++) {
        if (node->output[i][0] != '\0') {
            rc = declare(im, node->output[i], "output", err);
        }
    }
    if (rc < 0 && rc != EDGE_ENOMEM) {
        return err_wrap(err, rc, "%s", import_node_text(node, index, text));
    }
    return rc;
}

static int mark_read(struct import *im, const char *name)
{
    int i = names_find(&im->names, name);

    if (i < 0) {
        return EDGE_EINVAL;
    }
    im->known[i].is_read = true;
    return 0;
}

static int mark_node(struct import *im, const Onnx__NodeProto *node,
                     size_t index, struct err *err)
{
    char text[NODE_TEXT];
    char shown[SHOW_TEXT];

    for (size_t i = 0; i < node->n_input; i++) {
        const char *name = node->input[i];

        if (name[0] != '\0' && mark_read(im, name) < 0) {
            return err_set(err, EDGE_EINVAL,
                           "%s reads \"%s\", which no input, initializer or "
                           "node makes",
                           import_node_text(node, index, text),
                           import_show(name, shown));
        }
    }
    return 0;
}

static int mark_outputs(struct import *im, const Onnx__GraphProto *g,
                        struct err *err)
{
    char shown[SHOW_TEXT];
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < g->n_output; i++) {
        rc = import_check_name(g->output[i]->name, "a graph output", err);
        if (rc == 0 && mark_read(im, g->output[i]->name) < 0) {
            rc = err_set(err, EDGE_EINVAL,
                         "graph output \"%s\": no input, initializer or node "
                         "makes it",
                         import_show(g->output[i]->name, shown));
        }
    }
    return rc;
}

/* Since IR version 4 an initializer need not be a graph input; one that is
 * both is a default that a caller could override, here a constant. */
static int declare_inputs(struct import *im, const Onnx__GraphProto *g,
                          struct err *err)
{
    int n_initializers = (int)im->n_known;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < g->n_input; i++) {
        const char *name = g->input[i]->name;
        int at = name != NULL ? names_find(&im->names, name) : -1;

        if (at < 0 || at >= n_initializers) {
            rc = declare(im, name, "graph input", err);
        }
    }
    return rc;
}

int import_declare_all(struct import *im, struct err *err)
{
    const Onnx__GraphProto *g = im->model->graph;
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < g->n_initializer; i++) {
        rc = declare(im, g->initializer[i]->name, "initializer", err);
    }
    if (rc == 0) {
        rc = declare_inputs(im, g, err);
    }
    for (size_t i = 0; rc == 0 && i < g->n_node; i++) {
        rc = declare_node(im, g->node[i], i, err);
    }
    for (size_t i = 0; rc == 0 && i < g->n_node; i++) {
        rc = mark_node(im, g->node[i], i, err);
    }
    return rc == 0 ? mark_outputs(im, g, err) : rc;
}

bool import_is_read(const struct import *im, const char *name)
{
    return im->known[names_find(&im->names, name)].is_read;
}

int import_value(struct import *im, const char *name, int *value,
                 struct err *err)
{
    struct known *k = &im->known[names_find(&im->names, name)];
    char shown[SHOW_TEXT];
    int rc;

    if (k->value < 0) {
        rc = graph_add_value(im->graph, name);
        if (rc < 0) {
            return rc == EDGE_ENOMEM
                       ? rc
                       : err_set(err, rc, "value \"%s\" cannot be entered: %s",
                                 import_show(name, shown), err_text(rc));
        }
        k->value = rc;
    }
    *value = k->value;
    return 0;
}

/* The names of free dimensions are kept as metadata "dim_param/VALUE/AXIS",
 * so that export can write them again. */
static int keep_dim_param(struct import *im, int value, int axis,
                          const char *param)
{
    char *key;
    int rc;

    if (param[0] == '\0' || strlen(param) > LIMIT_GRAPH_NAME) {
        return 0;
    }
    key = mem_printf("dim_param/%s/%d", im->graph->values[value].name, axis);
    if (key == NULL) {
        return EDGE_ENOMEM;
    }
    rc = graph_add_meta(im->graph, key, param);
    mem_free(key);
    return rc == EDGE_EEXIST ? 0 : rc; /* an output that is an input */
}

static int take_shape(struct import *im, const Onnx__TensorShapeProto *proto,
                      int value, struct err *err)
{
    struct shape shape = {.rank = (int)proto->n_dim};
    int rc = 0;

    if (proto->n_dim > LIMIT_RANK) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "it has %zu dimensions, edged supports up to %d",
                       proto->n_dim, LIMIT_RANK);
    }
    for (int i = 0; rc == 0 && i < shape.rank; i++) {
        const Onnx__TensorShapeProto__Dimension *dim = proto->dim[i];

        shape.dims[i] = -1;
        if (dim->value_case ==
            ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE) {
            shape.dims[i] = dim->dim_value;
            if (dim->dim_value < 0) {
                return err_set(err, EDGE_EINVAL, "dimension %d is %lld", i,
                               (long long)dim->dim_value);
            }
        } else if (dim->value_case ==
                   ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM) {
            rc = keep_dim_param(im, value, i, dim->dim_param);
        }
    }
    im->graph->values[value].shape = shape;
    im->graph->values[value].has_shape = true;
    return rc;
}

static const char *type_name(const Onnx__TypeProto *type)
{
    switch (type->value_case) {
    case ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE: return "a sequence";
    case ONNX__TYPE_PROTO__VALUE_MAP_TYPE: return "a map";
    case ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE: return "an optional value";
    case ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE: return "a sparse tensor";
    default: return "of no type";
    }
}

int import_type(struct import *im, const Onnx__ValueInfoProto *info, int value,
                struct err *err)
{
    const Onnx__TypeProto *type = info->type;
    enum dtype dtype;

    if (type == NULL ||
        type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "it is %s; edged supports dense tensors",
                       type == NULL ? "of no type" : type_name(type));
    }
    dtype = import_dtype(type->tensor_type->elem_type);
    if (dtype == DTYPE_NONE) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "its element type %s is not supported",
                       import_dtype_name(type->tensor_type->elem_type));
    }
    im->graph->values[value].dtype = dtype;
    return type->tensor_type->shape != NULL
               ? take_shape(im, type->tensor_type->shape, value, err)
               : 0;
}

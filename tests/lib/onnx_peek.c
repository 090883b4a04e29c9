#include "tests/lib/onnx_peek.h"

#include "base/blob.h"
#include "base/limits.h"
#include "graph/op.h"

#include "onnx.pb-c.h"

#include <stdio.h>
#include <string.h>

static const char *tensor_type(const Onnx__TypeProto__Tensor *t)
{
    switch (t->elem_type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__STRING: return "string";
    case ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16: return "bfloat16";
    case ONNX__TENSOR_PROTO__DATA_TYPE__COMPLEX64: return "complex64";
    case ONNX__TENSOR_PROTO__DATA_TYPE__COMPLEX128: return "complex128";
    default: return "";
    }
}

static const char *odd_type(const Onnx__TypeProto *type)
{
    if (type == NULL) {
        return "";
    }
    switch (type->value_case) {
    case ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE:
        return tensor_type(type->tensor_type);
    case ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE: return "sequence";
    case ONNX__TYPE_PROTO__VALUE_MAP_TYPE: return "map";
    case ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE: return "optional";
    case ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE: return "sparse tensor";
    default: return "";
    }
}

static bool node_trains(const Onnx__NodeProto *node)
{
    for (size_t i = 0; i < node->n_attribute; i++) {
        if (strcmp(node->attribute[i]->name, "training_mode") == 0 &&
            node->attribute[i]->i != 0) {
            return true;
        }
    }
    /* Dropout from opset 12 on has an input for it. */
    return strcmp(node->op_type, "Dropout") == 0 && node->n_input == 3;
}

static void look_at_nodes(const Onnx__GraphProto *graph, struct onnx_peek *peek)
{
    for (size_t i = 0; i < graph->n_node; i++) {
        const Onnx__NodeProto *node = graph->node[i];
        bool constant = strcmp(node->op_type, "Constant") == 0;
        bool ours = node->domain == NULL || node->domain[0] == '\0' ||
                    strcmp(node->domain, "ai.onnx") == 0;

        peek->trains = peek->trains || node_trains(node);
        if (!peek->is_foreign &&
            (!ours || (op_find(node->op_type) < 0 && !constant))) {
            peek->is_foreign = true;
            (void)snprintf(peek->type, sizeof(peek->type), "%s", node->op_type);
            (void)snprintf(peek->node, sizeof(peek->node), "%s",
                           node->name != NULL ? node->name : "");
        }
    }
}

static void look_at_ports(Onnx__ValueInfoProto **ports, size_t n,
                          struct onnx_peek *peek)
{
    for (size_t i = 0; i < n && peek->odd_type[0] == '\0'; i++) {
        (void)snprintf(peek->odd_type, sizeof(peek->odd_type), "%s",
                       odd_type(ports[i]->type));
    }
}

static void look_at_opset(const Onnx__ModelProto *model, struct onnx_peek *peek)
{
    for (size_t i = 0; i < model->n_opset_import; i++) {
        const char *domain = model->opset_import[i]->domain;

        if (domain == NULL || domain[0] == '\0') {
            peek->opset = model->opset_import[i]->version;
        }
    }
}

bool onnx_peek(const char *path, struct onnx_peek *peek)
{
    struct blob *file = NULL;
    Onnx__ModelProto *model;

    memset(peek, 0, sizeof(*peek));
    if (blob_read(path, LIMIT_MODEL_FILE, &file, NULL) < 0) {
        return false;
    }
    model = onnx__model_proto__unpack(NULL, file->size, file->data);
    if (model != NULL && model->graph != NULL) {
        look_at_opset(model, peek);
        look_at_nodes(model->graph, peek);
        look_at_ports(model->graph->input, model->graph->n_input, peek);
        look_at_ports(model->graph->output, model->graph->n_output, peek);
    }
    blob_unref(file);
    if (model == NULL) {
        return false;
    }
    onnx__model_proto__free_unpacked(model, NULL);
    return true;
}

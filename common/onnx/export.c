#include "onnx/export.h"

#include "base/mem.h"
#include "graph/infer.h"
#include "onnx/export_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORT_IR 8
#define EXPORT_OPSET 17
#define EXPORT_FILE_MAX ((size_t)INT32_MAX) /* what protobuf can hold */

/* ---- memory and names --------------------------------------------------- */

void *export_alloc(struct maker *m, size_t n, size_t size)
{
    void *p;

    if (mem_grow(&m->owned, &m->owned_room, m->n_owned, sizeof(*m->owned)) <
        0) {
        return NULL;
    }
    p = mem_zalloc(n, size);
    if (p != NULL) {
        m->owned[m->n_owned++] = p;
    }
    return p;
}

static bool is_taken(const struct maker *m, const char *name)
{
    return graph_find_value(m->graph, name) >= 0 ||
           names_find(&m->made, name) >= 0;
}

char *export_name(struct maker *m, const char *base, const char *suffix)
{
    size_t size = strlen(base) + strlen(suffix) + 32;
    char *name;

    if (size > LIMIT_GRAPH_NAME) {
        base = "value";
        size = sizeof("value") + strlen(suffix) + 32;
    }
    name = export_alloc(m, 1, size);
    if (name == NULL) {
        return NULL;
    }
    (void)snprintf(name, size, "%s/%s", base, suffix);
    for (unsigned n = 2; is_taken(m, name); n++) {
        (void)snprintf(name, size, "%s/%s_%u", base, suffix, n);
    }
    return names_add(&m->made, name, 0) == 0 ? name : NULL;
}

static void release(struct maker *m)
{
    for (size_t i = 0; i < m->n_owned; i++) {
        mem_free(m->owned[i]);
    }
    mem_free(m->owned);
    mem_free(m->body.node);
    mem_free(m->body.initializer);
    mem_free(m->is_needed);
    names_deinit(&m->made);
    graph_free(m->inferred);
}

/* ---- inputs, outputs, metadata ------------------------------------------ */

static char *dim_param(const struct maker *m, const struct value *v, int axis)
{
    char key[LIMIT_GRAPH_NAME + 32];

    (void)snprintf(key, sizeof(key), "dim_param/%s/%d", v->name, axis);
    return (char *)graph_meta(m->graph, key);
}

static int fill_shape(struct maker *m, const struct value *v,
                      Onnx__TensorShapeProto *shape)
{
    shape->n_dim = (size_t)v->shape.rank;
    shape->dim = export_alloc(m, shape->n_dim, sizeof(*shape->dim));
    if (shape->dim == NULL) {
        return EDGE_ENOMEM;
    }
    for (int i = 0; i < v->shape.rank; i++) {
        Onnx__TensorShapeProto__Dimension *dim =
            export_alloc(m, 1, sizeof(*dim));
        char *param = dim_param(m, v, i);

        if (dim == NULL) {
            return EDGE_ENOMEM;
        }
        onnx__tensor_shape_proto__dimension__init(dim);
        if (v->shape.dims[i] >= 0) {
            dim->value_case =
                ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            dim->dim_value = v->shape.dims[i];
        } else if (param != NULL) {
            dim->value_case =
                ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            dim->dim_param = param;
        }
        shape->dim[i] = dim;
    }
    return 0;
}

static int new_info(struct maker *m, int value, Onnx__ValueInfoProto **out,
                    struct err *err)
{
    const struct value *v = &m->graph->values[value];
    Onnx__ValueInfoProto *info = export_alloc(m, 1, sizeof(*info));
    Onnx__TypeProto *type = export_alloc(m, 1, sizeof(*type));
    Onnx__TypeProto__Tensor *tensor = export_alloc(m, 1, sizeof(*tensor));
    Onnx__TensorShapeProto *shape = export_alloc(m, 1, sizeof(*shape));

    if (info == NULL || type == NULL || tensor == NULL || shape == NULL) {
        return EDGE_ENOMEM;
    }
    if (v->dtype == DTYPE_NONE) {
        return err_set(err, EDGE_EINVAL,
                       "the element type of \"%.200s\" is not known", v->name);
    }
    onnx__value_info_proto__init(info);
    onnx__type_proto__init(type);
    onnx__type_proto__tensor__init(tensor);
    onnx__tensor_shape_proto__init(shape);
    info->name = v->name;
    info->type = type;
    type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = tensor;
    tensor->has_elem_type = 1;
    tensor->elem_type = export_dtype(v->dtype);
    *out = info;
    if (!v->has_shape) {
        return 0;
    }
    tensor->shape = shape;
    return fill_shape(m, v, shape);
}

static int add_infos(struct maker *m, const int *values, size_t n,
                     Onnx__ValueInfoProto ***infos, struct err *err)
{
    int rc = 0;

    *infos = export_alloc(m, n, sizeof(**infos));
    if (*infos == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = new_info(m, values[i], &(*infos)[i], err);
    }
    return rc;
}

static int add_ports(struct maker *m, struct err *err)
{
    const struct graph *g = m->graph;
    int rc = add_infos(m, g->inputs, g->n_inputs, &m->body.input, err);

    if (rc == 0) {
        m->body.n_input = g->n_inputs;
        rc = add_infos(m, g->outputs, g->n_outputs, &m->body.output, err);
    }
    if (rc == 0) {
        m->body.n_output = g->n_outputs;
    }
    return rc;
}

static int add_metas(struct maker *m)
{
    const struct graph *g = m->graph;
    Onnx__ModelProto *model = &m->model;

    model->metadata_props =
        export_alloc(m, g->n_metas, sizeof(*model->metadata_props));
    if (model->metadata_props == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < g->n_metas; i++) {
        Onnx__StringStringEntryProto *entry;

        if (strncmp(g->metas[i].key, "dim_param/", 10) == 0) {
            continue; /* they are in the shapes */
        }
        entry = export_alloc(m, 1, sizeof(*entry));
        if (entry == NULL) {
            return EDGE_ENOMEM;
        }
        onnx__string_string_entry_proto__init(entry);
        entry->key = g->metas[i].key;
        entry->value = g->metas[i].text;
        model->metadata_props[model->n_metadata_props++] = entry;
    }
    return 0;
}

/* ---- the model ---------------------------------------------------------- */

static int mark_needed(struct maker *m, struct err *err)
{
    const struct graph *g = m->graph;
    int rc = 0;

    m->is_needed = mem_array(bool, g->n_values);
    if (m->is_needed == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; rc == 0 && i < g->n_ops; i++) {
        rc = export_mark_op(m, &g->ops[i], err);
    }
    for (size_t i = 0; i < g->n_outputs; i++) {
        m->is_needed[g->outputs[i]] = true;
    }
    return rc;
}

/* A file must tell type and shape of its inputs and outputs; a graph that
 * was rewritten may not know them of values that became outputs. */
static bool lacks_shapes(const struct graph *g)
{
    for (size_t i = 0; i < g->n_outputs; i++) {
        const struct value *v = &g->values[g->outputs[i]];

        if (v->dtype == DTYPE_NONE || !v->has_shape) {
            return true;
        }
    }
    for (size_t i = 0; i < g->n_ops; i++) { /* Gelu's constants need it */
        const struct op *op = &g->ops[i];

        if (op->kind == OP_GELU &&
            !dtype_is_float(g->values[op->in[0]].dtype)) {
            return true;
        }
    }
    return false;
}

static int infer_missing(struct maker *m, struct err *err)
{
    int rc;

    if (!lacks_shapes(m->graph)) {
        return 0;
    }
    rc = graph_clone(m->graph, &m->inferred);
    if (rc == 0) {
        rc = infer_graph(m->inferred, err);
    }
    if (rc == 0) {
        m->graph = m->inferred;
    }
    return rc;
}

static int add_opset(struct maker *m)
{
    Onnx__OperatorSetIdProto *opset = export_alloc(m, 1, sizeof(*opset));

    m->model.opset_import = export_alloc(m, 1, sizeof(opset));
    if (opset == NULL || m->model.opset_import == NULL) {
        return EDGE_ENOMEM;
    }
    onnx__operator_set_id_proto__init(opset);
    opset->domain = (char *)"";
    opset->has_version = 1;
    opset->version = EXPORT_OPSET;
    m->model.opset_import[0] = opset;
    m->model.n_opset_import = 1;
    return 0;
}

static int build_body(struct maker *m, struct err *err)
{
    int rc = mark_needed(m, err);

    if (rc == 0) {
        rc = add_ports(m, err);
    }
    if (rc == 0) {
        rc = export_constants(m);
    }
    for (size_t i = 0; rc == 0 && i < m->graph->n_ops; i++) {
        rc = export_op(m, &m->graph->ops[i]);
    }
    return rc;
}

static int build(struct maker *m, const struct graph *graph, struct err *err)
{
    int rc;

    onnx__model_proto__init(&m->model);
    onnx__graph_proto__init(&m->body);
    m->graph = graph;
    m->model.has_ir_version = 1;
    m->model.ir_version = EXPORT_IR;
    m->model.producer_name = (char *)"edged";
    m->model.graph = &m->body;
    m->body.name = graph->name;
    rc = infer_missing(m, err);
    if (rc == 0) {
        rc = add_opset(m);
    }
    if (rc == 0) {
        rc = add_metas(m);
    }
    return rc == 0 ? build_body(m, err) : rc;
}

static int finish(const struct graph *graph, int rc, struct err *err)
{
    if (rc == EDGE_ENOMEM) {
        return err_set(err, rc, "export \"%.200s\": out of memory",
                       graph->name);
    }
    return rc < 0 ? err_wrap(err, rc, "export \"%.200s\"", graph->name) : rc;
}

static int pack(struct maker *m, struct blob **blob, struct err *err)
{
    size_t size = onnx__model_proto__get_packed_size(&m->model);

    if (size > EXPORT_FILE_MAX) {
        return err_set(err, EDGE_ETOOBIG,
                       "the model would be %zu bytes, more than one ONNX file "
                       "can hold",
                       size);
    }
    *blob = blob_new(size);
    if (*blob == NULL) {
        return EDGE_ENOMEM;
    }
    (void)onnx__model_proto__pack(&m->model, (*blob)->data);
    return 0;
}

int export_graph(const struct graph *graph, struct export *out, struct err *err)
{
    struct maker m = {.inline_max = EXPORT_INLINE_MAX, .out = out};
    int rc;

    *out = (struct export){.model = NULL};
    rc = build(&m, graph, err);
    if (rc == 0) {
        rc = pack(&m, &out->model, err);
    }
    release(&m);
    if (rc < 0) {
        export_deinit(out);
    }
    return finish(graph, rc, err);
}

void export_deinit(struct export *out)
{
    blob_unref(out->model);
    mem_free(out->blobs);
    *out = (struct export){.model = NULL};
}

/* ---- one file ----------------------------------------------------------- */

struct file_buffer { /* protobuf-c packs into it piece by piece */
    ProtobufCBuffer base;
    FILE *file;
};

static void file_append(ProtobufCBuffer *base, size_t n, const uint8_t *data)
{
    struct file_buffer *buffer = (struct file_buffer *)base;

    if (n > 0) { /* an error is kept by the stream */
        (void)fwrite(data, n, 1, buffer->file);
    }
}

/* The file appears under its name when it is whole and on the disk. */
static int write_file(struct maker *m, const char *path, const char *part,
                      struct err *err)
{
    struct file_buffer buffer = {.base = {file_append}};
    bool ok;

    buffer.file = fopen(part, "wbe");
    if (buffer.file == NULL) {
        return err_set(err, err_from_errno(errno), "cannot write %s: %s", part,
                       strerror(errno));
    }
    (void)onnx__model_proto__pack_to_buffer(&m->model, &buffer.base);
    ok = fflush(buffer.file) == 0 && ferror(buffer.file) == 0 &&
         fsync(fileno(buffer.file)) == 0;
    ok = fclose(buffer.file) == 0 && ok;
    if (!ok || rename(part, path) < 0) {
        int number = errno;

        (void)unlink(part);
        return err_set(err, err_from_errno(number), "cannot write %s: %s", path,
                       strerror(number));
    }
    return 0;
}

int export_file(const struct graph *graph, const char *path, struct err *err)
{
    struct export none = {.model = NULL};
    struct maker m = {.inline_max = SIZE_MAX, .out = &none};
    char *part = mem_printf("%s.part", path);
    int rc = part != NULL ? build(&m, graph, err) : EDGE_ENOMEM;

    if (rc == 0 &&
        onnx__model_proto__get_packed_size(&m.model) > EXPORT_FILE_MAX) {
        rc = err_set(err, EDGE_ETOOBIG,
                     "the model is larger than the 2 GiB of one ONNX file");
    }
    if (rc == 0) {
        rc = write_file(&m, path, part, err);
    }
    release(&m);
    export_deinit(&none);
    mem_free(part);
    return finish(graph, rc, err);
}

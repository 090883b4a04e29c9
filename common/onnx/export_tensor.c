/* Constants out: inside the model, beside it, or as ConstantOfShape. */
#include "onnx/export_impl.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static const int32_t types[DTYPE_COUNT] = {
    [DTYPE_NONE] = ONNX__TENSOR_PROTO__DATA_TYPE__UNDEFINED,
    [DTYPE_F32] = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT,
    [DTYPE_F16] = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16,
    [DTYPE_F64] = ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE,
    [DTYPE_I8] = ONNX__TENSOR_PROTO__DATA_TYPE__INT8,
    [DTYPE_U8] = ONNX__TENSOR_PROTO__DATA_TYPE__UINT8,
    [DTYPE_I16] = ONNX__TENSOR_PROTO__DATA_TYPE__INT16,
    [DTYPE_U16] = ONNX__TENSOR_PROTO__DATA_TYPE__UINT16,
    [DTYPE_I32] = ONNX__TENSOR_PROTO__DATA_TYPE__INT32,
    [DTYPE_U32] = ONNX__TENSOR_PROTO__DATA_TYPE__UINT32,
    [DTYPE_I64] = ONNX__TENSOR_PROTO__DATA_TYPE__INT64,
    [DTYPE_U64] = ONNX__TENSOR_PROTO__DATA_TYPE__UINT64,
    [DTYPE_BOOL] = ONNX__TENSOR_PROTO__DATA_TYPE__BOOL,
};

int32_t export_dtype(enum dtype dtype)
{
    return types[dtype];
}

/* A TensorProto with type and dimensions alone. */
static Onnx__TensorProto *new_tensor(struct maker *m, const char *name,
                                     const struct tensor *t)
{
    Onnx__TensorProto *proto = export_alloc(m, 1, sizeof(*proto));

    if (proto == NULL) {
        return NULL;
    }
    onnx__tensor_proto__init(proto);
    proto->name = (char *)name;
    proto->has_data_type = 1;
    proto->data_type = export_dtype(t->dtype);
    proto->n_dims = (size_t)t->shape.rank;
    proto->dims = export_alloc(m, proto->n_dims, sizeof(*proto->dims));
    if (proto->dims == NULL) {
        return NULL;
    }
    for (int i = 0; i < t->shape.rank; i++) {
        proto->dims[i] = t->shape.dims[i];
    }
    return proto;
}

int export_tensor(struct maker *m, const char *name, const struct tensor *t,
                  Onnx__TensorProto **proto)
{
    *proto = new_tensor(m, name, t);
    if (*proto == NULL) {
        return EDGE_ENOMEM;
    }
    (*proto)->has_raw_data = 1;
    (*proto)->raw_data.data = t->data;
    (*proto)->raw_data.len = tensor_bytes(t);
    return 0;
}

static int add_initializer(struct maker *m, Onnx__TensorProto *proto)
{
    Onnx__GraphProto *g = &m->body;
    int rc = mem_grow(&g->initializer, &m->initializers_room, g->n_initializer,
                      sizeof(*g->initializer));

    if (rc == 0) {
        g->initializer[g->n_initializer++] = proto;
    }
    return rc;
}

static int add_made(struct maker *m, const char *base, const char *suffix,
                    const struct tensor *t, char **name)
{
    Onnx__TensorProto *proto;
    struct tensor copy = *t;
    int rc;

    *name = export_name(m, base, suffix);
    copy.data = export_alloc(m, 1, tensor_bytes(t));
    if (*name == NULL || copy.data == NULL) {
        return EDGE_ENOMEM;
    }
    memcpy(copy.data, t->data, tensor_bytes(t));
    rc = export_tensor(m, *name, &copy, &proto);
    return rc == 0 ? add_initializer(m, proto) : rc;
}

int export_add_ints(struct maker *m, const char *base, const char *suffix,
                    const int64_t *v, size_t n, char **name)
{
    int64_t dims[1] = {(int64_t)n};
    struct tensor t = {.dtype = DTYPE_I64, .shape = shape_of(1, dims)};

    t.data = (void *)v;
    return add_made(m, base, suffix, &t, name);
}

int export_add_float(struct maker *m, const char *base, const char *suffix,
                     enum dtype dtype, float v, char **name)
{
    struct tensor t = {.dtype = dtype, .shape = shape_of(0, NULL)};
    uint16_t half = tensor_float_to_half(v);
    double wide = v;

    t.data = &v;
    if (dtype == DTYPE_F16) {
        t.data = &half;
    } else if (dtype == DTYPE_F64) {
        t.data = &wide;
    }
    return add_made(m, base, suffix, &t, name);
}

/* ---- beside the model --------------------------------------------------- */

static const struct export_blob *find_blob(const struct export *out,
                                           const struct digest *digest)
{
    for (size_t i = 0; i < out->n_blobs; i++) {
        if (digest_equal(&out->blobs[i].digest, digest)) {
            return &out->blobs[i];
        }
    }
    return NULL;
}

static int add_blob(struct maker *m, const struct tensor *t,
                    struct digest *digest)
{
    struct export *out = m->out;
    int rc;

    digest_of(t->data, tensor_bytes(t), digest);
    if (find_blob(out, digest) != NULL) {
        return 0;
    }
    rc = mem_grow(&out->blobs, &m->blobs_room, out->n_blobs,
                  sizeof(*out->blobs));
    if (rc == 0) {
        out->blobs[out->n_blobs++] =
            (struct export_blob){.digest = *digest,
                                 .blob = t->blob,
                                 .data = t->data,
                                 .size = tensor_bytes(t)};
    }
    return rc;
}

static int add_entry(struct maker *m, Onnx__TensorProto *proto, const char *key,
                     const char *value)
{
    Onnx__StringStringEntryProto *entry = export_alloc(m, 1, sizeof(*entry));
    size_t size = strlen(value) + 1;
    char *copy = export_alloc(m, 1, size);

    if (entry == NULL || copy == NULL) {
        return EDGE_ENOMEM;
    }
    onnx__string_string_entry_proto__init(entry);
    memcpy(copy, value, size);
    entry->key = (char *)key;
    entry->value = copy;
    proto->external_data[proto->n_external_data++] = entry;
    return 0;
}

static int add_external(struct maker *m, const char *name,
                        const struct tensor *t)
{
    Onnx__TensorProto *proto = new_tensor(m, name, t);
    struct digest digest;
    char hex[DIGEST_HEX];
    char length[24];
    int rc = proto != NULL ? add_blob(m, t, &digest) : EDGE_ENOMEM;

    if (rc < 0) {
        return rc;
    }
    proto->external_data = export_alloc(m, 3, sizeof(*proto->external_data));
    if (proto->external_data == NULL) {
        return EDGE_ENOMEM;
    }
    proto->has_data_location = 1;
    proto->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    digest_hex(&digest, hex);
    (void)snprintf(length, sizeof(length), "%zu", tensor_bytes(t));
    rc = add_entry(m, proto, "location", hex);
    if (rc == 0) {
        rc = add_entry(m, proto, "offset", "0");
    }
    if (rc == 0) {
        rc = add_entry(m, proto, "length", length);
    }
    return rc == 0 ? add_initializer(m, proto) : rc;
}

/* ---- uniform constants -------------------------------------------------- */

/* True if all elements have the same bits: those of the first repeat. */
static bool is_uniform(const struct tensor *t)
{
    size_t size = dtype_size(t->dtype);
    const uint8_t *data = t->data;

    return memcmp(data, data + size, tensor_bytes(t) - size) == 0;
}

static int add_fill(struct maker *m, const char *name, const struct tensor *t)
{
    struct tensor one = *t;
    Onnx__NodeProto *node;
    char *shape;
    int rc = export_add_ints(m, name, "shape", t->shape.dims,
                             (size_t)t->shape.rank, &shape);

    if (rc < 0) {
        return rc;
    }
    node = export_add_node(m, "ConstantOfShape", NULL, 1, 1);
    if (node == NULL) {
        return EDGE_ENOMEM;
    }
    node->input[0] = shape;
    node->output[0] = (char *)name;
    one.shape = shape_of(1, (int64_t[]){1});
    return export_set_tensor(m, node, "value", &one);
}

static int add_constant(struct maker *m, const struct value *v)
{
    Onnx__TensorProto *proto;
    size_t bytes = tensor_bytes(&v->data);
    int rc;

    if (bytes >= m->inline_max) {
        return is_uniform(&v->data) ? add_fill(m, v->name, &v->data)
                                    : add_external(m, v->name, &v->data);
    }
    rc = export_tensor(m, v->name, &v->data, &proto);
    return rc == 0 ? add_initializer(m, proto) : rc;
}

int export_constants(struct maker *m)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < m->graph->n_values; i++) {
        if (m->is_needed[i] && graph_is_const(m->graph, (int)i)) {
            rc = add_constant(m, &m->graph->values[i]);
        }
    }
    return rc;
}

#include "onnx/import_impl.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "raw data is little-endian and used in place");

struct type_row {
    const char *name;
    enum dtype dtype; /* DTYPE_NONE: not supported */
};

/* Indexed by TensorProto.DataType; newer ones than onnx.proto knows too. */
static const struct type_row types[] = {
    {"UNDEFINED", DTYPE_NONE},
    {"FLOAT", DTYPE_F32},
    {"UINT8", DTYPE_U8},
    {"INT8", DTYPE_I8},
    {"UINT16", DTYPE_U16},
    {"INT16", DTYPE_I16},
    {"INT32", DTYPE_I32},
    {"INT64", DTYPE_I64},
    {"STRING", DTYPE_NONE},
    {"BOOL", DTYPE_BOOL},
    {"FLOAT16", DTYPE_F16},
    {"DOUBLE", DTYPE_F64},
    {"UINT32", DTYPE_U32},
    {"UINT64", DTYPE_U64},
    {"COMPLEX64", DTYPE_NONE},
    {"COMPLEX128", DTYPE_NONE},
    {"BFLOAT16", DTYPE_NONE},
    {"FLOAT8E4M3FN", DTYPE_NONE},
    {"FLOAT8E4M3FNUZ", DTYPE_NONE},
    {"FLOAT8E5M2", DTYPE_NONE},
    {"FLOAT8E5M2FNUZ", DTYPE_NONE},
    {"UINT4", DTYPE_NONE},
    {"INT4", DTYPE_NONE},
};
#define N_TYPES ((int32_t)(sizeof(types) / sizeof(types[0])))

enum dtype import_dtype(int32_t onnx)
{
    return onnx >= 0 && onnx < N_TYPES ? types[onnx].dtype : DTYPE_NONE;
}

const char *import_dtype_name(int32_t onnx)
{
    return onnx >= 0 && onnx < N_TYPES ? types[onnx].name : "unknown";
}

static int take_dims(const Onnx__TensorProto *proto, struct shape *shape,
                     struct err *err)
{
    if (proto->n_dims > LIMIT_RANK) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "it has %zu dimensions, edged supports up to %d",
                       proto->n_dims, LIMIT_RANK);
    }
    for (size_t i = 0; i < proto->n_dims; i++) {
        if (proto->dims[i] < 0) {
            return err_set(err, EDGE_EINVAL, "dimension %zu is %lld", i,
                           (long long)proto->dims[i]);
        }
    }
    *shape = shape_of((int)proto->n_dims, proto->dims);
    return 0;
}

/* dtype and shape into `t`, nothing else; *bytes is what they need. */
static int take_head(const Onnx__TensorProto *proto, struct tensor *t,
                     size_t *bytes, struct err *err)
{
    int rc;

    t->dtype = import_dtype(proto->data_type);
    if (t->dtype == DTYPE_NONE) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "its element type %s is not supported",
                       import_dtype_name(proto->data_type));
    }
    if (proto->segment != NULL) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "it is a segment of a tensor, which edged does not "
                       "support");
    }
    rc = take_dims(proto, &t->shape, err);
    if (rc == 0 && !shape_bytes(&t->shape, t->dtype, bytes)) {
        rc = err_set(err, EDGE_ETOOBIG,
                     "its dimensions multiply to more than edged allows");
    }
    return rc;
}

static int check_bools(const struct tensor *t, struct err *err)
{
    const uint8_t *p = t->data;
    size_t n = t->dtype == DTYPE_BOOL ? tensor_bytes(t) : 0;

    for (size_t i = 0; i < n; i++) {
        if (p[i] > 1) {
            return err_set(err, EDGE_EINVAL,
                           "element %zu is %d, which is no bool", i, p[i]);
        }
    }
    return 0;
}

/* `t` has type and shape. Refers to the bytes where it can: kernels need an
 * element to be aligned, and a bool must not change once it is checked. */
static int take_bytes(struct tensor *t, size_t bytes, struct blob *blob,
                      size_t offset)
{
    struct shape shape = t->shape;
    bool in_place = offset % dtype_size(t->dtype) == 0 && bytes > 0 &&
                    t->dtype != DTYPE_BOOL;
    int rc;

    if (in_place) {
        rc = tensor_from_blob(t, t->dtype, &shape, blob, offset);
    } else {
        rc = tensor_init(t, t->dtype, &shape);
        if (rc == 0 && bytes > 0) {
            memcpy(t->data, blob->data + offset, bytes);
        }
    }
    return rc;
}

struct external { /* external_data, read */
    const char *location;
    size_t offset;
    size_t length;
    bool has_length;
};

static bool take_size(const char *text, size_t *size)
{
    unsigned long long value;
    char *end;

    if (text == NULL || text[0] < '0' || text[0] > '9') {
        return false;
    }
    errno = 0;
    value = strtoull(text, &end, 10);
    *size = (size_t)value;
    return errno == 0 && *end == '\0' && value <= LIMIT_TENSOR_BYTES;
}

static int take_entries(const Onnx__TensorProto *proto, struct external *e,
                        struct err *err)
{
    *e = (struct external){.location = NULL};
    for (size_t i = 0; i < proto->n_external_data; i++) {
        const Onnx__StringStringEntryProto *entry = proto->external_data[i];
        const char *key = entry->key != NULL ? entry->key : "";
        bool ok = true;

        if (strcmp(key, "location") == 0) {
            e->location = entry->value;
        } else if (strcmp(key, "offset") == 0) {
            ok = take_size(entry->value, &e->offset);
        } else if (strcmp(key, "length") == 0) {
            ok = take_size(entry->value, &e->length);
            e->has_length = e->length > 0;
        }
        if (!ok) {
            return err_set(err, EDGE_EINVAL,
                           "the %s of its external data is no size", key);
        }
    }
    if (e->location == NULL || e->location[0] == '\0') {
        return err_set(err, EDGE_EINVAL, "its external data has no location");
    }
    return 0;
}

/* Opens `location` unless it is the file that was opened last: big models
 * keep all their tensors in one. */
static int open_external(struct import *im, const char *location,
                         struct err *err)
{
    char shown[SHOW_TEXT];
    char *copy;
    int rc;

    if (im->open == NULL) {
        return err_set(err, EDGE_EINVAL,
                       "its data is in the file \"%s\", which cannot be "
                       "reached from here",
                       import_show(location, shown));
    }
    if (im->location != NULL && strcmp(im->location, location) == 0) {
        return 0;
    }
    copy = mem_strdup(location);
    if (copy == NULL) {
        return EDGE_ENOMEM;
    }
    blob_unref(im->external);
    im->external = NULL;
    mem_free(im->location);
    im->location = NULL;
    rc = im->open(im->arg, location, &im->external, err);
    if (rc < 0) {
        mem_free(copy);
        return rc;
    }
    im->location = copy;
    return 0;
}

static int take_external(struct import *im, const Onnx__TensorProto *proto,
                         struct tensor *t, size_t bytes, struct err *err)
{
    char shown[SHOW_TEXT];
    struct external e;
    int rc = take_entries(proto, &e, err);

    if (rc == 0 && e.has_length && e.length != bytes) {
        rc = err_set(err, EDGE_EINVAL,
                     "its external data is %zu bytes long, its shape and "
                     "type need %zu",
                     e.length, bytes);
    }
    if (rc == 0) {
        rc = open_external(im, e.location, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (e.offset > im->external->size ||
        bytes > im->external->size - e.offset) {
        return err_set(err, EDGE_EINVAL,
                       "external data \"%s\" has %zu bytes, but %zu are "
                       "needed from byte %zu on",
                       import_show(e.location, shown), im->external->size,
                       bytes, e.offset);
    }
    return take_bytes(t, bytes, im->external, e.offset);
}

/* Small types travel as int32, one element each. */
static bool put_int32(struct tensor *t, size_t i, int32_t v)
{
    switch (t->dtype) {
    case DTYPE_I32: ((int32_t *)t->data)[i] = v; return true;
    case DTYPE_I16:
        ((int16_t *)t->data)[i] = (int16_t)v;
        return v == (int16_t)v;
    case DTYPE_I8: ((int8_t *)t->data)[i] = (int8_t)v; return v == (int8_t)v;
    case DTYPE_F16: /* its bits */
    case DTYPE_U16:
        ((uint16_t *)t->data)[i] = (uint16_t)v;
        return v == (uint16_t)v;
    case DTYPE_BOOL: ((uint8_t *)t->data)[i] = (uint8_t)v; return v == (v & 1);
    default: ((uint8_t *)t->data)[i] = (uint8_t)v; return v == (uint8_t)v;
    }
}

static int put_field(const Onnx__TensorProto *p, struct tensor *t,
                     struct err *err)
{
    size_t n = (size_t)tensor_count(t);
    size_t i = 0;
    bool ok = true;

    switch (t->dtype) {
    case DTYPE_F32: memcpy(t->data, p->float_data, n * sizeof(float)); break;
    case DTYPE_F64: memcpy(t->data, p->double_data, n * sizeof(double)); break;
    case DTYPE_I64: memcpy(t->data, p->int64_data, n * sizeof(int64_t)); break;
    case DTYPE_U64:
        memcpy(t->data, p->uint64_data, n * sizeof(uint64_t));
        break;
    case DTYPE_U32:
        for (; ok && i < n; i++) {
            ((uint32_t *)t->data)[i] = (uint32_t)p->uint64_data[i];
            ok = p->uint64_data[i] <= UINT32_MAX;
        }
        break;
    default:
        for (; ok && i < n; i++) {
            ok = put_int32(t, i, p->int32_data[i]);
        }
        break;
    }
    return ok ? 0
              : err_set(err, EDGE_EINVAL, "element %zu is out of range for %s",
                        i - 1, dtype_name(t->dtype));
}

static size_t field_count(const Onnx__TensorProto *p, enum dtype dtype)
{
    switch (dtype) {
    case DTYPE_F32: return p->n_float_data;
    case DTYPE_F64: return p->n_double_data;
    case DTYPE_I64: return p->n_int64_data;
    case DTYPE_U32:
    case DTYPE_U64: return p->n_uint64_data;
    default: return p->n_int32_data;
    }
}

static int take_field(const Onnx__TensorProto *proto, struct tensor *t,
                      struct err *err)
{
    struct shape shape = t->shape;
    size_t have = field_count(proto, t->dtype);
    size_t need = (size_t)shape_count(&shape);
    int rc;

    if (have != need) {
        return err_set(err, EDGE_EINVAL,
                       "it has %zu elements, its shape needs %zu", have, need);
    }
    rc = tensor_init(t, t->dtype, &shape);
    if (rc < 0 || need == 0) {
        return rc;
    }
    return put_field(proto, t, err); /* the caller releases it */
}

static int check_raw_size(size_t have, size_t need, struct err *err)
{
    return have == need ? 0
                        : err_set(err, EDGE_EINVAL,
                                  "its raw data is %zu bytes long, its shape "
                                  "and type need %zu",
                                  have, need);
}

int import_tensor_proto(struct import *im, const Onnx__TensorProto *proto,
                        const struct skeleton_raw *raw, struct tensor *t,
                        struct err *err)
{
    struct tensor made = {.blob = NULL};
    struct blob inner = {.data = proto->raw_data.data,
                         .size = proto->raw_data.len};
    size_t bytes;
    int rc = take_head(proto, &made, &bytes, err);

    if (rc < 0) {
        return rc;
    }
    if (proto->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL) {
        rc = take_external(im, proto, &made, bytes, err);
    } else if (raw != NULL && raw->set) {
        rc = check_raw_size(raw->size, bytes, err);
        if (rc == 0) {
            rc = take_bytes(&made, bytes, im->file, raw->offset);
        }
    } else if (proto->has_raw_data) {
        rc = check_raw_size(inner.size, bytes, err);
        if (rc == 0) {
            rc = tensor_copy(&made, made.dtype, &made.shape, inner.data);
        }
    } else {
        rc = take_field(proto, &made, err);
    }
    if (rc == 0) {
        rc = check_bools(&made, err);
    }
    if (rc < 0) {
        tensor_deinit(&made);
        return rc;
    }
    *t = made;
    return 0;
}

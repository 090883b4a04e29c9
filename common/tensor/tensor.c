#include "tensor/tensor.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

int tensor_init(struct tensor *t, enum dtype dtype, const struct shape *shape)
{
    struct tensor made = {.dtype = dtype, .shape = *shape};
    size_t bytes;

    if (!shape_bytes(shape, dtype, &bytes)) {
        return EDGE_ETOOBIG;
    }
    made.blob = blob_new(bytes);
    if (made.blob == NULL) {
        return EDGE_ENOMEM;
    }
    made.data = made.blob->data;
    *t = made;
    return 0;
}

int tensor_copy(struct tensor *t, enum dtype dtype, const struct shape *shape,
                const void *data)
{
    int rc = tensor_init(t, dtype, shape);

    if (rc == 0 && tensor_bytes(t) > 0) {
        memcpy(t->data, data, tensor_bytes(t));
    }
    return rc;
}

int tensor_from_blob(struct tensor *t, enum dtype dtype,
                     const struct shape *shape, struct blob *blob,
                     size_t offset)
{
    size_t bytes;

    if (!shape_bytes(shape, dtype, &bytes) || offset > blob->size ||
        bytes > blob->size - offset) {
        return EDGE_EINVAL;
    }
    *t = (struct tensor){.dtype = dtype, .shape = *shape};
    t->blob = blob_ref(blob);
    t->data = blob->data + offset;
    return 0;
}

void tensor_deinit(struct tensor *t)
{
    blob_unref(t->blob);
    t->blob = NULL;
    t->data = NULL;
}

struct tensor tensor_ref(const struct tensor *t)
{
    struct tensor copy = *t;

    copy.blob = blob_ref(t->blob);
    return copy;
}

int64_t tensor_count(const struct tensor *t)
{
    return shape_count(&t->shape);
}

size_t tensor_bytes(const struct tensor *t)
{
    return (size_t)tensor_count(t) * dtype_size(t->dtype);
}

double tensor_get(const struct tensor *t, int64_t i)
{
    switch (t->dtype) {
    case DTYPE_F32: return ((const float *)t->data)[i];
    case DTYPE_F64: return ((const double *)t->data)[i];
    case DTYPE_F16: return tensor_half_to_float(((const uint16_t *)t->data)[i]);
    case DTYPE_U64: return (double)((const uint64_t *)t->data)[i];
    default: return (double)tensor_get_int(t, i);
    }
}

/* Toward zero; what int64 cannot hold becomes its nearest, NaN becomes 0. */
static int64_t int_of(double value)
{
    if (value >= 0x1p63) {
        return INT64_MAX;
    }
    if (value < -0x1p63) {
        return INT64_MIN;
    }
    return isnan(value) ? 0 : (int64_t)value;
}

int64_t tensor_get_int(const struct tensor *t, int64_t i)
{
    switch (t->dtype) {
    case DTYPE_I8: return ((const int8_t *)t->data)[i];
    case DTYPE_BOOL:
    case DTYPE_U8: return ((const uint8_t *)t->data)[i];
    case DTYPE_I16: return ((const int16_t *)t->data)[i];
    case DTYPE_U16: return ((const uint16_t *)t->data)[i];
    case DTYPE_I32: return ((const int32_t *)t->data)[i];
    case DTYPE_U32: return ((const uint32_t *)t->data)[i];
    case DTYPE_U64:
    case DTYPE_I64: return ((const int64_t *)t->data)[i];
    case DTYPE_F32:
    case DTYPE_F16:
    case DTYPE_F64: return int_of(tensor_get(t, i));
    default: return 0;
    }
}

static float float_from_bits(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

float tensor_half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = (half >> 10) & 31u;
    uint32_t mantissa = half & 1023u;

    if (exponent == 31) { /* infinity or NaN */
        return float_from_bits(sign | 0x7f800000u | mantissa << 13);
    }
    if (exponent == 0) { /* zero or subnormal: mantissa * 2^-24 */
        float value = (float)mantissa * 0x1p-24f;

        return sign != 0 ? -value : value;
    }
    return float_from_bits(sign | (exponent + 112) << 23 | mantissa << 13);
}

uint16_t tensor_float_to_half(float value)
{
    uint32_t bits;
    uint32_t sign;
    uint32_t magnitude;
    uint32_t rest;

    memcpy(&bits, &value, sizeof(bits));
    sign = (bits >> 16) & 0x8000u;
    magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) { /* a quiet NaN, what fits of its payload */
        return (uint16_t)(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
    }
    if (magnitude >= 0x477ff000u) { /* rounds beyond 65504 */
        return (uint16_t)(sign | 0x7c00u);
    }
    if (magnitude < 0x38800000u) { /* subnormal: in units of 2^-24 */
        return (uint16_t)(sign | (uint32_t)lrintf(fabsf(value) * 0x1p24f));
    }
    rest = magnitude & 0x1fffu;
    magnitude = (magnitude - 0x38000000u) >> 13;
    if (rest > 0x1000u || (rest == 0x1000u && (magnitude & 1) != 0)) {
        magnitude++;
    }
    return (uint16_t)(sign | magnitude);
}

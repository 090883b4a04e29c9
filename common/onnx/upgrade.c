/* Which operator of which opset needs which upgrade, and their small steps. */
#include "onnx/upgrade.h"

#include "base/mem.h"
#include "graph/attr.h"

#include <string.h>

struct row {
    const char *type;
    int since; /* opsets in which this upgrade is needed */
    int until;
    int (*upgrade)(struct import *im, int op, struct err *err);
};

#define NEWEST ONNX_OPSET_MAX

static const struct row rows[] = {
    {"Clip", 1, 10, upgrade_clip},
    {"Dropout", 1, 11, upgrade_dropout},
    {"Slice", 1, 9, upgrade_slice},
    {"Squeeze", 1, 12, upgrade_axes},
    {"Unsqueeze", 1, 12, upgrade_axes},
    {"ReduceSum", 1, 12, upgrade_axes},
    {"ReduceMean", 1, 17, upgrade_axes},
    {"ReduceMax", 1, 17, upgrade_axes},
    {"ReduceMin", 1, 17, upgrade_axes},
    {"ReduceSum", 1, NEWEST, upgrade_reduce},
    {"ReduceMean", 1, NEWEST, upgrade_reduce},
    {"ReduceMax", 1, NEWEST, upgrade_reduce},
    {"ReduceMin", 1, NEWEST, upgrade_reduce},
    {"Split", 1, 12, upgrade_split_attr},
    {"Split", 18, NEWEST, upgrade_split_count},
    {"Pad", 1, 10, upgrade_pad_attrs},
    {"Pad", 18, NEWEST, upgrade_pad_axes},
    {"TopK", 1, 9, upgrade_top_k},
    {"BatchNormalization", 1, NEWEST, upgrade_batch_norm},
    {"Softmax", 1, 12, upgrade_softmax},
    {"LogSoftmax", 1, 12, upgrade_softmax},
    {"Cast", 1, NEWEST, upgrade_cast},
    {"Gelu", 1, NEWEST, upgrade_gelu},
    {"AveragePool", 19, NEWEST, upgrade_average_pool},
    {"QuantizeLinear", 19, NEWEST, upgrade_quantize},
    {"DequantizeLinear", 19, NEWEST, upgrade_quantize},
    {"Upsample", 1, 8, upgrade_upsample_7},
    {"Upsample", 1, 9, upgrade_upsample},
    {"Upsample", 1, 9, upgrade_resize_inputs},
    {"Upsample", 10, NEWEST, upgrade_upsample_10},
    {"Resize", 1, 9, upgrade_resize_9},
    {"Resize", 10, 10, upgrade_resize_10},
    {"Resize", 18, NEWEST, upgrade_resize_18},
    {"Resize", 10, NEWEST, upgrade_resize_inputs},
};

static void trim(struct op *op)
{
    while (op->n_in > op_info(op->kind)->in_min && op->in[op->n_in - 1] < 0) {
        op->n_in--;
    }
    while (op->n_out > op_info(op->kind)->out_min &&
           op->out[op->n_out - 1] < 0) {
        op->n_out--;
    }
}

int upgrade_op(struct import *im, const char *type, int op, struct err *err)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(rows[i].type, type) == 0 && im->opset >= rows[i].since &&
            im->opset <= rows[i].until) {
            rc = rows[i].upgrade(im, op, err);
        }
    }
    if (rc == 0) {
        trim(&im->graph->ops[op]);
    }
    return rc;
}

/* ---- constants ---------------------------------------------------------- */

static int add_const(struct import *im, enum dtype dtype, bool is_list,
                     const void *data, size_t n, int *value)
{
    int64_t dims[1] = {(int64_t)n};
    struct shape shape = shape_of(is_list ? 1 : 0, dims);
    struct tensor t;
    int rc = tensor_copy(&t, dtype, &shape, data);

    if (rc < 0) {
        return rc;
    }
    rc = graph_add_const(im->graph, NULL, &t);
    if (rc < 0) {
        tensor_deinit(&t);
        return rc;
    }
    *value = rc;
    return 0;
}

int upgrade_ints(struct import *im, const int64_t *v, size_t n, int *value)
{
    return add_const(im, DTYPE_I64, true, v, n, value);
}

int upgrade_int(struct import *im, int64_t v, int *value)
{
    return upgrade_ints(im, &v, 1, value);
}

int upgrade_floats(struct import *im, const float *v, size_t n, int *value)
{
    return add_const(im, DTYPE_F32, true, v, n, value);
}

int upgrade_scalar(struct import *im, float v, int like, int *value)
{
    enum dtype dtype = like >= 0 ? im->graph->values[like].dtype : DTYPE_F32;
    uint16_t half = tensor_float_to_half(v);
    double wide = v;

    switch (dtype) {
    case DTYPE_F16: return add_const(im, dtype, false, &half, 1, value);
    case DTYPE_F64: return add_const(im, dtype, false, &wide, 1, value);
    default: return add_const(im, DTYPE_F32, false, &v, 1, value);
    }
}

/* ---- inputs and attributes ---------------------------------------------- */

int upgrade_set_input(struct import *im, int op, int i, int value)
{
    struct op *o = &im->graph->ops[op];

    if (i >= o->n_in) {
        int *in = mem_resize(o->in, (size_t)i + 1, sizeof(*in));

        if (in == NULL) {
            return EDGE_ENOMEM;
        }
        o->in = in;
        while (o->n_in <= i) {
            o->in[o->n_in++] = -1;
        }
    }
    o->in[i] = value;
    return 0;
}

void upgrade_drop_attr(struct op *op, const char *name)
{
    for (size_t i = 0; i < op->n_attrs; i++) {
        if (strcmp(op->attrs[i].name, name) == 0) {
            attr_deinit(&op->attrs[i]);
            op->n_attrs--;
            memmove(&op->attrs[i], &op->attrs[i + 1],
                    (op->n_attrs - i) * sizeof(*op->attrs));
            return;
        }
    }
}

int upgrade_ints_to_input(struct import *im, int op, const char *name, int i)
{
    struct op *o = &im->graph->ops[op];
    const struct attr *attr = op_attr(o, name);
    int value;
    int rc;

    if (attr == NULL) {
        return 0;
    }
    rc = upgrade_ints(im, attr->ints, attr->n, &value);
    if (rc == 0) {
        rc = upgrade_set_input(im, op, i, value);
    }
    upgrade_drop_attr(o, name);
    return rc;
}

int upgrade_add_op(struct import *im, enum op_kind kind, const char *base,
                   const char *suffix, const int *in, int n_in, int out)
{
    char *name = mem_printf("%s/%s", base, suffix);
    int rc;

    if (name == NULL) {
        return EDGE_ENOMEM;
    }
    rc = graph_add_op(im->graph, kind, name, in, n_in, &out, 1);
    if (rc == EDGE_EEXIST || rc == EDGE_ETOOBIG) {
        rc = graph_add_op(im->graph, kind, NULL, in, n_in, &out, 1);
    }
    mem_free(name);
    return rc;
}

int upgrade_in(const struct import *im, int op, int i)
{
    const struct op *o = &im->graph->ops[op];

    return i < o->n_in ? o->in[i] : -1;
}

const struct shape *upgrade_shape(const struct import *im, int value)
{
    return value >= 0 && im->graph->values[value].has_shape
               ? &im->graph->values[value].shape
               : NULL;
}

const struct tensor *upgrade_data(const struct import *im, int value)
{
    return graph_is_const(im->graph, value) ? &im->graph->values[value].data
                                            : NULL;
}

/*
 * What the upgrade_*.c files share: small steps that bring an op of an older
 * or newer opset to opset 17's form.
 */
#ifndef EDGE_ONNX_UPGRADE_H
#define EDGE_ONNX_UPGRADE_H

#include "onnx/import_impl.h"

/* A constant with a made-up name; *value is its index. */
int upgrade_ints(struct import *im, const int64_t *v, size_t n, int *value);
int upgrade_int(struct import *im, int64_t v, int *value);
int upgrade_floats(struct import *im, const float *v, size_t n, int *value);
/* A scalar of the type of `like`, of float32 while that is not known. */
int upgrade_scalar(struct import *im, float v, int like, int *value);

/* Makes `value` input `i` of the op; inputs before it may be left out. */
int upgrade_set_input(struct import *im, int op, int i, int value);
void upgrade_drop_attr(struct op *op, const char *name);
/* Attribute `name`, if there, becomes the int64 list that is input `i`. */
int upgrade_ints_to_input(struct import *im, int op, const char *name, int i);

/* A new op named BASE/SUFFIX, or as free, of one output. */
int upgrade_add_op(struct import *im, enum op_kind kind, const char *base,
                   const char *suffix, const int *in, int n_in, int out);

/* Input `i` of the op, -1 if left out. */
int upgrade_in(const struct import *im, int op, int i);
/* The value's shape if its rank is known, or NULL. */
const struct shape *upgrade_shape(const struct import *im, int value);
/* The data of a constant, or NULL. */
const struct tensor *upgrade_data(const struct import *im, int value);

/* One upgrade each, by the operators they are for; see the table. */
int upgrade_clip(struct import *im, int op, struct err *err);
int upgrade_dropout(struct import *im, int op, struct err *err);
int upgrade_slice(struct import *im, int op, struct err *err);
int upgrade_axes(struct import *im, int op, struct err *err);
int upgrade_reduce(struct import *im, int op, struct err *err);
int upgrade_split_attr(struct import *im, int op, struct err *err);
int upgrade_split_count(struct import *im, int op, struct err *err);
int upgrade_pad_attrs(struct import *im, int op, struct err *err);
int upgrade_pad_axes(struct import *im, int op, struct err *err);
int upgrade_top_k(struct import *im, int op, struct err *err);
int upgrade_batch_norm(struct import *im, int op, struct err *err);
int upgrade_softmax(struct import *im, int op, struct err *err);
int upgrade_cast(struct import *im, int op, struct err *err);
int upgrade_gelu(struct import *im, int op, struct err *err);
int upgrade_average_pool(struct import *im, int op, struct err *err);
int upgrade_quantize(struct import *im, int op, struct err *err);
int upgrade_upsample_7(struct import *im, int op, struct err *err);
int upgrade_upsample(struct import *im, int op, struct err *err);
int upgrade_upsample_10(struct import *im, int op, struct err *err);
int upgrade_resize_9(struct import *im, int op, struct err *err);
int upgrade_resize_10(struct import *im, int op, struct err *err);
int upgrade_resize_inputs(struct import *im, int op, struct err *err);
int upgrade_resize_18(struct import *im, int op, struct err *err);

#endif

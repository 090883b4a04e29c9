#include "onnx/import_impl.h"

#include <string.h>

/* An attribute of an operator in opsets `since` to `until` (0: still there).
 * Those that ended before opset 17 or came after it are for upgrade.c. */
struct rule {
    enum op_kind op;
    const char *name;
    enum attr_kind kind;
    int since;
    int until;
    bool is_required;
};

#define INT ATTR_INT
#define FLOAT ATTR_FLOAT
#define STRING ATTR_STRING
#define INTS ATTR_INTS
#define FLOATS ATTR_FLOATS
#define TENSOR ATTR_TENSOR
#define MUST true
#define MAY false
#define ALWAYS 1, 0

#define RULE(...)   \
    {               \
        __VA_ARGS__ \
    }
#define CONV_RULES(op)                               \
    RULE(op, "auto_pad", STRING, ALWAYS, MAY),       \
        RULE(op, "dilations", INTS, ALWAYS, MAY),    \
        RULE(op, "group", INT, ALWAYS, MAY),         \
        RULE(op, "kernel_shape", INTS, ALWAYS, MAY), \
        RULE(op, "pads", INTS, ALWAYS, MAY),         \
        RULE(op, "strides", INTS, ALWAYS, MAY)
#define POOL_RULES(op)                                \
    RULE(op, "auto_pad", STRING, ALWAYS, MAY),        \
        RULE(op, "ceil_mode", INT, 10, 0, MAY),       \
        RULE(op, "kernel_shape", INTS, ALWAYS, MUST), \
        RULE(op, "pads", INTS, ALWAYS, MAY),          \
        RULE(op, "strides", INTS, ALWAYS, MAY)
#define REDUCE_RULES(op, changed)                \
    RULE(op, "axes", INTS, 1, (changed)-1, MAY), \
        RULE(op, "keepdims", INT, ALWAYS, MAY),  \
        RULE(op, "noop_with_empty_axes", INT, changed, 0, MAY)
#define ARG_RULES(op)                           \
    RULE(op, "axis", INT, ALWAYS, MAY),         \
        RULE(op, "keepdims", INT, ALWAYS, MAY), \
        RULE(op, "select_last_index", INT, 12, 0, MAY)

static const struct rule rules[] = {
    CONV_RULES(OP_CONV),
    CONV_RULES(OP_CONV_TRANSPOSE),
    {OP_CONV_TRANSPOSE, "output_padding", INTS, ALWAYS, MAY},
    {OP_CONV_TRANSPOSE, "output_shape", INTS, ALWAYS, MAY},
    CONV_RULES(OP_QLINEAR_CONV),
    CONV_RULES(OP_CONV_INTEGER),
    {OP_GEMM, "alpha", FLOAT, ALWAYS, MAY},
    {OP_GEMM, "beta", FLOAT, ALWAYS, MAY},
    {OP_GEMM, "transA", INT, ALWAYS, MAY},
    {OP_GEMM, "transB", INT, ALWAYS, MAY},
    {OP_BATCH_NORM, "epsilon", FLOAT, ALWAYS, MAY},
    {OP_BATCH_NORM, "momentum", FLOAT, ALWAYS, MAY},
    {OP_BATCH_NORM, "spatial", INT, 1, 8, MAY},
    {OP_BATCH_NORM, "training_mode", INT, 14, 0, MAY},
    {OP_INSTANCE_NORM, "epsilon", FLOAT, ALWAYS, MAY},
    {OP_LAYER_NORM, "axis", INT, ALWAYS, MAY},
    {OP_LAYER_NORM, "epsilon", FLOAT, ALWAYS, MAY},
    {OP_LAYER_NORM, "stash_type", INT, ALWAYS, MAY},
    {OP_LRN, "alpha", FLOAT, ALWAYS, MAY},
    {OP_LRN, "beta", FLOAT, ALWAYS, MAY},
    {OP_LRN, "bias", FLOAT, ALWAYS, MAY},
    {OP_LRN, "size", INT, ALWAYS, MUST},
    {OP_CLIP, "min", FLOAT, 6, 10, MAY},
    {OP_CLIP, "max", FLOAT, 6, 10, MAY},
    {OP_LEAKY_RELU, "alpha", FLOAT, ALWAYS, MAY},
    {OP_ELU, "alpha", FLOAT, ALWAYS, MAY},
    {OP_SELU, "alpha", FLOAT, ALWAYS, MAY},
    {OP_SELU, "gamma", FLOAT, ALWAYS, MAY},
    {OP_HARD_SIGMOID, "alpha", FLOAT, ALWAYS, MAY},
    {OP_HARD_SIGMOID, "beta", FLOAT, ALWAYS, MAY},
    {OP_GELU, "approximate", STRING, ALWAYS, MAY},
    {OP_SOFTMAX, "axis", INT, ALWAYS, MAY},
    {OP_SOFTMAX_LOSS, "ignore_index", INT, ALWAYS, MAY},
    {OP_SOFTMAX_LOSS, "reduction", STRING, ALWAYS, MAY},
    {OP_LOG_SOFTMAX, "axis", INT, ALWAYS, MAY},
    {OP_MOD, "fmod", INT, ALWAYS, MAY},
    POOL_RULES(OP_MAX_POOL),
    {OP_MAX_POOL, "dilations", INTS, 10, 0, MAY},
    {OP_MAX_POOL, "storage_order", INT, 8, 0, MAY},
    POOL_RULES(OP_AVERAGE_POOL),
    {OP_AVERAGE_POOL, "count_include_pad", INT, 7, 0, MAY},
    {OP_AVERAGE_POOL, "dilations", INTS, 19, 0, MAY},
    REDUCE_RULES(OP_REDUCE_MEAN, 18),
    REDUCE_RULES(OP_REDUCE_MAX, 18),
    REDUCE_RULES(OP_REDUCE_MIN, 18),
    REDUCE_RULES(OP_REDUCE_SUM, 13),
    {OP_CONCAT, "axis", INT, ALWAYS, MUST},
    {OP_SPLIT, "axis", INT, ALWAYS, MAY},
    {OP_SPLIT, "split", INTS, 1, 12, MAY},
    {OP_SPLIT, "num_outputs", INT, 18, 0, MAY},
    {OP_SLICE, "axes", INTS, 1, 9, MAY},
    {OP_SLICE, "ends", INTS, 1, 9, MUST},
    {OP_SLICE, "starts", INTS, 1, 9, MUST},
    {OP_PAD, "mode", STRING, ALWAYS, MAY},
    {OP_PAD, "pads", INTS, 2, 10, MUST},
    {OP_PAD, "value", FLOAT, 2, 10, MAY},
    {OP_RESHAPE, "allowzero", INT, 14, 0, MAY},
    {OP_FLATTEN, "axis", INT, ALWAYS, MAY},
    {OP_TRANSPOSE, "perm", INTS, ALWAYS, MAY},
    {OP_SQUEEZE, "axes", INTS, 1, 12, MAY},
    {OP_UNSQUEEZE, "axes", INTS, 1, 12, MUST},
    {OP_GATHER, "axis", INT, ALWAYS, MAY},
    {OP_SHAPE, "start", INT, 15, 0, MAY},
    {OP_SHAPE, "end", INT, 15, 0, MAY},
    {OP_CAST, "to", INT, 6, 0, MUST},
    {OP_CAST, "saturate", INT, 19, 0, MAY},
    {OP_CONSTANT_OF_SHAPE, "value", TENSOR, ALWAYS, MAY},
    {OP_DROPOUT, "ratio", FLOAT, 1, 11, MAY},
    {OP_DROPOUT, "seed", INT, 12, 0, MAY},
    {OP_RESIZE, "mode", STRING, ALWAYS, MAY},
    {OP_RESIZE, "scales", FLOATS, 7, 8, MUST}, /* of Upsample */
    {OP_RESIZE, "coordinate_transformation_mode", STRING, 11, 0, MAY},
    {OP_RESIZE, "cubic_coeff_a", FLOAT, 11, 0, MAY},
    {OP_RESIZE, "exclude_outside", INT, 11, 0, MAY},
    {OP_RESIZE, "extrapolation_value", FLOAT, 11, 0, MAY},
    {OP_RESIZE, "nearest_mode", STRING, 11, 0, MAY},
    {OP_RESIZE, "antialias", INT, 18, 0, MAY},
    {OP_RESIZE, "axes", INTS, 18, 0, MAY},
    {OP_RESIZE, "keep_aspect_ratio_policy", STRING, 18, 0, MAY},
    {OP_DEPTH_TO_SPACE, "blocksize", INT, ALWAYS, MUST},
    {OP_DEPTH_TO_SPACE, "mode", STRING, 11, 0, MAY},
    {OP_SPACE_TO_DEPTH, "blocksize", INT, ALWAYS, MUST},
    ARG_RULES(OP_ARG_MAX),
    ARG_RULES(OP_ARG_MIN),
    {OP_TOP_K, "axis", INT, ALWAYS, MAY},
    {OP_TOP_K, "k", INT, 1, 9, MUST},
    {OP_TOP_K, "largest", INT, 11, 0, MAY},
    {OP_TOP_K, "sorted", INT, 11, 0, MAY},
    {OP_NON_MAX_SUPPRESSION, "center_point_box", INT, ALWAYS, MAY},
    {OP_QUANTIZE_LINEAR, "axis", INT, 13, 0, MAY},
    {OP_QUANTIZE_LINEAR, "saturate", INT, 19, 0, MAY},
    {OP_QUANTIZE_LINEAR, "block_size", INT, 21, 0, MAY},
    {OP_QUANTIZE_LINEAR, "output_dtype", INT, 21, 0, MAY},
    {OP_DEQUANTIZE_LINEAR, "axis", INT, 13, 0, MAY},
    {OP_DEQUANTIZE_LINEAR, "block_size", INT, 21, 0, MAY},
};
#define N_RULES (sizeof(rules) / sizeof(rules[0]))

static bool rule_applies(const struct rule *rule, int opset)
{
    return opset >= rule->since && (rule->until == 0 || opset <= rule->until);
}

static const struct rule *find_rule(enum op_kind op, const char *name,
                                    int opset)
{
    for (size_t i = 0; i < N_RULES; i++) {
        if (rules[i].op == op && strcmp(rules[i].name, name) == 0 &&
            rule_applies(&rules[i], opset)) {
            return &rules[i];
        }
    }
    return NULL;
}

static const Onnx__AttributeProto__AttributeType type_of[] = {
    [ATTR_INT] = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT,
    [ATTR_FLOAT] = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT,
    [ATTR_STRING] = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING,
    [ATTR_INTS] = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS,
    [ATTR_FLOATS] = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS,
    [ATTR_TENSOR] = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR,
};

static const char *const kind_names[] = {
    [ATTR_INT] = "an integer",          [ATTR_FLOAT] = "a float",
    [ATTR_STRING] = "a string",         [ATTR_INTS] = "a list of integers",
    [ATTR_FLOATS] = "a list of floats", [ATTR_TENSOR] = "a tensor",
};

static int set_string(struct op *op, const Onnx__AttributeProto *a,
                      struct err *err)
{
    char text[LIMIT_GRAPH_NAME + 1];

    if (a->s.len > LIMIT_GRAPH_NAME ||
        (a->s.len > 0 && memchr(a->s.data, '\0', a->s.len) != NULL)) {
        return err_set(err, EDGE_EINVAL, "it is too long or has a NUL in it");
    }
    if (a->s.len > 0) {
        memcpy(text, a->s.data, a->s.len);
    }
    text[a->s.len] = '\0';
    return op_set_string(op, a->name, text);
}

static int set_tensor(struct import *im, struct op *op,
                      const Onnx__AttributeProto *a, struct err *err)
{
    struct tensor t;
    int rc;

    if (a->t == NULL) {
        return err_set(err, EDGE_EINVAL, "it has no value");
    }
    rc = import_tensor_proto(im, a->t, NULL, &t, err);
    if (rc < 0) {
        return rc;
    }
    rc = op_set_tensor(op, a->name, &t);
    if (rc < 0) {
        tensor_deinit(&t);
    }
    return rc;
}

static int set_attr(struct import *im, struct op *op, const struct rule *rule,
                    const Onnx__AttributeProto *a, struct err *err)
{
    switch (rule->kind) {
    case ATTR_INT: return op_set_int(op, a->name, a->i);
    case ATTR_FLOAT: return op_set_float(op, a->name, a->f);
    case ATTR_STRING: return set_string(op, a, err);
    case ATTR_INTS: return op_set_ints(op, a->name, a->ints, a->n_ints);
    case ATTR_FLOATS: return op_set_floats(op, a->name, a->floats, a->n_floats);
    case ATTR_TENSOR:
    default: return set_tensor(im, op, a, err);
    }
}

static int take_attr(struct import *im, struct op *op,
                     const Onnx__AttributeProto *a, struct err *err)
{
    const struct rule *rule;
    char shown[SHOW_TEXT];
    int rc = import_check_name(a->name, "an attribute", err);

    if (rc < 0) {
        return rc;
    }
    (void)import_show(a->name, shown);
    rule = find_rule(op->kind, a->name, im->opset);
    if (rule == NULL) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "it has no attribute \"%s\" in opset %d", shown,
                       im->opset);
    }
    if (op_attr(op, a->name) != NULL) {
        return err_set(err, EDGE_EINVAL, "attribute \"%s\" is given twice",
                       shown);
    }
    if (a->type != type_of[rule->kind]) {
        return err_set(err, EDGE_EINVAL, "attribute \"%s\" must be %s", shown,
                       kind_names[rule->kind]);
    }
    rc = set_attr(im, op, rule, a, err);
    return rc < 0 && rc != EDGE_ENOMEM
               ? err_wrap(err, rc, "attribute \"%s\"", shown)
               : rc;
}

int import_attrs(struct import *im, const Onnx__NodeProto *node, int op,
                 struct err *err)
{
    struct op *made = &im->graph->ops[op];
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < node->n_attribute; i++) {
        rc = take_attr(im, made, node->attribute[i], err);
    }
    for (size_t i = 0; rc == 0 && i < N_RULES; i++) {
        if (rules[i].op == made->kind && rules[i].is_required &&
            rule_applies(&rules[i], im->opset) &&
            op_attr(made, rules[i].name) == NULL) {
            rc = err_set(err, EDGE_EINVAL, "attribute \"%s\" is missing",
                         rules[i].name);
        }
    }
    return rc;
}

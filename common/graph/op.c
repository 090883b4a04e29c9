#include "graph/op.h"

#include "graph/infer_op.h"

#include <string.h>

static const struct op_info table[OP_COUNT] = {
#define X(kind, name, in0, in1, out0, out1, infer) \
    [OP_##kind] = {name, in0, in1, out0, out1, infer_op_##infer},
    OP_TABLE(X) OP_OWN_TABLE(X)
#undef X
};

const struct op_info *op_info(enum op_kind kind)
{
    return &table[kind];
}

int op_find(const char *name)
{
    for (int i = 0; i < OP_COUNT && !op_is_own((enum op_kind)i); i++) {
        if (strcmp(table[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

bool op_is_own(enum op_kind kind)
{
    return kind >= OP_CONV_WEIGHT_GRAD; /* the first of them */
}

bool op_is_unary(enum op_kind kind)
{
    switch (kind) {
    case OP_RELU:
    case OP_CLIP:
    case OP_LEAKY_RELU:
    case OP_ELU:
    case OP_SELU:
    case OP_SIGMOID:
    case OP_HARD_SIGMOID:
    case OP_HARD_SWISH:
    case OP_SOFTPLUS:
    case OP_TANH:
    case OP_ERF:
    case OP_GELU:
    case OP_SQRT:
    case OP_EXP:
    case OP_LOG:
    case OP_NEG:
    case OP_ABS:
    case OP_SIGN:
    case OP_RECIPROCAL:
    case OP_FLOOR:
    case OP_CEIL:
    case OP_ROUND:
    case OP_NOT:
    case OP_IDENTITY:
    case OP_CAST: return true;
    default: return false;
    }
}

bool op_is_elementwise(enum op_kind kind)
{
    switch (kind) {
    case OP_PRELU:
    case OP_ADD:
    case OP_SUB:
    case OP_MUL:
    case OP_DIV:
    case OP_POW:
    case OP_MOD:
    case OP_MIN:
    case OP_MAX:
    case OP_SUM:
    case OP_MEAN: return true;
    default: return false;
    }
}

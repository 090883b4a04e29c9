/* Models older than ONNX_OPSET_MIN, where their operators have not changed. */
#include "onnx/import_impl.h"

#include <string.h>

struct since {
    int opset;
    const char *types; /* between spaces */
};

/* The opset from which on each operator has the form of ONNX_OPSET_MIN, as
 * ONNX's changelog tells; operators that are not here changed in that one. */
static const struct since rows[] = {
    {1, " ArgMax ArgMin Constant Conv ConvTranspose DepthToSpace Flatten"
        " Gather GlobalAveragePool GlobalMaxPool Identity LRN LogSoftmax"
        " MatMul MaxPool Not ReduceMax ReduceMean ReduceMin ReduceSum Shape"
        " Slice Softmax Softplus SpaceToDepth Squeeze TopK Transpose"
        " Unsqueeze "},
    {2, " Pad Split "},
    {4, " Concat "},
    {5, " Reshape "},
    {6, " Abs Cast Ceil Clip Elu Exp Floor HardSigmoid"
        " InstanceNormalization LeakyRelu Log Max Mean Min Neg Reciprocal"
        " Relu Selu Sigmoid Sqrt Sum Tanh Tile "},
};

int import_since(const char *type)
{
    size_t length = strlen(type);

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *at = rows[i].types;

        while ((at = strstr(at, type)) != NULL) {
            if (at[-1] == ' ' && at[length] == ' ') {
                return rows[i].opset;
            }
            at += length;
        }
    }
    return ONNX_OPSET_MIN;
}

#include "onnx/gelu.h"

static const struct gelu_link erf_links[] = {
    {OP_DIV, false, 1.41421356237f, "div"},
    {OP_ERF, false, 0, "erf"},
    {OP_ADD, false, 1, "add"},
    {OP_MUL, true, 0, "mul"},
    {OP_MUL, false, 0.5f, "half"},
};

static const struct gelu_link tanh_links[] = {
    {OP_MUL, true, 0, "square"},
    {OP_MUL, true, 0, "cube"},
    {OP_MUL, false, 0.044715f, "part"},
    {OP_ADD, true, 0, "sum"},
    {OP_MUL, false, 0.797884560803f, "scale"},
    {OP_TANH, false, 0, "tanh"},
    {OP_ADD, false, 1, "add"},
    {OP_MUL, true, 0, "mul"},
    {OP_MUL, false, 0.5f, "half"},
};

const struct gelu_link *gelu_links(bool is_tanh, int *n)
{
    *n = (int)(is_tanh ? sizeof(tanh_links) / sizeof(tanh_links[0])
                       : sizeof(erf_links) / sizeof(erf_links[0]));
    return is_tanh ? tanh_links : erf_links;
}

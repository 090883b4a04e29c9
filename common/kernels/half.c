#include "kernels/types.h"

void half_to_floats(float *out, const uint16_t *in, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = tensor_half_to_float(in[i]);
    }
}

void floats_to_half(uint16_t *out, const float *in, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = tensor_float_to_half(in[i]);
    }
}

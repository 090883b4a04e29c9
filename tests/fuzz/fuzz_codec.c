/* Two bytes of a codec's number, one that chooses a shape, coded values. */
#include "base/mem.h"
#include "codec/back.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct shape shapes[] = {
    {.rank = 4, .dims = {1, 3, 9, 9}},
    {.rank = 4, .dims = {2, 40, 7, 7}},
    {.rank = 2, .dims = {1, 1000}},
    {.rank = 0},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct codec codec;
    const struct shape *shape;
    float *values;
    uint8_t mask[490]; /* a bit for each value of the largest */

    if (size < 3 ||
        codec_from_id((uint32_t)data[0] | (uint32_t)data[1] << 8, &codec) < 0) {
        return 0;
    }
    shape = &shapes[data[2] % 4];
    values = mem_zalloc((size_t)shape_count(shape) + 1, sizeof(*values));
    if (values != NULL) {
        (void)codec_decode(&codec, data + 3, size - 3, shape, values, NULL);
        if (codec.keep > 0 &&
            back_mask(&codec, data + 3, size - 3, shape, mask, NULL) == 0) {
            (void)back_decode(&codec, data + 3, size - 3, shape, mask, values,
                              NULL);
        }
    }
    mem_free(values);
    return 0;
}

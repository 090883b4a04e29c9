#include "engine/bind_xnor.h"

#include "base/mem.h"

static int make_room(struct bits_state *bits, size_t words)
{
    bits->weights = mem_array(uint64_t, words);
    bits->weight_bytes = words * sizeof(uint64_t);
    return bits->weights != NULL ? 0 : EDGE_ENOMEM;
}

static void settle(struct bits_state *bits, bool has)
{
    bits->has = has;
    if (!has) {
        bits_deinit(bits);
    }
}

/* Weights of other kinds differ from these at once, mostly. */
static bool is_sign(float x)
{
    return (x >= 1 && x <= 1) || (x >= -1 && x <= -1);
}

int bits_of_conv(struct bits_state *bits, const struct xnor_conv *conv,
                 const float *w)
{
    *bits = (struct bits_state){.is_conv = true, .conv = *conv};
    if (!is_sign(w[0])) {
        return 0;
    }
    if (make_room(bits, xnor_conv_packed(conv)) < 0) {
        return EDGE_ENOMEM;
    }
    settle(bits, xnor_conv_pack(conv, w, bits->weights));
    return 0;
}

int bits_of_dense(struct bits_state *bits, const float *b, size_t rows,
                  size_t depth, size_t b_row, size_t b_step)
{
    size_t words = xnor_words(depth);
    float *row = NULL;
    bool fine = true;
    int rc;

    *bits = (struct bits_state){.rows = rows, .depth = depth};
    if (rows * depth == 0 || !is_sign(b[0])) {
        return 0;
    }
    row = mem_array(float, depth);
    rc = row != NULL ? make_room(bits, rows * 2 * words) : EDGE_ENOMEM;
    for (size_t r = 0; rc == 0 && fine && r < rows; r++) {
        for (size_t i = 0; i < depth; i++) {
            row[i] = b[r * b_row + i * b_step];
        }
        fine = xnor_pack(row, depth, bits->weights + r * 2 * words);
    }
    mem_free(row);
    if (rc == 0) {
        settle(bits, fine);
    }
    return rc;
}

void bits_deinit(struct bits_state *bits)
{
    mem_free(bits->weights);
    bits->weights = NULL;
    bits->weight_bytes = 0;
    bits->has = false;
}

size_t bits_scratch(const struct bits_state *bits)
{
    size_t words = bits->is_conv ? xnor_conv_scratch(&bits->conv)
                                 : 2 * xnor_words(bits->depth);

    return bits->has ? words * sizeof(uint64_t) : 0;
}

/*
 * augment_apply(): levels to numbers. A sample without changed colours goes
 * through one table of 256 numbers a channel; otherwise its levels become
 * 0..1, change, and are normalised at the end.
 */
#include "dataset/augment.h"

#include <assert.h>
#include <string.h>

/* A row of the cut that begins `left` pixels into the row `p`; NULL: black. */
static void cut_row(const uint8_t *p, int left, int width,
                    const float table[256], float *out)
{
    int from = left < 0 ? (left < -width ? width : -left) : 0;
    int to = left > 0 ? (left > width ? 0 : width - left) : width;
    int x = 0;

    if (p == NULL) {
        to = 0;
    }
    for (; x < from; x++) {
        out[x] = table[0];
    }
    for (; x < to; x++) {
        out[x] = table[p[x + left]];
    }
    for (; x < width; x++) {
        out[x] = table[0];
    }
}

static void flip_row(float *row, int width)
{
    for (int x = 0; x < width / 2; x++) {
        float kept = row[x];

        row[x] = row[width - 1 - x];
        row[width - 1 - x] = kept;
    }
}

/* A plane, cut and flipped, through a table. */
static void cut(const struct augment *a, const struct image_spec *size,
                const uint8_t *plane, const float table[256], float *out)
{
    size_t width = (size_t)size->width;

    for (int y = 0; y < size->height; y++, out += width) {
        int row = y + a->top;
        bool is_black = row < 0 || row >= size->height;

        cut_row(is_black ? NULL : plane + (size_t)row * width, a->left,
                size->width, table, out);
        if (a->flip) {
            flip_row(out, size->width);
        }
    }
}

static float unit_of(const struct image_spec *input)
{
    return input->range == IMAGE_RANGE_UNIT ? 255.0f : 1.0f;
}

/* Which plane of the levels is channel c of the model. */
static uint32_t plane_of(const struct augment_finish *f, int c)
{
    if (f->channels == 1) {
        return 0;
    }
    return (uint32_t)(f->input->color == IMAGE_COLOR_BGR ? 2 - c : c);
}

/* ---- without a change of colours ---- */

static void apply_table(const struct augment *a, const struct augment_finish *f,
                        const uint8_t *levels, float *out)
{
    const struct image_spec *input = f->input;
    size_t n = (size_t)input->width * (size_t)input->height;
    float unit = unit_of(input);
    float table[256];

    for (int c = 0; c < image_spec_channels(input); c++) {
        for (int i = 0; i < 256; i++) {
            table[i] = ((float)i / unit - input->mean[c]) / input->std[c];
        }
        cut(a, input, levels + plane_of(f, c) * n, table, out + (size_t)c * n);
    }
}

/* ---- colours: torchvision.transforms.functional_tensor, floats of 0..1 ----
 */

struct colours {
    float *planes[3]; /* red, green, blue; or gray alone */
    uint32_t channels;
    size_t n;
};

static float held(float v)
{
    v = v < 0 ? 0 : v;
    return v > 1 ? 1 : v;
}

/* rgb_to_grayscale() */
static float gray(const struct colours *c, size_t i)
{
    if (c->channels == 1) {
        return c->planes[0][i];
    }
    return 0.2989f * c->planes[0][i] + 0.587f * c->planes[1][i] +
           0.114f * c->planes[2][i];
}

/* _blend() with a constant picture. */
static void blend(const struct colours *c, float factor, float with)
{
    float rest = (1 - factor) * with;

    for (uint32_t k = 0; k < c->channels; k++) {
        float *p = c->planes[k];

        for (size_t i = 0; i < c->n; i++) {
            p[i] = held(factor * p[i] + rest);
        }
    }
}

static float mean_gray(const struct colours *c)
{
    double sum = 0;

    for (size_t i = 0; i < c->n; i++) {
        sum += (double)gray(c, i);
    }
    return (float)(sum / (double)c->n);
}

/* A gray picture has no colour to take away. */
static void saturate(const struct colours *c, float factor)
{
    for (size_t i = 0; c->channels == 3 && i < c->n; i++) {
        float rest = (1 - factor) * gray(c, i);

        for (uint32_t k = 0; k < 3; k++) {
            c->planes[k][i] = held(factor * c->planes[k][i] + rest);
        }
    }
}

static void colour(const struct augment *a, const struct colours *c)
{
    for (int i = 0; i < AUGMENT_COLOURS; i++) {
        float factor = a->factors[a->order[i]];

        if (factor == 1) {
            continue;
        }
        switch (a->order[i]) {
        case AUGMENT_BRIGHTNESS: blend(c, factor, 0); break;
        case AUGMENT_CONTRAST: blend(c, factor, mean_gray(c)); break;
        default: saturate(c, factor); break;
        }
    }
}

/* ---- with it, or with a mean picture ---- */

static void normalise(const struct augment_finish *f, int c, float *out)
{
    const struct image_spec *input = f->input;
    size_t n = (size_t)input->width * (size_t)input->height;
    const float *mean =
        f->mean_picture == NULL ? NULL : f->mean_picture + plane_of(f, c) * n;
    float unit = unit_of(input);

    for (size_t i = 0; i < n; i++) {
        float level = out[i] * 255 - (mean == NULL ? 0 : mean[i]);

        out[i] = (level / unit - input->mean[c]) / input->std[c];
    }
}

static void apply_steps(const struct augment *a, const struct augment_finish *f,
                        const uint8_t *levels, float *out)
{
    const struct image_spec *input = f->input;
    size_t n = (size_t)input->width * (size_t)input->height;
    int channels = image_spec_channels(input);
    struct colours c = {.channels = f->channels, .n = n};
    float table[256];

    for (int i = 0; i < 256; i++) {
        table[i] = (float)i / 255;
    }
    for (int k = 0; k < channels; k++) {
        uint32_t plane = plane_of(f, k);

        c.planes[plane] = out + (size_t)k * n;
    }
    for (uint32_t p = 0; p < c.channels; p++) {
        cut(a, input, levels + p * n, table, c.planes[p]);
    }
    colour(a, &c);
    for (int k = 0; k < channels; k++) {
        float *to = out + (size_t)k * n;

        if (to != c.planes[plane_of(f, k)]) { /* gray into the others */
            memcpy(to, c.planes[plane_of(f, k)], n * sizeof(*to));
        }
    }
    for (int k = 0; k < channels; k++) {
        normalise(f, k, out + (size_t)k * n);
    }
}

static bool changes_colour(const struct augment *a)
{
    return a->factors[AUGMENT_BRIGHTNESS] != 1 ||
           a->factors[AUGMENT_CONTRAST] != 1 ||
           a->factors[AUGMENT_SATURATION] != 1;
}

void augment_apply(const struct augment *augment,
                   const struct augment_finish *finish, const uint8_t *levels,
                   float *out)
{
    assert(finish->channels == 1 || image_spec_channels(finish->input) == 3);
    if (changes_colour(augment) || finish->mean_picture != NULL) {
        apply_steps(augment, finish, levels, out);
    } else {
        apply_table(augment, finish, levels, out);
    }
}

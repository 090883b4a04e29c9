#include "image/grid.h"

#include "base/limits.h"

#include <math.h>
#include <string.h>

/* Two digits say more than there can be. */
static bool read_side(const char **text, int *side)
{
    int value = 0;
    int digits = 0;

    while (**text >= '0' && **text <= '9' && digits < 3) {
        value = value * 10 + (**text - '0');
        (*text)++;
        digits++;
    }
    *side = value;
    return digits > 0 && digits < 3 && value > 0;
}

bool grid_parse(const char *text, struct image_grid *grid)
{
    struct image_grid read;

    if (!read_side(&text, &read.columns) || *text++ != 'x' ||
        !read_side(&text, &read.rows) || *text != '\0' ||
        read.columns * read.rows > LIMIT_PORTS) {
        return false;
    }
    *grid = read;
    return true;
}

int grid_views(const struct image_grid *grid)
{
    return grid->columns * grid->rows;
}

void grid_cut(const float *picture, int channels, int height, int width,
              const struct image_grid *grid, int view, float *out)
{
    size_t view_height = (size_t)(height / grid->rows);
    size_t view_width = (size_t)(width / grid->columns);
    size_t top = (size_t)(view % grid->rows) * view_height;
    size_t left = (size_t)(view / grid->rows) * view_width;

    for (int c = 0; c < channels; c++) {
        const float *row = picture + top * (size_t)width + left;

        for (size_t y = 0; y < view_height; y++) {
            memcpy(out, row, view_width * sizeof(*out));
            row += width;
            out += view_width;
        }
        picture += (size_t)height * (size_t)width;
    }
}

#define ALIKE 1e-6F /* black may have been reckoned in another order */

bool grid_is_blank(const float *view, size_t channels, size_t area,
                   const float *black)
{
    for (size_t c = 0; c < channels; c++) {
        for (size_t i = 0; i < area; i++) {
            if (fabsf(view[c * area + i] - black[c]) > ALIKE) {
                return false;
            }
        }
    }
    return true;
}

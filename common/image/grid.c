#include "image/grid.h"

#include "base/limits.h"

#include <stddef.h>
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

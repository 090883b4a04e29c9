/*
 * One picture as several views: columns x rows of them, all of one size, for
 * models with an input for each of several boards. Views are numbered down the
 * columns: view d is in column d / rows and row d % rows. What is left at the
 * right and at the bottom, less than a view, is in none. Pure; any thread.
 */
#ifndef EDGE_IMAGE_GRID_H
#define EDGE_IMAGE_GRID_H

#include <stdbool.h>
#include <stddef.h>

#define GRID_CHANNELS 3 /* of a view, at most */

struct image_grid {
    int columns;
    int rows; /* both of them 0: the picture is one view, not cut */
};

/* "3x2": columns, then rows, each of them from 1; false: it is none, or has
 * more than LIMIT_PORTS views. */
bool grid_parse(const char *text, struct image_grid *grid);
int grid_views(const struct image_grid *grid);

/* View `view` of a picture (channels, height, width) to `out`, which has room
 * for (channels, height / rows, width / columns) values. The picture is not
 * smaller than the grid. */
void grid_cut(const float *picture, int channels, int height, int width,
              const struct image_grid *grid, int view, float *out);
/* Whether all of a view (channels, area), as prepared, is black[c] in channel
 * c.
 * */
bool grid_is_blank(const float *view, size_t channels, size_t area,
                   const float *black);

#endif

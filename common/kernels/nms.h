/*
 * Non-maximum suppression: of boxes that overlap too much the one with the
 * best score stays.
 */
#ifndef EDGE_KERNELS_NMS_H
#define EDGE_KERNELS_NMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nms {
    int64_t batches;
    int64_t classes;
    int64_t boxes;
    bool centered; /* box: x, y of the centre, width, height; else two corners
                      y1, x1, y2, x2 in any order */
    bool has_floor;
    float floor;       /* scores must be above it */
    float overlap;     /* intersection over union above which a box goes */
    int64_t per_class; /* most that stay */
};

/* Bytes of scratch that nms_run() wants. */
size_t nms_scratch(const struct nms *n);

/* out (rows, 3): batch, class, box, best first within a class; returns how
 * many rows there are, at most batches * classes * min(per_class, boxes).
 * boxes (batches, boxes, 4), scores (batches, classes, boxes). */
int64_t nms_run(const struct nms *n, int64_t *out, const float *boxes,
                const float *scores, void *scratch);

#endif

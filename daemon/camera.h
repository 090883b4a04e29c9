/*
 * A V4L2 camera of this board (Linux's videodev2.h): MJPEG where it has that,
 * else YUYV, streamed into a few buffers that are shared with the kernel.
 * Opening and closing may take a while and happen off the loop; taking a frame
 * does not block.
 */
#ifndef EDGED_CAMERA_H
#define EDGED_CAMERA_H

#include "base/blob.h"
#include "base/err.h"

#include <stdbool.h>

#define CAMERA_BUFFERS 4

struct camera {
    int fd; /* -1: it is closed */
    bool is_yuyv;
    uint32_t width;
    uint32_t height;
    uint32_t stride; /* of YUYV */
    struct {
        void *start;
        size_t size;
    } buffers[CAMERA_BUFFERS];
    unsigned n;
};

/* Near that size, and streaming. EDGE_ENOENT, EDGE_EUNSUPPORTED, EDGE_EIO. */
int camera_open(struct camera *camera, const char *path, uint32_t width,
                uint32_t height, struct err *err);
void camera_close(struct camera *camera); /* fine on a closed one */

/* A frame, for blob_unref(), and when it was taken on the monotonic clock (0:
 * the camera does not say). EDGE_EBUSY: there is none now. EDGE_ECORRUPT: one
 * that is no use. Any other: the camera is gone. */
int camera_take(struct camera *camera, struct blob **raw, uint64_t *taken_us);

#endif

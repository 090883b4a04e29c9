#include "daemon/camera.h"

#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static int ask(int fd, unsigned long request, void *arg)
{
    int rc;

    do {
        rc = ioctl(fd, request, arg);
    } while (rc < 0 && errno == EINTR);
    return rc;
}

/* ---- opening ------------------------------------------------------------- */

static int failed(const char *path, const char *what, struct err *err)
{
    int number = errno;

    return err_set(err, number == ENOENT ? EDGE_ENOENT : EDGE_EIO, "%s: %s: %s",
                   path, what, strerror(number));
}

static int check_kind(const struct camera *camera, const char *path,
                      struct err *err)
{
    struct v4l2_capability cap = {.capabilities = 0};
    uint32_t has;

    if (ask(camera->fd, VIDIOC_QUERYCAP, &cap) < 0) {
        return failed(path, "it is no camera", err);
    }
    has = (cap.capabilities & V4L2_CAP_DEVICE_CAPS) != 0 ? cap.device_caps
                                                         : cap.capabilities;
    return (has & V4L2_CAP_VIDEO_CAPTURE) != 0 &&
                   (has & V4L2_CAP_STREAMING) != 0
               ? 0
               : err_set(err, EDGE_EUNSUPPORTED,
                         "%s gives no pictures that can be streamed. Try "
                         "another one: v4l2-ctl --list-devices",
                         path);
}

/* The driver changes what it cannot do to what it can. */
static bool set_format(struct camera *camera, uint32_t pixels, uint32_t width,
                       uint32_t height)
{
    struct v4l2_format format = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE};

    format.fmt.pix.width = width;
    format.fmt.pix.height = height;
    format.fmt.pix.pixelformat = pixels;
    format.fmt.pix.field = V4L2_FIELD_ANY;
    if (ask(camera->fd, VIDIOC_S_FMT, &format) < 0 ||
        format.fmt.pix.pixelformat != pixels ||
        format.fmt.pix.width > LIMIT_IMAGE_SIDE ||
        format.fmt.pix.height > LIMIT_IMAGE_SIDE) {
        return false;
    }
    camera->width = format.fmt.pix.width;
    camera->height = format.fmt.pix.height;
    camera->stride = format.fmt.pix.bytesperline > 0
                         ? format.fmt.pix.bytesperline
                         : 2 * format.fmt.pix.width;
    camera->is_yuyv = pixels == V4L2_PIX_FMT_YUYV;
    return true;
}

static int choose_format(struct camera *camera, const char *path,
                         uint32_t width, uint32_t height, struct err *err)
{
    static const uint32_t known[] = {V4L2_PIX_FMT_MJPEG, V4L2_PIX_FMT_JPEG,
                                     V4L2_PIX_FMT_YUYV};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (set_format(camera, known[i], width, height)) {
            return 0;
        }
    }
    return err_set(err, EDGE_EUNSUPPORTED,
                   "%s gives neither MJPEG nor YUYV. See what it does give: "
                   "v4l2-ctl -d %s --list-formats; or let a command take the "
                   "picture: \"exec:\"",
                   path, path);
}

static int map_one(struct camera *camera, unsigned i)
{
    struct v4l2_buffer buffer = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
                                 .memory = V4L2_MEMORY_MMAP,
                                 .index = i};
    void *start;

    if (ask(camera->fd, VIDIOC_QUERYBUF, &buffer) < 0) {
        return -1;
    }
    start = mmap(NULL, buffer.length, PROT_READ | PROT_WRITE, MAP_SHARED,
                 camera->fd, (off_t)buffer.m.offset);
    if (start == MAP_FAILED) {
        return -1;
    }
    camera->buffers[i].start = start;
    camera->buffers[i].size = buffer.length;
    camera->n = i + 1;
    return ask(camera->fd, VIDIOC_QBUF, &buffer);
}

static int stream(struct camera *camera, const char *path, struct err *err)
{
    struct v4l2_requestbuffers request = {.count = CAMERA_BUFFERS,
                                          .type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
                                          .memory = V4L2_MEMORY_MMAP};
    int type = V4L2_BUF_TYPE_VIDEO_CAPTURE;

    if (ask(camera->fd, VIDIOC_REQBUFS, &request) < 0 || request.count == 0) {
        return failed(path, "it gives no buffers", err);
    }
    for (unsigned i = 0; i < request.count && i < CAMERA_BUFFERS; i++) {
        if (map_one(camera, i) < 0) {
            return failed(path, "a buffer cannot be used", err);
        }
    }
    return ask(camera->fd, VIDIOC_STREAMON, &type) < 0
               ? failed(path, "it does not begin to stream", err)
               : 0;
}

int camera_open(struct camera *camera, const char *path, uint32_t width,
                uint32_t height, struct err *err)
{
    int rc;

    *camera = (struct camera){.fd = -1};
    camera->fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (camera->fd < 0) {
        return failed(path, "it cannot be opened", err);
    }
    rc = check_kind(camera, path, err);
    if (rc == 0) {
        rc = choose_format(camera, path, width, height, err);
    }
    if (rc == 0) {
        rc = stream(camera, path, err);
    }
    if (rc < 0) {
        camera_close(camera);
    }
    return rc;
}

/* The end of its last descriptor ends the stream. */
void camera_close(struct camera *camera)
{
    for (unsigned i = 0; i < camera->n; i++) {
        (void)munmap(camera->buffers[i].start, camera->buffers[i].size);
    }
    camera->n = 0;
    if (camera->fd >= 0) {
        (void)close(camera->fd);
        camera->fd = -1;
    }
}

/* ---- frames -------------------------------------------------------------- */

static struct blob *copy(const struct camera *camera,
                         const struct v4l2_buffer *buffer)
{
    size_t size = buffer->bytesused;
    size_t least =
        camera->is_yuyv ? (size_t)camera->stride * camera->height : 1;

    if (buffer->index >= camera->n || size < least ||
        size > camera->buffers[buffer->index].size || size > LIMIT_IMAGE_FILE ||
        (buffer->flags & V4L2_BUF_FLAG_ERROR) != 0) {
        return NULL;
    }
    return blob_copy(camera->buffers[buffer->index].start, size);
}

int camera_take(struct camera *camera, struct blob **raw, uint64_t *taken_us)
{
    struct v4l2_buffer buffer = {.type = V4L2_BUF_TYPE_VIDEO_CAPTURE,
                                 .memory = V4L2_MEMORY_MMAP};
    bool is_monotonic;

    if (ask(camera->fd, VIDIOC_DQBUF, &buffer) < 0) {
        return errno == EAGAIN ? EDGE_EBUSY : EDGE_EIO;
    }
    is_monotonic = (buffer.flags & V4L2_BUF_FLAG_TIMESTAMP_MASK) ==
                   V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC;
    *raw = copy(camera, &buffer);
    *taken_us = is_monotonic ? (uint64_t)buffer.timestamp.tv_sec * 1000000 +
                                   (uint64_t)buffer.timestamp.tv_usec
                             : 0;
    if (ask(camera->fd, VIDIOC_QBUF, &buffer) < 0) {
        blob_unref(*raw);
        return EDGE_EIO;
    }
    return *raw == NULL ? EDGE_ECORRUPT : 0;
}

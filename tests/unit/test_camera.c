/* A V4L2 camera as the kernel shows one, played by this test: its ioctl() is
 * the one below. The device is a file, whose descriptor becomes a pipe's when
 * it streams, so that it can be mapped first and waited for then. */
#include "daemon/source_inner.h"

#include "base/mem.h"
#include "net/io_uv_inner.h"
#include "tests/lib/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "daemon/camera.h"

#define PATH "/dev/shm/edged-test-camera"
#define BUFFER 8192
#define WIDTH 8
#define HEIGHT 4
#define WAIT_MS 10000

static struct {
    int file;
    int pipe[2];
    uint32_t formats[2]; /* that it has */
    uint32_t capabilities;
    bool queued[CAMERA_BUFFERS];
    struct timespec taken[CAMERA_BUFFERS];
    uint32_t used; /* bytes of a frame */
    uint32_t flags;
    bool is_gone;
    atomic_int streams; /* begun; what it does before, others see behind it */
} device;

/* ---- the device ---------------------------------------------------------- */

static int no(int number)
{
    errno = number;
    return -1;
}

static int set_format(struct v4l2_format *format)
{
    struct v4l2_pix_format *pix = &format->fmt.pix;

    if (pix->pixelformat != device.formats[0] &&
        pix->pixelformat != device.formats[1]) {
        pix->pixelformat = device.formats[0]; /* as drivers do */
    }
    pix->width = WIDTH;
    pix->height = HEIGHT;
    pix->bytesperline = pix->pixelformat == V4L2_PIX_FMT_YUYV ? 2 * WIDTH : 0;
    return 0;
}

static int begin(int fd)
{
    if (pipe2(device.pipe, O_NONBLOCK | O_CLOEXEC) < 0 ||
        dup2(device.pipe[0], fd) < 0) {
        return -1;
    }
    device.streams++;
    return 0;
}

static int dequeue(int fd, struct v4l2_buffer *buffer)
{
    unsigned char i;

    if (device.is_gone) {
        return no(ENODEV);
    }
    if (read(fd, &i, 1) != 1) {
        return no(EAGAIN);
    }
    buffer->index = i;
    buffer->bytesused = device.used;
    buffer->flags = V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC | device.flags;
    buffer->timestamp.tv_sec = device.taken[i].tv_sec;
    buffer->timestamp.tv_usec = device.taken[i].tv_nsec / 1000;
    return 0;
}

static int answer(int fd, unsigned long request, void *arg)
{
    struct v4l2_capability *cap = arg;
    struct v4l2_buffer *buffer = arg;

    switch (request) {
    case VIDIOC_QUERYCAP: cap->capabilities = device.capabilities; return 0;
    case VIDIOC_S_FMT: return set_format(arg);
    case VIDIOC_REQBUFS: return 0;
    case VIDIOC_QUERYBUF:
        buffer->length = BUFFER;
        buffer->m.offset = buffer->index * BUFFER;
        return 0;
    case VIDIOC_QBUF: device.queued[buffer->index] = true; return 0;
    case VIDIOC_DQBUF: return dequeue(fd, buffer);
    case VIDIOC_STREAMON: return begin(fd);
    default: return no(ENOTTY);
    }
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    void *arg;

    va_start(args, request);
    arg = va_arg(args, void *);
    va_end(args);
    return answer(fd, request, arg);
}

static void frame(const void *bytes, size_t size)
{
    for (uint8_t i = 0; i < CAMERA_BUFFERS; i++) {
        if (device.queued[i]) {
            assert_int_equal(
                pwrite(device.file, bytes, size, (off_t)i * BUFFER), size);
            device.queued[i] = false;
            device.used = (uint32_t)size;
            (void)clock_gettime(CLOCK_MONOTONIC, &device.taken[i]);
            assert_int_equal(write(device.pipe[1], &i, 1), 1);
            return;
        }
    }
    fail_msg("all of its buffers are out");
}

/* Gray of one brightness. */
static void frame_level(uint8_t level)
{
    uint8_t bytes[2 * WIDTH * HEIGHT];

    for (size_t i = 0; i < sizeof(bytes); i += 2) {
        bytes[i] = (uint8_t)(16 + level * 219 / 255);
        bytes[i + 1] = 128;
    }
    frame(bytes, sizeof(bytes));
}

static int plug_in(void)
{
    memset(&device, 0, sizeof(device));
    device.pipe[0] = device.pipe[1] = -1;
    device.formats[0] = V4L2_PIX_FMT_YUYV;
    device.capabilities = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
    device.file = open(PATH, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return device.file >= 0 &&
                   ftruncate(device.file, CAMERA_BUFFERS * BUFFER) == 0
               ? 0
               : -1;
}

static void unplug(void)
{
    (void)close(device.file);
    if (device.pipe[0] >= 0) {
        (void)close(device.pipe[0]);
        (void)close(device.pipe[1]);
    }
    (void)unlink(PATH);
}

static int set_up(void **state)
{
    (void)state;
    return plug_in();
}

static int tear_down(void **state)
{
    (void)state;
    unplug();
    return 0;
}

/* ---- a camera ------------------------------------------------------------ */

static void refused(int rc, const char *says)
{
    struct camera camera;
    struct err err;

    assert_int_equal(camera_open(&camera, PATH, 640, 480, &err), rc);
    if (strstr(err.text, says) == NULL) {
        fail_msg("%s", err.text);
    }
    assert_int_equal(camera.fd, -1);
}

static void one_that_is_not_there_is_said(void **state)
{
    struct camera camera;
    struct err err;

    (void)state;
    assert_int_equal(
        camera_open(&camera, "/dev/no-such-camera", 640, 480, &err),
        EDGE_ENOENT);
    assert_non_null(strstr(err.text, "/dev/no-such-camera"));
    camera_close(&camera);
}

static void what_gives_no_pictures_is_said(void **state)
{
    (void)state;
    device.capabilities = V4L2_CAP_VIDEO_OUTPUT | V4L2_CAP_STREAMING;
    refused(EDGE_EUNSUPPORTED, "no pictures");
    device.capabilities = V4L2_CAP_VIDEO_CAPTURE;
    refused(EDGE_EUNSUPPORTED, "no pictures");
    device.capabilities = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
    device.formats[0] = V4L2_PIX_FMT_NV12;
    refused(EDGE_EUNSUPPORTED, "neither MJPEG nor YUYV");
}

static void mjpeg_is_preferred(void **state)
{
    struct camera camera;

    (void)state;
    device.formats[1] = V4L2_PIX_FMT_MJPEG;
    assert_int_equal(camera_open(&camera, PATH, 640, 480, NULL), 0);
    assert_false(camera.is_yuyv);
    camera_close(&camera);
    device.formats[1] = 0;
    assert_int_equal(camera_open(&camera, PATH, 640, 480, NULL), 0);
    assert_true(camera.is_yuyv);
    assert_int_equal(camera.stride, 2 * WIDTH);
    camera_close(&camera);
}

static void frames_are_taken_and_buffers_go_back(void **state)
{
    struct camera camera;
    struct blob *raw = NULL;
    uint64_t taken_us = 0;

    (void)state;
    assert_int_equal(camera_open(&camera, PATH, 640, 480, NULL), 0);
    assert_int_equal(camera_take(&camera, &raw, &taken_us), EDGE_EBUSY);
    for (int i = 0; i < 3 * CAMERA_BUFFERS; i++) {
        frame_level(9);
        assert_int_equal(camera_take(&camera, &raw, &taken_us), 0);
        assert_int_equal(raw->size, 2 * WIDTH * HEIGHT);
        assert_true(taken_us > 0);
        blob_unref(raw);
    }
    frame("short", 5);
    assert_int_equal(camera_take(&camera, &raw, &taken_us), EDGE_ECORRUPT);
    device.flags = V4L2_BUF_FLAG_ERROR;
    frame_level(9);
    assert_int_equal(camera_take(&camera, &raw, &taken_us), EDGE_ECORRUPT);
    device.flags = 0;
    device.is_gone = true;
    assert_int_equal(camera_take(&camera, &raw, &taken_us), EDGE_EIO);
    camera_close(&camera);
}

/* ---- as a source --------------------------------------------------------- */

struct seat { /* where a camera is */
    struct log *log;
    struct io_uv *uv;
    struct daemon daemon;
    struct source *source;
    struct source_ask ask;
    bool is_answered;
    int level;
};

static struct io_identity identity = {.role = EDGED__ROLE__ROLE_NODE,
                                      .name = "cam",
                                      .cluster = "test",
                                      .version = "1"};

static void board_init(struct seat *b)
{
    struct image_spec spec;

    memset(&spec, 0, sizeof(spec));
    spec.width = spec.height = 4;
    spec.fit = IMAGE_FIT_STRETCH;
    spec.crop = 1;
    spec.color = IMAGE_COLOR_GRAY;
    spec.range = IMAGE_RANGE_BYTE;
    spec.std[0] = spec.std[1] = spec.std[2] = 1;
    *b = (struct seat){.log = log_new(-1, LOG_INFO, NULL)};
    assert_int_equal(io_uv_new(&identity, b->log, &b->uv, NULL), 0);
    b->daemon.io = io_uv_io(b->uv);
    b->daemon.log = b->log;
    list_init(&b->daemon.sources);
    assert_int_equal(
        source_open(&b->daemon, "v4l2:" PATH, &spec, &b->source, NULL), 0);
}

static void turn(struct seat *b)
{
    io_uv_turn(b->uv);
    (void)poll(NULL, 0, 1);
}

static void board_deinit(struct seat *b)
{
    source_close(b->source);
    for (int i = 0; i < WAIT_MS && !list_is_empty(&b->daemon.sources); i++) {
        turn(b);
    }
    assert_true(list_is_empty(&b->daemon.sources));
    io_uv_stop(b->uv);
    io_uv_turn(b->uv);
    source_free_all(&b->daemon);
    io_uv_free(b->uv);
    log_free(b->log);
}

static void until_streaming(struct seat *b, int times)
{
    for (int i = 0; i < WAIT_MS && device.streams < times; i++) {
        turn(b);
    }
    assert_int_equal(device.streams, times);
    for (int i = 0; i < 20; i++) { /* and the loop has heard of it */
        turn(b);
    }
}

static void on_seen(struct source_ask *ask, const struct tensor *seen)
{
    struct seat *b = container_of(ask, struct seat, ask);

    b->is_answered = true;
    b->level = seen != NULL ? (int)tensor_get(seen, 0) : -1;
}

static int see(struct seat *b)
{
    b->is_answered = false;
    b->ask = (struct source_ask){.at_us = io_wall_us(b->daemon.io),
                                 .stale_us = 2000000,
                                 .done = on_seen};
    source_ask(b->source, &b->ask);
    for (int i = 0; i < WAIT_MS && !b->is_answered; i++) {
        turn(b);
    }
    assert_true(b->is_answered);
    return b->level;
}

static void about(int got, int want)
{
    if (abs(got - want) > 2) {
        fail_msg("%d, not %d", got, want);
    }
}

static void a_camera_is_a_source(void **state)
{
    struct seat b;

    (void)state;
    board_init(&b);
    until_streaming(&b, 1);
    assert_int_equal(see(&b), -1);
    frame_level(50);
    about(see(&b), 50);
    about(see(&b), 50);
    frame_level(120);
    frame_level(200);
    about(see(&b), 200);
    board_deinit(&b);
}

static void mjpeg_needs_no_form(void **state)
{
    static const char ppm[] = "P5\n1 1\n255\nZ"; /* as good as a JPEG here */
    struct seat b;

    (void)state;
    device.formats[0] = V4L2_PIX_FMT_MJPEG;
    board_init(&b);
    until_streaming(&b, 1);
    frame(ppm, sizeof(ppm) - 1);
    about(see(&b), 'Z');
    board_deinit(&b);
}

static void one_that_goes_away_is_opened_again(void **state)
{
    struct seat b;

    (void)state;
    board_init(&b);
    until_streaming(&b, 1);
    frame_level(50);
    about(see(&b), 50);
    device.is_gone = true;
    assert_int_equal(write(device.pipe[1], "x", 1), 1); /* it can be read */
    for (int i = 0; i < 20; i++) {
        turn(&b);
    }
    (void)close(device.pipe[0]);
    (void)close(device.pipe[1]);
    device.is_gone = false;
    until_streaming(&b, 2);
    frame_level(90);
    about(see(&b), 90);
    board_deinit(&b);
}

static void one_that_is_not_there_is_looked_for(void **state)
{
    struct seat b;

    (void)state;
    unplug();
    board_init(&b);
    assert_int_equal(see(&b), -1);
    assert_int_equal(plug_in(), 0);
    until_streaming(&b, 1);
    frame_level(70);
    about(see(&b), 70);
    board_deinit(&b);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        T(one_that_is_not_there_is_said),
        T(what_gives_no_pictures_is_said),
        T(mjpeg_is_preferred),
        T(frames_are_taken_and_buffers_go_back),
        T(a_camera_is_a_source),
        T(mjpeg_needs_no_form),
        T(one_that_goes_away_is_opened_again),
        T(one_that_is_not_there_is_looked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

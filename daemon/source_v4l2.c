/*
 * A camera (camera.h), on as long as its view is installed.
 *
 *   opened on the disk strand -> its frames come, with their times -> closed
 *   there, too, when the view goes
 *   it is not there, or goes away    opened again after a second
 */
#include "daemon/camera.h"
#include "daemon/source_inner.h"

#include "base/mem.h"
#include "image/yuyv.h"

#define AGAIN_MS 1000
#define OPEN_US 500000 /* expected; for simulated time */
#define LEAST_WIDTH 640
#define LEAST_HEIGHT 480

struct v4l2_feed {
    struct source *source;
    struct camera camera; /* the job's while it is busy */
    bool is_busy;
    bool is_on;
    struct io_work work;
    struct io_watch look;
    struct io_timer again;
    const char *path; /* for the job: nothing else of the source's */
    uint32_t width;
    uint32_t height;
    int rc;
    struct err err;
};

/* ---- open, close --------------------------------------------------------- */

static void on_open(struct io_work *work)
{
    struct v4l2_feed *feed = container_of(work, struct v4l2_feed, work);

    feed->rc = camera_open(&feed->camera, feed->path, feed->width, feed->height,
                           &feed->err);
}

static void on_close(struct io_work *work)
{
    struct v4l2_feed *feed = container_of(work, struct v4l2_feed, work);

    camera_close(&feed->camera);
}

static void begin(struct v4l2_feed *feed, void (*run)(struct io_work *work),
                  void (*done)(struct io_work *work))
{
    feed->is_busy = true;
    feed->work.run = run;
    feed->work.done = done;
    feed->work.cost_us = OPEN_US;
    io_work(feed->source->daemon->io, IO_DISK, &feed->work);
}

static void on_closed(struct io_work *work)
{
    struct v4l2_feed *feed = container_of(work, struct v4l2_feed, work);
    struct source *s = feed->source;

    feed->is_busy = false;
    if (s->refs == 0) {
        source_settle(s);
    } else {
        io_timer_start(s->daemon->io, &feed->again, AGAIN_MS);
    }
}

static void turn_off(struct v4l2_feed *feed)
{
    io_watch_stop(feed->source->daemon->io, &feed->look);
    feed->is_on = false;
    begin(feed, on_close, on_closed);
}

static void on_opened(struct io_work *work)
{
    struct v4l2_feed *feed = container_of(work, struct v4l2_feed, work);
    struct source *s = feed->source;
    struct io *io = s->daemon->io;

    feed->is_busy = false;
    if (feed->rc == 0 && s->refs > 0) {
        feed->rc = io_watch_start(io, &feed->look, feed->camera.fd, &feed->err);
        feed->is_on = feed->rc == 0;
    }
    if (feed->is_on) {
        return;
    }
    if (s->refs > 0) {
        source_complain(s, feed->err.text);
    }
    turn_off(feed); /* and later again */
}

static void on_again(struct io_timer *timer)
{
    begin(container_of(timer, struct v4l2_feed, again), on_open, on_opened);
}

/* ---- frames -------------------------------------------------------------- */

/* Its form goes along: 0 is a picture that says so itself. */
static uint64_t tag_of(const struct camera *camera)
{
    return camera->is_yuyv ? (uint64_t)camera->stride << 32 |
                                 (uint64_t)camera->height << 16 | camera->width
                           : 0;
}

struct yuyv source_yuyv(uint64_t tag)
{
    return (struct yuyv){.width = (int)(tag & 0xffff),
                         .height = (int)(tag >> 16 & 0xffff),
                         .stride = tag >> 32};
}

static uint64_t wall_of(struct io *io, uint64_t taken_us)
{
    uint64_t now = io_now_us(io);
    uint64_t ago = taken_us > 0 && taken_us < now ? now - taken_us : 0;

    return io_wall_us(io) - ago;
}

static void take_frames(struct v4l2_feed *feed)
{
    struct source *s = feed->source;
    struct blob *raw = NULL;
    uint64_t taken_us = 0;
    int rc = 0;

    while (feed->is_on &&
           (rc = camera_take(&feed->camera, &raw, &taken_us)) != EDGE_EBUSY) {
        if (rc == 0) {
            frames_add(&s->frames, wall_of(s->daemon->io, taken_us),
                       tag_of(&feed->camera), raw);
            source_wake(s);
        } else if (rc != EDGE_ECORRUPT) {
            source_complain(s, "the camera is gone; it is looked for again");
            turn_off(feed);
        }
    }
}

static void on_look(struct io_watch *look)
{
    take_frames(container_of(look, struct v4l2_feed, look));
}

/* ---- a feed -------------------------------------------------------------- */

static int start(struct source *s, struct err *err)
{
    struct v4l2_feed *feed = mem_new(struct v4l2_feed);

    if (feed == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    s->own = feed;
    feed->source = s;
    feed->camera.fd = -1;
    feed->look.cb = on_look;
    feed->path = s->form.path;
    feed->width =
        s->spec.width > LEAST_WIDTH ? (uint32_t)s->spec.width : LEAST_WIDTH;
    feed->height =
        s->spec.height > LEAST_HEIGHT ? (uint32_t)s->spec.height : LEAST_HEIGHT;
    io_timer_init(&feed->again, on_again);
    begin(feed, on_open, on_opened);
    return 0;
}

static void look(struct source *s)
{
    take_frames(s->own);
}

static void stop(struct source *s)
{
    struct v4l2_feed *feed = s->own;

    if (feed == NULL) {
        return;
    }
    io_timer_stop(s->daemon->io, &feed->again);
    if (feed->is_on) {
        turn_off(feed);
    }
}

static bool is_busy(const struct source *s)
{
    const struct v4l2_feed *feed = s->own;

    return feed != NULL && feed->is_busy;
}

static void free_feed(struct source *s)
{
    struct v4l2_feed *feed = s->own;

    if (feed != NULL) {
        camera_close(&feed->camera);
        mem_free(feed);
    }
}

const struct source_feed source_v4l2_feed = {
    .start = start,
    .look = look,
    .stop = stop,
    .is_busy = is_busy,
    .free = free_feed,
};

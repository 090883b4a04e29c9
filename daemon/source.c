/*
 * A view's own source.
 *
 *   a feed (source_dir.c, _exec.c, _v4l2.c) brings pictures with their times
 *   the newest few are kept; while somebody asks, the newest is opened ahead
 *   an ask for an instant is answered with the picture of that instant, which
 *   is opened first if need be; what the feed has noticed and not read yet
 *   comes before the answer, so that no board answers with an older picture
 *   than it could know of
 *
 *   no picture of that instant, one that is too old, or damaged    nothing
 *   a file that is no picture at all                    as if it were not there
 */
#include "daemon/source_inner.h"

#include "base/mem.h"
#include "image/decode.h"

#include <stdio.h>
#include <string.h>

#define AHEAD_US 5000000 /* nobody has asked for so long: on demand */
#define COMPLAIN_US 10000000
#define OPEN_US 3000 /* expected; for simulated time */

void source_complain(struct source *source, const char *text)
{
    uint64_t now = io_now_us(source->daemon->io);

    if (source->said_us == 0 || now - source->said_us >= COMPLAIN_US) {
        source->said_us = now;
        log_event(source->daemon->log, LOG_WARN, "source.trouble",
                  "from=\"%s\" err=\"%s\"", source->from, text);
    }
}

/* ---- life ---------------------------------------------------------------- */

static void free_one(struct source *s)
{
    s->feed->free(s);
    list_unlink(&s->link);
    frames_clear(&s->frames);
    blob_unref(s->opening.raw);
    tensor_deinit(&s->opening.tensor);
    mem_free(s->from);
    mem_free(s);
}

void source_settle(struct source *s)
{
    if (s->refs == 0 && !s->opening.is_busy && !s->feed->is_busy(s)) {
        free_one(s);
    }
}

static void on_turn(struct io_timer *timer);

static struct source *find(struct daemon *d, const char *from,
                           const struct image_spec *spec)
{
    list_each(&d->sources, it, after)
    {
        struct source *s = list_entry(it, struct source, link);

        if (s->refs > 0 && strcmp(s->from, from) == 0 &&
            memcmp(&s->spec, spec, sizeof(*spec)) == 0) {
            return s;
        }
    }
    return NULL;
}

static struct source *make(struct daemon *d, const char *from,
                           const struct image_spec *spec)
{
    static const struct source_feed *const feeds[] = {
        [SOURCE_DIR] = &source_dir_feed,
        [SOURCE_EXEC] = &source_exec_feed,
        [SOURCE_V4L2] = &source_v4l2_feed};
    struct source *s = mem_new(struct source);

    if (s == NULL) {
        return NULL;
    }
    s->from = mem_strdup(from);
    if (s->from == NULL || source_form_read(from, &s->form) != NULL) {
        mem_free(s->from);
        mem_free(s);
        return NULL;
    }
    s->daemon = d;
    s->refs = 1;
    memcpy(&s->spec, spec, sizeof(*spec));
    s->feed = feeds[s->form.kind];
    list_init(&s->asks);
    io_timer_init(&s->turn, on_turn);
    list_push(&d->sources, &s->link);
    return s;
}

int source_open(struct daemon *d, const char *from,
                const struct image_spec *spec, struct source **source,
                struct err *err)
{
    int rc;

    *source = find(d, from, spec);
    if (*source != NULL) {
        (*source)->refs++;
        return 0;
    }
    *source = make(d, from, spec);
    if (*source == NULL) {
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    rc = (*source)->feed->start(*source, err);
    if (rc < 0) {
        source_close(*source);
        *source = NULL;
    }
    return rc;
}

void source_close(struct source *s)
{
    if (s == NULL || --s->refs > 0) {
        return;
    }
    io_timer_stop(s->daemon->io, &s->turn);
    s->feed->stop(s);
    source_settle(s);
}

void source_free_all(struct daemon *d)
{
    list_each(&d->sources, it, after)
    {
        struct source *s = list_entry(it, struct source, link);

        s->feed->stop(s);
        free_one(s);
    }
}

/* ---- opening ------------------------------------------------------------- */

static void on_open(struct io_work *work)
{
    struct opening *o = container_of(work, struct opening, work);
    struct image image = {0};

    o->rc = o->yuyv.width > 0 ? yuyv_decode(&o->yuyv, o->raw->data,
                                            o->raw->size, &image, &o->err)
                              : image_decode("a frame", o->raw->data,
                                             o->raw->size, &image, &o->err);
    if (o->rc == 0) {
        o->rc = image_prepare(&image, &o->spec, &o->tensor, &o->err);
    }
    image_deinit(&image);
}

static void take_opened(struct source *s)
{
    struct opening *o = &s->opening;
    struct frame *frame = frames_find(&s->frames, o->at_us);

    if (o->rc < 0) {
        source_complain(s, o->err.text);
    }
    if (frame == NULL || frame->state != FRAME_OPENING) {
        return; /* it fell out meanwhile */
    }
    if (o->rc == EDGE_EUNSUPPORTED) {
        frames_remove(&s->frames, frame);
        return;
    }
    frame->state = o->rc == 0 ? FRAME_READY : FRAME_DAMAGED;
    frame->tensor = o->tensor;
    o->tensor = (struct tensor){0};
}

static void on_opened(struct io_work *work)
{
    struct opening *o = container_of(work, struct opening, work);
    struct source *s = container_of(o, struct source, opening);

    o->is_busy = false;
    take_opened(s);
    blob_unref(o->raw);
    o->raw = NULL;
    tensor_deinit(&o->tensor);
    if (s->refs > 0) {
        source_wake(s);
    } else {
        source_settle(s);
    }
}

static void open_next(struct source *s)
{
    struct opening *o = &s->opening;
    uint64_t now = io_now_us(s->daemon->io);
    bool ahead = s->asked_us != 0 && now - s->asked_us < AHEAD_US;
    struct frame *frame = o->is_busy ? NULL : frames_next(&s->frames, ahead);

    if (frame == NULL) {
        return;
    }
    frame->state = FRAME_OPENING;
    o->is_busy = true;
    o->at_us = frame->at_us;
    o->raw = frame->raw;
    frame->raw = NULL;
    o->yuyv = s->form.kind == SOURCE_V4L2 ? source_yuyv(frame->tag)
                                          : (struct yuyv){.width = 0};
    o->spec = s->spec;
    o->work.run = on_open;
    o->work.done = on_opened;
    o->work.cost_us = OPEN_US;
    io_work(s->daemon->io, IO_CODE, &o->work);
}

void source_take(struct source *s, uint64_t at_us, struct blob *raw)
{
    frames_add(&s->frames, at_us, 0, raw);
    source_wake(s);
}

/* ---- asking -------------------------------------------------------------- */

static bool is_fresh(const struct frame *frame, const struct source_ask *ask)
{
    return frame != NULL && ask->at_us - frame->at_us <= ask->stale_us;
}

/* What answers it, NULL: nothing does. False: not yet. */
static bool decide(struct source *s, const struct source_ask *ask,
                   const struct tensor **seen)
{
    struct frame *frame = frames_at(&s->frames, ask->at_us);

    *seen = NULL;
    if (s->taken < ask->after) {
        return false;
    }
    if (ask->run > 0 && !is_fresh(frame, ask)) {
        if (s->runs < ask->run) {
            return false;
        }
        frame = frames_newest(&s->frames); /* made because it was asked for */
        if (frame == NULL || frame->at_us < ask->at_us) {
            return true;
        }
    } else if (!is_fresh(frame, ask)) {
        return true;
    }
    frame->is_wanted = true;
    *seen = frame->state == FRAME_READY ? &frame->tensor : NULL;
    return frame->state == FRAME_READY || frame->state == FRAME_DAMAGED;
}

static void answer(struct source_ask *ask, const struct tensor *seen)
{
    list_unlink(&ask->link);
    ask->source = NULL;
    ask->done(ask, seen);
}

/* One at a time: what follows from an answer may be the end of others. */
static bool answer_one(struct source *s)
{
    list_each(&s->asks, it, after)
    {
        struct source_ask *ask = list_entry(it, struct source_ask, link);
        const struct tensor *seen;

        if (decide(s, ask, &seen)) {
            answer(ask, seen);
            return true;
        }
    }
    return false;
}

static void on_turn(struct io_timer *timer)
{
    struct source *s = container_of(timer, struct source, turn);

    s->refs++; /* the last shard may go with an answer */
    while (answer_one(s)) {
    }
    open_next(s);
    source_close(s);
}

void source_wake(struct source *s)
{
    io_timer_start(s->daemon->io, &s->turn, 0);
}

void source_ask(struct source *s, struct source_ask *ask)
{
    s->asked_us = io_now_us(s->daemon->io);
    if (s->feed->look != NULL) {
        s->feed->look(s);
    }
    ask->source = s;
    ask->after = s->noticed;
    ask->run = 0;
    if (s->feed->want != NULL) {
        s->feed->want(s, ask);
    }
    list_push(&s->asks, &ask->link);
    source_wake(s);
}

void source_cancel(struct source_ask *ask)
{
    if (ask->source != NULL) {
        list_unlink(&ask->link);
        ask->source = NULL;
    }
}

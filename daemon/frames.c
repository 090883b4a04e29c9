#include "daemon/frames.h"

#include "base/limits.h"

#include <string.h>

static void release(struct frame *frame)
{
    blob_unref(frame->raw);
    tensor_deinit(&frame->tensor);
}

void frames_remove(struct frames *frames, struct frame *frame)
{
    size_t i = (size_t)(frame - frames->items);

    release(frame);
    frames->n--;
    memmove(frame, frame + 1, (frames->n - i) * sizeof(*frame));
}

void frames_clear(struct frames *frames)
{
    while (frames->n > 0) {
        frames_remove(frames, &frames->items[frames->n - 1]);
    }
}

struct frame *frames_find(struct frames *frames, uint64_t at_us)
{
    struct frame *frame = frames_at(frames, at_us);

    return frame != NULL && frame->at_us == at_us ? frame : NULL;
}

struct frame *frames_at(struct frames *frames, uint64_t at_us)
{
    for (size_t i = frames->n; i-- > 0;) {
        if (frames->items[i].at_us <= at_us) {
            return &frames->items[i];
        }
    }
    return NULL;
}

struct frame *frames_newest(struct frames *frames)
{
    return frames->n > 0 ? &frames->items[frames->n - 1] : NULL;
}

struct frame *frames_next(struct frames *frames, bool ahead)
{
    struct frame *newest = frames_newest(frames);

    for (size_t i = 0; i < frames->n; i++) {
        if (frames->items[i].is_wanted && frames->items[i].state == FRAME_RAW) {
            return &frames->items[i];
        }
    }
    return ahead && newest != NULL && newest->state == FRAME_RAW ? newest
                                                                 : NULL;
}

static size_t raw_bytes(const struct frames *frames)
{
    size_t bytes = 0;

    for (size_t i = 0; i < frames->n; i++) {
        bytes += frames->items[i].raw != NULL ? frames->items[i].raw->size : 0;
    }
    return bytes;
}

static struct frame *insert(struct frames *frames, uint64_t at_us)
{
    size_t i;

    if (frames->n == FRAMES_KEPT) {
        frames_remove(frames, &frames->items[0]);
    }
    i = frames->n;
    while (i > 0 && frames->items[i - 1].at_us > at_us) {
        i--;
    }
    memmove(&frames->items[i + 1], &frames->items[i],
            (frames->n - i) * sizeof(frames->items[0]));
    frames->items[i] = (struct frame){.at_us = at_us};
    frames->n++;
    return &frames->items[i];
}

void frames_add(struct frames *frames, uint64_t at_us, uint64_t tag,
                struct blob *raw)
{
    struct frame *frame;

    if (frames_find(frames, at_us) != NULL ||
        (frames->n == FRAMES_KEPT && at_us < frames->items[0].at_us)) {
        blob_unref(raw);
        return;
    }
    frame = insert(frames, at_us);
    frame->raw = raw;
    frame->tag = tag;
    while (frames->n > 1 && raw_bytes(frames) > FRAMES_BYTES) {
        frames_remove(frames, &frames->items[0]);
    }
}

void frames_gap(struct frames *frames, const struct frame *frame)
{
    size_t i = (size_t)(frame - frames->items);
    const struct frame *before = i > 0 ? frame - 1 : NULL;

    if (before != NULL && before->state != FRAME_DAMAGED &&
        before->at_us + 1 < frame->at_us) {
        insert(frames, before->at_us + 1)->state = FRAME_DAMAGED;
    }
}

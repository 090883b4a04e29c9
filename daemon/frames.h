/*
 * The newest few frames of a source, by their times: as they came (a picture's
 * bytes), and opened, ready to be a shard's input. The picture of an instant is
 * the newest frame that is not newer, whether it could be opened or not: one
 * that is damaged is not replaced by another one's moment. Pure; no I/O.
 */
#ifndef EDGED_FRAMES_H
#define EDGED_FRAMES_H

#include "tensor/tensor.h"

#include <stdbool.h>

#define FRAMES_KEPT 8
#define FRAMES_BYTES MIB(16) /* of those that are not opened, but for one */

enum frame_state {
    FRAME_RAW,     /* `raw` is a picture, as it came */
    FRAME_OPENING, /* a job has it */
    FRAME_READY,   /* `tensor` is the input */
    FRAME_DAMAGED  /* there was one, and it cannot be read */
};

struct frame {
    uint64_t at_us; /* since 1970 */
    enum frame_state state;
    bool is_wanted; /* somebody waits for it to be opened */
    uint64_t tag;   /* the feed's own */
    struct blob *raw;
    struct tensor tensor;
};

struct frames {
    struct frame items[FRAMES_KEPT]; /* by time, the oldest first */
    size_t n;
};

/* Takes the blob. What has the time of one that is here is that one. */
void frames_add(struct frames *frames, uint64_t at_us, uint64_t tag,
                struct blob *raw);
/* There was another one between this frame and the one before it. */
void frames_gap(struct frames *frames, const struct frame *frame);
/* Of exactly that time, or the newest that is not newer; NULL: none is. */
struct frame *frames_find(struct frames *frames, uint64_t at_us);
struct frame *frames_at(struct frames *frames, uint64_t at_us);
struct frame *frames_newest(struct frames *frames);
/* To be opened next: the first that is wanted; with `ahead` else the newest.
 * NULL: none. */
struct frame *frames_next(struct frames *frames, bool ahead);
/* It was none after all. */
void frames_remove(struct frames *frames, struct frame *frame);
void frames_clear(struct frames *frames);

#endif

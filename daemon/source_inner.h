/* Between source*.c only: a source, and what feeds it. */
#ifndef EDGED_SOURCE_INNER_H
#define EDGED_SOURCE_INNER_H

#include "config/source.h"
#include "daemon/frames.h"
#include "daemon/parts.h"
#include "daemon/source.h"
#include "image/prepare.h"
#include "image/yuyv.h"

struct source_feed { /* a kind of source */
    /* EDGE_ENOMEM, or what this machine lacks. */
    int (*start)(struct source *source, struct err *err);
    /* Takes notice of what has happened up to now; NULL: it always has. */
    void (*look)(struct source *source);
    /* Somebody asks; NULL: it brings what there is, asked or not. */
    void (*want)(struct source *source, struct source_ask *ask);
    /* Nothing more comes; a job of its own may still be on a strand. */
    void (*stop)(struct source *source);
    bool (*is_busy)(const struct source *source);
    void (*free)(struct source *source);
};

extern const struct source_feed source_dir_feed;
extern const struct source_feed source_exec_feed;
extern const struct source_feed source_v4l2_feed;

struct opening { /* a picture, on the code strand */
    struct io_work work;
    bool is_busy;
    uint64_t at_us;
    struct blob *raw;
    struct yuyv yuyv;       /* of what is no picture file; zero: it is */
    struct image_spec spec; /* for the job: nothing else of the source's */
    struct tensor tensor;
    int rc;
    struct err err;
};

struct source {
    struct list link; /* in daemon.sources */
    struct daemon *daemon;
    uint32_t refs; /* 0: it goes when its jobs are done */
    char *from;
    struct source_form form;
    struct image_spec spec;
    const struct source_feed *feed;
    void *own; /* the feed's */
    struct frames frames;
    struct list asks;
    struct io_timer turn; /* to answer them, not from inside a call */
    struct opening opening;
    uint64_t asked_us; /* the newest ask, monotonic; 0: never */
    uint64_t noticed;  /* what happened, and what of it is in `frames` */
    uint64_t taken;
    uint64_t runs;    /* of a command that have ended */
    uint64_t said_us; /* the newest complaint */
};

/* source_v4l2.c: the form that a frame's tag stands for. */
struct yuyv source_yuyv(uint64_t tag);
/* A frame has come; the source takes the blob. */
void source_take(struct source *source, uint64_t at_us, struct blob *raw);
/* Looks at what there is to do and whom to answer, soon. */
void source_wake(struct source *source);
/* Its feed is not busy any more. */
void source_settle(struct source *source);
/* Into the log, now and then. */
void source_complain(struct source *source, const char *text);

#endif

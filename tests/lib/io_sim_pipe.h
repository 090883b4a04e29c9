/*
 * Simulated connections: two ends, two directions, each an ordered stream of
 * bytes with a window, as TCP gives them.
 *
 *   dial -> SYN -> (nobody: refused) -> ACCEPT there, CONNECTED here
 *   write -> chunk under way -> ARRIVE; beyond the window it queues
 *   a cut: chunks wait; after USER_TIMEOUT_MS the sender's end times out
 *   close -> an end marker behind the bytes; the other end sees it in order
 */
#ifndef EDGE_TESTS_IO_SIM_PIPE_H
#define EDGE_TESTS_IO_SIM_PIPE_H

#include "tests/lib/io_sim_inner.h"

enum sim_mark { MARK_NONE, MARK_END, MARK_RESET };

/* Bytes under way, or the mark that they end. */
struct sim_chunk {
    struct list link;
    uint64_t at_us;
    enum sim_mark mark;
    size_t size;
    size_t read;
    uint8_t bytes[];
};

/* Bytes that the window does not hold; they are the writer's. */
struct sim_waiting {
    struct list link;
    struct iovec parts[3];
    int n;
    stream_done done;
    void *arg;
};

struct sim_end {
    struct stream base; /* first */
    struct sim_pipe *pipe;
    struct sim_node *node;
    int side;
    bool open;      /* not closed by its owner */
    bool connected; /* its owner may write */
    bool told;      /* on_closed was called, or there is nobody to call */
    /* What it sends. */
    struct list chunks;
    struct list queue;
    size_t under_way;
    size_t pending;
    uint64_t last_us;  /* when the newest chunk arrives */
    uint64_t busy_us;  /* until when the path is busy with it */
    uint64_t stall_us; /* since when nothing is acknowledged; 0: it is */
    bool ended;        /* a mark is under way or has arrived */
    bool finishing;    /* one comes when the queue is empty */
    bool silent;       /* it closes without one */
    bool arriving;     /* a SIM_ARRIVE is scheduled */
    bool spoils;       /* the next bytes that it sends: stream_spoil() */
    bool doomed;       /* so much was lost that TCP will give up */
};

struct sim_pipe {
    struct list link;
    struct sim *sim;
    unsigned number;
    int refs; /* by events */
    struct sim_place *places[2];
    struct sim_place *target; /* what was dialed: places[1], or its path */
    struct sim_end ends[2];   /* 0 dialed */
};

static inline struct sim_end *sim_end_other(struct sim_end *end)
{
    return &end->pipe->ends[!end->side];
}

void sim_end_init(struct sim_pipe *pipe, int side, bool local);
/* Schedules an event of this end. */
void sim_end_at(struct sim_end *end, uint64_t in_us, enum sim_kind kind,
                struct sim_node *node);
/* Is its way to the other end cut, or the way back? */
bool sim_end_is_cut(const struct sim_end *end, bool back);
void sim_end_close(struct sim_end *end);
/* Puts a mark behind the bytes that it sent. */
void sim_end_mark(struct sim_end *end, enum sim_mark mark);
void sim_end_tell(struct sim_end *end, int rc, const char *why);
void sim_end_drop_chunks(struct sim_end *end);

/* Events. */
void sim_end_on_arrive(struct sim_end *from);
void sim_end_on_stall(struct sim_end *end);
void sim_end_on_closed(struct sim_end *end);

/* Cuts have changed. */
void sim_end_review(struct sim_end *end);

#endif

/*
 * One daemon on a fake io (io_fake.h) with a shard of its own: y = x + w, w
 * beside the model. The test plays its coordinator and another node.
 */
#ifndef EDGE_TESTS_LONE_H
#define EDGE_TESTS_LONE_H

#include "daemon/parts.h"
#include "onnx/export.h"
#include "tests/lib/io_fake.h"
#include "tests/lib/tmp.h"

#define LONE_SIZE 512 /* elements of x, w and y */
#define LONE_EPOCH 5

struct lone {
    struct io_fake fake;
    struct tmp tmp;
    struct board board;
    struct daemon *daemon;
    struct io_fake_peer *coordinator;
    struct io_fake_peer *other; /* a node */
    struct graph *graph;
    struct export files;
    struct digest model;
    uint32_t comes_in; /* the codec that Install says of x */
};

void lone_init(struct lone *l);
void lone_deinit(struct lone *l);
/* Ends as by SIGKILL and starts in the same folder; its jobs are done. */
void lone_restart(struct lone *l);
/* Sends Install and what is needed for it, until the epoch is ready. */
void lone_install(struct lone *l);
/* A request from the coordinator: x is 0. */
void lone_ask(struct lone *l, uint64_t request);
/* x as a payload in a codec; `x` stays the caller's. */
void lone_ask_with(struct lone *l, uint64_t request, uint32_t codec,
                   struct blob *x);
bool lone_is_ready(const struct lone *l);

#endif

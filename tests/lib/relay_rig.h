/*
 * A relay on a fake io with nodes and holds of its own, for tests of what is
 * sent where and when.
 */
#ifndef EDGE_TESTS_RELAY_RIG_H
#define EDGE_TESTS_RELAY_RIG_H

#include "relay/relay.h"
#include "tests/lib/io_fake.h"

#define RIG_EPOCH 7
#define RIG_SHARD 1
#define RIG_NODES 3
#define RIG_HOLDS 400

struct rig_hold {
    struct hold hold;
    struct relay_part part;
    int done;
    int rc;
};

struct rig {
    struct io_fake fake;
    struct relay relay;
    struct relay_node *nodes[RIG_NODES];
    struct io_fake_peer *peers[RIG_NODES];
    struct tensor tensor;
    struct rig_hold samples[RIG_HOLDS];
    size_t n;
};

int rig_set_up(void **state);
int rig_tear_down(void **state);
/* It is ready, and takes so long. */
void rig_beat(struct rig *f, size_t i, uint32_t compute_us);
/* n0, n1 ...: up and ready, 1 ms a run. */
void rig_add_nodes(struct rig *f, size_t n);
/* The next request, of 16 bytes, with a minute of time. */
struct rig_hold *rig_start(struct rig *f);
void rig_ack(struct rig *f, const struct rig_hold *s);
void rig_computed(struct rig *f, const struct rig_hold *s, size_t node);
void rig_nack(struct rig *f, const struct rig_hold *s, size_t node, int code);
size_t rig_data_at(const struct rig *f, size_t node);
size_t rig_cancels_at(const struct rig *f, size_t node);
/* Data that went out, all in all. */
size_t rig_all_data(const struct rig *f, size_t n);
/* The node that it went to first. */
size_t rig_first_of(const struct rig *f, const struct rig_hold *s);
/* What was sent to the first n nodes so far. */
void rig_forget(struct rig *f, size_t n);
/* So many requests that take 10 ms each, one after the other. */
void rig_work(struct rig *f, size_t n);

#endif

/*
 * A placement in one process: its shards run one after the other here, and
 * what goes from one to the next is changed as its link changes it. So it
 * gives what a cluster of this kind of CPU must answer, bit for bit, with
 * codecs on links and without. Blocking; any one thread.
 */
#ifndef EDGE_CHAIN_CHAIN_H
#define EDGE_CHAIN_CHAIN_H

#include "codec/coded.h"
#include "graph/graph.h"

#define CHAIN_OUTSIDE (-1) /* instead of a shard: the model's own ports */

struct chain_link { /* output `from_port` of a shard is input `to_port` of one
                     * behind it */
    int from;
    int to;
    size_t from_port;
    size_t to_port;
    struct codec codec;
};

struct chain_seen { /* what a link did to values, so far */
    double least;   /* of those that went in */
    double most;
    double changed; /* the most that one of them changed */
    uint64_t bytes; /* that went out */
    uint64_t plain; /* and would have, as they are */
};

struct chain;

/* The shards are planned and not kept. Each is before those that it sends to:
 * EDGE_EINVAL unless so, and unless each input has one link. */
int chain_make(struct graph *const *shards, size_t n,
               const struct chain_link *links, size_t n_links,
               struct chain **chain, struct err *err);
void chain_free(struct chain *chain); /* NULL is fine */

/* Link i has another codec from here on. */
void chain_set_codec(struct chain *chain, size_t i, const struct codec *codec);
/* Off: values go from shard to shard as they are. On at first. */
void chain_use_codecs(struct chain *chain, bool on);

/* outputs[i], zeroed, becomes the model's output i, for tensor_deinit(). */
int chain_run(struct chain *chain, const struct tensor *inputs, size_t n_inputs,
              struct tensor *outputs, size_t n_outputs, struct err *err);
/* Of link i as given. */
const struct chain_seen *chain_seen(const struct chain *chain, size_t i);

#endif

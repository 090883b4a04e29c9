/*
 * Which sample comes when, and which random numbers are its own: pure
 * functions of a seed, so that every board agrees without a word.
 *
 * Sample `k` of epoch `e` is a permutation of 0..n-1 that takes no memory: a
 * Feistel network over the two digits of k in a mixed base a x b >= n, walked
 * again while it leads beyond n (Black and Rogaway 2002, "Ciphers with
 * Arbitrary Finite Domains", 3.1 and 5). A global batch is a range of k, so
 * every sample is used exactly once an epoch whoever comes and goes.
 *
 * No state, no I/O; any thread.
 */
#ifndef EDGE_DATASET_ORDER_H
#define EDGE_DATASET_ORDER_H

#include <stddef.h>
#include <stdint.h>

/* What the random numbers are for; each has its own. */
enum order_use { ORDER_SHUFFLE, ORDER_AUGMENT, ORDER_DROPOUT, ORDER_VIEWS };

/* A seed that these decide, and nothing else. */
uint64_t order_key(uint64_t seed, uint64_t epoch, uint64_t index,
                   enum order_use use);

struct order {
    uint64_t n;
    uint64_t a; /* the base's two digits: a * b >= n */
    uint64_t b;
    uint64_t key;
};

/* Of an epoch over n samples, 0 < n <= LIMIT_DATA_SAMPLES. */
void order_init(struct order *order, uint64_t seed, uint64_t epoch, uint64_t n);
/* The sample in place k < n. */
uint64_t order_at(const struct order *order, uint64_t k);

/* Batches of an epoch: the last one may be smaller. `batch` > 0. */
uint64_t order_batches(uint64_t n, uint64_t batch);
/* Places [*from, *from + *count) of batch `index` < order_batches(). */
void order_batch(uint64_t n, uint64_t batch, uint64_t index, uint64_t *from,
                 uint64_t *count);

/* `count` samples shared among `p` replicas, 1..LIMIT_REPLICAS, in proportion
 * to `weights` (their speeds), by the largest remainder, equal ones in the
 * order of the replicas; replica i takes the shares[i] after those before it. A
 * weight that is negative or no number counts as 0; if all do, all are equal.
 */
void order_shares(uint64_t count, const double *weights, size_t p,
                  uint64_t *shares);

#endif

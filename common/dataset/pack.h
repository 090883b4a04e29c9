/*
 * A data set made blobs: shards of samples, a blob of labels, the mean
 * picture and the manifest, all in a store under their SHA-256, so that they
 * are sent to a board once and kept there.
 *
 * A shard of DATASET_RAW is its samples one after another. One of
 * DATASET_PICTURES begins with where each file lies, samples + 1 little-endian
 * 32-bit offsets from the end of this table, the first of them 0, the last
 * their length; then the files as they were. Pictures are decoded once here,
 * so a damaged one is found before the training and not in its middle.
 *
 * Packing blocks on the disk: not on a loop, in pieces as small as one likes.
 */
#ifndef EDGE_DATASET_PACK_H
#define EDGE_DATASET_PACK_H

#include "dataset/origin.h"

struct pack;

/* Takes neither; both outlive it. EDGE_ENOMEM. */
int pack_new(struct origin *origin, struct store *store, struct pack **pack,
             struct err *err);
void pack_free(struct pack *pack); /* NULL is fine */

/* Packs up to `samples` more: 1 if there may be others, 0 at the end. */
int pack_more(struct pack *pack, uint64_t samples, struct err *err);
uint64_t pack_done(const struct pack *pack); /* samples so far */

/* After the end: the set, which the caller releases, and its manifest's
 * digest, its name from now on. EDGE_ENOENT: no sample came. */
int pack_finish(struct pack *pack, struct dataset *set, struct digest *name,
                struct err *err);

/* ---- reading it again ---- */

/* EDGE_ECORRUPT unless the blob can be shard `i` of the set: sizes and every
 * offset. What it holds is the store's to verify. */
int pack_check_shard(const struct dataset *set, size_t i,
                     const struct blob *blob, struct err *err);
/* The same of the labels: all below n_classes. */
int pack_check_labels(const struct dataset *set, const struct blob *blob,
                      struct err *err);

/* Sample k of shard i, in a blob that was checked. */
const uint8_t *pack_sample(const struct dataset *set, size_t i,
                           const struct blob *blob, uint32_t k, size_t *size);
uint32_t pack_label(const struct blob *labels, uint64_t sample);

#endif

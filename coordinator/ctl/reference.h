/*
 * What a benchmark asks and what it must be answered. A reference is a model
 * run here, in this process: what the answers of a cluster must be,
 * bit for bit on one kind of CPU (docs/decisions/0003).
 */
#ifndef EDGE_CTL_REFERENCE_H
#define EDGE_CTL_REFERENCE_H

#include "base/rng.h"
#include "coordinator/ctl/deployed.h"

struct reference;

/* Reads the model that `deployed` was made of; of `some` of its outputs, where
 * others are not made. EDGE_EINVAL if it has other inputs or outputs than the
 * deployment. */
int reference_open(const char *file, const struct deployed *deployed, bool some,
                   struct reference **reference, struct err *err);
void reference_free(struct reference *reference); /* NULL is fine */

/* inputs[i] is input i of the deployment; *outputs likewise, an array for the
 * caller to free with its tensors. */
int reference_run(struct reference *reference, const struct tensor *inputs,
                  struct tensor **outputs, struct err *err);

/* Fills `t` with floats of 0..1 like pictures; with small integers, as they
 * may be indices. */
void reference_fill(struct tensor *t, struct rng *rng);
/* Whether n tensors are the same, bit for bit. */
bool reference_same(const struct tensor *a, const struct tensor *b, size_t n);

#endif

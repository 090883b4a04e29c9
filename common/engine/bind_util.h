/*
 * What the bind_*.c files of the light operators share.
 */
#ifndef EDGE_ENGINE_BIND_UTIL_H
#define EDGE_ENGINE_BIND_UTIL_H

#include "engine/bind.h"

/* EDGE_EUNSUPPORTED: there is no kernel for the type of in[i]. */
int bind_no_type(const struct step *step, int i, struct err *err);

/* Whether in[i] is there. */
bool bind_has(const struct step *step, int i);

/* in[i] as at most `max` integers; *n is how many. EDGE_EUNSUPPORTED: it is
 * not constant; EDGE_EINVAL: more than `max`, or not integers. */
int bind_ints(const struct step *step, int i, int64_t *v, size_t max, size_t *n,
              struct err *err);

/* Takes over a copy of `size` bytes as the step's state. */
int bind_keep(struct step *step, const void *state, size_t size,
              struct err *err);

/* Lets threads share a step whose planes, the first two axes of its first
 * output and of each input that is as large, are independent; other inputs
 * are read by all. Not if it is too small for that. */
void bind_share_planes(struct step *step);
/* Whether it is large enough to be shared. */
bool bind_worth_sharing(const struct step *step);

/* The run() of a view: out[0] gets in[0]'s bytes. */
void bind_copy(const struct step *step);

#endif

/*
 * What boards of a school learnt, to be compared with what others did.
 */
#ifndef EDGE_TESTS_LESSON_H
#define EDGE_TESTS_LESSON_H

#include "tests/lib/school.h"
#include "train/learnt.h"

#define LESSON_STEPS 20
#define LESSON_BATCH 16

struct lesson { /* by stage */
    struct learnt states[PIPE_SHARDS];
    size_t n;
};

struct school_ask lesson_alone(size_t micros); /* one board, one stage */
/* LESSON_STEPS steps; *learnt for lesson_drop(), then s for school_deinit(). */
void lesson_learn(struct school *s, const struct school_ask *ask,
                  struct lesson *learnt);
void lesson_read(const struct school *s, const struct digest *states,
                 struct lesson *to);
void lesson_drop(struct lesson *l);
/* Whoever learns so learns what `whole` did, to 1e-6 in norm. */
void lesson_compare(const struct school_ask *ask, const struct lesson *whole);
/* Bit for bit, by stage. */
void lesson_assert_same(const struct school_ask *ask, const struct digest *a,
                        const struct digest *b);

#endif

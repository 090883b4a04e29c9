/*
 * Whether a program keeps the files that it needs when its store is swept:
 * all of them become old, and one that nobody needs comes beside them, too
 * large to be kept as a cache.
 */
#ifndef EDGE_TESTS_SWEPT_H
#define EDGE_TESTS_SWEPT_H

#include "relay/sweep.h"
#include "tests/lib/io_fake.h"

/* Sweeps once; how many files are there before, the large one not counted,
 * and which part of them left. Fails the test unless the large one did. */
struct swept {
    size_t n;
    size_t n_gone;
};
struct swept swept_once(struct io_fake *fake, struct sweep *sweep);

#endif

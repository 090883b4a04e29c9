/*
 * Reference values of tests/golden, found from the repository's root, where
 * tests run, and data that only some machines have, below $EDGE_DATA.
 */
#ifndef EDGE_TESTS_GOLDEN_H
#define EDGE_TESTS_GOLDEN_H

#include "base/blob.h"
#include "tensor/tensor.h"

/* tests/golden/FOLDER/NAME; fails the test if it cannot be read. */
struct blob *golden_file(const char *folder, const char *name);
/* tests/golden/FOLDER/NAME.npy. */
struct tensor golden_tensor(const char *folder, const char *name);

/* A path below $EDGE_DATA, good until the next call; NULL if there is no such
 * data here, so that the test can skip. */
const char *golden_data(const char *path);

#endif

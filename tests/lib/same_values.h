/*
 * Whether two tensors hold the same numbers, for tests of rewrites.
 */
#ifndef EDGE_TESTS_SAME_VALUES_H
#define EDGE_TESTS_SAME_VALUES_H

#include "tensor/tensor.h"

/* Fails the test unless shapes agree and, with bound 0, all bits do, else no
 * element is further off than `bound` of the largest one wanted (at least 1).
 */
void assert_near(uint64_t seed, const struct tensor *wanted,
                 const struct tensor *got, double bound);

#endif

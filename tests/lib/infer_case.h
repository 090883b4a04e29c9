/*
 * Cases of shape inference as text, one row each:
 *   {OP_CONV, "f32[1,3,8,8] f32:[4,3,3,3]", "strides=[2,2]", "f32[1,4,3,3]"}
 * Inputs: TYPE[dims] an input (? open), TYPE:[dims] a constant of zeros,
 * TYPE{values} a constant list, TYPE=value a constant scalar, TYPE? an input
 * of unknown rank, - one left out. Attributes: name=3 an integer, name=[1,2]
 * integers, name=0.5f a number, name=WORD a string. Wanted: the outputs (type
 * and dims, TYPE? of unknown rank), or "!" and a part of the error.
 */
#ifndef EDGE_TESTS_INFER_CASE_H
#define EDGE_TESTS_INFER_CASE_H

#include "graph/op.h"

#include <stddef.h>

struct infer_case {
    enum op_kind kind;
    const char *in;
    const char *attrs;
    const char *want;
};

/* Runs each row and fails the test with all rows that are not as wanted. */
void infer_cases_run(const struct infer_case *cases, size_t n);

#define INFER_CASES_RUN(cases) \
    infer_cases_run(cases, sizeof(cases) / sizeof((cases)[0]))

#endif

/*
 * What a plan is made of; shared by plan.c, which builds it, and run.c.
 */
#ifndef EDGE_ENGINE_PLAN_IMPL_H
#define EDGE_ENGINE_PLAN_IMPL_H

#include "engine/plan.h"
#include "engine/step.h"
#include "base/threads.h"

struct patch { /* a step's view of a tensor of the caller */
    struct tensor *view;
    size_t port;
    bool is_output;
};

struct copy { /* an output that no step writes */
    size_t output;
    int from_input;       /* the caller's input, or -1 */
    int from_output;      /* another output with the same bytes, or -1 */
    struct tensor source; /* otherwise a constant; owns its blob */
};

struct plan {
    struct step *steps;
    size_t n_steps;
    struct plan_port *inputs;
    size_t n_inputs;
    struct plan_port *outputs;
    const struct tensor **made; /* by output: the view that says its size */
    size_t n_outputs;
    struct patch *patches;
    size_t n_patches;
    struct copy *copies;
    size_t n_copies;
    struct tensor *consts; /* those that steps read at run */
    size_t n_consts;
    struct plan_time *times; /* by step */
    uint8_t *arena;
    struct threads *threads; /* that share steps, or NULL */
    uint8_t *extra;          /* scratch of all of them but the first */
    size_t extra_each;
    size_t arena_bytes;
    size_t weight_bytes;
    size_t packed_bytes;
};

#endif

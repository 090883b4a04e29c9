/*
 * How a plan is built: steps from ops, then addresses for their tensors.
 * Only plan.c and the build_*.c files see this.
 */
#ifndef EDGE_ENGINE_BUILD_H
#define EDGE_ENGINE_BUILD_H

#include "engine/consts.h"
#include "engine/layout.h"
#include "engine/plan_impl.h"

struct builder {
    struct graph *graph; /* a copy; receives computed constants */
    struct consts consts;
    struct placed *steps;
    size_t n_steps;
    struct layout layout;
    struct plan *plan;
};

/* Fuses, computes what is constant and prepares a step for every op left, in
 * order; each step's constants are let go when it has packed them. */
int build_steps(struct builder *b, struct err *err);

/* Lays out the arena, names the ports, and hands steps, constants and all to
 * the plan. */
int build_addresses(struct builder *b, struct err *err);

void build_free_time(struct plan_time *time);

#endif

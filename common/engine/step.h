/*
 * One op made ready to run on its own: its tensors' types and shapes, its
 * kernel's row and what prepare made. Plans and constant folding build on it.
 */
#ifndef EDGE_ENGINE_STEP_H
#define EDGE_ENGINE_STEP_H

#include "engine/bind.h"

/* What a fused step takes beyond its own op: the epilogue, a value to add
 * (-1: none) and the value that the last fused op makes (-1: the op's own).
 * And whether its weights (graph/quantised.h) are to stay bytes. */
struct step_extra {
    struct epilogue epilogue;
    int residual;
    int out;
    bool narrow;
};

/* Fills `step` for `op` and prepares it. Values have been inferred; constants
 * have their data. `extra` may be NULL. On failure nothing is left to free.
 * EDGE_EUNSUPPORTED names the op that has no kernel or whose output size is
 * not known. */
int step_init(struct step *step, const struct graph *graph, const struct op *op,
              const struct step_extra *extra, struct err *err);
void step_deinit(struct step *step); /* fine on a zeroed one */

#endif

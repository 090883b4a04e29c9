/* How like the model's own answer a placement's is, codecs apart. */
#ifndef EDGE_PLAN_ALIKE_H
#define EDGE_PLAN_ALIKE_H

enum likeness {
    ALIKE_EXACT, /* the same bits */
    ALIKE_NEAR,  /* pieces of layers: sums may be in another order */
    ALIKE_LOSSY  /* tiles without borders */
};

/* For ALIKE_NEAR, of the largest number of an output: 1e-5 for a layer, and
 * what a deep model makes of it (docs/decisions/0014). */
#define ALIKE_NEAR_BOUND 1e-4

#endif

/*
 * A shard as a node gets it: exported, imported again and planned; and
 * running it. For the programs that check whole models, so without cmocka.
 */
#ifndef EDGE_TESTS_SHIPPED_H
#define EDGE_TESTS_SHIPPED_H

#include "engine/plan.h"
#include "graph/graph.h"

int shipped_plan(const struct graph *shard, struct plan **plan,
                 struct err *err);
/* Makes the outputs and runs. */
int shipped_run(struct plan *plan, const struct tensor *in, struct tensor *out);
/* Floats from -1 to 1, always the same; zeros for other types. */
int shipped_inputs(const struct plan *plan, struct tensor *in);
void shipped_drop(struct tensor *t, size_t n);

/* Calls try(arg, name, path, err) for each model of argv[1] or
 * $EDGE_DATA/models, or argv[2] alone. A try returns a code of its own
 * failure; it counts what it checks. The exit status of main(). */
struct shipped_tally {
    int passed;
    int failed;
};
typedef int (*shipped_try)(const char *name, const char *path,
                           struct shipped_tally *tally, struct err *err);
int shipped_main(int argc, char **argv, const char *what, shipped_try try);

#endif

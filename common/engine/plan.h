/*
 * A shard made ready to run: kernels chosen, weights packed once, every
 * activation placed in one arena by lifetime. Everything that can fail fails
 * here; run() allocates nothing.
 *
 * The choice of kernel depends on an op's kind, attributes and shapes alone,
 * never on its neighbours, and fused forms compute what the separate ops
 * would, bit for bit: so a graph gives the same answer however it is cut.
 */
#ifndef EDGE_ENGINE_PLAN_H
#define EDGE_ENGINE_PLAN_H

#include "graph/graph.h"

struct plan;
struct threads;

struct plan_port {
    const char *name;
    enum dtype dtype;
    struct shape shape; /* static; an output's is the most it can be */
};

/* `graph` must have static input shapes and is not kept: the plan takes
 * references on, or packs, what it needs. EDGE_EUNSUPPORTED names the op that
 * has no kernel for its types; EDGE_ENOMEM. */
int plan_make(const struct graph *graph, struct plan **plan, struct err *err);
void plan_free(struct plan *plan); /* NULL is fine */

/* From here on these threads, which must outlive the plan's runs, share each
 * step that can be shared; the results are the same. EDGE_ENOMEM: what they
 * need beside the plan's arena, which plan_arena_bytes() then counts. */
int plan_share(struct plan *plan, struct threads *threads, struct err *err);

size_t plan_n_inputs(const struct plan *plan);
size_t plan_n_outputs(const struct plan *plan);
const struct plan_port *plan_input(const struct plan *plan, size_t i);
const struct plan_port *plan_output(const struct plan *plan, size_t i);

size_t plan_weight_bytes(const struct plan *plan); /* of the graph's consts */
size_t plan_packed_bytes(const struct plan *plan); /* held by the plan */
size_t plan_arena_bytes(const struct plan *plan);

/* Runs once. inputs[i] fits plan_input(i) in type and shape (checked:
 * EDGE_EINVAL). outputs[i] are tensors of the caller with plan_output(i)'s
 * type and room; run sets their shape, which is smaller than planned only
 * where the size depends on the data (NonMaxSuppression). One run at a time. */
int plan_run(struct plan *plan, const struct tensor *inputs,
             struct tensor *outputs);

/* A run a few steps at a time, for whoever wants some of its outputs early:
 * those from `from` up to `to`, of plan_n_times(). Inputs and outputs are the
 * same from the first to the last, and nothing else runs the plan in between.
 */
int plan_run_steps(struct plan *plan, const struct tensor *inputs,
                   struct tensor *outputs, size_t from, size_t to);
/* after[i]: how many steps there have been when output i is what it will be;
 * all of them, too, for one that no step makes. */
void plan_finals(const struct plan *plan, size_t *after);

/* The time that each op took in plan_run_timed, in nanoseconds, summed over
 * runs; a fused op's time is at its first op. For profiles and `bench`. */
struct plan_time {
    const char *op;   /* name in the graph */
    const char *kind; /* ONNX operator, "Conv+Relu" when fused */
    const char *kernel;
    double ns;
    double macs;
};
int plan_run_timed(struct plan *plan, const struct tensor *inputs,
                   struct tensor *outputs);
/* A run in pieces, for whoever must not hold the processor for long: steps
 * from *step on are run until `most_ns` have passed or all are done, and
 * *step is the next one then, plan_n_times() at the end. ns[i] gets the time
 * of step i. Inputs and outputs are the same from the first piece to the
 * last, and nothing else runs the plan in between. */
int plan_run_piece(struct plan *plan, const struct tensor *inputs,
                   struct tensor *outputs, size_t *step, double most_ns,
                   double *ns);
size_t plan_n_times(const struct plan *plan);
const struct plan_time *plan_times(const struct plan *plan);

#endif

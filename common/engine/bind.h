/*
 * How an op becomes a step of a plan: the row that names its kernel.
 *
 * plan_make() walks the graph; for each op it finds the row by kind, fills a
 * `struct step` with tensors whose types and static shapes are known (data of
 * constants is set, data of activations is not yet placed), and calls
 * prepare(). prepare checks types, chooses a kernel, packs constants into
 * step->state and says how much scratch it wants; it may read constant
 * inputs' values. run() is called later with all data pointers set; it
 * allocates nothing and cannot fail.
 */
#ifndef EDGE_ENGINE_BIND_H
#define EDGE_ENGINE_BIND_H

#include "graph/graph.h"
#include "kernels/narrow.h"

enum act_kind { ACT_NONE, ACT_RELU, ACT_CLIP, ACT_LEAKY };

/* What follows the product in the same pass over the output: out =
 * act(product + bias + residual). Filled by engine/fuse.c before prepare for
 * rows that say they can (bind.fuses). */
struct epilogue {
    enum act_kind act;
    float low;         /* CLIP */
    float high;        /* CLIP */
    float slope;       /* LEAKY */
    bool has_residual; /* the last tensor of step->in is added before act */
};

struct step {
    const struct op *op;       /* valid during prepare only */
    const struct graph *graph; /* of op; likewise */
    const struct bind *bind;
    struct tensor *in; /* n_in views; dtype DTYPE_NONE: left out */
    int n_in;
    struct tensor *out; /* n_out views; dtype DTYPE_NONE: left out */
    int n_out;
    bool *in_const; /* in[i].data is set and valid in prepare */
    /* If narrow.q is set, constant weights that prepare must pack as the bytes
     * they are: in[QUANTISED_INPUT] has no data. Valid during prepare only. */
    struct narrow_weights narrow;
    struct epilogue epilogue;
    /* Set by prepare. */
    void *state; /* from mem_*; freed by the plan with free_state */
    void (*free_state)(void *state); /* NULL: mem_free */
    size_t packed_bytes;             /* of state, for the account */
    bool drops_const[4];  /* in[i] was packed: its bytes are not needed */
    size_t scratch_bytes; /* MEM_ALIGN-aligned room during run */
    void *scratch;        /* set by the plan */
    /* Set where threads can share it: parts [from, to) of `parts`, each of
     * which has outputs of its own, with scratch of its own; after begin(), if
     * that is set, which run() includes. */
    size_t parts;
    void (*begin)(const struct step *step);
    void (*run_part)(const struct step *step, size_t from, size_t to,
                     void *scratch);
    bool in_place;      /* out[0] may share in[0]'s bytes */
    bool is_view;       /* out[0] is in[0]'s bytes in another shape: run
                           copies them, and a plan may do without */
    const char *kernel; /* name for profiles, a literal */
};

struct bind {
    enum op_kind kind;
    bool fuses; /* takes an epilogue: activation and residual Add */
    int (*prepare)(struct step *step, struct err *err);
    void (*run)(const struct step *step);
};

/* NULL: no kernel for this operator. The table is in bind.c, one array of
 * rows per bind_*.c file. */
const struct bind *bind_find(enum op_kind kind);

#endif

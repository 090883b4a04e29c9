/*
 * What the grad_*.c files share: the rules, one a kind, and the words in which
 * they are written.
 *
 * Words return a value's index; once something has failed (g->rc), they do
 * nothing and return -1, and so does whatever is given such an index. So a
 * rule is a few lines without error paths.
 */
#ifndef EDGE_GRAPH_GRAD_RULE_H
#define EDGE_GRAPH_GRAD_RULE_H

#include "graph/graph.h"

struct grad {
    struct graph *graph;
    bool *needs;    /* by value of the forward graph: a parameter leads here */
    size_t n_needs; /* values from there on were made on the way */
    int *last;      /* by value: the newest of its gradients' terms, or -1 */
    struct grad_term {
        int value;
        int before; /* the term before it, or -1 */
    } * terms;
    size_t n_terms;
    size_t terms_room;
    int seeds; /* the input of dropout, or -1 */
    struct grad_stat {
        int from[2]; /* running mean and variance of the forward graph */
        int made[2]; /* the batch's */
    } * stats;
    size_t n_stats;
    size_t stats_room;
    struct err *err;
    int rc;
};

struct grad_rule {
    enum op_kind kind;
    /* Adds the terms of the gradients of its inputs; `dy` is that of output 0,
     * or -1 where only another one has any. NULL: it has a form for training
     * alone. `op` is a copy that stays as it is. */
    void (*back)(struct grad *g, const struct op *op, int dy);
    /* Puts the op's form for training in its place; NULL: it is the same. */
    void (*train)(struct grad *g, const struct op *op);
};

/* NULL: this kind has no gradient. */
const struct grad_rule *grad_rule_of(enum op_kind kind);

extern const struct grad_rule grad_conv_rules[];
extern const struct grad_rule grad_elementwise_rules[];
extern const struct grad_rule grad_lossy_rules[];
extern const struct grad_rule grad_norm_rules[];
extern const struct grad_rule grad_pick_rules[];
extern const struct grad_rule grad_pool_rules[];
extern const struct grad_rule grad_product_rules[];
extern const struct grad_rule grad_sample_rules[];
extern const struct grad_rule grad_shape_rules[];
extern const struct grad_rule grad_unary_rules[];

/* ---- what rules read ----------------------------------------------------- */

/* Input `i` as integers, none if it is left out; false: it is no constant, and
 * the gradient has failed. */
bool grad_read_ints(struct grad *g, const struct op *op, int i, int64_t *v,
                    size_t *n);
/* Of a reduction: its input's shape with an axis of 1 for each that was
 * reduced, these axes, and how many elements went into one. */
bool grad_kept_shape(struct grad *g, const struct op *op, struct shape *kept,
                     bool mask[LIMIT_RANK], double *count);

/* ---- words -------------------------------------------------------------- */

/* `Conv "conv1": ` and the sentence; rc is set unless it was before. */
void grad_fail(struct grad *g, int rc, const struct op *op, const char *format,
               ...) __attribute__((format(printf, 4, 5)));

/* Whether anything reads the gradient of input `i` of `op`. */
bool grad_wants(const struct grad *g, const struct op *op, int i);
/* Adds a term to the gradient of input `i`; what is not wanted is ignored. */
void grad_add(struct grad *g, const struct op *op, int i, int term);
/* The sum of the terms of `value`'s gradient, or -1 if there are none. */
int grad_sum(struct grad *g, int value);

/* A new op with one output, inferred. Attributes of it can be set with
 * grad_attrs() only until the next word; what depends on them is inferred by
 * grad_done(). */
int grad_op(struct grad *g, enum op_kind kind, int n_in, const int *in);
#define GRAD_OP(g, kind, ...)                                               \
    grad_op((g), (kind), (int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)), \
            (const int[]){__VA_ARGS__})
/* The same in two steps: an op with n_out outputs, not inferred, NULL once
 * something has failed; then its inference. */
struct op *grad_begin(struct grad *g, enum op_kind kind, int n_in,
                      const int *in, int n_out);
int grad_done(struct grad *g, int rc); /* its output 0; rc of op_set_*() */
int grad_output(const struct grad *g, int i); /* another one's */
/* Kernel, strides, dilations and pads, written out, on an op just begun; 0 or
 * EDGE_ENOMEM. */
struct window;
int grad_set_window(struct op *to, const struct window *w);

const struct shape *grad_shape(const struct grad *g, int value);
int grad_number(struct grad *g, float x);
int grad_ints(struct grad *g, const int64_t *v, size_t n);
int grad_zeros(struct grad *g, const struct shape *shape);
int grad_scale(struct grad *g, int value, float by); /* itself if by is 1 */
int grad_reshape(struct grad *g, int value, const struct shape *shape);
int grad_transpose(struct grad *g, int value, const int64_t *perm);
/* Sums along the axes of `mask`, which keep a length of 1. */
int grad_reduce(struct grad *g, int value, const bool mask[LIMIT_RANK]);
/* Makes g->seeds, one a sample of the input of `op`, if there are none yet. */
void grad_need_seeds(struct grad *g, const struct op *op);
/* What tells the random numbers of one layer from another's, whatever part of
 * the model it is in. */
int64_t grad_salt(const char *name);
/* Undoes a broadcast: sums `value` down to `shape`. */
int grad_fit(struct grad *g, int value, const struct shape *shape);
int grad_expand(struct grad *g, int value, const struct shape *shape);

#endif

/*
 * One layer's weights over several devices. The pieces of a value lie along
 * one axis, its channels; `ends` says where.
 *
 *   OUTPUT   head -> followers -> Concat
 *   INPUT    Slice -> head -> Sum -> bias
 *   PAIR     head -> followers -> second product -> Sum -> bias
 */
#include "coordinator/plan/rewrite_make.h"

#include "base/mem.h"
#include "coordinator/plan/split_product.h"

#include <stdio.h>

struct splitting {
    struct maker m;
    const struct split *spec;
    int *uses; /* of the graph as it came */
    size_t n_values;
    size_t n_ops;
    int value; /* the unsplit value that the pieces make up */
    int axis;  /* of its channels */
    int pieces[REWRITE_SPLIT_MAX];
    int64_t ends[REWRITE_SPLIT_MAX];
};

static int64_t begin_of(const struct splitting *s, int i)
{
    return i > 0 ? s->ends[i - 1] : 0;
}

static const char *suffix_of(char text[16], int i)
{
    (void)snprintf(text, 16, "p%d", i);
    return text;
}

/* ---- products ------------------------------------------------------------ */

/* Piece i of a product by output channels. */
static int output_piece(struct splitting *s, const struct product *p, int i)
{
    struct maker *m = &s->m;
    int64_t begin = begin_of(s, i);
    int64_t end = s->ends[i];
    char text[16];
    const char *suffix = suffix_of(text, i);
    int in[3] = {p->input, 0, -1};
    int op;

    if (p->groups > 1) {
        int64_t outs = p->outs / p->groups;
        int64_t ins = p->ins / p->groups;

        in[0] = make_slice(m, p->input, p->in_axis, begin / outs * ins,
                           end / outs * ins, suffix, s->spec->scatter);
    }
    in[1] = make_const_slice(m, p->weight, p->w_out_axis, begin, end);
    if (p->bias >= 0) {
        in[2] = p->bias_axis < 0
                    ? p->bias
                    : make_const_slice(m, p->bias, p->bias_axis, begin, end);
    }
    op =
        make_copy(m, p->op, suffix, in, p->bias >= 0 ? 3 : 2, s->spec->part[i]);
    if (p->groups > 1) {
        (void)make_set_int(m, op, "group", (end - begin) * p->groups / p->outs);
    }
    return make_done(m, op);
}

/* Piece i of a product by input channels, of `input`; the bias comes later. */
static int input_piece(struct splitting *s, const struct product *p, int i,
                       int input)
{
    char text[16];
    int in[2] = {input, make_const_slice(&s->m, p->weight, p->w_in_axis,
                                         begin_of(s, i), s->ends[i])};

    return make_done(&s->m, make_copy(&s->m, p->op, suffix_of(text, i), in, 2,
                                      s->spec->part[i]));
}

/* Sum of the partial sums, then the bias, once; takes the place of the
 * product's output. */
static void reduce(struct splitting *s, const struct product *p)
{
    struct maker *m = &s->m;
    const char *like = m->graph->ops[p->op].name;
    int sum;

    sum = make_done(m, make_op(m, OP_SUM, like, "sum", s->pieces, s->spec->k,
                               s->spec->join));
    if (p->bias >= 0) {
        int in[2] = {sum, product_bias(m, p)};

        sum = make_done(m,
                        make_op(m, OP_ADD, like, "bias", in, 2, s->spec->join));
    }
    s->value = p->output;
    if (m->rc == 0) {
        graph_move_output(m->graph, sum, p->output);
    }
}

/* ---- followers ----------------------------------------------------------- */

/* The only reader of the split value, if it may be split too; -1: none. */
static int reader(const struct splitting *s)
{
    const struct graph *g = s->m.graph;

    if (s->uses[s->value] != 1 || graph_is_output(g, s->value)) {
        return -1;
    }
    for (int i = 0; i < (int)s->n_ops && i < s->spec->end_op; i++) {
        for (int k = 0; k < g->ops[i].n_in; k++) {
            if (g->ops[i].in[k] == s->value) {
                return i;
            }
        }
    }
    return -1;
}

/* Copies a follower once a piece; its output is split as its input was. */
static void follow(struct splitting *s, int op, const struct follower *f)
{
    struct maker *m = &s->m;
    int output = m->graph->ops[op].out[0];

    for (int i = 0; i < s->spec->k && m->rc == 0; i++) {
        char text[16];

        s->pieces[i] =
            follower_piece(m, op, f, s->pieces[i], begin_of(s, i), s->ends[i],
                           suffix_of(text, i), s->spec->part[i]);
    }
    for (int i = 0; i < s->spec->k; i++) {
        s->ends[i] *= f->factor;
    }
    s->axis = f->axis;
    s->value = output;
}

/* As long as what reads the pieces can be done piece by piece. */
static void follow_all(struct splitting *s)
{
    struct follower f;
    int op = reader(s);

    while (s->m.rc == 0 && op >= 0 &&
           follower_of(s->m.graph, op, s->value, s->axis, &f)) {
        follow(s, op, &f);
        op = reader(s);
    }
}

/* ---- the three axes ------------------------------------------------------ */

static void split_output(struct splitting *s, const struct product *p)
{
    int64_t step = p->groups > 1 ? p->outs / p->groups : 1;

    if (!make_shares(p->outs, step, s->spec->share, s->spec->k, s->ends)) {
        make_fail(&s->m, EDGE_ENOFIT,
                  "split %s: %lld output channels are too few for %d such "
                  "shares",
                  s->m.graph->ops[p->op].name, (long long)p->outs, s->spec->k);
        return;
    }
    for (int i = 0; i < s->spec->k && s->m.rc == 0; i++) {
        s->pieces[i] = output_piece(s, p, i);
    }
    s->value = p->output;
    s->axis = p->out_axis;
    follow_all(s);
}

static void join_output(struct splitting *s)
{
    int joined = make_concat(&s->m, s->pieces, s->spec->k, s->axis, "join",
                             s->spec->join);

    if (s->m.rc == 0) {
        graph_move_output(s->m.graph, joined, s->value);
    }
}

static void split_input(struct splitting *s, const struct product *p)
{
    if (!product_sums(p) ||
        !make_shares(p->ins, 1, s->spec->share, s->spec->k, s->ends)) {
        make_fail(&s->m, EDGE_ENOFIT,
                  "split %s: its %lld input channels cannot be shared by %d",
                  s->m.graph->ops[p->op].name, (long long)p->ins, s->spec->k);
        return;
    }
    for (int i = 0; i < s->spec->k && s->m.rc == 0; i++) {
        char text[16];
        int input =
            make_slice(&s->m, p->input, p->in_axis, begin_of(s, i), s->ends[i],
                       suffix_of(text, i), s->spec->scatter);

        s->pieces[i] = input_piece(s, p, i, input);
    }
    reduce(s, p);
}

static void join_pair(struct splitting *s, const struct product *first)
{
    struct product p;
    int op = s->m.rc < 0 ? -1 : reader(s);

    if (op < 0 || !product_of(s->m.graph, op, &p) || p.input != s->value ||
        p.in_axis != s->axis || !product_sums(&p)) {
        make_fail(&s->m, EDGE_EINVAL,
                  "split %s as a pair: no Conv, Gemm or MatMul of its own "
                  "follows that could take in the pieces",
                  s->m.graph->ops[first->op].name);
        return;
    }
    for (int i = 0; i < s->spec->k && s->m.rc == 0; i++) {
        s->pieces[i] = input_piece(s, &p, i, s->pieces[i]);
    }
    reduce(s, &p);
}

static void split_all(struct splitting *s, const struct product *p)
{
    switch (s->spec->axis) {
    case SPLIT_OUTPUT:
        split_output(s, p);
        join_output(s);
        break;
    case SPLIT_INPUT: split_input(s, p); break;
    case SPLIT_PAIR:
        split_output(s, p);
        join_pair(s, p);
        break;
    }
}

int rewrite_split(struct graph *graph, const struct split *split,
                  struct err *err)
{
    struct splitting s = {.m = {graph, 0, err},
                          .spec = split,
                          .n_values = graph->n_values,
                          .n_ops = graph->n_ops};
    struct product p;

    if (split->k < 2 || split->k > REWRITE_SPLIT_MAX || split->op < 0 ||
        split->op >= (int)graph->n_ops) {
        return err_set(err, EDGE_EINVAL, "split: 2 to %d pieces of one layer",
                       REWRITE_SPLIT_MAX);
    }
    if (!product_of(graph, split->op, &p)) {
        return err_set(err, EDGE_EINVAL,
                       "split %s: only Conv, Gemm and MatMul with constant "
                       "weights can be split",
                       graph->ops[split->op].name);
    }
    if (graph_count_uses(graph, &s.uses) < 0) {
        return err_set(err, EDGE_ENOMEM, "split: out of memory");
    }
    split_all(&s, &p);
    mem_free(s.uses);
    return make_finish(&s.m);
}

int rewrite_split_most(const struct graph *graph, int op, enum split_axis axis)
{
    struct product p;
    int64_t most;

    if (!product_of(graph, op, &p) ||
        (axis == SPLIT_INPUT && !product_sums(&p))) {
        return 0;
    }
    most = axis == SPLIT_INPUT ? p.ins : p.groups > 1 ? p.groups : p.outs;
    return most < 2                   ? 0
           : most > REWRITE_SPLIT_MAX ? REWRITE_SPLIT_MAX
                                      : (int)most;
}

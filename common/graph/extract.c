/*
 * A part of a graph as a graph of its own. First the ops that the outputs
 * need are found, walking back and stopping at the part's inputs; then they
 * are copied in their order, with names, types and constants.
 */
#include "graph/graph.h"

#include "base/mem.h"
#include "graph/attr.h"

#include <stdlib.h>
#include <string.h>

struct part {
    const struct graph *from;
    struct graph *to;
    const int *inputs;
    size_t n_inputs;
    bool *is_input; /* of values of `from` */
    bool *is_wanted;
    bool *has_op; /* of ops of `from` */
    int *index;   /* of values of `from`: in `to`, or -1 */
    int *stack;   /* ops whose inputs are still to be looked at */
    size_t depth;
    struct err *err;
};

static void part_deinit(struct part *part)
{
    mem_free(part->is_input);
    mem_free(part->is_wanted);
    mem_free(part->has_op);
    mem_free(part->index);
    mem_free(part->stack);
    graph_free(part->to);
}

static int part_init(struct part *part, const struct graph *from,
                     const char *name, struct err *err)
{
    *part = (struct part){.from = from, .err = err};
    part->to = graph_new(name);
    part->is_input = mem_array(bool, from->n_values);
    part->is_wanted = mem_array(bool, from->n_values);
    part->has_op = mem_array(bool, from->n_ops);
    part->index = mem_array(int, from->n_values);
    part->stack = mem_array(int, from->n_ops);
    if (part->to == NULL || part->is_input == NULL || part->is_wanted == NULL ||
        part->has_op == NULL || part->index == NULL || part->stack == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < from->n_values; i++) {
        part->index[i] = -1;
    }
    return 0;
}

/* ---- what belongs to it ------------------------------------------------ */

static int want(struct part *part, int value)
{
    const struct value *v = &part->from->values[value];

    if (part->is_wanted[value] || part->is_input[value]) {
        return 0;
    }
    part->is_wanted[value] = true;
    if (v->data.blob != NULL) {
        return 0;
    }
    if (v->producer < 0) {
        return err_set(part->err, EDGE_EINVAL,
                       "it needs \"%.200s\", which is not among its inputs",
                       v->name);
    }
    if (!part->has_op[v->producer]) {
        part->has_op[v->producer] = true;
        part->stack[part->depth++] = v->producer;
    }
    return 0;
}

static int mark(struct part *part, const int *values, size_t n, bool *marks)
{
    for (size_t i = 0; i < n; i++) {
        if (values[i] < 0 || values[i] >= (int)part->from->n_values) {
            return err_set(part->err, EDGE_EINVAL, "there is no value %d",
                           values[i]);
        }
        if (marks[values[i]]) {
            return err_set(part->err, EDGE_EINVAL, "\"%.200s\" is given twice",
                           part->from->values[values[i]].name);
        }
        marks[values[i]] = true;
    }
    return 0;
}

static int find_ops(struct part *part, const int *outputs, size_t n_outputs)
{
    /* For once is_wanted serves to find what is given twice. */
    int rc = mark(part, outputs, n_outputs, part->is_wanted);

    for (size_t i = 0; rc == 0 && i < n_outputs; i++) {
        part->is_wanted[outputs[i]] = false;
    }
    for (size_t i = 0; rc == 0 && i < n_outputs; i++) {
        rc = want(part, outputs[i]);
    }
    while (rc == 0 && part->depth > 0) {
        const struct op *op = &part->from->ops[part->stack[--part->depth]];

        for (int k = 0; rc == 0 && k < op->n_in; k++) {
            rc = op->in[k] >= 0 ? want(part, op->in[k]) : 0;
        }
    }
    return rc;
}

/* ---- copying it -------------------------------------------------------- */

/* Adds a value like `value` of the whole graph to the part. */
static int add_like(struct part *part, int value, const char *name)
{
    const struct value *v = &part->from->values[value];
    int index = graph_add_value(part->to, name);

    if (index >= 0) {
        part->to->values[index].dtype = v->dtype;
        part->to->values[index].has_shape = v->has_shape;
        part->to->values[index].shape = v->shape;
    }
    return index;
}

/* The value's index in the part, where it is added at its first mention. */
static int map_value(struct part *part, int value)
{
    const struct value *v = &part->from->values[value];

    if (part->index[value] >= 0) {
        return part->index[value];
    }
    part->index[value] = add_like(part, value, v->name);
    if (part->index[value] >= 0 && v->data.blob != NULL &&
        !part->is_input[value]) {
        part->to->values[part->index[value]].data = tensor_ref(&v->data);
    }
    return part->index[value];
}

static int copy_inputs(struct part *part)
{
    for (size_t i = 0; i < part->n_inputs; i++) {
        int value = map_value(part, part->inputs[i]);
        int rc = value < 0 ? value : graph_add_input(part->to, value);

        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* A value that `value` is made as where it comes in as an input as well. */
static int add_again(struct part *part, int value)
{
    char *name = mem_printf("%s/again", part->from->values[value].name);
    int index = name != NULL ? add_like(part, value, name) : EDGE_ENOMEM;

    mem_free(name);
    return index;
}

/* The values of one op in the part. One of its outputs may come into the part
 * as an input as well, if a cut went between two outputs of one op: then it
 * is made once more, under a name of its own, and not read. */
static int map_values(struct part *part, const int *from, int n, bool made,
                      int *to)
{
    for (int k = 0; k < n; k++) {
        if (from[k] < 0) {
            to[k] = -1;
        } else if (made && part->is_input[from[k]]) {
            to[k] = add_again(part, from[k]);
        } else {
            to[k] = map_value(part, from[k]);
        }
        if (from[k] >= 0 && to[k] < 0) {
            return to[k];
        }
    }
    return 0;
}

static int copy_op(struct part *part, const struct op *op)
{
    int in[LIMIT_OP_INPUTS];
    int out[LIMIT_OP_INPUTS];
    int rc = map_values(part, op->in, op->n_in, false, in);
    int index;

    if (rc == 0) {
        rc = map_values(part, op->out, op->n_out, true, out);
    }
    if (rc < 0) {
        return rc;
    }
    index = graph_add_op(part->to, op->kind, op->name, in, op->n_in, out,
                         op->n_out);
    return index < 0 ? index : attr_copy_all(op, &part->to->ops[index]);
}

static int copy_ops(struct part *part)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < part->from->n_ops; i++) {
        if (part->has_op[i]) {
            rc = copy_op(part, &part->from->ops[i]);
        }
    }
    return rc;
}

/* An input that goes out again, under another name. */
static int pass_through(struct part *part, int value)
{
    const struct value *v = &part->from->values[value];
    char *name = graph_pass_name(v->name);
    int in = map_value(part, value);
    int out;
    int rc;

    if (name == NULL) {
        return EDGE_ENOMEM;
    }
    out = add_like(part, value, name);
    if (out == EDGE_EEXIST) {
        rc = err_set(part->err, EDGE_EINVAL,
                     "\"%.200s\" passes through under the name \"%.200s\", "
                     "which another value has",
                     v->name, name);
    } else if (out < 0) {
        rc = out;
    } else {
        rc = graph_add_op(part->to, OP_IDENTITY, name, &in, 1, &out, 1);
        if (rc == EDGE_EEXIST) {
            rc = graph_add_op(part->to, OP_IDENTITY, NULL, &in, 1, &out, 1);
        }
    }
    mem_free(name);
    return rc < 0 ? rc : out;
}

static int copy_outputs(struct part *part, const int *outputs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int value = part->is_input[outputs[i]] ? pass_through(part, outputs[i])
                                               : map_value(part, outputs[i]);
        int rc = value < 0 ? value : graph_add_output(part->to, value);

        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

int graph_extract(const struct graph *from, const int *inputs, size_t n_inputs,
                  const int *outputs, size_t n_outputs, const char *name,
                  struct graph **graph, struct err *err)
{
    struct err why = {.text = ""};
    struct part part;
    int rc = part_init(&part, from, name, &why);

    part.inputs = inputs;
    part.n_inputs = n_inputs;
    if (rc == 0) {
        rc = mark(&part, inputs, n_inputs, part.is_input);
    }
    if (rc == 0) {
        rc = find_ops(&part, outputs, n_outputs);
    }
    if (rc == 0) {
        rc = copy_inputs(&part);
    }
    if (rc == 0) {
        rc = copy_ops(&part);
    }
    if (rc == 0) {
        rc = copy_outputs(&part, outputs, n_outputs);
    }
    if (rc == 0) {
        *graph = part.to;
        part.to = NULL;
    } else {
        rc = err_set(err, rc, "cut out \"%.200s\": %s", name,
                     why.text[0] != '\0' ? why.text : err_text(rc));
    }
    part_deinit(&part);
    return rc;
}

char *graph_pass_name(const char *name)
{
    static const char suffix[] = GRAPH_PASS_SUFFIX;
    const char *last = NULL;
    char *end;
    unsigned long number = 1;

    for (const char *p = strstr(name, suffix); p != NULL;
         p = strstr(p + 1, suffix)) {
        last = p;
    }
    if (last == NULL) {
        return mem_printf("%s%s", name, suffix);
    }
    last += sizeof(suffix) - 1;
    if (*last != '\0') {
        number = strtoul(last, &end, 10);
        if (*end != '\0' || *last < '1' || *last > '9' || number > 999999) {
            return mem_printf("%s%s", name, suffix);
        }
    }
    return mem_printf("%.*s%lu", (int)(last - name), name, number + 1);
}

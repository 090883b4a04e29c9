#include "tests/lib/infer_case.h"

#include "graph/graph.h"
#include "graph/infer.h"
#include "tests/lib/model.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKEN_MAX 128
#define LIST_MAX 32

struct type_name {
    const char *name;
    enum dtype dtype;
};

static const struct type_name type_names[] = {
    {"f32", DTYPE_F32}, {"f16", DTYPE_F16},   {"f64", DTYPE_F64},
    {"i8", DTYPE_I8},   {"u8", DTYPE_U8},     {"i32", DTYPE_I32},
    {"i64", DTYPE_I64}, {"bool", DTYPE_BOOL},
};

#define N_TYPES (sizeof(type_names) / sizeof(type_names[0]))

/* The next word of *text into `token`; false at the end. */
static bool next_token(const char **text, char token[TOKEN_MAX])
{
    size_t n;

    *text += strspn(*text, " ");
    n = strcspn(*text, " ");
    assert_true(n < TOKEN_MAX);
    memcpy(token, *text, n);
    token[n] = '\0';
    *text += n;
    return n > 0;
}

/* The type that `token` starts with; *rest is what follows. */
static enum dtype parse_type(const char *token, const char **rest)
{
    for (size_t i = 0; i < N_TYPES; i++) {
        size_t n = strlen(type_names[i].name);

        if (strncmp(token, type_names[i].name, n) == 0) {
            *rest = token + n;
            return type_names[i].dtype;
        }
    }
    fail_msg("no type in \"%s\"", token);
    return DTYPE_NONE;
}

static const char *type_text(enum dtype dtype)
{
    for (size_t i = 0; i < N_TYPES; i++) {
        if (type_names[i].dtype == dtype) {
            return type_names[i].name;
        }
    }
    return dtype_name(dtype);
}

/* "[1,2]" or "{1,2}" as doubles; ? is -1. Returns how many. */
static int parse_list(const char *text, double *v)
{
    int n = 0;

    for (text++; *text != '\0' && strchr("]}", *text) == NULL;) {
        char *end;

        assert_true(n < LIST_MAX);
        v[n] = *text == '?' ? -1 : strtod(text, &end);
        text = *text == '?' ? text + 1 : end;
        n++;
        text += *text == ',';
    }
    return n;
}

static int parse_ints(const char *text, int64_t *v)
{
    double list[LIST_MAX];
    int n = parse_list(text, list);

    for (int i = 0; i < n; i++) {
        /* Extremes that a double does not hold. */
        v[i] = list[i] >= 9e18    ? INT64_MAX
               : list[i] <= -9e18 ? INT64_MIN
                                  : (int64_t)list[i];
    }
    return n;
}

static void set_element(struct tensor *t, int64_t i, double value)
{
    int64_t whole = value >= 9e18    ? INT64_MAX
                    : value <= -9e18 ? INT64_MIN
                                     : (int64_t)value;

    switch (t->dtype) {
    case DTYPE_F32: ((float *)t->data)[i] = (float)value; break;
    case DTYPE_F64: ((double *)t->data)[i] = value; break;
    case DTYPE_I64: ((int64_t *)t->data)[i] = whole; break;
    case DTYPE_I32: ((int32_t *)t->data)[i] = (int32_t)value; break;
    default: ((uint8_t *)t->data)[i] = (uint8_t)(int)value; break;
    }
}

static int add_list(struct graph *g, enum dtype dtype, const double *v, int n,
                    int rank)
{
    int value = model_const(g, NULL, dtype, rank, (int64_t[]){n});

    for (int i = 0; i < n; i++) {
        set_element(&g->values[value].data, i, v[i]);
    }
    return value;
}

static int add_input(struct graph *g, const char *token)
{
    enum dtype dtype;
    const char *rest = token;
    int64_t dims[LIST_MAX];
    double list[LIST_MAX];
    int value;

    if (strcmp(token, "-") == 0) {
        return -1;
    }
    dtype = parse_type(token, &rest);
    switch (rest[0]) {
    case '{': return add_list(g, dtype, list, parse_list(rest, list), 1);
    case '=':
        list[0] = strtod(rest + 1, NULL);
        return add_list(g, dtype, list, 1, 0);
    case ':':
        return model_const(g, NULL, dtype, parse_ints(rest + 1, dims), dims);
    default:
        value = model_input(g, NULL, dtype,
                            rest[0] == '[' ? parse_ints(rest, dims) : 0, dims);
        g->values[value].has_shape = rest[0] == '[';
        return value;
    }
}

static void add_attr(struct graph *g, char *token)
{
    char *value = strchr(token, '=');
    int64_t list[LIST_MAX];
    size_t n;

    assert_non_null(value);
    *value++ = '\0';
    n = strlen(value);
    if (value[0] == '[') {
        model_set_ints(g, token, parse_ints(value, list), list);
    } else if (strchr("-0123456789", value[0]) == NULL) {
        model_set_string(g, token, value);
    } else if (value[n - 1] == 'f') {
        model_set_float(g, token, strtof(value, NULL));
    } else {
        model_set_int(g, token, strtoll(value, NULL, 10));
    }
}

static int count_tokens(const char *text)
{
    char token[TOKEN_MAX];
    int n = 0;

    while (next_token(&text, token)) {
        n++;
    }
    return n;
}

static void build(struct graph *g, const struct infer_case *c)
{
    const char *text = c->in;
    char token[TOKEN_MAX];
    int n_out = c->want[0] == '!' ? 1 : count_tokens(c->want);
    int in[LIST_MAX];
    int n = 0;

    while (next_token(&text, token)) {
        in[n++] = add_input(g, token);
    }
    model_op(g, c->kind, "y", n, in);
    for (int k = 1; k < n_out; k++) {
        model_more(g, NULL);
    }
    text = c->attrs;
    while (next_token(&text, token)) {
        add_attr(g, token);
    }
}

/* What was inferred, as the row would have it. */
static void write_outputs(const struct graph *g, char *text, size_t size)
{
    const struct op *op = &g->ops[0];
    size_t n = 0;

    for (int k = 0; k < op->n_out; k++) {
        const struct value *v = &g->values[op->out[k]];

        n += (size_t)snprintf(text + n, size - n, "%s%s%s", k > 0 ? " " : "",
                              type_text(v->dtype), v->has_shape ? "[" : "?");
        for (int i = 0; v->has_shape && i < v->shape.rank; i++) {
            n += v->shape.dims[i] < 0
                     ? (size_t)snprintf(text + n, size - n, "%s?",
                                        i > 0 ? "," : "")
                     : (size_t)snprintf(text + n, size - n, "%s%lld",
                                        i > 0 ? "," : "",
                                        (long long)v->shape.dims[i]);
        }
        n +=
            (size_t)snprintf(text + n, size - n, "%s", v->has_shape ? "]" : "");
    }
}

static bool run(const struct infer_case *c)
{
    struct graph *g = graph_new("case");
    struct err err = {.text = ""};
    char text[512] = "";
    bool ok;

    assert_non_null(g);
    build(g, c);
    if (infer_graph(g, &err) < 0) {
        (void)snprintf(text, sizeof(text), "!%.500s", err.text);
        ok = c->want[0] == '!' && strstr(err.text, c->want + 1) != NULL &&
             strstr(err.text, op_info(c->kind)->name) == err.text;
    } else {
        write_outputs(g, text, sizeof(text));
        ok = strcmp(text, c->want) == 0;
    }
    if (!ok) {
        print_error("%s %s %s\n    wanted %s\n    got    %s\n",
                    op_info(c->kind)->name, c->in, c->attrs, c->want, text);
    }
    graph_free(g);
    return ok;
}

void infer_cases_run(const struct infer_case *cases, size_t n)
{
    size_t wrong = 0;

    for (size_t i = 0; i < n; i++) {
        wrong += !run(&cases[i]);
    }
    if (wrong > 0) {
        fail_msg("%zu of %zu cases are wrong", wrong, n);
    }
}

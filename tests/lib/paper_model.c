#include "tests/lib/paper_model.h"

#include "base/mem.h"
#include "coordinator/plan/cut.h"
#include "graph/infer.h"
#include "tests/lib/model.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>

/* A constant whose bytes are left as they come. */
static int weight(struct graph *g, const char *name, int rank,
                  const int64_t *dims)
{
    struct shape shape = {.rank = rank};
    struct tensor t;
    int value;

    for (int i = 0; i < rank; i++) {
        shape.dims[i] = dims[i];
    }
    assert_int_equal(tensor_init(&t, DTYPE_F32, &shape), 0);
    value = graph_add_const(g, name, &t);
    assert_true(value >= 0);
    return value;
}

static int relu(struct graph *g, const char *name, int x)
{
    char text[32];

    (void)snprintf(text, sizeof(text), "%s.relu", name);
    return model_op(g, OP_RELU, text, IN(x));
}

static int conv(struct graph *g, const char *name, int x, int from, int to)
{
    char text[32];
    int w;
    int b;

    (void)snprintf(text, sizeof(text), "%s.w", name);
    w = weight(g, text, DIMS(to, from, 3, 3));
    (void)snprintf(text, sizeof(text), "%s.b", name);
    b = weight(g, text, DIMS(to));
    x = model_op(g, OP_CONV, name, IN(x, w, b));
    model_set_ints(g, "pads", DIMS(1, 1, 1, 1));
    model_set_ints(g, "kernel_shape", DIMS(3, 3));
    return relu(g, name, x);
}

static int dense(struct graph *g, const char *name, int x, int from, int to)
{
    char text[32];
    int w;
    int b;

    (void)snprintf(text, sizeof(text), "%s.w", name);
    w = weight(g, text, DIMS(to, from));
    (void)snprintf(text, sizeof(text), "%s.b", name);
    b = weight(g, text, DIMS(to));
    x = model_op(g, OP_GEMM, name, IN(x, w, b));
    model_set_int(g, "transB", 1);
    return x;
}

static struct graph *done(struct graph *g, int x)
{
    struct err err;

    model_output(g, x);
    assert_int_equal(infer_graph(g, &err), 0);
    return g;
}

struct graph *paper_vgg16(void)
{
    static const int blocks[5][2] = {
        {2, 64}, {2, 128}, {3, 256}, {3, 512}, {3, 512}};
    struct graph *g = graph_new("vgg16");
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, 3, 224, 224));
    int channels = 3;
    char name[32];

    for (int b = 0; b < 5; b++) {
        for (int i = 0; i < blocks[b][0]; i++) {
            (void)snprintf(name, sizeof(name), "conv%d_%d", b + 1, i + 1);
            x = conv(g, name, x, channels, blocks[b][1]);
            channels = blocks[b][1];
        }
        (void)snprintf(name, sizeof(name), "pool%d", b + 1);
        x = model_op(g, OP_MAX_POOL, name, IN(x));
        model_set_ints(g, "kernel_shape", DIMS(2, 2));
        model_set_ints(g, "strides", DIMS(2, 2));
    }
    x = model_op(g, OP_FLATTEN, "flatten", IN(x));
    x = relu(g, "fc1", dense(g, "fc1", x, 25088, 4096));
    x = relu(g, "fc2", dense(g, "fc2", x, 4096, 4096));
    return done(g, dense(g, "fc3", x, 4096, 1000));
}

struct graph *paper_chain(int n, int channels, int size)
{
    struct graph *g = graph_new("chain");
    int x = model_input(g, "x", DTYPE_F32, DIMS(1, channels, size, size));
    char name[32];

    for (int i = 0; i < n; i++) {
        (void)snprintf(name, sizeof(name), "conv%d", i);
        x = conv(g, name, x, channels, channels);
    }
    return done(g, x);
}

void paper_pi3(struct profile_board *board, const struct graph *graph)
{
    static const struct {
        const char *name;
        double s;
    } times[] = {
        {"conv1_1", .247}, {"conv1_2", 1.249}, {"pool1", .207},
        {"conv2_1", .501}, {"conv2_2", .931},  {"pool2", .099},
        {"conv3_1", .404}, {"conv3_2", .765},  {"conv3_3", .764},
        {"pool3", .060},   {"conv4_1", .373},  {"conv4_2", .701},
        {"conv4_3", .699}, {"pool4", .039},    {"conv5_1", .215},
        {"conv5_2", .218}, {"conv5_3", .218},  {"pool5", .013},
        {"fc1", 2.483},    {"fc2", .114},      {"fc3", .063},
    };
    struct err err;
    int *order = NULL;
    size_t n = 0;

    assert_int_equal(cut_order(graph, &order, &n, &err), 0);
    assert_int_equal(profile_board_set_ops(board, n), 0);
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < sizeof(times) / sizeof(times[0]); k++) {
            if (strcmp(graph->ops[order[i]].name, times[k].name) == 0) {
                board->op_s[i] = times[k].s;
            }
        }
    }
    mem_free(order);
    board->is_measured = true;
}

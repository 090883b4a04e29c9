/* Small nets: Caffe's two examples, and perceptrons. */
#include "onnx/zoo_make.h"

/* ---- LeNet, as Caffe's example has it ----------------------------------- */

static struct zoo_map lenet_conv(struct zoo *z, struct zoo_map x, int number,
                                 int64_t channels)
{
    const struct zoo_conv c = {.out = zoo_width(z, channels),
                               .kernel = 5,
                               .stride = 1,
                               .start = {ZOO_XAVIER, 0, 0}};

    x = zoo_conv_bare(z, x, zoo_name_of("conv%d", number).text, c);
    return zoo_max_pool_ceil(z, x, zoo_name_of("pool%d", number).text, 2, 2);
}

struct zoo_map zoo_lenet(struct zoo *z, struct zoo_map x)
{
    const struct zoo_start xavier = {ZOO_XAVIER, 0, 0};

    x = lenet_conv(z, lenet_conv(z, x, 1, 20), 2, 50);
    x = zoo_flatten(z, x, "flatten");
    x = zoo_dense(z, x, "fc1", zoo_width(z, 500), xavier);
    x = zoo_relu(z, x, "fc1.relu");
    return zoo_dense(z, x, "fc2", z->classes, xavier);
}

/* ---- cifar10_quick, Caffe's --------------------------------------------- */

static struct zoo_map quick_conv(struct zoo *z, struct zoo_map x, int number,
                                 int64_t channels, double deviation)
{
    const struct zoo_conv c = {.out = zoo_width(z, channels),
                               .kernel = 5,
                               .stride = 1,
                               .start = {ZOO_NORMAL, deviation, 0}};

    return zoo_conv_even(z, x, zoo_name_of("conv%d", number).text, c);
}

struct zoo_map zoo_cifar10_quick(struct zoo *z, struct zoo_map x)
{
    const struct zoo_start tenth = {ZOO_NORMAL, 0.1, 0};

    x = zoo_max_pool_ceil(z, quick_conv(z, x, 1, 32, 0.0001), "pool1", 3, 2);
    x = zoo_relu(z, x, "relu1");
    x = zoo_relu(z, quick_conv(z, x, 2, 32, 0.01), "relu2");
    x = zoo_average_pool_ceil(z, x, "pool2", 3, 2);
    x = zoo_relu(z, quick_conv(z, x, 3, 64, 0.01), "relu3");
    x = zoo_average_pool_ceil(z, x, "pool3", 3, 2);
    x = zoo_flatten(z, x, "flatten");
    x = zoo_dense(z, x, "fc1", zoo_width(z, 64), tenth);
    return zoo_dense(z, x, "fc2", z->classes, tenth);
}

/* ---- perceptrons -------------------------------------------------------- */

/* Data sets are of pictures, also those of one row. */
static struct zoo_map as_list(struct zoo *z, struct zoo_map x)
{
    if (z->rc < 0 || z->graph->values[x.value].shape.rank == 2) {
        return x;
    }
    return zoo_flatten(z, x, "flatten");
}

struct zoo_map zoo_mlp(struct zoo *z, struct zoo_map x)
{
    const struct zoo_start he = {ZOO_HE, 0, 0};

    x = as_list(z, x);
    for (size_t i = 0; i < z->n_hidden; i++) {
        x = zoo_dense(z, x, zoo_name_of("fc%zu", i + 1).text, z->hidden[i], he);
        x = zoo_relu(z, x, zoo_name_of("fc%zu.relu", i + 1).text);
    }
    return zoo_classifier(z, x, zoo_name_of("fc%zu", z->n_hidden + 1).text);
}

struct zoo_map zoo_parity(struct zoo *z, struct zoo_map x)
{
    /* Of an even number of bits x and -x have the same parity, but without
     * biases tanh makes an odd function: they are spread from the start, so
     * that hidden units differ in where they switch (Nguyen and Widrow 1990,
     * "Improving the learning speed of 2-layer neural networks"). */
    const struct zoo_start spread = {ZOO_GLOROT, 0, 1};
    const struct zoo_start glorot = {ZOO_GLOROT, 0, 0};

    x = as_list(z, x);
    for (size_t i = 0; i < z->n_hidden; i++) {
        x = zoo_dense(z, x, zoo_name_of("fc%zu", i + 1).text, z->hidden[i],
                      spread);
        x = zoo_tanh(z, x, zoo_name_of("fc%zu.tanh", i + 1).text);
    }
    return zoo_dense(z, x, zoo_name_of("fc%zu", z->n_hidden + 1).text,
                     z->classes, glorot);
}

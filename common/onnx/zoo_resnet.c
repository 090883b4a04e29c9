/*
 * ResNet-18 and ResNet-50 (He et al. 2015), the latter with the stride in the
 * 3x3 convolution, as most trained ones have it. The form for CIFAR has a stem
 * of 3x3 without stride and without the pool behind it.
 */
#include "onnx/zoo_make.h"

/* With random constants a residual branch ends small, so that sums of 16 of
 * them stay in range. */
#define BRANCH_SCALE 0.25

static struct zoo_map conv_norm(struct zoo *z, struct zoo_map x,
                                struct zoo_name name, struct zoo_conv c,
                                double scale)
{
    c.no_bias = true;
    x = zoo_conv_even(z, x, zoo_name_of("%s.conv", name.text).text, c);
    return zoo_batch_norm(z, x, zoo_name_of("%s.norm", name.text).text, scale);
}

static struct zoo_map conv_relu(struct zoo *z, struct zoo_map x,
                                struct zoo_name name, struct zoo_conv c)
{
    x = conv_norm(z, x, name, c, 1);
    return zoo_relu(z, x, zoo_name_of("%s.relu", name.text).text);
}

/* What the branch `x` is added to. */
static struct zoo_map join(struct zoo *z, struct zoo_map in, struct zoo_map x,
                           int number, int64_t stride)
{
    const struct zoo_conv project = {.out = x.c, .kernel = 1, .stride = stride};
    struct zoo_map skip = in;

    if (in.c != x.c || stride != 1) {
        skip =
            conv_norm(z, in, zoo_name_of("block%d.skip", number), project, 1);
    }
    x = zoo_add(z, x, skip, zoo_name_of("block%d.add", number).text);
    return zoo_relu(z, x, zoo_name_of("block%d.relu", number).text);
}

static struct zoo_map basic(struct zoo *z, struct zoo_map in, int number,
                            int64_t width, int64_t stride)
{
    const struct zoo_conv first = {.out = width, .kernel = 3, .stride = stride};
    const struct zoo_conv second = {.out = width, .kernel = 3, .stride = 1};
    struct zoo_map x;

    x = conv_relu(z, in, zoo_name_of("block%d.first", number), first);
    x = conv_norm(z, x, zoo_name_of("block%d.second", number), second,
                  BRANCH_SCALE);
    return join(z, in, x, number, stride);
}

static struct zoo_map bottleneck(struct zoo *z, struct zoo_map in, int number,
                                 int64_t width, int64_t stride)
{
    const struct zoo_conv reduce = {.out = width, .kernel = 1, .stride = 1};
    const struct zoo_conv middle = {
        .out = width, .kernel = 3, .stride = stride};
    const struct zoo_conv expand = {.out = 4 * width, .kernel = 1, .stride = 1};
    struct zoo_map x;

    x = conv_relu(z, in, zoo_name_of("block%d.reduce", number), reduce);
    x = conv_relu(z, x, zoo_name_of("block%d.middle", number), middle);
    x = conv_norm(z, x, zoo_name_of("block%d.expand", number), expand,
                  BRANCH_SCALE);
    return join(z, in, x, number, stride);
}

static struct zoo_map resnet(struct zoo *z, struct zoo_map x,
                             const int blocks[4], bool is_deep, bool is_cifar)
{
    const struct zoo_conv stem = {.out = zoo_width(z, 64),
                                  .kernel = is_cifar ? 3 : 7,
                                  .stride = is_cifar ? 1 : 2};
    int number = 0;

    x = conv_relu(z, x, zoo_name_of("stem"), stem);
    if (!is_cifar) {
        x = zoo_max_pool(z, x, "stem.pool", 3, 2, 1);
    }
    for (int stage = 0; stage < 4; stage++) {
        int64_t width = zoo_width(z, 64 << stage);

        for (int i = 0; i < blocks[stage]; i++) {
            int64_t stride = stage > 0 && i == 0 ? 2 : 1;

            number++;
            x = is_deep ? bottleneck(z, x, number, width, stride)
                        : basic(z, x, number, width, stride);
        }
    }
    x = zoo_flatten(z, zoo_global_pool(z, x, "pool"), "flatten");
    return zoo_classifier(z, x, "fc");
}

static const int blocks18[4] = {2, 2, 2, 2};
static const int blocks50[4] = {3, 4, 6, 3};

struct zoo_map zoo_resnet18(struct zoo *z, struct zoo_map x)
{
    return resnet(z, x, blocks18, false, false);
}

struct zoo_map zoo_resnet18_cifar(struct zoo *z, struct zoo_map x)
{
    return resnet(z, x, blocks18, false, true);
}

struct zoo_map zoo_resnet50(struct zoo *z, struct zoo_map x)
{
    return resnet(z, x, blocks50, true, false);
}

struct zoo_map zoo_resnet50_cifar(struct zoo *z, struct zoo_map x)
{
    return resnet(z, x, blocks50, true, true);
}

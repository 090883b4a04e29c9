/*
 * MobileNetV2 (Sandler et al. 2018), for ImageNet and for pictures of 32 x 32.
 * The latter is the net of the pipelines with compressed links: no stride in
 * the stem and in the second row, Relu in place of Relu6, an expansion in
 * every block, and a 1x1 convolution around a block of stride 1 that changes
 * the number of channels. block1 is its L0, block17 its L16, head.conv its
 * conv2.
 */
#include "onnx/zoo_make.h"

/* With random constants a branch ends small where no Relu6 holds what is
 * summed up in range. */
#define BRANCH_SCALE 0.25

static struct zoo_map conv_norm(struct zoo *z, struct zoo_map x,
                                struct zoo_name name, struct zoo_conv c,
                                double scale)
{
    c.no_bias = true;
    x = zoo_conv_even(z, x, zoo_name_of("%s.conv", name.text).text, c);
    return zoo_batch_norm(z, x, zoo_name_of("%s.norm", name.text).text, scale);
}

static struct zoo_map conv_relu(struct zoo *z, struct zoo_map x, bool is_cifar,
                                struct zoo_name name, struct zoo_conv c)
{
    struct zoo_name relu = zoo_name_of("%s.relu", name.text);

    x = conv_norm(z, x, name, c, 1);
    return is_cifar ? zoo_relu(z, x, relu.text) : zoo_relu6(z, x, relu.text);
}

/* An inverted residual: wider, depthwise, narrow again. */
static struct zoo_map block(struct zoo *z, struct zoo_map in, bool is_cifar,
                            int number, int64_t factor, int64_t out,
                            int64_t stride)
{
    int64_t wide = in.c * factor;
    const struct zoo_conv expand = {.out = wide, .kernel = 1, .stride = 1};
    const struct zoo_conv depthwise = {
        .out = wide, .kernel = 3, .stride = stride, .groups = wide};
    const struct zoo_conv project = {.out = out, .kernel = 1, .stride = 1};
    struct zoo_map x = in;
    struct zoo_map skip = in;

    if (factor > 1 || is_cifar) {
        x = conv_relu(z, x, is_cifar, zoo_name_of("block%d.expand", number),
                      expand);
    }
    x = conv_relu(z, x, is_cifar, zoo_name_of("block%d.depthwise", number),
                  depthwise);
    x = conv_norm(z, x, zoo_name_of("block%d.project", number), project,
                  is_cifar ? BRANCH_SCALE : 1);
    if (stride == 1 && in.c != out && is_cifar) {
        skip =
            conv_norm(z, in, zoo_name_of("block%d.skip", number), project, 1);
    }
    if (stride == 1 && (in.c == out || is_cifar)) {
        x = zoo_add(z, skip, x, zoo_name_of("block%d.add", number).text);
    }
    return x;
}

/* Channels are multiples of 8, the nearest but never less than nine tenths of
 * what is asked for, as in the authors' code. */
static int64_t by_eight(double channels)
{
    int64_t n = (int64_t)(channels + 4) / 8 * 8;

    n = n > 8 ? n : 8;
    return (double)n < 0.9 * channels ? n + 8 : n;
}

static struct zoo_map mobilenetv2(struct zoo *z, struct zoo_map x,
                                  bool is_cifar)
{
    static const struct {
        int64_t factor;
        int64_t channels;
        int repeats;
        int64_t stride;
    } rows[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
    const struct zoo_conv stem = {.out = by_eight(32 * z->width),
                                  .kernel = 3,
                                  .stride = is_cifar ? 1 : 2};
    /* Not narrower than published, whatever the width (section 4). */
    const struct zoo_conv head = {
        .out = by_eight(1280 * (z->width > 1 ? z->width : 1)),
        .kernel = 1,
        .stride = 1};
    int number = 0;

    x = conv_relu(z, x, is_cifar, zoo_name_of("stem"), stem);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int k = 0; k < rows[i].repeats; k++) {
            bool strides = k == 0 && !(is_cifar && i == 1);

            x = block(z, x, is_cifar, ++number, rows[i].factor,
                      by_eight((double)rows[i].channels * z->width),
                      strides ? rows[i].stride : 1);
        }
    }
    x = conv_relu(z, x, is_cifar, zoo_name_of("head"), head);
    x = zoo_flatten(z, zoo_global_pool(z, x, "pool"), "flatten");
    return zoo_classifier(z, x, "fc");
}

struct zoo_map zoo_mobilenetv2(struct zoo *z, struct zoo_map x)
{
    return mobilenetv2(z, x, false);
}

struct zoo_map zoo_mobilenetv2_cifar(struct zoo *z, struct zoo_map x)
{
    return mobilenetv2(z, x, true);
}

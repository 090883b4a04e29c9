/*
 * VGG-11 and VGG-16, configurations A and D (Simonyan and Zisserman 2014),
 * with and without batch normalisation. The form for CIFAR has one dense
 * layer behind the last map, which is 1 x 1 of a picture of 32 x 32; other
 * sizes are fine, too.
 */
#include "onnx/zoo_make.h"

struct form {
    int blocks[5]; /* convolutions of each */
    bool normed;
    bool is_small; /* one dense layer */
};

static struct zoo_map conv(struct zoo *z, struct zoo_map x, bool normed,
                           int block, int i, int64_t channels)
{
    const struct zoo_conv c = {.out = channels, .kernel = 3, .stride = 1};

    x = zoo_conv(z, x, zoo_name_of("conv%d_%d", block, i).text, c);
    if (normed) {
        x = zoo_batch_norm(z, x, zoo_name_of("norm%d_%d", block, i).text, 1);
    }
    return zoo_relu(z, x, zoo_name_of("relu%d_%d", block, i).text);
}

static struct zoo_map dense(struct zoo *z, struct zoo_map x, int number)
{
    x = zoo_dense(z, x, zoo_name_of("fc%d", number).text, zoo_width(z, 4096),
                  (struct zoo_start){ZOO_HE, 0, 0});
    x = zoo_relu(z, x, zoo_name_of("fc%d.relu", number).text);
    return zoo_dropout(z, x, zoo_name_of("fc%d.dropout", number).text);
}

static struct zoo_map vgg(struct zoo *z, struct zoo_map x, struct form form)
{
    static const int64_t channels[5] = {64, 128, 256, 512, 512};

    for (int block = 1; block <= 5; block++) {
        for (int i = 1; i <= form.blocks[block - 1]; i++) {
            x = conv(z, x, form.normed, block, i,
                     zoo_width(z, channels[block - 1]));
        }
        x = zoo_max_pool(z, x, zoo_name_of("pool%d", block).text, 2, 2, 0);
    }
    x = zoo_flatten(z, x, "flatten");
    if (form.is_small) {
        return zoo_classifier(z, x, "fc");
    }
    x = dense(z, dense(z, x, 1), 2);
    return zoo_classifier(z, x, "fc3");
}

#define A             \
    {                 \
        1, 1, 2, 2, 2 \
    }
#define D             \
    {                 \
        2, 2, 3, 3, 3 \
    }

struct zoo_map zoo_vgg11(struct zoo *z, struct zoo_map x)
{
    return vgg(z, x, (struct form){A, false, false});
}

struct zoo_map zoo_vgg11_cifar(struct zoo *z, struct zoo_map x)
{
    return vgg(z, x, (struct form){A, false, true});
}

struct zoo_map zoo_vgg11_bn(struct zoo *z, struct zoo_map x)
{
    return vgg(z, x, (struct form){A, true, false});
}

struct zoo_map zoo_vgg11_bn_cifar(struct zoo *z, struct zoo_map x)
{
    return vgg(z, x, (struct form){A, true, true});
}

struct zoo_map zoo_vgg16(struct zoo *z, struct zoo_map x)
{
    return vgg(z, x, (struct form){D, false, false});
}

struct zoo_map zoo_vgg16_cifar(struct zoo *z, struct zoo_map x)
{
    return vgg(z, x, (struct form){D, false, true});
}

struct zoo_map zoo_vgg16_bn(struct zoo *z, struct zoo_map x)
{
    return vgg(z, x, (struct form){D, true, false});
}

struct zoo_map zoo_vgg16_bn_cifar(struct zoo *z, struct zoo_map x)
{
    return vgg(z, x, (struct form){D, true, true});
}

/* AlexNet as one stream of half the width, as the pipeline of Raspberry Pis
 * had it ("Distributed Perception by Collaborative Robots", RA-L 2018), with
 * the dropout that Krizhevsky et al. 2012 trained it with. */
#include "onnx/zoo_make.h"

static struct zoo_map conv(struct zoo *z, struct zoo_map x, int number,
                           int64_t kernel, int64_t stride, int64_t channels)
{
    const struct zoo_conv c = {
        .out = zoo_width(z, channels), .kernel = kernel, .stride = stride};

    x = zoo_conv(z, x, zoo_name_of("conv%d", number).text, c);
    return zoo_relu(z, x, zoo_name_of("relu%d", number).text);
}

static struct zoo_map dense(struct zoo *z, struct zoo_map x, int number)
{
    x = zoo_dense(z, x, zoo_name_of("fc%d", number).text, zoo_width(z, 4096),
                  (struct zoo_start){ZOO_HE, 0, 0});
    x = zoo_relu(z, x, zoo_name_of("fc%d.relu", number).text);
    return zoo_dropout(z, x, zoo_name_of("fc%d.dropout", number).text);
}

struct zoo_map zoo_alexnet(struct zoo *z, struct zoo_map x)
{
    x = conv(z, x, 1, 11, 4, 48);
    x = conv(z, zoo_max_pool(z, x, "pool1", 2, 2, 0), 2, 5, 1, 128);
    x = conv(z, zoo_max_pool(z, x, "pool2", 2, 2, 0), 3, 3, 1, 192);
    x = conv(z, x, 4, 3, 1, 192);
    x = conv(z, x, 5, 3, 1, 128);
    x = zoo_max_pool(z, x, "pool5", 2, 2, 0);
    x = zoo_flatten(z, x, "flatten");
    x = dense(z, dense(z, x, 1), 2);
    return zoo_classifier(z, x, "fc3");
}

/*
 * DDNN: one part for each sensing device, an aggregator near them and one
 * further up, an exit at each (Teerapittayanon et al. 2017, "Distributed Deep
 * Neural Networks over the Cloud, the Edge and End Devices"; as a file:
 * docs/decisions/0032).
 *
 *   device k   view -> features, scores       (weights of its own)
 *   local      scores of all -> scores        MP, AP or CC
 *   edge       features of all -> features, scores   (if it is wanted)
 *   cloud      these, or features of all -> scores   MP, AP or CC
 *
 * Three forms: "binary" has the paper's blocks, weights and features of one
 * bit; "float" the same without Sign; "res" the residual layers of its
 * authors' later code.
 */
#include "onnx/zoo_make.h"

#define CLOUD_FILTERS 16
/* An absent value that Max shall not choose. Exact: a present one is
 * multiplied by 1, and 0 is added. */
#define BELOW 65504.0F

struct form {
    bool binary;
    bool res;
    float below; /* of features: none is smaller */
};

static const struct zoo_start he = {ZOO_HE, 0, 0};
static const struct zoo_start glorot = {ZOO_GLOROT, 0, 0};

/* ---- layers ---------------------------------------------------------------
 */

/* [Binary convolution, pooling, batch normalisation, sign], in this order: the
 * paper's block. */
static struct zoo_map block(struct zoo *z, struct zoo_map x, const char *name,
                            struct form form, int64_t filters, int64_t stride)
{
    struct zoo_conv c = {.out = filters,
                         .kernel = 3,
                         .stride = 1,
                         .no_bias = true,
                         .is_binary = form.binary,
                         .start = form.binary ? glorot : he};

    x = zoo_conv_even(z, x, zoo_name_of("%s.conv", name).text, c);
    x = zoo_max_pool(z, x, zoo_name_of("%s.pool", name).text, 3, stride, 1);
    x = zoo_batch_norm(z, x, zoo_name_of("%s.bn", name).text, 1);
    return form.binary ? zoo_sign(z, x, zoo_name_of("%s.sign", name).text)
                       : zoo_relu(z, x, zoo_name_of("%s.relu", name).text);
}

/* Scores, called `output`. Those of a binary layer are whole numbers far
 * apart, which batch normalisation brings to where Softmax has a slope. */
static struct zoo_map head(struct zoo *z, struct zoo_map x, const char *name,
                           const char *output, struct form form)
{
    x = zoo_flatten(z, x, zoo_name_of("%s.flatten", name).text);
    if (!form.binary) {
        return zoo_classifier(z, x, output);
    }
    x = zoo_dense_binary(z, x, zoo_name_of("%s.fc", name).text, z->classes,
                         glorot);
    return zoo_batch_norm(z, x, output, 1);
}

static struct zoo_map res_conv(struct zoo *z, struct zoo_map x,
                               const char *name, int number, int64_t out)
{
    struct zoo_conv c = {.out = out, .kernel = 3, .stride = 1, .no_bias = true};

    x = zoo_conv_even(z, x, zoo_name_of("%s.conv%d", name, number).text, c);
    return zoo_batch_norm(z, x, zoo_name_of("%s.bn%d", name, number).text, 1);
}

/* Two convolutions, and around them what came in, where it fits. */
static struct zoo_map res(struct zoo *z, struct zoo_map x, const char *name,
                          int64_t channels)
{
    int64_t out = zoo_width(z, channels);
    struct zoo_map y = res_conv(z, x, name, 1, out);

    y = zoo_relu(z, y, zoo_name_of("%s.relu1", name).text);
    y = res_conv(z, y, name, 2, out);
    if (x.c == out) {
        y = zoo_add(z, y, x, zoo_name_of("%s.add", name).text);
    }
    return zoo_relu(z, y, zoo_name_of("%s.relu2", name).text);
}

/* ---- aggregators ----------------------------------------------------------
 */

static struct zoo_map aggregate(struct zoo *z, const struct zoo_map *x,
                                enum zoo_aggregator how, const char *name,
                                float below)
{
    struct zoo_map there[ZOO_VIEWS_MAX];

    for (int k = 0; k < z->n_views; k++) {
        there[k] = zoo_where_present(z, x[k], k, name,
                                     how == ZOO_AGGREGATE_MAX ? below : 0);
    }
    switch (how) {
    case ZOO_AGGREGATE_MAX: return zoo_max_of(z, there, name);
    case ZOO_AGGREGATE_MEAN: return zoo_mean_of(z, there, name);
    case ZOO_AGGREGATE_CONCAT: break;
    }
    return zoo_concat_of(z, there, name);
}

/* ---- tiers ----------------------------------------------------------------
 */

static struct zoo_map device(struct zoo *z, struct zoo_map x, int k,
                             struct form form)
{
    static const int channels[] = {8, 8, 16, 16, 16};
    struct zoo_name name = zoo_name_of("device%d", k);

    if (!form.res) {
        return block(z, x, name.text, form, z->filters, 2);
    }
    for (int i = 0; i < 5; i++) {
        x = res(z, x, zoo_name_of("%s.res%d", name.text, i + 1).text,
                channels[i]);
    }
    return x;
}

/* Scores of each device, and of all of them. */
static struct zoo_map local(struct zoo *z, const struct zoo_map *features,
                            struct form form, struct zoo_map *scores)
{
    bool is_concat = z->aggregators[0] == ZOO_AGGREGATE_CONCAT;
    struct zoo_map x;

    for (int k = 0; k < z->n_views; k++) {
        struct zoo_name name = zoo_name_of("device%d", k);

        x = features[k];
        if (form.res) {
            x = zoo_global_pool(z, x, zoo_name_of("%s.mean", name.text).text);
        }
        scores[k] =
            head(z, x, name.text, zoo_name_of("device_%d", k).text, form);
    }
    x = aggregate(z, scores, z->aggregators[0],
                  is_concat ? "local.concat" : "local_logits", BELOW);
    /* What it reads are no bits, so its weights need not be: there are views x
     * classes x classes of them. */
    return is_concat ? zoo_dense(z, x, "local_logits", z->classes, glorot) : x;
}

/* Features of all, and scores of them. */
static struct zoo_map edge(struct zoo *z, struct zoo_map x, struct form form,
                           struct zoo_map *scores)
{
    struct zoo_map pooled;

    if (!form.res) {
        x = block(z, x, "edge.block1", form, zoo_width(z, CLOUD_FILTERS), 1);
        *scores = head(z, x, "edge", "edge_logits", form);
        return x;
    }
    x = res(z, x, "edge.res1", 64);
    x = res(z, x, "edge.res2", 64);
    pooled = zoo_global_pool(z, x, "edge.mean");
    *scores = head(z, pooled, "edge", "edge_logits", form);
    return x;
}

static struct zoo_map cloud(struct zoo *z, struct zoo_map x, struct form form)
{
    if (form.res) {
        x = res(z, x, "cloud.res1", 64);
        x = res(z, x, "cloud.res2", 64);
        x = res(z, x, "cloud.res3", 128);
        x = zoo_average_pool_ceil(z, x, "cloud.pool", 2, 2);
        x = res(z, x, "cloud.res4", 128);
        x = res(z, x, "cloud.res5", 128);
        x = zoo_global_pool(z, x, "cloud.mean");
    } else {
        int64_t filters = zoo_width(z, CLOUD_FILTERS);

        x = block(z, x, "cloud.block1", form, filters, 1);
        x = block(z, x, "cloud.block2", form, filters, 1);
    }
    return head(z, x, "cloud", "cloud_logits", form);
}

static void ddnn(struct zoo *z, struct form form)
{
    struct zoo_map features[ZOO_VIEWS_MAX];
    struct zoo_map scores[ZOO_VIEWS_MAX];
    struct zoo_map near;
    struct zoo_map between;
    struct zoo_map x;

    for (int k = 0; k < z->n_views; k++) {
        features[k] = device(z, z->views[k], k, form);
    }
    near = local(z, features, form, scores);
    x = aggregate(z, features, z->aggregators[1],
                  z->has_edge ? "edge.all" : "cloud.all", form.below);
    if (z->has_edge) {
        x = edge(z, x, form, &between);
    }
    zoo_output(z, cloud(z, x, form));
    zoo_output(z, near);
    if (z->has_edge) {
        zoo_output(z, between);
    }
    for (int k = 0; k < z->n_views; k++) {
        zoo_output(z, scores[k]);
    }
}

void zoo_ddnn_binary(struct zoo *z)
{
    ddnn(z, (struct form){.binary = true, .below = 1});
}

void zoo_ddnn_float(struct zoo *z)
{
    ddnn(z, (struct form){0});
}

void zoo_ddnn_res(struct zoo *z)
{
    ddnn(z, (struct form){.res = true});
}

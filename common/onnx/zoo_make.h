/*
 * What the architectures of the zoo are written in: each call adds a layer
 * and gives what comes out of it. The first failure is kept and later calls
 * do nothing, so that an architecture reads as a list of its layers.
 */
#ifndef EDGE_ONNX_ZOO_MAKE_H
#define EDGE_ONNX_ZOO_MAKE_H

#include "onnx/zoo.h"

struct zoo_map { /* what flows: N x c x h x w, or N x c with h = w = 1 */
    int value;
    int64_t c;
    int64_t h;
    int64_t w;
};

struct zoo {
    struct graph *graph;
    uint64_t seed;
    enum zoo_init init;
    double width;
    int64_t classes;
    const int *hidden;
    size_t n_hidden;
    /* Of those with views: */
    int n_views;
    int64_t filters;
    enum zoo_aggregator aggregators[2];
    bool has_edge;
    struct zoo_map views[ZOO_VIEWS_MAX];
    int present;           /* value (N, views) */
    uint64_t weight_bytes; /* so far */
    int rc;                /* of the first failure */
    struct err *err;       /* its sentence */
};

/* ---- zoo_fill.c: constants ---------------------------------------------- */

/* How weights to train from are drawn; see zoo_fill.c. */
enum zoo_law { ZOO_HE, ZOO_GLOROT, ZOO_XAVIER, ZOO_NORMAL };
struct zoo_start { /* zeroed: He's */
    enum zoo_law law;
    double deviation; /* of ZOO_NORMAL */
    double bias;      /* biases are uniform within +- it */
};

struct zoo_fans { /* numbers that one is made of, and that one goes into */
    double in;
    double out;
};

/* Constants called LAYER.weight, LAYER.bias, ..., or -1. */
int zoo_weight(struct zoo *z, const char *layer, struct shape shape,
               struct zoo_fans fans, struct zoo_start start);
int zoo_bias(struct zoo *z, const char *layer, int64_t n, struct zoo_fans fans,
             struct zoo_start start);
/* `value` for training; otherwise about `centre`, by at most `spread`. */
int zoo_norm_part(struct zoo *z, const char *layer, const char *what, int64_t n,
                  double value, double centre, double spread);
int zoo_number(struct zoo *z, const char *name, float number);

/* ---- zoo_make.c: layers ------------------------------------------------- */

struct zoo_conv {
    int64_t out;    /* channels */
    int64_t kernel; /* square */
    int64_t stride;
    int64_t groups; /* 0: one */
    bool no_bias;   /* a batch normalisation follows */
    bool is_binary; /* of its weights, the signs count */
    struct zoo_start start;
};

/* Padded such that the output has size / stride, rounded up; of an odd total
 * the larger half is behind, or with `zoo_conv_even` before and behind alike,
 * kernel / 2 each, and not at all with `zoo_conv_bare`. */
struct zoo_map zoo_conv(struct zoo *z, struct zoo_map x, const char *name,
                        struct zoo_conv c);
struct zoo_map zoo_conv_even(struct zoo *z, struct zoo_map x, const char *name,
                             struct zoo_conv c);
struct zoo_map zoo_conv_bare(struct zoo *z, struct zoo_map x, const char *name,
                             struct zoo_conv c);
/* With random constants it scales by about `scale`; to train from by 1. */
struct zoo_map zoo_batch_norm(struct zoo *z, struct zoo_map x, const char *name,
                              double scale);
struct zoo_map zoo_relu(struct zoo *z, struct zoo_map x, const char *name);
struct zoo_map zoo_relu6(struct zoo *z, struct zoo_map x, const char *name);
struct zoo_map zoo_tanh(struct zoo *z, struct zoo_map x, const char *name);
struct zoo_map zoo_max_pool(struct zoo *z, struct zoo_map x, const char *name,
                            int64_t kernel, int64_t stride, int64_t pad);
/* As Caffe's: padded behind so that no row is left out; the padding does not
 * count for an average. */
struct zoo_map zoo_max_pool_ceil(struct zoo *z, struct zoo_map x,
                                 const char *name, int64_t kernel,
                                 int64_t stride);
struct zoo_map zoo_average_pool_ceil(struct zoo *z, struct zoo_map x,
                                     const char *name, int64_t kernel,
                                     int64_t stride);
struct zoo_map zoo_global_pool(struct zoo *z, struct zoo_map x,
                               const char *name);
struct zoo_map zoo_flatten(struct zoo *z, struct zoo_map x, const char *name);
/* Half of the values. */
struct zoo_map zoo_dropout(struct zoo *z, struct zoo_map x, const char *name);
struct zoo_map zoo_dense(struct zoo *z, struct zoo_map x, const char *name,
                         int64_t out, struct zoo_start start);
/* The last layer: a score for each class. */
struct zoo_map zoo_classifier(struct zoo *z, struct zoo_map x,
                              const char *name);
struct zoo_map zoo_add(struct zoo *z, struct zoo_map a, struct zoo_map b,
                       const char *name);

/* ---- zoo_views.c: one part for each of several inputs -------------------- */

struct zoo_map zoo_sign(struct zoo *z, struct zoo_map x, const char *name);
/* Without a bias; of its weights, the signs count. */
struct zoo_map zoo_dense_binary(struct zoo *z, struct zoo_map x,
                                const char *name, int64_t out,
                                struct zoo_start start);
/* The inputs input_0, ..., as large as `view`, and `present`. */
void zoo_add_views(struct zoo *z, struct zoo_map view);
/* What comes of a view; where it is absent 0 or, if that is above 0, less
 * `below`. NAME.thereK. */
struct zoo_map zoo_where_present(struct zoo *z, struct zoo_map x, int view,
                                 const char *name, float below);
/* Of all views, with the same shape. The mean is of those that are there. */
struct zoo_map zoo_max_of(struct zoo *z, const struct zoo_map *x,
                          const char *name);
struct zoo_map zoo_mean_of(struct zoo *z, const struct zoo_map *x,
                           const char *name);
struct zoo_map zoo_concat_of(struct zoo *z, const struct zoo_map *x,
                             const char *name);
/* One more output of the model. */
void zoo_output(struct zoo *z, struct zoo_map x);

/* ---- what they are made of ----------------------------------------------- */

/* An op called `name` whose output has that name too and becomes x's value;
 * NULL: it failed. */
struct op *zoo_op(struct zoo *z, enum op_kind kind, const char *name,
                  const int *in, int n_in, struct zoo_map *x);
/* The signs of a weight, which is LAYER.weight. */
int zoo_signs(struct zoo *z, const char *layer, int weight);

/* So many channels at this width: rounded, at least one. */
int64_t zoo_width(const struct zoo *z, int64_t channels);

/* NAME made like printf's, for the length of one call. */
struct zoo_name {
    char text[LIMIT_NAME];
};
struct zoo_name zoo_name_of(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* ---- the architectures: from the input to the output; those with views have
 * theirs in `z` -------------------------------------------------------------
 */

struct zoo_map zoo_alexnet(struct zoo *z, struct zoo_map x);
struct zoo_map zoo_cifar10_quick(struct zoo *z, struct zoo_map x);
void zoo_ddnn_binary(struct zoo *z);
void zoo_ddnn_float(struct zoo *z);
void zoo_ddnn_res(struct zoo *z);
struct zoo_map zoo_lenet(struct zoo *z, struct zoo_map x);
struct zoo_map zoo_mlp(struct zoo *z, struct zoo_map x);
struct zoo_map zoo_mobilenetv2(struct zoo *z, struct zoo_map x);
struct zoo_map zoo_mobilenetv2_cifar(struct zoo *z, struct zoo_map x);
struct zoo_map zoo_parity(struct zoo *z, struct zoo_map x);
struct zoo_map zoo_resnet18(struct zoo *z, struct zoo_map x);
struct zoo_map zoo_resnet18_cifar(struct zoo *z, struct zoo_map x);
struct zoo_map zoo_resnet50(struct zoo *z, struct zoo_map x);
struct zoo_map zoo_resnet50_cifar(struct zoo *z, struct zoo_map x);
struct zoo_map zoo_vgg11(struct zoo *z, struct zoo_map x);
struct zoo_map zoo_vgg11_cifar(struct zoo *z, struct zoo_map x);
struct zoo_map zoo_vgg11_bn(struct zoo *z, struct zoo_map x);
struct zoo_map zoo_vgg11_bn_cifar(struct zoo *z, struct zoo_map x);
struct zoo_map zoo_vgg16(struct zoo *z, struct zoo_map x);
struct zoo_map zoo_vgg16_cifar(struct zoo *z, struct zoo_map x);
struct zoo_map zoo_vgg16_bn(struct zoo *z, struct zoo_map x);
struct zoo_map zoo_vgg16_bn_cifar(struct zoo *z, struct zoo_map x);

#endif

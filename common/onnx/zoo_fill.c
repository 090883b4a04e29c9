/*
 * The constants of the zoo. Weights to train from:
 *
 *   ZOO_HE      normal, variance 2 / fan-out of a convolution, 2 / fan-in of
 *               a dense layer (He et al. 2015, "Delving Deep into Rectifiers",
 *               eq. 14 and 10; either keeps the size of what flows). With
 *               groups, the fan is that of one group.
 *   ZOO_GLOROT  normal, variance 2 / (fan-in + fan-out) (Glorot and Bengio
 *               2010, "Understanding the difficulty of training deep
 *               feedforward neural networks", eq. 12), before tanh
 *   ZOO_XAVIER  uniform, variance 1 / fan-in: Caffe's filler of that name
 *   ZOO_NORMAL  normal, of a given deviation: Caffe's "gaussian", and 0.01 of
 *               a last layer (Goyal et al. 2017, "Accurate, Large Minibatch
 *               SGD", section 5.1)
 *
 * Arithmetic is of +, *, / and square roots alone, in double, which IEEE 754
 * rounds alike everywhere; this file is built without contraction.
 */
#include "onnx/zoo_make.h"

#include "base/mem.h"
#include "base/rng.h"

#include <math.h>

struct draw {
    bool is_normal;
    double centre;
    double spread; /* deviation, or half the width */
};

/* FNV-1a (Fowler, Noll, Vo): each tensor has a sequence of its own, so that a
 * layer more does not change the others. */
static uint64_t hash_name(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (; *name != '\0'; name++) {
        hash = (hash ^ (uint8_t)*name) * 0x100000001b3u;
    }
    return hash;
}

/* ---- distributions ------------------------------------------------------ */

static double draw_unit(struct rng *rng)
{
    return 2.0 * rng_unit(rng) - 1.0;
}

/* The natural logarithm of 0 < x < 1; a library's may differ in its last bit
 * from that of another machine. x = m * 2^e with m from sqrt(1/2) to sqrt(2),
 * ln m = 2 atanh(t), t = (m - 1) / (m + 1); what is left out of the series is
 * below 2^-60. */
static double logarithm(double x)
{
    static const double series[] = {1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15,
                                    1.0 / 13, 1.0 / 11, 1.0 / 9,  1.0 / 7,
                                    1.0 / 5,  1.0 / 3,  1.0};
    int e;
    double m = frexp(x, &e);
    double t;
    double square;
    double sum = 0;

    if (m < 0.70710678118654752) {
        m *= 2;
        e--;
    }
    t = (m - 1) / (m + 1);
    square = t * t;
    for (size_t k = 0; k < sizeof(series) / sizeof(series[0]); k++) {
        sum = sum * square + series[k];
    }
    return 2 * t * sum + e * 0.69314718055994531;
}

/* Two numbers of mean 0 and deviation 1 (Marsaglia and Bray 1964, "A
 * convenient method for generating normal variables"). */
static void draw_normals(struct rng *rng, double pair[2])
{
    double square;
    double factor;

    do {
        pair[0] = draw_unit(rng);
        pair[1] = draw_unit(rng);
        square = pair[0] * pair[0] + pair[1] * pair[1];
    } while (square >= 1 || square <= 0);
    factor = sqrt(-2 * logarithm(square) / square);
    pair[0] *= factor;
    pair[1] *= factor;
}

static void fill(struct tensor *t, uint64_t seed, struct draw draw)
{
    float *data = t->data;
    int64_t n = tensor_count(t);
    struct rng rng;
    double pair[2];

    rng_init(&rng, seed);
    for (int64_t i = 0; i < n && !draw.is_normal; i++) {
        data[i] = (float)(draw.centre + draw.spread * draw_unit(&rng));
    }
    for (int64_t i = 0; i < n && draw.is_normal; i += 2) {
        draw_normals(&rng, pair);
        data[i] = (float)(draw.spread * pair[0]);
        if (i + 1 < n) {
            data[i + 1] = (float)(draw.spread * pair[1]);
        }
    }
}

/* ---- constants ---------------------------------------------------------- */

static bool fits(struct zoo *z, const struct shape *shape)
{
    size_t bytes;

    if (z->rc == 0 && (!shape_bytes(shape, DTYPE_F32, &bytes) ||
                       bytes + z->weight_bytes > LIMIT_MODEL_FILE)) {
        z->rc = err_set(z->err, EDGE_ETOOBIG,
                        "with this input it has more weights than the 2 GiB "
                        "of one ONNX file; take a smaller one");
    } else if (z->rc == 0) {
        z->weight_bytes += bytes;
    }
    return z->rc == 0;
}

/* A constant called LAYER.WHAT, or -1. */
static int add(struct zoo *z, const char *layer, const char *what,
               struct shape shape, struct draw draw)
{
    struct zoo_name name = zoo_name_of("%s.%s", layer, what);
    struct tensor t = {.blob = NULL};
    int value;

    if (!fits(z, &shape)) {
        return -1;
    }
    z->rc = tensor_init(&t, DTYPE_F32, &shape);
    if (z->rc < 0) {
        return -1;
    }
    fill(&t, z->seed ^ hash_name(name.text), draw);
    value = graph_add_const(z->graph, name.text, &t);
    tensor_deinit(&t); /* the graph has it now, if all went well */
    z->rc = value < 0 ? value : 0;
    return value;
}

static struct draw draw_of(struct zoo_fans fans, struct zoo_start start)
{
    switch (start.law) {
    case ZOO_GLOROT:
        return (struct draw){true, 0, sqrt(2 / (fans.in + fans.out))};
    case ZOO_XAVIER: return (struct draw){false, 0, sqrt(3 / fans.in)};
    case ZOO_NORMAL: return (struct draw){true, 0, start.deviation};
    case ZOO_HE: break;
    }
    return (struct draw){true, 0, sqrt(2 / fans.out)};
}

int zoo_weight(struct zoo *z, const char *layer, struct shape shape,
               struct zoo_fans fans, struct zoo_start start)
{
    struct draw draw = z->init == ZOO_INIT_RANDOM
                           ? (struct draw){false, 0, sqrt(6.0 / fans.in)}
                           : draw_of(fans, start);

    return add(z, layer, "weight", shape, draw);
}

int zoo_bias(struct zoo *z, const char *layer, int64_t n, struct zoo_fans fans,
             struct zoo_start start)
{
    double spread =
        z->init == ZOO_INIT_RANDOM ? 1.0 / sqrt(fans.in) : start.bias;

    return add(z, layer, "bias", shape_of(1, &n),
               (struct draw){false, 0, spread});
}

int zoo_norm_part(struct zoo *z, const char *layer, const char *what, int64_t n,
                  double value, double centre, double spread)
{
    struct draw draw = z->init == ZOO_INIT_RANDOM
                           ? (struct draw){false, centre, spread}
                           : (struct draw){false, value, 0};

    return add(z, layer, what, shape_of(1, &n), draw);
}

int zoo_number(struct zoo *z, const char *name, float number)
{
    struct shape shape = shape_of(0, NULL);
    struct tensor t = {.blob = NULL};
    int value;

    if (z->rc < 0) {
        return -1;
    }
    z->rc = tensor_copy(&t, DTYPE_F32, &shape, &number);
    if (z->rc < 0) {
        return -1;
    }
    value = graph_add_const(z->graph, name, &t);
    tensor_deinit(&t);
    z->rc = value < 0 ? value : 0;
    return value;
}

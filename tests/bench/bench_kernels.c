/*
 * Rates of the convolution kernels, one thread, on the layers of well-known
 * networks, next to OpenBLAS's sgemm for the same product, where its library
 * is installed. For k x k layers OpenBLAS is given the im2col matrix ready
 * made, and no bias or activation; the kernels do all of that.
 *
 *   bench_kernels [NET]     all layers, or those of one network
 *
 * Both are run in turn and the least of each is taken, in CPU time of the
 * thread, so a busy machine disturbs little.
 */
#include "base/mem.h"
#include "base/rng.h"
#include "kernels/conv.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BUDGET_S 0.25 /* spent on a layer by each of the two */
#define RUNS_MIN 5

struct layer {
    const char *net;
    size_t cin;
    size_t cout;
    size_t groups;
    size_t kernel;
    size_t stride;
    size_t out; /* side of its output */
};

static const struct layer layers[] = {
    {"mobilenetv2", 3, 32, 1, 3, 2, 112},
    {"mobilenetv2", 32, 32, 32, 3, 1, 112},
    {"mobilenetv2", 32, 16, 1, 1, 1, 112},
    {"mobilenetv2", 16, 96, 1, 1, 1, 112},
    {"mobilenetv2", 96, 96, 96, 3, 2, 56},
    {"mobilenetv2", 96, 24, 1, 1, 1, 56},
    {"mobilenetv2", 24, 144, 1, 1, 1, 56},
    {"mobilenetv2", 144, 144, 144, 3, 1, 56},
    {"mobilenetv2", 144, 24, 1, 1, 1, 56},
    {"mobilenetv2", 144, 144, 144, 3, 2, 28},
    {"mobilenetv2", 144, 32, 1, 1, 1, 28},
    {"mobilenetv2", 32, 192, 1, 1, 1, 28},
    {"mobilenetv2", 192, 192, 192, 3, 1, 28},
    {"mobilenetv2", 192, 32, 1, 1, 1, 28},
    {"mobilenetv2", 64, 384, 1, 1, 1, 14},
    {"mobilenetv2", 384, 384, 384, 3, 1, 14},
    {"mobilenetv2", 384, 64, 1, 1, 1, 14},
    {"mobilenetv2", 96, 576, 1, 1, 1, 14},
    {"mobilenetv2", 576, 96, 1, 1, 1, 14},
    {"mobilenetv2", 160, 960, 1, 1, 1, 7},
    {"mobilenetv2", 960, 960, 960, 3, 1, 7},
    {"mobilenetv2", 960, 160, 1, 1, 1, 7},
    {"mobilenetv2", 320, 1280, 1, 1, 1, 7},
    {"mobilenetv2", 1280, 1000, 1, 1, 1, 1},
    {"squeezenet", 3, 64, 1, 3, 2, 111},
    {"squeezenet", 64, 16, 1, 1, 1, 55},
    {"squeezenet", 16, 64, 1, 3, 1, 55},
    {"squeezenet", 32, 128, 1, 3, 1, 27},
    {"squeezenet", 64, 256, 1, 3, 1, 13},
    {"squeezenet", 512, 1000, 1, 1, 1, 13},
    {"alexnet", 3, 64, 1, 11, 4, 55},
    {"alexnet", 64, 192, 1, 5, 1, 27},
    {"alexnet", 9216, 4096, 1, 1, 1, 1},
    {"resnet", 3, 64, 1, 7, 2, 112},
    {"resnet", 64, 64, 1, 3, 1, 56},
    {"resnet", 128, 128, 1, 3, 1, 28},
    {"resnet", 256, 256, 1, 3, 1, 14},
    {"resnet", 512, 512, 1, 3, 1, 7},
    {"resnet", 128, 256, 1, 3, 2, 14},
    {"resnet", 64, 256, 1, 1, 1, 56},
    {"resnet", 256, 64, 1, 1, 1, 56},
    {"resnet", 512, 128, 1, 1, 1, 28},
    {"resnet", 256, 1024, 1, 1, 1, 14},
    {"resnet", 2048, 512, 1, 1, 1, 7},
    {"resnet", 256, 512, 1, 1, 2, 28},
};

/* As in cblas.h: row-major is 101, no transposition 111. */
#define ROW_MAJOR 101
#define NO_TRANS 111
typedef void (*sgemm)(int order, int trans_a, int trans_b, int m, int n, int k,
                      float alpha, const float *a, int lda, const float *b,
                      int ldb, float beta, float *c, int ldc);

struct bench {
    struct conv conv;
    sgemm blas; /* NULL: not there, or no product */
    size_t cols;
    size_t depth;
    float *x;
    float *w;
    float *packed;
    float *columns;
    float *bias;
    float *y;
    void *scratch;
};

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static float *floats(size_t n)
{
    float *p = mem_aligned(n * sizeof(float));
    struct rng rng;

    if (p == NULL) {
        (void)fprintf(stderr, "bench_kernels: out of memory\n");
        exit(1);
    }
    rng_init(&rng, n);
    for (size_t i = 0; i < n; i++) {
        p[i] = (float)rng_unit(&rng) - 0.5F;
    }
    return p;
}

static struct conv_shape layer_shape(const struct layer *l)
{
    struct conv_shape s = {
        .batch = 1, .groups = l->groups, .cin = l->cin, .cout = l->cout};

    for (int a = 0; a < GRID_AXES; a++) {
        bool flat = a == 0;

        s.grid.kernel[a] = flat ? 1 : l->kernel;
        s.grid.stride[a] = flat ? 1 : l->stride;
        s.grid.dilation[a] = 1;
        s.grid.pad[a] = flat ? 0 : l->kernel / 2;
        s.grid.out[a] = flat ? 1 : l->out;
        s.grid.in[a] = flat ? 1 : l->out * l->stride;
    }
    return s;
}

static void bench_init(struct bench *b, const struct layer *l, sgemm blas)
{
    struct conv_shape shape = layer_shape(l);

    conv_init(&b->conv, isa_best(), &shape);
    b->blas = l->groups == 1 ? blas : NULL;
    b->cols = grid_out(&shape.grid);
    b->depth = l->cin / l->groups * l->kernel * l->kernel;
    b->x = floats(l->cin * grid_in(&shape.grid));
    b->w = floats(l->cout * b->depth);
    b->packed = floats(b->conv.packed_floats);
    b->columns = floats(b->blas != NULL ? b->depth * b->cols : 1);
    b->bias = floats(l->cout);
    b->y = floats(l->cout * b->cols);
    b->scratch = floats(b->conv.scratch_bytes / sizeof(float) + 1);
    if (b->conv.packed_floats > 0) {
        conv_pack(&b->conv, b->w, b->packed);
    }
}

static void bench_deinit(struct bench *b)
{
    mem_free(b->x);
    mem_free(b->w);
    mem_free(b->packed);
    mem_free(b->columns);
    mem_free(b->bias);
    mem_free(b->y);
    mem_free(b->scratch);
}

static double time_ours(struct bench *b)
{
    struct post post = POST_NONE;
    double start;

    post.bias = b->bias;
    post.low = 0;
    post.high = 6;
    start = now();
    conv_run(&b->conv, b->x, b->conv.packed_floats > 0 ? b->packed : b->w,
             &post, b->y, b->scratch);
    return now() - start;
}

static double time_blas(struct bench *b)
{
    double start = now();
    int rows = (int)b->conv.shape.cout;
    int cols = (int)b->cols;
    int depth = (int)b->depth;

    b->blas(ROW_MAJOR, NO_TRANS, NO_TRANS, rows, cols, depth, 1, b->w, depth,
            b->columns, cols, 0, b->y, cols);
    return now() - start;
}

static void measure(const struct layer *l, sgemm blas)
{
    struct bench b = {0};
    double ours = 1e9;
    double theirs = 1e9;
    double spent = 0;
    double flops;

    bench_init(&b, l, blas);
    for (int i = 0; i < RUNS_MIN || spent < 2 * BUDGET_S; i++) {
        double t = time_ours(&b);

        ours = t < ours ? t : ours;
        spent += t;
        if (b.blas != NULL) {
            t = time_blas(&b);
            theirs = t < theirs ? t : theirs;
            spent += t;
        }
    }
    flops = 2e-9 * (double)(l->cout * b.depth * b.cols);
    (void)printf("%-12s %5zu -> %4zu %zux%zu /%zu @%-4zu %-14s %8.3f ms "
                 "%7.1f GFLOP/s",
                 l->net, l->cin, l->cout, l->kernel, l->kernel, l->stride,
                 l->out, conv_method_name(b.conv.method), ours * 1e3,
                 flops / ours);
    if (b.blas != NULL) {
        (void)printf("   OpenBLAS %7.1f  ratio %.2f", flops / theirs,
                     ours / theirs);
    }
    (void)printf("\n");
    (void)fflush(stdout);
    bench_deinit(&b);
}

/* The library is asked for one thread before it starts any. */
static sgemm find_blas(void)
{
    void *lib;
    void *found;
    sgemm f = NULL;

    (void)setenv("OPENBLAS_NUM_THREADS", "1", 1);
    lib = dlopen("libopenblas.so.0", RTLD_NOW);
    found = lib != NULL ? dlsym(lib, "cblas_sgemm") : NULL;
    memcpy(&f, &found, sizeof(f));
    return f;
}

int main(int argc, char **argv)
{
    sgemm blas = find_blas();

    (void)printf("kernels: %s; OpenBLAS: %s\n", isa_best()->name,
                 blas != NULL ? "one thread" : "not installed, skipped");
    for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
        if (argc < 2 || strcmp(argv[1], layers[i].net) == 0) {
            measure(&layers[i], blas);
        }
    }
    return 0;
}

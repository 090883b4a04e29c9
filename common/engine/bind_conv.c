/* Conv and ConvTranspose. */
#include "engine/bind_rows.h"

#include "base/mem.h"
#include "engine/bind_heavy.h"
#include "engine/bind_util.h"
#include "engine/bind_xnor.h"
#include "kernels/conv.h"
#include "kernels/conv_transpose.h"

#include <assert.h>

/* Inputs; the residual of an epilogue comes behind those of the op. */
enum { IN_X, IN_W, IN_BIAS };

#define PART_IMAGES 8 /* that a thread takes at least: see lanes.h */
#define COLUMNS_BYTES_MAX (SIZE_MAX / 8) /* of one channel */

/* Of either kind. Packed weights, if constant, lie behind this struct. */
struct conv_state {
    struct conv conv;
    struct conv_transpose back;
    bool is_back;
    bool has_bias;
    bool packed;
    size_t packed_bytes;
    size_t fresh_at; /* in the scratch: weights packed at each run */
    size_t batch;
    size_t in_floats; /* of an image */
    size_t out_floats;
    struct bits_state bits;
};

static void free_conv(void *state)
{
    struct conv_state *s = state;

    bits_deinit(&s->bits);
    mem_free(s);
}

static size_t dim(const struct tensor *t, int axis)
{
    return (size_t)t->shape.dims[axis];
}

static int conv_shape_of(const struct step *step, struct conv_shape *shape,
                         struct err *err)
{
    shape->batch = dim(&step->in[IN_X], 0);
    shape->cin = dim(&step->in[IN_X], 1);
    shape->cout = dim(&step->out[0], 1);
    shape->groups = (size_t)op_int(step->op, "group", 1);
    return bind_grid(step, &shape->grid, NULL, err);
}

static size_t round_up(size_t n)
{
    return (n + MEM_ALIGN - 1) / MEM_ALIGN * MEM_ALIGN;
}

static void pack(const struct conv_state *s, const float *w, float *packed)
{
    if (s->is_back) {
        conv_transpose_pack(&s->back, w, packed);
    } else {
        conv_pack(&s->conv, w, packed);
    }
}

static void *fresh(const struct step *step)
{
    const struct conv_state *s = step->state;

    return (char *)step->scratch + s->fresh_at;
}

/* Packs weights that are not constant. */
static void begin_conv(const struct step *step)
{
    const struct conv_state *s = step->state;

    if (!s->packed && s->packed_bytes > 0) {
        pack(s, step->in[IN_W].data, fresh(step));
    }
}

static const void *weights_of(const struct step *step)
{
    const struct conv_state *s = step->state;

    if (s->packed) {
        return bind_packed(step, sizeof(*s));
    }
    return s->packed_bytes > 0 ? fresh(step) : step->in[IN_W].data;
}

/* Images of -1, 0 and 1 alone, or false. */
static bool run_bits(const struct conv_state *s, size_t n, const float *x,
                     const struct post *post, float *y, void *scratch)
{
    const struct isa *isa = s->conv.isa;
    size_t area = grid_out(&s->bits.conv.grid);

    for (size_t i = 0; s->bits.has && i < n; i++) {
        float *to = y + i * s->out_floats;

        if (!xnor_conv_run(isa, &s->bits.conv, x + i * s->in_floats,
                           s->bits.weights, to, scratch)) {
            return false;
        }
        for (size_t f = 0; f < s->bits.conv.cout; f++) {
            struct post one = *post;

            one.bias = post->bias != NULL ? post->bias + f : NULL;
            one.residual = post->residual != NULL
                               ? post->residual + i * s->out_floats + f * area
                               : NULL;
            isa->post_finish(to + f * area, area, &one);
        }
    }
    return s->bits.has;
}

/* Groups [from, to) of PART_IMAGES images. */
static void run_images(const struct step *step, size_t from, size_t to,
                       void *scratch)
{
    const struct conv_state *s = step->state;
    size_t first = from * PART_IMAGES;
    size_t end = to * PART_IMAGES < s->batch ? to * PART_IMAGES : s->batch;
    const float *x = (const float *)step->in[IN_X].data + first * s->in_floats;
    float *y = (float *)step->out[0].data + first * s->out_floats;
    struct post post = bind_post(step);

    if (s->has_bias) {
        post.bias = step->in[IN_BIAS].data;
    }
    if (post.residual != NULL) {
        post.residual += first * s->out_floats;
    }
    if (s->is_back) {
        struct conv_transpose part = s->back;

        part.shape.batch = end - first;
        conv_transpose_run(&part, x, weights_of(step), &post, y, scratch);
    } else if (!run_bits(s, end - first, x, &post, y, scratch)) {
        struct conv part = s->conv;

        part.shape.batch = end - first;
        conv_run(&part, x, weights_of(step), &post, y, scratch);
    }
}

/* Of a binary layer. */
static int find_bits(const struct step *step, struct conv_state *s)
{
    const struct conv_shape *shape = &s->conv.shape;
    const struct xnor_conv conv = {shape->grid, shape->cin, shape->cout};

    return s->is_back || !step->in_const[IN_W] || step->narrow.q != NULL ||
                   shape->groups != 1
               ? 0
               : bits_of_conv(&s->bits, &conv, step->in[IN_W].data);
}

static int make_state(struct step *step, const struct conv_state *wanted,
                      size_t kernel_scratch, struct err *err)
{
    bool narrow = step->narrow.q != NULL;
    bool packs = narrow || (step->in_const[IN_W] && wanted->packed_bytes > 0);
    struct conv_state *s =
        bind_state(step, sizeof(*s), packs ? wanted->packed_bytes : 0, err);

    if (s == NULL) {
        return EDGE_ENOMEM;
    }
    *s = *wanted;
    step->free_state = free_conv;
    if (find_bits(step, s) < 0) {
        return err_set(err, EDGE_ENOMEM, "no memory for its weights' bits");
    }
    if (bits_scratch(&s->bits) > kernel_scratch) {
        kernel_scratch = bits_scratch(&s->bits);
    }
    step->packed_bytes += s->bits.weight_bytes;
    s->packed = packs;
    s->has_bias = step->op->n_in > IN_BIAS && step->op->in[IN_BIAS] >= 0;
    s->batch = dim(&step->in[IN_X], 0);
    if (s->batch > 0) {
        s->in_floats = (size_t)tensor_count(&step->in[IN_X]) / s->batch;
        s->out_floats = (size_t)tensor_count(&step->out[0]) / s->batch;
    }
    step->scratch_bytes = kernel_scratch;
    if (bind_worth_sharing(step)) {
        step->parts = (s->batch + PART_IMAGES - 1) / PART_IMAGES;
        step->begin = begin_conv;
        step->run_part = run_images;
    }
    if (narrow) {
        conv_pack_narrow(&s->conv, &step->narrow,
                         bind_packed(step, sizeof(*s)));
    } else if (packs) {
        pack(s, step->in[IN_W].data, bind_packed(step, sizeof(*s)));
        step->drops_const[IN_W] = true;
    } else if (s->packed_bytes > 0) {
        s->fresh_at = round_up(kernel_scratch);
        step->scratch_bytes = s->fresh_at + s->packed_bytes;
    }
    return 0;
}

static int prepare_conv(struct step *step, struct err *err)
{
    struct conv_state s = {0};
    struct conv_shape shape;
    int rc = bind_need(step, IN_X, DTYPE_F32, err);

    if (rc == 0) {
        rc = conv_shape_of(step, &shape, err);
    }
    if (rc < 0) {
        return rc;
    }
    conv_init(&s.conv, isa_best(), &shape);
    s.packed_bytes = s.conv.packed_floats * sizeof(float);
    if (step->narrow.q != NULL) {
        bool can = conv_keep_narrow(&s.conv);

        assert(can); /* quantised_weights() spares depthwise ones */
        s.packed_bytes = s.conv.narrow_bytes;
    }
    step->kernel = conv_method_name(s.conv.method);
    return make_state(step, &s, s.conv.scratch_bytes, err);
}

static int prepare_transpose(struct step *step, struct err *err)
{
    struct conv_state s = {.is_back = true};
    struct conv_shape shape;
    struct grid *g = &shape.grid;
    size_t bytes;
    int rc = bind_need(step, IN_X, DTYPE_F32, err);

    if (rc == 0) {
        rc = conv_shape_of(step, &shape, err);
    }
    if (rc < 0) {
        return rc;
    }
    if (!mem_mul(grid_taps(g), grid_in(g) * sizeof(float), &bytes) ||
        bytes > COLUMNS_BYTES_MAX) {
        return err_set(err, EDGE_ETOOBIG,
                       "its kernel and input are larger than allowed");
    }
    for (int a = 0; a < GRID_AXES; a++) {
        size_t in = g->in[a];

        g->in[a] = g->out[a];
        g->out[a] = in;
    }
    conv_transpose_init(&s.back, isa_best(), &shape);
    s.packed_bytes = s.back.packed_floats * sizeof(float);
    step->kernel = "conv.transpose";
    return make_state(step, &s, s.back.scratch_bytes, err);
}

static void run_conv(const struct step *step)
{
    const struct conv_state *s = step->state;

    begin_conv(step);
    run_images(step, 0, (s->batch + PART_IMAGES - 1) / PART_IMAGES,
               step->scratch);
}

const struct bind bind_conv_rows[] = {
    {OP_CONV, true, prepare_conv, run_conv},
    {OP_CONV_TRANSPOSE, true, prepare_transpose, run_conv},
    {0},
};

/* Trials of lossy tiles and blocks: all losses, margins of so many levels that
 * differences do not see the steps. */
#include "graph/lossy.h"
#include "graph/infer.h"
#include "tests/lib/grad_trial.h"
#include "tests/lib/unit.h"

#define MANY_LEVELS 65535

/* Borders anywhere, tiles that overlap by some elements, or begin late. */
static void any_axis(struct grad_check *c, struct tile_form_axis *a)
{
    a->bands = (int)between(c, 1, 3);
    a->reach = between(c, 0, 2);
    a->border[0] = 0;
    a->length = 1;
    for (int i = 0; i < a->bands; i++) {
        a->border[i + 1] = a->border[i] + between(c, 1, 4);
        a->from[i] = a->border[i] - a->reach + between(c, 0, 1);
    }
    for (int i = 0; i < a->bands; i++) {
        int64_t n = a->border[i + 1] + a->reach - a->from[i];

        a->length = n > a->length ? n : a->length;
    }
}

static struct tile_form any_form(struct grad_check *c)
{
    struct tile_form f = {
        .loss =
            (enum tile_form_loss)between(c, TILE_FORM_EXACT, TILE_FORM_SIDES),
        .p = 0.4F,
        .p11 = 0.6F,
        .p22 = 0.7F,
        .salt = between(c, 0, 1000),
        .levels = between(c, 0, 1) * MANY_LEVELS,
        .low = -1,
        .high = 2.5F,
        .own = between(c, 0, 1) != 0,
    };

    any_axis(c, &f.axis[0]);
    any_axis(c, &f.axis[1]);
    return f;
}

void grad_tiles(struct grad_check *c)
{
    struct tile_form f = any_form(c);
    int64_t tiles = (int64_t)f.axis[0].bands * f.axis[1].bands;
    int x = grad_leaf(c, GRAD_OFF, 0,
                      DIMS(3, 2, f.axis[0].border[f.axis[0].bands],
                           f.axis[1].border[f.axis[1].bands]));
    int t = grad_leaf(c, GRAD_ANY, 0,
                      DIMS(3, 2, tiles, f.axis[0].length, f.axis[1].length));
    int y = model_op(c->graph, OP_TILE_CUT, "y", IN(x, -1));

    assert_int_equal(tile_form_set(model_last(c->graph), &f), 0);
    done(c, y);
    f.loss = f.loss > TILE_FORM_NONE ? TILE_FORM_EXACT : f.loss;
    f.levels = 0;
    y = model_op(c->graph, OP_TILE_JOIN, "z", IN(t, -1, -1));
    assert_int_equal(tile_form_set(model_last(c->graph), &f), 0);
    done(c, y);
}

static void set_border(int64_t *at, int bands, int64_t extent, int64_t stride)
{
    at[0] = 0;
    for (int i = 1; i < bands; i++) {
        at[i] = i * stride;
    }
    at[bands] = extent;
}

/* A layer as lossy_rewrite() makes it, of tiles that are not of one size. */
void grad_lossy_conv(struct grad_check *c)
{
    int64_t stride = between(c, 1, 2);
    int64_t rows = between(c, 5, 8);
    int64_t columns = between(c, 5, 8);
    int64_t out[] = {(rows - 1) / stride + 1, (columns - 1) / stride + 1};
    int x = grad_leaf(c, GRAD_OFF, 0, DIMS(2, 4, rows, columns));
    int w = grad_leaf(c, GRAD_ANY, 1, DIMS(6, 2, 3, 3));
    int b = grad_leaf(c, GRAD_ANY, 1, DIMS(6));
    struct lossy_layer layer = {.value = "y"};
    struct lossy lossy = {
        .layers = &layer,
        .n_layers = 1,
        .rule = {.loss = (enum tile_form_loss)between(c, 1, 3),
                 .p = 0.4F,
                 .p11 = 0.7F,
                 .p22 = 0.3F},
        .levels = between(c, 0, 1) * MANY_LEVELS,
        .low = -1,
        .high = 3,
        .own = between(c, 0, 1) != 0};
    struct err err = {""};

    done(c, model_op(c->graph, OP_CONV, "y", IN(x, w, b)));
    model_set_int(c->graph, "group", 2);
    model_set_ints(c->graph, "pads", DIMS(1, 1, 1, 1));
    model_set_ints(c->graph, "strides", DIMS(stride, stride));
    for (int a = 0; a < 2; a++) {
        layer.axis[a].bands = 2;
        set_border(layer.axis[a].out, 2, out[a], 1);
        set_border(layer.axis[a].in, 2, a == 0 ? rows : columns, stride);
    }
    assert_int_equal(infer_graph(c->graph, &err), 0);
    assert_int_equal(lossy_rewrite(c->graph, &lossy, &err), 0);
}

void grad_blocks(struct grad_check *c)
{
    int64_t rows = between(c, 1, 5);
    int64_t depth = between(c, 3, 20);
    int64_t cols = between(c, 3, 20);
    int64_t turned = between(c, 0, 1);
    int x = grad_leaf(c, GRAD_ANY, 0, DIMS(rows, depth));
    int w = turned ? grad_leaf(c, GRAD_ANY, -1, DIMS(cols, depth))
                   : grad_leaf(c, GRAD_ANY, -1, DIMS(depth, cols));
    int b = between(c, 0, 1) ? grad_leaf(c, GRAD_ANY, -1, DIMS(cols)) : -1;

    done(c, model_op(c->graph, OP_BLOCK_GEMM, "y", IN(x, w, b, -1)));
    model_set_int(c->graph, "transB", turned);
    model_set_int(c->graph, "blocks", between(c, 1, 5));
    model_set_float(c->graph, "p", between(c, 0, 1) ? 0.4F : 0);
    model_set_int(c->graph, "salt", 7);
}

/* Trials of ops that pick or repeat elements, and of norms of samples. */
#include "tests/lib/grad_trial.h"

#include "tests/lib/unit.h"

static int list(struct grad_check *c, int n, const int64_t *v)
{
    return model_ints(c->graph, NULL, n, v);
}

void grad_sample_norms(struct grad_check *c)
{
    int64_t channels = between(c, 1, 5);
    int64_t inner = between(c, 2, 9);
    int64_t axis = between(c, 1, 2);
    int x = grad_leaf(c, GRAD_ANY, 0, DIMS(2, channels, inner));
    int scale = grad_leaf(c, GRAD_ANY, 1, DIMS(channels));
    int bias = grad_leaf(c, GRAD_ANY, 1, DIMS(channels));
    int y = model_op(c->graph, OP_INSTANCE_NORM, "y", IN(x, scale, bias));

    model_set_float(c->graph, "epsilon", 0.05F);
    done(c, y);
    scale = axis == 1 ? grad_leaf(c, GRAD_ANY, 1, DIMS(channels, inner))
                      : grad_leaf(c, GRAD_ANY, 1, DIMS(inner));
    bias = axis == 1 ? grad_leaf(c, GRAD_ANY, -1, DIMS(channels, inner))
                     : grad_leaf(c, GRAD_ANY, -1, DIMS(inner));
    y = between(c, 0, 1)
            ? model_op(c->graph, OP_LAYER_NORM, "z", IN(x, scale, bias))
            : model_op(c->graph, OP_LAYER_NORM, "z", IN(x, scale));
    model_set_int(c->graph, "axis", axis - (between(c, 0, 1) ? 3 : 0));
    model_set_float(c->graph, "epsilon", 0.05F);
    done(c, y);
}

void grad_lrn(struct grad_check *c)
{
    int x = grad_leaf(c, GRAD_ANY, -1, DIMS(2, between(c, 1, 7), 3, 2));
    int y = model_op(c->graph, OP_LRN, "y", IN(x));

    model_set_int(c->graph, "size", between(c, 1, 5));
    model_set_float(c->graph, "alpha", 0.8F);
    model_set_float(c->graph, "beta", 0.6F);
    model_set_float(c->graph, "bias", 1.5F);
    done(c, y);
}

void grad_steps(struct grad_check *c)
{
    int x = grad_leaf(c, GRAD_ANY, -1, DIMS(2, 7, 6));
    int from = list(c, 2, (int64_t[]){between(c, 0, 2), between(c, 4, 9)});
    int to = list(c, 2, (int64_t[]){between(c, 3, 9), between(c, 0, 2)});
    int axes = list(c, DIMS(1, -1));
    int steps = list(c, 2, (int64_t[]){between(c, 1, 3), -between(c, 1, 3)});

    done(c, model_op(c->graph, OP_SLICE, "y", IN(x, from, to, axes, steps)));
}

void grad_picks(struct grad_check *c)
{
    int64_t axis = between(c, -3, 2);
    int x = grad_leaf(c, GRAD_ANY, -1, DIMS(3, 4, 3));
    int many = list(c, DIMS(1, -1, 0, 1));
    int one = model_const(c->graph, "one", DTYPE_I64, SCALAR);
    int y = model_op(c->graph, OP_GATHER, "y", IN(x, many));

    model_set_int(c->graph, "axis", axis);
    done(c, y);
    y = model_op(c->graph, OP_GATHER, "z", IN(x, one));
    model_set_int(c->graph, "axis", axis);
    done(c, y);
    y = model_op(c->graph, OP_TILE, "t",
                 IN(x, list(c, 3, (int64_t[]){between(c, 1, 3), 2, 1})));
    done(c, y);
}

void grad_resize(struct grad_check *c)
{
    int x = grad_leaf(c, GRAD_ANY, -1, DIMS(2, 3, 4, 3));
    float scales[4] = {1, 1, (float)between(c, 1, 3), (float)between(c, 1, 3)};
    const struct shape four = {1, {4}};
    struct tensor t = {0};
    int by;
    int y;

    assert_int_equal(tensor_copy(&t, DTYPE_F32, &four, scales), 0);
    by = graph_add_const(c->graph, "scales", &t);
    y = model_op(c->graph, OP_RESIZE, "y", IN(x, -1, by));
    if (between(c, 0, 1)) {
        model_set_string(c->graph, "coordinate_transformation_mode",
                         "asymmetric");
        model_set_string(c->graph, "nearest_mode", "floor");
    }
    done(c, y);
}

void grad_reduced_extremes(struct grad_check *c)
{
    int x = grad_leaf(c, GRAD_DISTINCT, -1, DIMS(2, 3, 4));
    int axes = list(c, 2, (int64_t[]){between(c, 0, 1), -1});
    int y = model_op(c->graph, OP_REDUCE_MAX, "y", IN(x, axes));

    model_set_int(c->graph, "keepdims", between(c, 0, 1));
    done(c, y);
    done(c, model_op(c->graph, OP_REDUCE_MIN, "all", IN(x)));
}

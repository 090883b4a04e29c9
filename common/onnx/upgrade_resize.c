/* Upsample 7 and 9, Resize 10, 11, 18 and 19 made Resize 13: inputs X, roi,
 * scales, sizes, of which roi is there for tf_crop_and_resize alone. */
#include "onnx/upgrade.h"

#include <string.h>

enum { IN_X, IN_ROI, IN_SCALES, IN_SIZES, IN_COUNT };

int upgrade_upsample_7(struct import *im, int op, struct err *err)
{
    struct op *o = &im->graph->ops[op];
    const struct attr *scales = op_attr(o, "scales");
    int value;
    int rc;

    if (o->n_in != 1) {
        return err_set(err, EDGE_EINVAL, "it takes 1 input in opset %d, has %d",
                       im->opset, o->n_in);
    }
    rc = upgrade_floats(im, scales->floats, scales->n, &value);
    if (rc == 0) {
        rc = upgrade_set_input(im, op, 1, value);
    }
    upgrade_drop_attr(o, "scales");
    return rc;
}

/* Scales were input 1; coordinates were x / scale. */
static int move_scales(struct import *im, int op, const char *nearest,
                       struct err *err)
{
    struct op *o = &im->graph->ops[op];
    int scales = upgrade_in(im, op, 1);
    int rc;

    if (o->n_in != 2 || scales < 0) {
        return err_set(err, EDGE_EINVAL,
                       "it takes 2 inputs in opset %d, has %d", im->opset,
                       o->n_in);
    }
    o->in[IN_ROI] = -1;
    rc = upgrade_set_input(im, op, IN_SCALES, scales);
    if (rc == 0) {
        rc = op_set_string(o, "coordinate_transformation_mode", "asymmetric");
    }
    if (rc == 0 && strcmp(op_string(o, "mode", "nearest"), "nearest") == 0) {
        rc = op_set_string(o, "nearest_mode", nearest);
    }
    return rc;
}

int upgrade_upsample(struct import *im, int op, struct err *err)
{
    return move_scales(im, op, "floor", err);
}

int upgrade_upsample_10(struct import *im, int op, struct err *err)
{
    (void)op;
    return err_set(err, EDGE_EUNSUPPORTED,
                   "there is no such operator in opset %d; Resize took its "
                   "place in opset 10",
                   im->opset);
}

int upgrade_resize_9(struct import *im, int op, struct err *err)
{
    (void)op;
    return err_set(err, EDGE_EUNSUPPORTED,
                   "there is no such operator in opset %d; Resize came in "
                   "opset 10, before it there was Upsample",
                   im->opset);
}

/* Resize 10 takes the left neighbour when it enlarges and the right one when
 * it shrinks (its own test vectors show it); where a scale is 1 they are
 * one. */
int upgrade_resize_10(struct import *im, int op, struct err *err)
{
    const struct tensor *scales = upgrade_data(im, upgrade_in(im, op, 1));
    bool is_nearest = strcmp(op_string(&im->graph->ops[op], "mode", "nearest"),
                             "nearest") == 0;
    int up = 0;
    int down = 0;

    if (scales == NULL && is_nearest) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "nearest neighbours in opset 10 are supported where the "
                       "scales are constant");
    }
    for (int64_t i = 0; scales != NULL && i < tensor_count(scales); i++) {
        up += tensor_get(scales, i) > 1;
        down += tensor_get(scales, i) < 1;
    }
    if (is_nearest && up > 0 && down > 0) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "nearest neighbours in opset 10 that enlarge one axis "
                       "and shrink another are not supported");
    }
    return move_scales(im, op, down > 0 ? "ceil" : "floor", err);
}

/* Opset 13 dropped tf_half_pixel_for_nn, whose coordinates are those of
 * half_pixel and a half: floor(h + 1/2) is h rounded with halves up, and
 * h + 1/2 rounded with halves down is ceil(h). */
static int replace_tf_half_pixel(struct op *o, struct err *err)
{
    const char *how = op_string(o, "coordinate_transformation_mode", "");
    const char *nearest = op_string(o, "nearest_mode", "round_prefer_floor");
    bool is_floor = strcmp(nearest, "floor") == 0;
    int rc;

    if (strcmp(how, "tf_half_pixel_for_nn") != 0) {
        return 0;
    }
    if (strcmp(op_string(o, "mode", "nearest"), "nearest") != 0 ||
        (!is_floor && strcmp(nearest, "round_prefer_floor") != 0)) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "tf_half_pixel_for_nn is supported with nearest_mode "
                       "floor or round_prefer_floor");
    }
    rc = op_set_string(o, "nearest_mode",
                       is_floor ? "round_prefer_ceil" : "ceil");
    return rc == 0 ? op_set_string(o, "coordinate_transformation_mode",
                                   "half_pixel")
                   : rc;
}

static bool is_empty(const struct import *im, int value)
{
    const struct shape *shape = upgrade_shape(im, value);

    return shape != NULL && shape->rank == 1 && shape->dims[0] == 0;
}

/* Opset 11 had to give an empty roi and empty scales where there are none;
 * today they are left out. */
int upgrade_resize_inputs(struct import *im, int op, struct err *err)
{
    struct op *o = &im->graph->ops[op];
    bool crops = strcmp(op_string(o, "coordinate_transformation_mode", ""),
                        "tf_crop_and_resize") == 0;

    if (upgrade_in(im, op, IN_ROI) >= 0 &&
        (!crops || is_empty(im, o->in[IN_ROI]))) {
        o->in[IN_ROI] = -1;
    }
    for (int i = IN_SCALES; i < o->n_in && i < IN_COUNT; i++) {
        if (is_empty(im, o->in[i])) {
            o->in[i] = -1;
        }
    }
    if ((upgrade_in(im, op, IN_SCALES) >= 0) ==
        (upgrade_in(im, op, IN_SIZES) >= 0)) {
        return err_set(err, EDGE_EINVAL,
                       "it needs either scales or sizes, has %s",
                       upgrade_in(im, op, IN_SIZES) >= 0 ? "both" : "neither");
    }
    return replace_tf_half_pixel(o, err);
}

static int check_18(const struct op *o, struct err *err)
{
    const char *policy = op_string(o, "keep_aspect_ratio_policy", "stretch");
    const char *how = op_string(o, "coordinate_transformation_mode", "");

    if (op_int(o, "antialias", 0) != 0) {
        return err_set(err, EDGE_EUNSUPPORTED, "antialias is not supported");
    }
    if (strcmp(policy, "stretch") != 0) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "keep_aspect_ratio_policy \"%s\" is not supported",
                       policy);
    }
    if (strcmp(how, "half_pixel_symmetric") == 0) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "coordinates \"half_pixel_symmetric\" are not "
                       "supported");
    }
    return 0;
}

/* Checks that each of `axes` is one of the input's, once, and that `numbers`
 * has one for each. */
static int check_axes(const struct attr *axes, const struct shape *shape,
                      const struct tensor *numbers, struct err *err)
{
    bool seen[LIMIT_RANK] = {false};
    int64_t n = tensor_count(numbers);

    if (n != (int64_t)axes->n) {
        return err_set(err, EDGE_EINVAL,
                       "it has %lld scales or sizes for %zu axes", (long long)n,
                       axes->n);
    }
    for (size_t i = 0; i < axes->n; i++) {
        int axis = shape_axis(axes->ints[i], shape->rank);

        if (axis < 0 || seen[axis]) {
            return err_set(err, EDGE_EINVAL,
                           "axis %lld is out of range or given twice",
                           (long long)axes->ints[i]);
        }
        if (tensor_get(numbers, (int64_t)i) < 0) {
            return err_set(err, EDGE_EINVAL, "a scale or size is negative");
        }
        seen[axis] = true;
    }
    return 0;
}

static int spread_scales(struct import *im, int op, const struct attr *axes,
                         const struct shape *shape, const struct tensor *scales)
{
    float all[LIMIT_RANK];
    int value;
    int rc;

    for (int i = 0; i < shape->rank; i++) {
        all[i] = 1;
    }
    for (size_t i = 0; i < axes->n; i++) {
        all[shape_axis(axes->ints[i], shape->rank)] =
            (float)tensor_get(scales, (int64_t)i);
    }
    rc = upgrade_floats(im, all, (size_t)shape->rank, &value);
    return rc == 0 ? upgrade_set_input(im, op, IN_SCALES, value) : rc;
}

/* Dimension `axis` of x as a list of one number: Shape(x) from there to there.
 */
static int add_dim(struct import *im, int op, int axis, int *value)
{
    int x = im->graph->ops[op].in[IN_X];
    int rc = graph_add_value(im->graph, NULL);

    if (rc < 0) {
        return rc;
    }
    *value = rc;
    rc = upgrade_add_op(im, OP_SHAPE, im->graph->ops[op].name, "dim", &x, 1,
                        *value);
    if (rc >= 0) {
        struct op *shape = &im->graph->ops[rc];

        rc = op_set_int(shape, "start", axis);
        rc = rc == 0 ? op_set_int(shape, "end", axis + 1) : rc;
    }
    return rc;
}

/* The list of `all`, whose unknown numbers are taken from x when it runs. */
static int join_sizes(struct import *im, int op, const int64_t *all, int rank,
                      int *value)
{
    int parts[LIMIT_RANK];
    int rc = 0;

    for (int i = 0; rc >= 0 && i < rank; i++) {
        rc = all[i] >= 0 ? upgrade_int(im, all[i], &parts[i])
                         : add_dim(im, op, i, &parts[i]);
    }
    rc = rc >= 0 ? graph_add_value(im->graph, NULL) : rc;
    if (rc < 0) {
        return rc;
    }
    *value = rc;
    rc = upgrade_add_op(im, OP_CONCAT, im->graph->ops[op].name, "sizes", parts,
                        rank, *value);
    return rc >= 0 ? op_set_int(&im->graph->ops[rc], "axis", 0) : rc;
}

static int spread_sizes(struct import *im, int op, const struct attr *axes,
                        const struct shape *shape, const struct tensor *sizes)
{
    int64_t all[LIMIT_RANK];
    int value;
    int rc;

    for (int i = 0; i < shape->rank; i++) {
        all[i] = shape->dims[i];
    }
    for (size_t i = 0; i < axes->n; i++) {
        all[shape_axis(axes->ints[i], shape->rank)] =
            tensor_get_int(sizes, (int64_t)i);
    }
    if (shape_is_static(shape)) {
        rc = upgrade_ints(im, all, (size_t)shape->rank, &value);
    } else {
        rc = join_sizes(im, op, all, shape->rank, &value);
    }
    return rc == 0 ? upgrade_set_input(im, op, IN_SIZES, value) : rc;
}

static int spread_axes(struct import *im, int op, const struct attr *axes,
                       struct err *err)
{
    const struct shape *known = upgrade_shape(im, upgrade_in(im, op, IN_X));
    const struct tensor *scales =
        upgrade_data(im, upgrade_in(im, op, IN_SCALES));
    const struct tensor *sizes = upgrade_data(im, upgrade_in(im, op, IN_SIZES));
    struct tensor numbers;
    struct shape shape;
    int rc;

    if (scales != NULL && tensor_count(scales) == 0) {
        scales = NULL;
    }
    if (known == NULL || (scales == NULL && sizes == NULL) ||
        upgrade_in(im, op, IN_ROI) >= 0) {
        return err_set(err, EDGE_EUNSUPPORTED,
                       "chosen axes are supported where scales or sizes are "
                       "constant, the input's rank is known and there is no "
                       "roi");
    }
    shape = *known; /* adding a constant moves the values */
    numbers = scales != NULL ? *scales : *sizes;
    rc = check_axes(axes, &shape, &numbers, err);
    if (rc < 0) {
        return rc;
    }
    return scales != NULL ? spread_scales(im, op, axes, &shape, &numbers)
                          : spread_sizes(im, op, axes, &shape, &numbers);
}

int upgrade_resize_18(struct import *im, int op, struct err *err)
{
    struct op *o = &im->graph->ops[op];
    const struct attr *axes = op_attr(o, "axes");
    int rc = check_18(o, err);

    if (rc == 0 && axes != NULL && axes->n > 0) {
        rc = spread_axes(im, op, axes, err);
    }
    o = &im->graph->ops[op]; /* ops may have been added */
    upgrade_drop_attr(o, "axes");
    upgrade_drop_attr(o, "antialias");
    upgrade_drop_attr(o, "keep_aspect_ratio_policy");
    return rc;
}

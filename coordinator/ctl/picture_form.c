/* From `model.input` and a model's input to how pictures are prepared. */
#include "coordinator/ctl/pictures.h"

#include "base/limits.h"

#include <stdio.h>
#include <string.h>

/* The words of cluster.yaml in those of the preparation. */
static void take_words(const struct cluster_input *input,
                       struct image_spec *spec)
{
    static const enum image_fit fits[] = {
        [CLUSTER_RESIZE_CROP] = IMAGE_FIT_CROP,
        [CLUSTER_RESIZE_STRETCH] = IMAGE_FIT_STRETCH,
        [CLUSTER_RESIZE_LETTERBOX] = IMAGE_FIT_LETTERBOX,
        [CLUSTER_RESIZE_PAD] = IMAGE_FIT_PAD};
    static const enum image_color colors[] = {
        [CLUSTER_COLOR_RGB] = IMAGE_COLOR_RGB,
        [CLUSTER_COLOR_BGR] = IMAGE_COLOR_BGR,
        [CLUSTER_COLOR_GRAY] = IMAGE_COLOR_GRAY};
    static const enum image_range ranges[] = {
        [CLUSTER_RANGE_1] = IMAGE_RANGE_UNIT,
        [CLUSTER_RANGE_255] = IMAGE_RANGE_BYTE};

    spec->fit = fits[input->resize];
    spec->color = colors[input->color];
    spec->range = ranges[input->range];
    spec->crop = input->crop;
    memcpy(spec->mean, input->mean, sizeof(spec->mean));
    memcpy(spec->std, input->std, sizeof(spec->std));
}

static int make_spec(const struct cluster_input *input,
                     const struct shape *shape, struct image_spec *spec,
                     struct err *err)
{
    int64_t width = input->width > 0 ? input->width : shape->dims[3];
    int64_t height = input->height > 0 ? input->height : shape->dims[2];

    if (width > LIMIT_IMAGE_SIDE || height > LIMIT_IMAGE_SIDE) {
        return err_set(err, EDGE_ETOOBIG,
                       "the model wants a picture of %lldx%lld",
                       (long long)width, (long long)height);
    }
    *spec = image_spec_default((int)width, (int)height);
    take_words(input, spec);
    if (shape->dims[1] == 1) { /* one channel can be nothing else */
        spec->color = IMAGE_COLOR_GRAY;
    }
    return image_spec_check(spec, err);
}

/* What a picture would be; the model must want just that. */
static void check_shape(struct picture_form *form,
                        char refusal[PICTURE_REFUSAL])
{
    int64_t dims[] = {1, image_spec_channels(&form->spec), form->spec.height,
                      form->spec.width};
    struct shape shape = shape_of(4, dims);
    char got[SHAPE_TEXT];
    char want[SHAPE_TEXT];

    if (!shape_equal(&shape, &form->shape)) {
        (void)snprintf(refusal, PICTURE_REFUSAL,
                       "prepared as cluster.yaml says it is %s, but the "
                       "model wants %s; see model.input",
                       shape_text(&shape, got), shape_text(&form->shape, want));
        form->refusal = refusal;
    }
}

int picture_form_make(const struct cluster_input *input, const char *model,
                      enum dtype dtype, const struct shape *shape,
                      char refusal[PICTURE_REFUSAL], struct picture_form *form,
                      struct err *err)
{
    char text[SHAPE_TEXT];
    int rc;

    *form = (struct picture_form){.dtype = dtype, .shape = *shape};
    if (dtype != DTYPE_F32 || shape->rank != 4 || shape->dims[0] != 1) {
        (void)snprintf(refusal, PICTURE_REFUSAL,
                       "%s takes %s %s, which no picture becomes. Give it as "
                       ".npy",
                       model, dtype_name(dtype), shape_text(shape, text));
        form->refusal = refusal;
        return 0;
    }
    rc = make_spec(input, shape, &form->spec, err);
    if (rc == 0) {
        check_shape(form, refusal);
    }
    return rc;
}

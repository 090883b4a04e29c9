#include "image/prepare.h"

#include "base/limits.h"
#include "image/resize.h"

#include <math.h>
#include <stdbool.h>

/* Smaller cuts hardly leave a picture, and bound the arithmetic. */
#define CROP_MIN 0.01

struct image_spec image_spec_default(int width, int height)
{
    return (struct image_spec){
        .width = width,
        .height = height,
        .fit = IMAGE_FIT_CROP,
        .crop = 0.875,
        .color = IMAGE_COLOR_RGB,
        .range = IMAGE_RANGE_UNIT,
        .std = {1, 1, 1},
        .fill = 114,
    };
}

void image_spec_black(const struct image_spec *spec, float black[3])
{
    for (int c = 0; c < 3; c++) {
        black[c] = (0.0F - spec->mean[c]) / spec->std[c];
    }
}

int image_spec_channels(const struct image_spec *spec)
{
    return spec->color == IMAGE_COLOR_GRAY ? 1 : 3;
}

int image_spec_check(const struct image_spec *spec, struct err *err)
{
    if (spec->width < 1 || spec->width > LIMIT_IMAGE_SIDE || spec->height < 1 ||
        spec->height > LIMIT_IMAGE_SIDE) {
        return err_set(
            err, EDGE_EINVAL, "an input of %dx%d is not within 1x1 and %dx%d",
            spec->width, spec->height, LIMIT_IMAGE_SIDE, LIMIT_IMAGE_SIDE);
    }
    if (!(spec->crop >= CROP_MIN && spec->crop <= 1)) {
        return err_set(err, EDGE_EINVAL, "a crop of %g is not within %g and 1",
                       spec->crop, CROP_MIN);
    }
    for (int c = 0; c < image_spec_channels(spec); c++) {
        if (!isfinite(spec->mean[c]) || !isfinite(spec->std[c])) {
            return err_set(err, EDGE_EINVAL, "mean and std must be numbers");
        }
        if (spec->std[c] == 0) {
            return err_set(err, EDGE_EINVAL,
                           "std must not be 0: values are divided by it");
        }
    }
    return 0;
}

static int fit(const struct image *in, const struct image_spec *spec,
               struct image *out, struct err *err)
{
    switch (spec->fit) {
    case IMAGE_FIT_STRETCH:
        return resize_stretch(in, spec->width, spec->height, out, err);
    case IMAGE_FIT_LETTERBOX:
        return resize_letterbox(in, spec->width, spec->height, spec->fill, out,
                                err);
    case IMAGE_FIT_PAD:
        return resize_pad(in, spec->width, spec->height, out, err);
    default:
        return resize_crop(in, spec->width, spec->height, spec->crop, out, err);
    }
}

/* A level has 256 values, so each is computed once, in the order of the
 * reference: range, mean, deviation. */
static void levels(const struct image_spec *spec, int c, float table[256])
{
    float unit = spec->range == IMAGE_RANGE_UNIT ? 255.0f : 1.0f;

    for (int i = 0; i < 256; i++) {
        table[i] = ((float)i / unit - spec->mean[c]) / spec->std[c];
    }
}

/* out (C,H,W) from pixels (H,W,c), by table. */
static void normalise(const struct image *in, const struct image_spec *spec,
                      float *out)
{
    size_t n = (size_t)in->width * (size_t)in->height;
    size_t step = (size_t)in->channels;
    float table[256];

    for (int c = 0; c < image_spec_channels(spec); c++) {
        int from = spec->color == IMAGE_COLOR_BGR ? 2 - c : c;
        const uint8_t *p = in->pixels + (step == 3 ? from : 0);

        levels(spec, c, table);
        for (size_t i = 0; i < n; i++) {
            out[i] = table[p[i * step]];
        }
        out += n;
    }
}

int image_fit(const struct image *image, const struct image_spec *spec,
              struct image *out, struct err *err)
{
    struct image gray = {0};
    int rc;

    rc = image_spec_check(spec, err);
    if (rc < 0) {
        return rc;
    }
    /* Gray first and then resized, as the reference does. */
    if (spec->color == IMAGE_COLOR_GRAY && image->channels == 3) {
        rc = image_to_gray(image, &gray);
        if (rc < 0) {
            return err_set(err, rc, "no memory to make the picture gray");
        }
        image = &gray;
    }
    rc = fit(image, spec, out, err);
    image_deinit(&gray);
    return rc;
}

int image_prepare_into(const struct image *image, const struct image_spec *spec,
                       float *out, struct err *err)
{
    struct image fitted = {0};
    int rc = image_fit(image, spec, &fitted, err);

    if (rc == 0) {
        normalise(&fitted, spec, out);
    }
    image_deinit(&fitted);
    return rc;
}

int image_prepare(const struct image *image, const struct image_spec *spec,
                  struct tensor *tensor, struct err *err)
{
    struct tensor made = {0};
    struct shape shape;
    int rc;

    rc = image_spec_check(spec, err);
    if (rc < 0) {
        return rc;
    }
    shape = shape_of(4, (const int64_t[]){1, image_spec_channels(spec),
                                          spec->height, spec->width});
    rc = tensor_init(&made, DTYPE_F32, &shape);
    if (rc < 0) {
        return err_set(err, rc, "a tensor for the picture: %s", err_text(rc));
    }
    rc = image_prepare_into(image, spec, made.data, err);
    if (rc < 0) {
        tensor_deinit(&made);
        return rc;
    }
    *tensor = made;
    return 0;
}

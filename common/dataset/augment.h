/*
 * A picture changed at random before it is learnt from, and made numbers.
 *
 * Definitions are torchvision's, of 0.14.1, so that its recipes hold here:
 * RandomCrop(size, padding), RandomResizedCrop(size, scale, ratio),
 * RandomHorizontalFlip(p), ColorJitter(brightness, contrast, saturation) in
 * that order, then ToTensor and Normalize. Colours are those of its tensors:
 * float32 of 0..1, held within after each step. The random numbers are our
 * own: a key decides all of them (order.h), whichever board asks, in whatever
 * order and batch. What is not random (the resize, padding with black) is as
 * in image/prepare.h.
 *
 * No state, no I/O; any thread.
 */
#ifndef EDGE_DATASET_AUGMENT_H
#define EDGE_DATASET_AUGMENT_H

#include "image/prepare.h"
#include "image/resize.h"

#include <stdbool.h>
#include <stdint.h>

enum augment_crop {
    AUGMENT_CROP_NONE,   /* the picture as it is fitted to the model */
    AUGMENT_CROP_PADDED, /* that, with black around it, cut at random */
    AUGMENT_CROP_RESIZED /* a part of the source, of random size and shape */
};

struct augment_spec {
    enum augment_crop crop;
    uint32_t padding;  /* pixels on each side, for PADDED */
    double scale[2];   /* of the source's area, for RESIZED */
    double ratio[2];   /* width over height, for RESIZED */
    double flip;       /* the probability of left and right exchanged */
    double brightness; /* factors are within 1 - x and 1 + x; 0: none */
    double contrast;
    double saturation;
};

/* Nothing at random; scale and ratio have torchvision's defaults: 0.08 to 1,
 * 3/4 to 4/3. */
struct augment_spec augment_none(void);
/* EDGE_EINVAL and a sentence if a number is out of range. */
int augment_check(const struct augment_spec *spec, struct err *err);
/* Whether two samples may be treated differently. */
bool augment_is_random(const struct augment_spec *spec);

enum augment_colour {
    AUGMENT_BRIGHTNESS,
    AUGMENT_CONTRAST,
    AUGMENT_SATURATION,
    AUGMENT_COLOURS
};

/* What was decided for one sample. */
struct augment {
    struct resize_box box; /* for RESIZED, in the source's whole pixels */
    int left;              /* for PADDED: where the cut begins, in pixels of */
    int top;               /* the fitted picture; below 0 it is black */
    bool flip;
    enum augment_colour order[AUGMENT_COLOURS];
    float factors[AUGMENT_COLOURS]; /* by kind; 1 changes nothing */
};

/* For a source of that size. */
void augment_decide(const struct augment_spec *spec, uint64_t key, int width,
                    int height, struct augment *augment);

/* From levels to numbers. */
struct augment_finish {
    const struct image_spec *input; /* size, colour order, range, mean, std */
    uint32_t channels;              /* of the levels: 1 or 3 */
    const float *mean_picture; /* (channels,height,width) in levels; or NULL:
                                * taken off before mean and std */
};

/* out (C,H,W) = the levels (channels,H,W) of a picture that has the model's
 * size, cut, flipped, coloured and normalised: value = ((level - mean picture)
 * in `range` - mean) / std. A gray source fills all channels of the model; a
 * model of one channel takes one. */
void augment_apply(const struct augment *augment,
                   const struct augment_finish *finish, const uint8_t *levels,
                   float *out);

#endif

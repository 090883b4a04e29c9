/*
 * The pictures that a command line names, and each as a model's input.
 */
#ifndef EDGE_CTL_PICTURES_H
#define EDGE_CTL_PICTURES_H

#include "config/cluster.h"
#include "image/prepare.h"

#include <stddef.h>

struct pictures {
    char **names; /* "-" is standard input */
    size_t n;
    size_t room;
    size_t widest; /* bytes of the longest name */
};

/* Files, folders and "-", in their order; of a folder every picture in it,
 * sorted by name. Whether a file is there is seen when it is read. EDGE_ENOENT:
 * a folder without pictures; EDGE_EINVAL: "-" twice. */
int pictures_list(char *const *arguments, size_t n, struct pictures *pictures,
                  struct err *err);
void pictures_deinit(struct pictures *pictures);

/* What a picture becomes: `spec` says how, and the tensor is of this type and
 * shape. A .npy is taken as it is; it may lack the first dimension if that is
 * 1. `tensor` is the caller's. Messages begin with the picture's name. */
struct picture_form {
    struct image_spec spec;
    const char *refusal; /* why no picture will do; NULL: they do */
    enum dtype dtype;
    struct shape shape;
};
/* How pictures become a float32 input of this shape, as `input` says; else
 * form->refusal is set. `model` is for its text, which lies in `refusal`.
 * EDGE_EINVAL, EDGE_ETOOBIG: what `input` says is out of range. */
#define PICTURE_REFUSAL 256
int picture_form_make(const struct cluster_input *input, const char *model,
                      enum dtype dtype, const struct shape *shape,
                      char refusal[PICTURE_REFUSAL], struct picture_form *form,
                      struct err *err);
int picture_read(const char *name, const struct picture_form *form,
                 struct tensor *tensor, struct err *err);

#endif

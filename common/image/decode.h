/*
 * Bytes of a picture file to pixels, from memory: JPEG (baseline and
 * progressive, gray, colour, CMYK), PNG (all kinds; transparency over white)
 * and binary PPM and PGM. The orientation a camera noted in EXIF is applied.
 *
 * The bytes come from anywhere. Sizes are read from the header and checked
 * before anything is allocated, and decoding is bounded in memory and in
 * passes (limits.h); whatever is wrong with a file is an error with a sentence
 * that begins with `name`, the file's name as its user knows it. A picture
 * that is cut off or damaged is refused, not guessed. Any thread; no state.
 */
#ifndef EDGE_IMAGE_DECODE_H
#define EDGE_IMAGE_DECODE_H

#include "image/image.h"

#include <stdbool.h>
#include <stddef.h>

/* EDGE_EUNSUPPORTED: another format, which the sentence names.
 * EDGE_ECORRUPT: damaged. EDGE_ETOOBIG: beyond a limit. EDGE_ENOMEM. */
int image_decode(const char *name, const uint8_t *data, size_t size,
                 struct image *image, struct err *err);

/* A file, or standard input for "-", read whole and decoded. */
int image_read(const char *path, struct image *image, struct err *err);

/* What the first bytes look like: "JPEG", "HEIC", "empty", "text"...; never
 * NULL. "a file of unknown format" if they look like nothing known. */
const char *image_format_name(const uint8_t *data, size_t size);

/* True for NumPy's .npy, which is for npy_decode() of tensor.h. */
bool image_is_npy(const uint8_t *data, size_t size);

#endif

/*
 * The one thing edged wants from EXIF: which way is up. A reader of the TIFF
 * structure that cameras put into a JPEG's APP1 segment or a PNG's eXIf chunk.
 * It trusts nothing, follows no pointer but the first and has no state.
 */
#ifndef EDGE_IMAGE_EXIF_H
#define EDGE_IMAGE_EXIF_H

#include <stddef.h>
#include <stdint.h>

/* The orientation, 1..8, from a TIFF structure; 1 if it is not there or the
 * bytes make no sense: a picture with broken EXIF is still a picture. */
int exif_orientation(const uint8_t *tiff, size_t size);

/* The same from the body of an APP1 segment, which may also hold XMP. */
int exif_orientation_app1(const uint8_t *segment, size_t size);

#endif

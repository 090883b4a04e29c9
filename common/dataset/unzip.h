/*
 * The bytes of a file, decompressed on the way if it is a gzip or an xz file,
 * whatever its name says. Through zlib and liblzma, with bounded memory
 * (LIMIT_XZ_MEMORY); nothing is read ahead of what is asked for but a buffer,
 * so a file that would unpack without end costs no more than its reader takes.
 * Blocks on the disk: never on a loop.
 */
#ifndef EDGE_DATASET_UNZIP_H
#define EDGE_DATASET_UNZIP_H

#include "base/err.h"

#include <stddef.h>

struct unzip;

/* EDGE_ENOENT and others of the file system, EDGE_ECORRUPT, EDGE_ENOMEM. */
int unzip_open(const char *path, struct unzip **unzip, struct err *err);
void unzip_free(struct unzip *unzip); /* NULL is fine */

const char *unzip_path(const struct unzip *unzip);

/* The next bytes; *got is less than `size` at the end of the file alone. */
int unzip_read(struct unzip *unzip, void *data, size_t size, size_t *got,
               struct err *err);

#endif

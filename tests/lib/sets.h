/*
 * Small data sets that tests write themselves, and a set packed and loaded.
 * Whatever goes wrong fails the test.
 */
#ifndef EDGE_TESTS_SETS_H
#define EDGE_TESTS_SETS_H

#include "dataset/loader.h"
#include "dataset/origin.h"
#include "tests/lib/tmp.h"

#define SETS_CIFAR_RECORD 3073

/* n records of CIFAR-10, of random levels; label i % 10. */
void sets_cifar10(struct tmp *tmp, const char *name, size_t n, uint64_t seed);
/* PREFIX-images-idx3-ubyte and PREFIX-labels-idx1-ubyte; label i % 10. */
void sets_idx(struct tmp *tmp, const char *prefix, uint32_t n, uint32_t height,
              uint32_t width, uint64_t seed);
/* FOLDER/a with two golden pictures and FOLDER/b with three. */
void sets_folder(struct tmp *tmp, const char *folder);
void sets_mkdir(struct tmp *tmp, const char *name);
/* A golden picture under another name. */
void sets_picture(struct tmp *tmp, const char *name, const char *golden);
/* Compressed beside itself; the plain file is removed. */
void sets_gzip(struct tmp *tmp, const char *name);
void sets_xz(struct tmp *tmp, const char *name);

struct sets_packed {
    struct store *store;
    struct dataset set;
    struct digest name;
};

/* All of it, into the store tmp/store. */
void sets_pack(struct tmp *tmp, const struct origin_place *place,
               struct sets_packed *packed);
void sets_unpack(struct sets_packed *packed); /* releases it */

/* A blob of the store. */
struct blob *sets_blob(struct sets_packed *packed, const struct digest *name);
/* A loader that was given all blobs but the mean. */
struct loader *sets_loader(struct sets_packed *packed,
                           const struct loader_spec *spec);

#endif

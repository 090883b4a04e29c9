/*
 * Private to origin*.c: what a format fills in, and the names in a folder.
 */
#ifndef EDGE_DATASET_ORIGIN_INNER_H
#define EDGE_DATASET_ORIGIN_INNER_H

#include "dataset/origin.h"
#include "dataset/unzip.h"

/* Sorted by strcmp(), without those that begin with a dot. */
struct listing {
    char **items;
    size_t n;
};

/* EDGE_ENOENT and others, EDGE_ETOOBIG above LIMIT_DATA_SAMPLES names. */
int listing_read(const char *folder, struct listing *names, struct err *err);
void listing_deinit(struct listing *names);
bool listing_has(const struct listing *names, const char *name);
/* "folder/name" for mem_free(); NULL: out of memory. */
char *listing_path(const char *folder, const char *name);
bool listing_is_folder(const char *path);
/* Text that begins or ends so, or holds it. */
bool listing_begins(const char *text, const char *with);
bool listing_ends(const char *text, const char *with);

struct origin {
    int (*next)(struct origin *origin, struct origin_sample *sample,
                struct err *err);
    enum dataset_kind kind;
    struct dataset_shape shape;
    struct listing classes;
    struct listing files; /* paths; of the class at hand for a folder */
    size_t next_file;
    struct unzip *images; /* the file at hand */
    struct unzip *labels;
    uint64_t left;   /* samples of idx still to come */
    uint8_t *buffer; /* one sample */
    struct blob *picture;
    char *folder; /* of the classes */
    size_t next_class;
};

/* Each fills a zeroed origin; whoever called frees it, also after an error.
 * `names` are those in the folder `path`, or NULL where `path` is a file. */
int origin_open_idx(struct origin *origin, const struct origin_place *place,
                    const struct listing *names, struct err *err);
int origin_open_cifar10(struct origin *origin, const struct origin_place *place,
                        const struct listing *names, struct err *err);
int origin_open_folder(struct origin *origin, const struct origin_place *place,
                       const struct listing *names, struct err *err);

/* Whether names look like that format. */
bool origin_is_idx(const struct listing *names);
bool origin_is_cifar10(const struct listing *names);

/* EDGE_ENOENT: `path` has no test part. */
int origin_no_test(const char *path, struct err *err);
/* Adds a copy; EDGE_ENOMEM. */
int listing_add(struct listing *names, const char *name);

#endif

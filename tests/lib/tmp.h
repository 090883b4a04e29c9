/*
 * A temporary folder for one test, removed with all that is in it.
 */
#ifndef EDGE_TESTS_TMP_H
#define EDGE_TESTS_TMP_H

#include <stddef.h>

#define TMP_PATH 256

struct tmp {
    char path[64];
    char joined[TMP_PATH]; /* of the last tmp_path() */
};

/* Makes it below $TMPDIR or /tmp; fails the test if it cannot. */
void tmp_init(struct tmp *tmp);
void tmp_deinit(struct tmp *tmp);

/* "folder/name"; good until the next call. */
const char *tmp_path(struct tmp *tmp, const char *name);
/* Writes a whole file and returns its path, as tmp_path() does. */
const char *tmp_write(struct tmp *tmp, const char *name, const void *data,
                      size_t size);
/* As if a file was written so many seconds ago (or in the future). */
void tmp_age(const char *path, long seconds);

#endif

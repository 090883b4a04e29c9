/* The names in a folder, in order, without those that begin with a dot. */
#ifndef EDGE_TESTS_FOLDER_H
#define EDGE_TESTS_FOLDER_H

#include <stddef.h>

struct folder {
    char **names;
    size_t n;
};

/* 0, EDGE_ENOMEM, or EDGE_ENOENT if it cannot be read. */
int folder_read(struct folder *folder, const char *path);
void folder_deinit(struct folder *folder);

#endif

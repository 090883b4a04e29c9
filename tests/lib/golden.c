#include "tests/lib/golden.h"

#include "tests/lib/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define GOLDEN_BYTES MIB(64)

struct blob *golden_file(const char *folder, const char *name)
{
    struct blob *blob = NULL;
    struct err err = {""};
    char path[512];

    (void)snprintf(path, sizeof(path), "tests/golden/%s/%s", folder, name);
    if (blob_read(path, GOLDEN_BYTES, &blob, &err) < 0) {
        fail_msg("%s", err.text);
    }
    return blob;
}

struct tensor golden_tensor(const char *folder, const char *name)
{
    struct tensor tensor = {0};
    struct err err = {""};
    struct blob *file;
    char npy[256];

    (void)snprintf(npy, sizeof(npy), "%s.npy", name);
    file = golden_file(folder, npy);
    if (npy_decode(file, &tensor, &err) < 0) {
        fail_msg("%s: %s", npy, err.text);
    }
    blob_unref(file);
    return tensor;
}

const char *golden_data(const char *path)
{
    static char joined[512]; /* one test runs at a time */
    const char *root = getenv("EDGE_DATA");

    if (root == NULL) {
        return NULL;
    }
    (void)snprintf(joined, sizeof(joined), "%s/%s", root, path);
    return access(joined, R_OK) == 0 ? joined : NULL;
}

/*
 * Tensors by name, from and to files: what `--input NAME=FILE` and
 * `--output-dir DIR` mean.
 */
#ifndef EDGE_CTL_NAMED_H
#define EDGE_CTL_NAMED_H

#include "base/err.h"
#include "base/limits.h"
#include "tensor/tensor.h"

#include <stddef.h>

struct named {
    const char *name; /* "" if none was given: the only input */
    const char *path; /* borrowed, as `name` is from the argument's copy */
    char *copy;
    struct tensor tensor;
};

struct named_list {
    struct named items[LIMIT_PORTS];
    size_t n;
};

/* Notes NAME=FILE, or FILE alone. EDGE_ETOOBIG, EDGE_EEXIST (the name was
 * given), EDGE_ENOMEM. */
int named_add(struct named_list *list, const char *argument, struct err *err);
/* Reads every file: NumPy's .npy, or an ONNX TensorProto in a .pb. */
int named_read(struct named_list *list, struct err *err);
void named_deinit(struct named_list *list); /* fine on a zeroed one */
/* The tensor of that name; with `is_only`, one without a name will do. */
const struct tensor *named_find(const struct named_list *list, const char *name,
                                bool is_only);

/* What a tensor is to be. */
struct named_port {
    const char *name;
    enum dtype dtype;
    struct shape shape; /* -1: any size */
};

/* Every port has its tensor, and every tensor its port, of the right type and
 * shape; `tensors[i]`, borrowed, is that of ports[i]. EDGE_EINVAL says what is
 * missing, or meant. */
int named_match(const struct named_list *list, const struct named_port *ports,
                size_t n, struct tensor *tensors, struct err *err);

/* Makes a folder, and those above it. */
int named_make_folder(const char *path, struct err *err);
/* A name as a file's name: '/' becomes '_'. For mem_free(). */
char *named_file(const char *name, const char *ending);
/* Writes tensors[i] as FOLDER/NAME.npy. EDGE_EEXIST if two of them would be
 * one file; then nothing is written. */
int named_write(const char *folder, const struct named_port *ports,
                const struct tensor *tensors, size_t n, struct err *err);

#endif

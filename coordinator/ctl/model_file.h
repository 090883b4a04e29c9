/*
 * The model of a deploy: one file that stands alone, whatever the user's lies
 * in, and what its metadata says (docs/decisions/0006).
 */
#ifndef EDGE_CTL_MODEL_FILE_H
#define EDGE_CTL_MODEL_FILE_H

#include "base/blob.h"
#include "graph/graph.h"

/* *model: the file as it is, or a copy that holds its external data too.
 * `labels`, if not NULL, gets those of the metadata, *labels NULL if there are
 * none. Both are for blob_unref(). EDGE_ETOOBIG: more than one file holds. */
int model_file_read(const char *path, struct blob **model, struct blob **labels,
                    struct err *err);

/* The length of a file's name without ".onnx", if it ends in that. */
int model_file_stem(const char *path);

/* The mapping in the metadata, in *input; untouched if there is none. What
 * `deploy` would say of a wrong one: EDGE_ECONFIG. */
struct cluster_input;
int model_file_input(const struct graph *graph, const char *path,
                     struct cluster_input *input, struct err *err);

#endif

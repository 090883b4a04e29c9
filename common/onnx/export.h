/*
 * ONNX files out: IR version 8, opset 17, valid for onnx.checker and any
 * runtime. Constants of EXPORT_INLINE_MAX bytes or more go beside the model
 * as external data whose location is the SHA-256 of their bytes in hex;
 * smaller ones are inside. A larger one whose elements are all equal is
 * written as ConstantOfShape. Same graph, same bytes.
 */
#ifndef EDGE_ONNX_EXPORT_H
#define EDGE_ONNX_EXPORT_H

#include "base/store.h"
#include "graph/graph.h"

#define EXPORT_INLINE_MAX 1024

struct export_blob { /* one external constant */
    struct digest digest;
    struct blob *blob; /* borrowed from the graph's tensor */
    const void *data;
    size_t size;
};

struct export
{
    struct blob *model;        /* the ModelProto */
    struct export_blob *blobs; /* each digest once */
    size_t n_blobs;
};

int export_graph(const struct graph *graph, struct export *out,
                 struct err *err);
void export_deinit(struct export *out); /* fine on a zeroed one */

/* Everything in one file, constants included, equal elements or not: whoever
 * trains it looks for its weights and biases among the initializers.
 * EDGE_ETOOBIG above 2 GiB. */
int export_file(const struct graph *graph, const char *path, struct err *err);

#endif

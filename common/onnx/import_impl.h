/*
 * What the importer's files share; see import.h for what it promises.
 *
 * A model is taken in this order: skeleton and unpack (skeleton.h), refuse
 * operators that are not supported, enter every name that something makes, then
 * initializers, inputs, nodes and outputs. Each node becomes one op with its
 * attributes checked against a table, and an upgrade function brings it to
 * opset 17's form, using shapes inferred so far.
 */
#ifndef EDGE_ONNX_IMPORT_IMPL_H
#define EDGE_ONNX_IMPORT_IMPL_H

#include "graph/graph.h"
#include "graph/names.h"
#include "onnx/import.h"
#include "onnx/skeleton.h"

#include "onnx.pb-c.h"

#define ONNX_OPSET_MIN 7
#define ONNX_OPSET_MAX 21
#define ONNX_OPSET 17 /* the form that graphs have */

struct known { /* a name that something in the model makes */
    int value; /* its value in the graph, -1: not entered yet */
    bool is_read;
};

struct import {
    struct graph *graph;
    const Onnx__ModelProto *model;
    const struct skeleton *skeleton;
    int opset;
    struct names names; /* name -> index in `known`; borrows the model's */
    struct known *known;
    size_t n_known;
    size_t known_room;
    struct blob *file;
    import_open open;
    void *arg;
    char *location; /* of `external`, the file opened last */
    struct blob *external;
};

/* A name from a file made fit to print: short, without control characters. */
#define SHOW_TEXT 128
const char *import_show(const char *name, char out[SHOW_TEXT]);
/* `node "conv1" (Conv)`; an unnamed one by its number and first output. */
#define NODE_TEXT (2 * SHOW_TEXT + 64)
const char *import_node_text(const Onnx__NodeProto *node, size_t index,
                             char out[NODE_TEXT]);
/* EDGE_EINVAL unless 1 to LIMIT_GRAPH_NAME bytes; `what` has the name. */
int import_check_name(const char *name, const char *what, struct err *err);

/* import_value.c: the value of a known name, entered on first use. */
int import_value(struct import *im, const char *name, int *value,
                 struct err *err);
bool import_is_read(const struct import *im, const char *name);
int import_declare_all(struct import *im, struct err *err);
/* dtype and shape of a graph input or output from its ValueInfoProto. */
int import_type(struct import *im, const Onnx__ValueInfoProto *info, int value,
                struct err *err);

/* import_since.c: the opset from which on an operator has the form that it
 * has in ONNX_OPSET_MIN. */
int import_since(const char *type);

/* import_tensor.c */
enum dtype import_dtype(int32_t onnx); /* DTYPE_NONE: not supported */
const char *import_dtype_name(int32_t onnx);
/* `raw`: where its raw data lies in `im->file`, or NULL: in `proto`. */
int import_tensor_proto(struct import *im, const Onnx__TensorProto *proto,
                        const struct skeleton_raw *raw, struct tensor *t,
                        struct err *err);

/* import_external.c: bytes of a file beneath a folder. */
int import_folder_open(void *folder, const char *location, struct blob **blob,
                       struct err *err);

/* import_attr.c: checks a node's attributes and sets them on ops[op]. */
int import_attrs(struct import *im, const Onnx__NodeProto *node, int op,
                 struct err *err);

/* import_node.c */
bool import_is_supported(const Onnx__NodeProto *node);
/* Outputs of a supported node that can be kept. */
int import_outputs_max(const Onnx__NodeProto *node);
int import_node(struct import *im, const Onnx__NodeProto *node, size_t index,
                struct err *err);

/* import_gelu.c: chains that compute Gelu (gelu.h) become one op each. */
int import_fuse_gelu(struct graph *graph);

/* upgrade.c: ops[op] comes as `type` of the model's opset and is brought to
 * opset 17's form; it may add constants and ops. */
int upgrade_op(struct import *im, const char *type, int op, struct err *err);

#endif

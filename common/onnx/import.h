/*
 * ONNX files in. Opsets 7 to 21, and older ones whose operators are unchanged
 * since, are brought to opset 17's forms (docs/decisions/0004): attributes
 * that became inputs become constants, Softmax before 13 becomes its 2-D form
 * with Flatten and Reshape unless one axis will do, Gelu stays an op and is
 * known again where it was written in parts (gelu.h). Nothing in a file is
 * trusted: depth, counts, lengths, names and external paths are checked
 * before use, and every error names file, node and operator.
 */
#ifndef EDGE_ONNX_IMPORT_H
#define EDGE_ONNX_IMPORT_H

#include "graph/graph.h"

/* Gives the bytes of external data `location` (`offset`, `length`; 0: to the
 * end) as a tensor's blob; see import_file and import_blob. */
typedef int (*import_open)(void *arg, const char *location, struct blob **blob,
                           struct err *err);

/* Reads `path`; external data lies beneath its folder, opened without
 * following links or "..". `name` in messages is the path. */
int import_file(const char *path, struct graph **graph, struct err *err);

/* The same; *is_apart: some of its weights are external data. */
int import_file_apart(const char *path, struct graph **graph, bool *is_apart,
                      struct err *err);

/* Reads a model that is in memory. `open` may be NULL: then external data is
 * an error. Constants may keep a reference on `file` (raw data is not
 * copied when it is aligned). `label` is used in messages. */
int import_blob(struct blob *file, const char *label, import_open open,
                void *arg, struct graph **graph, struct err *err);

/* One serialized TensorProto (test_data_set_K/input_J.pb); *name is the
 * tensor's name, for mem_free(), may be NULL. */
int import_tensor(struct blob *file, struct tensor *t, char **name,
                  struct err *err);

/* The opset that the file says it uses; nothing else of it is checked. */
int import_opset(const char *path, int *opset, struct err *err);

#endif

/*
 * A model from outside is read for the first time in a child process: the
 * same program once more, with limits on memory and time. What the child
 * cannot bear is an error sentence here; what it could read is then read
 * again, by whoever asked.
 *
 * Blocks until the child is done, GUARD_MS at most; from any thread.
 */
#ifndef EDGE_ONNX_GUARD_H
#define EDGE_ONNX_GUARD_H

#include "graph/graph.h"

/* 0: it can be read. `label` stands for the file in messages; external data
 * is an error. */
int guard_check(const char *path, const char *label, struct err *err);
/* import_file(), if guard_check() has nothing against it. */
int guard_import_file(const char *path, struct graph **graph, struct err *err);

/* First thing in main(): whether this process is such a child; then *status
 * is what main() returns. */
bool guard_is_child(int argc, char **argv, int *status);

#endif

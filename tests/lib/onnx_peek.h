/*
 * A look into an ONNX file without the importer, for tests that must know
 * what the importer should say of it.
 */
#ifndef EDGE_TESTS_ONNX_PEEK_H
#define EDGE_TESTS_ONNX_PEEK_H

#include <stdbool.h>
#include <stdint.h>

struct onnx_peek {
    bool is_foreign;    /* some node is of no operator in op.h's table */
    char type[128];     /* that node's operator; the first such node */
    char node[256];     /* its name, may be empty */
    char odd_type[128]; /* a graph input or output of a type that tensors do
                           not have, such as "sequence"; empty: none */
    bool trains;        /* some node is in training mode */
    int64_t opset;      /* of ONNX's own operators; 0: not said */
};

/* False: not readable. */
bool onnx_peek(const char *path, struct onnx_peek *peek);

#endif

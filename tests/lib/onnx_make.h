/*
 * Small ONNX files made in memory, for tests: the bytes are written here by
 * hand, so that they can be of any opset and say anything. Calls add to the
 * model in order; attributes go to the node added last. Failing allocations
 * fail the test.
 */
#ifndef EDGE_TESTS_ONNX_MAKE_H
#define EDGE_TESTS_ONNX_MAKE_H

#include "base/blob.h"

#include <stddef.h>
#include <stdint.h>

struct onnx_bytes {
    uint8_t *data;
    size_t size;
    size_t room;
};

struct onnx_make {
    struct onnx_bytes model;
    struct onnx_bytes graph;
    struct onnx_bytes node;
};

/* ONNX's numbers of element types. */
enum { ONNX_F32 = 1, ONNX_U8 = 2, ONNX_I8 = 3, ONNX_I64 = 7, ONNX_F64 = 11 };

/* A dimension below 0 is free and called N. */
struct onnx_dims {
    int rank;
    int64_t d[16];
};
#define LIST(...) \
    ((struct onnx_dims){sizeof((int64_t[]){__VA_ARGS__}) / 8, {__VA_ARGS__}})
#define NO_DIMS ((struct onnx_dims){.rank = 0})

void onnx_begin(struct onnx_make *m, int opset);
/* The file; the caller drops it with blob_unref(). */
struct blob *onnx_end(struct onnx_make *m);

void onnx_input(struct onnx_make *m, const char *name, int type,
                struct onnx_dims dims);
void onnx_output(struct onnx_make *m, const char *name); /* of float32 */
/* `in` and `out` are names separated by blanks; "-" leaves one out. */
void onnx_node(struct onnx_make *m, const char *type, const char *in,
               const char *out);
void onnx_node_name(struct onnx_make *m, const char *name);
void onnx_int(struct onnx_make *m, const char *name, int64_t v);
void onnx_float(struct onnx_make *m, const char *name, float v);
void onnx_string(struct onnx_make *m, const char *name, const char *v);
void onnx_ints(struct onnx_make *m, const char *name, struct onnx_dims v);
void onnx_floats(struct onnx_make *m, const char *name, const float *v,
                 size_t n);
void onnx_tensor(struct onnx_make *m, const char *name, int type,
                 struct onnx_dims dims, const void *data, size_t size);
/* An initializer with raw data. */
void onnx_init(struct onnx_make *m, const char *name, int type,
               struct onnx_dims dims, const void *data, size_t size);
void onnx_init_ints(struct onnx_make *m, const char *name, struct onnx_dims v);

/* Fields of protobuf messages, for what the calls above do not say. */
void onnx_put_int(struct onnx_bytes *b, int field, int64_t v);
void onnx_put_text(struct onnx_bytes *b, int field, const char *text);
void onnx_put_bytes(struct onnx_bytes *b, int field, const void *data,
                    size_t size);
/* `inside` as a field, which is then empty again. */
void onnx_put_message(struct onnx_bytes *b, int field,
                      struct onnx_bytes *inside);

#endif

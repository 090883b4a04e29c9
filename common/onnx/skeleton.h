/*
 * A first walk over a serialized ONNX message, before protobuf-c sees it.
 *
 * protobuf-c recurses into nested messages (ONNX's schema is recursive),
 * copies every bytes field and keeps unknown fields at up to 60 times their
 * size. So the file is walked once without recursion or allocation per field:
 * nesting, wire types, lengths and strings are checked, and a skeleton is
 * written that leaves out what nobody reads (documentation, unknown fields)
 * and the raw data of initializers, whose places in the file are noted
 * instead. Only the skeleton is unpacked.
 */
#ifndef EDGE_ONNX_SKELETON_H
#define EDGE_ONNX_SKELETON_H

#include "base/err.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct skeleton_raw { /* raw_data of one initializer, inside the file */
    bool set;
    size_t offset;
    size_t size;
};

struct skeleton {
    uint8_t *bytes; /* the skeleton */
    size_t size;
    struct skeleton_raw *raws; /* one an initializer, in file order */
    size_t n_raws;
    size_t raws_room;
};

/* `root` is ModelProto's descriptor or TensorProto's (then raws[0] is its
 * raw data). EDGE_ECORRUPT, EDGE_ETOOBIG (nesting), EDGE_ENOMEM. */
int skeleton_make(const uint8_t *data, size_t size,
                  const ProtobufCMessageDescriptor *root,
                  struct skeleton *skeleton, struct err *err);
void skeleton_deinit(struct skeleton *skeleton); /* fine on a zeroed one */

/* A skeleton unpacked under a budget of SKELETON_BUDGET_FACTOR times its size
 * and SKELETON_BUDGET_BASE bytes: an unpacked field is usually 2 to 15 times
 * its serialized size, an attack up to 70 times (docs/FAILURES.md). */
#define SKELETON_BUDGET_FACTOR 8
#define SKELETON_BUDGET_BASE MIB(64)

struct skeleton_message {
    ProtobufCMessage *message;
    ProtobufCAllocator allocator;
    size_t left;     /* bytes of the budget */
    bool is_over;    /* it was not enough */
    bool is_starved; /* the heap had no more */
};

int skeleton_unpack(const struct skeleton *skeleton,
                    const ProtobufCMessageDescriptor *root,
                    struct skeleton_message *out, struct err *err);
void skeleton_release(struct skeleton_message *out); /* fine on a zeroed one */

#endif

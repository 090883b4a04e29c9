/*
 * Looks through a packed message before it is unpacked, against its
 * descriptor: every length within its parent, every string without a NUL
 * (protobuf-c would cut it there without a word). Allocates nothing.
 */
#ifndef EDGE_WIRE_SCAN_H
#define EDGE_WIRE_SCAN_H

#include "base/err.h"

#include <protobuf-c/protobuf-c.h>

/* EDGE_EPROTO with a sentence. */
int scan_message(const ProtobufCMessageDescriptor *type, const uint8_t *data,
                 size_t size, struct err *err);

#endif

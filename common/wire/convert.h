/*
 * Between protobuf messages and our own types, checking every number that
 * came from outside: the trust boundary.
 */
#ifndef EDGE_WIRE_CONVERT_H
#define EDGE_WIRE_CONVERT_H

#include "base/store.h"
#include "envelope.pb-c.h"
#include "tensor/tensor.h"

/* A meta that borrows `dims` (room for LIMIT_RANK) until it is packed. */
void convert_meta_out(enum dtype dtype, const struct shape *shape,
                      Edged__TensorMeta *meta, int64_t dims[LIMIT_RANK]);
/* EDGE_EPROTO unless dtype, rank, dims, codec are right and, with `payload`,
 * its size is exactly that of the tensor, which then owns a reference. With
 * payload NULL only dtype and shape are set, and the codec is not looked at. */
int convert_meta_in(const Edged__TensorMeta *meta, struct blob *payload,
                    struct tensor *t, struct err *err);

int convert_digest_in(const ProtobufCBinaryData *bytes, struct digest *digest,
                      struct err *err);
ProtobufCBinaryData convert_digest_out(const struct digest *digest);
/* A reference to a blob, with a digest of its own, for
 * edged__*__free_unpacked(). NULL: out of memory. */
Edged__BlobRef *convert_ref_new(const struct digest *digest, uint64_t size);

/* A text of a message becomes a copy of another; what it was is released, or is
 * protobuf's own empty one. EDGE_ENOMEM: it stays. */
int convert_set_text(char **field, const char *text);

/* [A-Za-z0-9][A-Za-z0-9._-]{0,63} */
bool convert_name_ok(const char *name);

#endif

/*
 * One message: an unpacked Envelope and its payload.
 *
 * Unpacking goes through an allocator with a budget, so a small message
 * cannot grow large in memory; the payload never passes through protobuf-c.
 */
#ifndef EDGE_WIRE_MSG_H
#define EDGE_WIRE_MSG_H

#include "base/blob.h"
#include "base/err.h"
#include "envelope.pb-c.h"

struct msg {
    Edged__Envelope *env; /* env->payload is empty: see payload */
    struct blob *payload; /* or NULL; take a reference to keep it */
    uint32_t wire_us;     /* from its header's arrival to its last byte */
};

/* The head for an envelope and a payload of `payload_size` bytes: *head is
 * for mem_free(). EDGE_ETOOBIG above LIMIT_HEAD. `payload_crc` is set in the
 * packed form, not in `env`. */
int msg_pack(const Edged__Envelope *env, size_t payload_size,
             uint32_t payload_crc, uint8_t **head, size_t *head_size);

/* `head` must end with the payload's tag and the length `payload_size` if
 * that is not 0. EDGE_EPROTO, EDGE_ENOMEM (over `budget` bytes). On success
 * takes over the reference on `payload`. */
int msg_unpack(const uint8_t *head, size_t head_size, struct blob *payload,
               size_t budget, struct msg *msg, struct err *err);
void msg_deinit(struct msg *msg);

/* A message that was kept in a file or database, checked and unpacked within
 * a budget as those of the wire are; for msg_free_alone(). */
int msg_unpack_alone(const ProtobufCMessageDescriptor *type, const void *data,
                     size_t size, size_t budget, void *message,
                     struct err *err);
void msg_free_alone(void *message); /* NULL is fine */

/* "Data", "Install" ...: for logs and errors. */
const char *msg_kind_name(Edged__Envelope__BodyCase kind);

#endif

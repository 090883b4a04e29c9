#include "wire/msg.h"

#include "base/failpoint.h"
#include "base/limits.h"
#include "base/mem.h"
#include "wire/scan.h"

#include <string.h>

#define PAYLOAD_FIELD 1000
/* The payload field's tag (field 1000, length-delimited) as it is packed. */
#define TAG_0 0xc2
#define TAG_1 0x3e
#define TAIL_MAX 7 /* the tag and a length below 2^32 */
/* What the C library adds to an allocation, charged to the budget. */
#define OVERHEAD 16

static_assert(((TAG_0 & 0x7f) | TAG_1 << 7) == (PAYLOAD_FIELD << 3 | 2),
              "the tag is that of the payload");

/* The end of a head: the payload's tag and length. Returns its size. */
static size_t write_tail(size_t payload_size, uint8_t tail[TAIL_MAX])
{
    size_t n = 2;

    if (payload_size == 0) {
        return 0;
    }
    tail[0] = TAG_0;
    tail[1] = TAG_1;
    while (payload_size >= 0x80) {
        tail[n++] = (uint8_t)(payload_size | 0x80);
        payload_size >>= 7;
    }
    tail[n++] = (uint8_t)payload_size;
    return n;
}

int msg_pack(const Edged__Envelope *env, size_t payload_size,
             uint32_t payload_crc, uint8_t **head, size_t *head_size)
{
    Edged__Envelope copy = *env;
    uint8_t tail[TAIL_MAX];
    size_t tail_size;
    size_t size;
    uint8_t *bytes;

    if (payload_size > LIMIT_PAYLOAD) {
        return EDGE_ETOOBIG;
    }
    copy.payload_crc = payload_crc;
    copy.payload = (ProtobufCBinaryData){0, NULL};
    tail_size = write_tail(payload_size, tail);
    size = edged__envelope__get_packed_size(&copy);
    if (size + tail_size > LIMIT_HEAD) {
        return EDGE_ETOOBIG;
    }
    bytes = mem_resize(NULL, size + tail_size, 1);
    if (bytes == NULL) {
        return EDGE_ENOMEM;
    }
    edged__envelope__pack(&copy, bytes);
    memcpy(bytes + size, tail, tail_size);
    *head = bytes;
    *head_size = size + tail_size;
    return 0;
}

struct budget {
    size_t left;
    bool spent; /* an allocation was refused */
};

static void *budget_alloc(void *data, size_t size)
{
    struct budget *budget = data;
    void *p = NULL;

    if (DEFENCE_OFF("unpack-budget")) {
        return mem_resize(NULL, size, 1);
    }
    if (size <= budget->left && budget->left - size >= OVERHEAD) {
        p = mem_resize(NULL, size, 1);
    }
    if (p == NULL) {
        budget->spent = true;
        return NULL;
    }
    budget->left -= size + OVERHEAD;
    return p;
}

static void budget_free(void *data, void *p)
{
    (void)data; /* what was given back stays spent: the bound is on the sum */
    mem_free(p);
}

void msg_free_alone(void *message)
{
    ProtobufCAllocator allocator = {budget_alloc, budget_free, NULL};

    if (message != NULL) {
        protobuf_c_message_free_unpacked(message, &allocator);
    }
}

/* The head without its tail; EDGE_EPROTO unless that is there and right. */
static int strip_tail(const uint8_t *head, size_t *head_size,
                      size_t payload_size, struct err *err)
{
    uint8_t tail[TAIL_MAX];
    size_t n = write_tail(payload_size, tail);

    if (*head_size < n || memcmp(head + *head_size - n, tail, n) != 0) {
        return err_set(err, EDGE_EPROTO,
                       "a head does not end with its payload's length, %zu",
                       payload_size);
    }
    *head_size -= n;
    return 0;
}

static int unpack(const ProtobufCMessageDescriptor *type, const uint8_t *data,
                  size_t size, size_t budget_bytes, ProtobufCMessage **message,
                  struct err *err)
{
    struct budget budget = {budget_bytes, false};
    ProtobufCAllocator allocator = {budget_alloc, budget_free, &budget};
    int rc = scan_message(type, data, size, err);

    if (rc < 0) {
        return rc;
    }
    *message = protobuf_c_message_unpack(type, &allocator, size, data);
    if (*message == NULL && budget.spent) {
        return err_set(err, EDGE_ENOMEM,
                       "a message needs more than %zu bytes unpacked",
                       budget_bytes);
    }
    if (*message == NULL) {
        return err_set(err, EDGE_EPROTO, "a message cannot be unpacked");
    }
    return 0;
}

static int check(const Edged__Envelope *env, struct err *err)
{
    if (env->payload.len > 0) {
        return err_set(err, EDGE_EPROTO, "a head has a payload inside");
    }
    if (env->body_case == EDGED__ENVELOPE__BODY__NOT_SET) {
        return err_set(err, EDGE_EPROTO, "a message of no kind known here");
    }
    return 0;
}

int msg_unpack(const uint8_t *head, size_t head_size, struct blob *payload,
               size_t budget, struct msg *msg, struct err *err)
{
    ProtobufCMessage *message = NULL;
    Edged__Envelope *env;
    int rc;

    rc = strip_tail(head, &head_size, payload != NULL ? payload->size : 0, err);
    if (rc < 0) {
        return rc;
    }
    rc = unpack(&edged__envelope__descriptor, head, head_size, budget, &message,
                err);
    if (rc < 0) {
        return rc;
    }
    env = (Edged__Envelope *)message;
    rc = check(env, err);
    if (rc < 0) {
        msg_free_alone(env);
        return rc;
    }
    msg->env = env;
    msg->payload = payload;
    msg->wire_us = 0;
    return 0;
}

int msg_unpack_alone(const ProtobufCMessageDescriptor *type, const void *data,
                     size_t size, size_t budget, void *message, struct err *err)
{
    return unpack(type, data, size, budget, message, err);
}

void msg_deinit(struct msg *msg)
{
    msg_free_alone(msg->env);
    blob_unref(msg->payload);
    memset(msg, 0, sizeof(*msg));
}

const char *msg_kind_name(Edged__Envelope__BodyCase kind)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(&edged__envelope__descriptor,
                                                (unsigned)kind);
    const ProtobufCMessageDescriptor *type;

    if (field == NULL || field->type != PROTOBUF_C_TYPE_MESSAGE) {
        return "None";
    }
    type = field->descriptor;
    return type->short_name;
}

#include "wire/scan.h"

#include <stdbool.h>
#include <string.h>

/* No message of ours nests deeper: none is recursive (proto/). */
#define DEPTH_MAX 8

enum wire_type {
    WIRE_VARINT = 0,
    WIRE_FIXED64 = 1,
    WIRE_LENGTH = 2,
    WIRE_FIXED32 = 5
};

struct cursor {
    const uint8_t *p;
    const uint8_t *end;
};

struct level {
    const ProtobufCMessageDescriptor *type;
    const uint8_t *end;
};

static bool take_varint(struct cursor *c, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && c->p < c->end; shift += 7) {
        uint8_t byte = *c->p++;

        *value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            return true;
        }
    }
    return false;
}

static bool skip(struct cursor *c, uint64_t n)
{
    if (n > (uint64_t)(c->end - c->p)) {
        return false;
    }
    c->p += n;
    return true;
}

/* A value that is not length-delimited. */
static bool skip_scalar(struct cursor *c, enum wire_type wire)
{
    uint64_t ignored;

    switch (wire) {
    case WIRE_VARINT: return take_varint(c, &ignored);
    case WIRE_FIXED64: return skip(c, 8);
    case WIRE_FIXED32: return skip(c, 4);
    case WIRE_LENGTH:
    default: return false;
    }
}

/* One field; `*inner` is set if it is a message to go into, which then ends
 * at `*inner_end`. */
static int scan_field(const ProtobufCMessageDescriptor *type, struct cursor *c,
                      const ProtobufCMessageDescriptor **inner,
                      const uint8_t **inner_end, struct err *err)
{
    const ProtobufCFieldDescriptor *field;
    enum wire_type wire;
    uint64_t tag;
    uint64_t size;

    *inner = NULL;
    if (!take_varint(c, &tag) || tag >> 3 == 0 || tag > UINT32_MAX) {
        return err_set(err, EDGE_EPROTO, "a field's tag in %s is broken",
                       type->name);
    }
    wire = (enum wire_type)(tag & 7);
    if (wire != WIRE_LENGTH) {
        return skip_scalar(c, wire)
                   ? 0
                   : err_set(err, EDGE_EPROTO, "field %u of %s is broken",
                             (unsigned)(tag >> 3), type->name);
    }
    if (!take_varint(c, &size) || size > (uint64_t)(c->end - c->p)) {
        return err_set(err, EDGE_EPROTO, "field %u of %s is cut off",
                       (unsigned)(tag >> 3), type->name);
    }
    field = protobuf_c_message_descriptor_get_field(type, (unsigned)(tag >> 3));
    if (field != NULL && field->type == PROTOBUF_C_TYPE_MESSAGE) {
        *inner = field->descriptor;
        *inner_end = c->p + size;
        return 0;
    }
    if (field != NULL && field->type == PROTOBUF_C_TYPE_STRING &&
        memchr(c->p, '\0', (size_t)size) != NULL) {
        return err_set(err, EDGE_EPROTO, "a NUL is in %s of %s", field->name,
                       type->name);
    }
    c->p += size;
    return 0;
}

int scan_message(const ProtobufCMessageDescriptor *type, const uint8_t *data,
                 size_t size, struct err *err)
{
    struct level levels[DEPTH_MAX] = {{type, data + size}};
    struct cursor c = {data, data + size};
    size_t depth = 1;

    for (;;) {
        const ProtobufCMessageDescriptor *inner;
        const uint8_t *end;
        int rc;

        while (depth > 0 && c.p == levels[depth - 1].end) {
            depth--;
        }
        if (depth == 0) {
            return 0;
        }
        c.end = levels[depth - 1].end;
        rc = scan_field(levels[depth - 1].type, &c, &inner, &end, err);
        if (rc < 0) {
            return rc;
        }
        if (inner != NULL && depth == DEPTH_MAX) {
            return err_set(err, EDGE_EPROTO, "%s nests too deeply",
                           inner->name);
        }
        if (inner != NULL) {
            levels[depth++] = (struct level){inner, end};
        }
    }
}

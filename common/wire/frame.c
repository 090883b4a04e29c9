#include "wire/frame.h"

#include "base/bytes.h"
#include "base/mem.h"

#include <string.h>

#define HEAD_FIRST 512 /* most heads fit: one allocation per connection */

static const uint8_t magic[4] = {'E', 'D', 'G', '1'};

void frame_header_write(uint8_t out[FRAME_HEADER], uint32_t head_size,
                        uint32_t payload_size)
{
    memcpy(out, magic, sizeof(magic));
    bytes_put32(out + 4, (uint32_t)FRAME_MAJOR << 16 | FRAME_MINOR);
    bytes_put32(out + 8, head_size);
    bytes_put32(out + 12, payload_size);
    bytes_put32(out + 16, bytes_crc32c(0, out, 16));
}

int frame_header_read(const uint8_t in[FRAME_HEADER], size_t head_max,
                      size_t payload_max, struct frame_header *header,
                      struct err *err)
{
    uint32_t head_size = bytes_get32(in + 8);
    uint32_t payload_size = bytes_get32(in + 12);

    if (in[0] == 0x16 && in[1] == 0x03) { /* a record of TLS */
        return err_set(err, EDGE_EPROTO,
                       "the other end speaks TLS, and this one plain text: it "
                       "was started with --insecure");
    }
    if (memcmp(in, magic, sizeof(magic)) != 0) {
        return err_set(err, EDGE_EPROTO,
                       "this is not edged's protocol (no frame begins here)");
    }
    if (bytes_get32(in + 16) != bytes_crc32c(0, in, 16)) {
        return err_set(err, EDGE_EPROTO,
                       "the checksum of a frame's header is wrong");
    }
    if (head_size == 0 || head_size > head_max) {
        return err_set(err, EDGE_EPROTO,
                       "a frame's head of %u bytes is not within 1 .. %zu",
                       head_size, head_max);
    }
    if (payload_size > payload_max) {
        return err_set(err, EDGE_EPROTO,
                       "a frame's payload of %u bytes is larger than %zu",
                       payload_size, payload_max);
    }
    header->version = bytes_get32(in + 4);
    header->head_size = head_size;
    header->payload_size = payload_size;
    return 0;
}

void frame_reader_init(struct frame_reader *r, size_t head_max,
                       size_t payload_max)
{
    memset(r, 0, sizeof(*r));
    r->head_max = head_max;
    r->payload_max = payload_max;
    r->at = FRAME_AT_HEADER;
}

void frame_reader_deinit(struct frame_reader *r)
{
    mem_free(r->head);
    blob_unref(r->payload);
    memset(r, 0, sizeof(*r));
}

uint8_t *frame_reader_room(struct frame_reader *r, size_t *size)
{
    switch (r->at) {
    case FRAME_AT_HEAD:
        *size = r->header.head_size - r->filled;
        return r->head + r->filled;
    case FRAME_AT_PAYLOAD:
        *size = r->header.payload_size - r->filled;
        return r->payload->data + r->filled;
    case FRAME_AT_HEADER:
    default:
        *size = FRAME_HEADER - r->filled;
        return r->header_bytes + r->filled;
    }
}

static int grow_head(struct frame_reader *r, struct err *err)
{
    size_t room = r->header.head_size;
    uint8_t *head;

    if (room <= r->head_room) {
        return 0;
    }
    if (room < HEAD_FIRST) {
        room = HEAD_FIRST;
    }
    head = mem_resize(r->head, room, 1);
    if (head == NULL) {
        return err_set(err, EDGE_ENOMEM, "no memory for a head of %zu bytes",
                       room);
    }
    r->head = head;
    r->head_room = room;
    return 0;
}

static int at_header_end(struct frame_reader *r, struct err *err)
{
    int rc = frame_header_read(r->header_bytes, r->head_max, r->payload_max,
                               &r->header, err);

    if (rc < 0) {
        return rc;
    }
    rc = grow_head(r, err);
    if (rc < 0) {
        return rc;
    }
    r->at = FRAME_AT_HEAD;
    r->filled = 0;
    return 0;
}

static int at_head_end(struct frame_reader *r, struct err *err)
{
    if (r->header.payload_size == 0) {
        return 1;
    }
    r->payload = blob_new(r->header.payload_size);
    if (r->payload == NULL) {
        return err_set(err, EDGE_ENOMEM, "no memory for a payload of %u bytes",
                       r->header.payload_size);
    }
    r->at = FRAME_AT_PAYLOAD;
    r->filled = 0;
    return 0;
}

int frame_reader_filled(struct frame_reader *r, size_t n, struct err *err)
{
    r->filled += n;
    switch (r->at) {
    case FRAME_AT_HEAD:
        return r->filled == r->header.head_size ? at_head_end(r, err) : 0;
    case FRAME_AT_PAYLOAD: return r->filled == r->header.payload_size;
    case FRAME_AT_HEADER:
    default: return r->filled == FRAME_HEADER ? at_header_end(r, err) : 0;
    }
}

void frame_reader_next(struct frame_reader *r)
{
    blob_unref(r->payload);
    r->payload = NULL;
    r->at = FRAME_AT_HEADER;
    r->filled = 0;
}

/*
 * Framing: cuts a byte stream into frames, without I/O.
 *
 * A frame is a header of FRAME_HEADER bytes, the head (a packed Envelope up
 * to and including the tag and length of its payload field) and the payload's
 * bytes. All integers little-endian:
 *
 *   0  4  magic "EDG1"
 *   4  4  version (major << 16 | minor)
 *   8  4  head bytes, 1 .. LIMIT_HEAD
 *  12  4  payload bytes, 0 .. limit
 *  16  4  CRC32C of bytes 0..15
 *
 * Lengths are checked before anything is allocated.
 */
#ifndef EDGE_WIRE_FRAME_H
#define EDGE_WIRE_FRAME_H

#include "base/blob.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define FRAME_HEADER 20
#define FRAME_MAJOR 1
#define FRAME_MINOR 1 /* what boards of a training have to have alike */

struct frame_header {
    uint32_t version;
    uint32_t head_size;
    uint32_t payload_size;
};

void frame_header_write(uint8_t out[FRAME_HEADER], uint32_t head_size,
                        uint32_t payload_size);
/* EDGE_EPROTO with a sentence: bad magic, checksum or lengths. */
int frame_header_read(const uint8_t in[FRAME_HEADER], size_t head_max,
                      size_t payload_max, struct frame_header *header,
                      struct err *err);

/* Incremental reader: the owner asks where the next bytes go, reads straight
 * there, and says how many came. The payload goes into a blob, aligned. */
struct frame_reader {
    size_t head_max;
    size_t payload_max;
    enum { FRAME_AT_HEADER, FRAME_AT_HEAD, FRAME_AT_PAYLOAD } at;
    size_t filled; /* bytes of the current part */
    uint8_t header_bytes[FRAME_HEADER];
    struct frame_header header;
    uint8_t *head; /* LIMIT_HEAD at most, grown on demand */
    size_t head_room;
    struct blob *payload;
};

void frame_reader_init(struct frame_reader *r, size_t head_max,
                       size_t payload_max);
void frame_reader_deinit(struct frame_reader *r);
/* Where to read next: *size > 0 bytes at the returned pointer. */
uint8_t *frame_reader_room(struct frame_reader *r, size_t *size);
/* `n` bytes were put there. 1: a frame is whole (head, head_size and payload
 * are the reader's until frame_reader_next; take the payload by setting it
 * NULL). 0: more is needed. EDGE_EPROTO, EDGE_ENOMEM: close. */
int frame_reader_filled(struct frame_reader *r, size_t n, struct err *err);
void frame_reader_next(struct frame_reader *r);

#endif

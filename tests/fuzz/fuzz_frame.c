/*
 * Any bytes as what a connection reads: frames, messages, their conversion.
 * The first byte says in which pieces they come and whether a header's
 * checksum is put right, so that what is behind it is reached too.
 */
#include "base/bytes.h"
#include "base/limits.h"
#include "base/mem.h"
#include "wire/convert.h"
#include "wire/frame.h"
#include "wire/msg.h"

#include <stdlib.h>
#include <string.h>

#define PAYLOAD_MAX KIB(4) /* little memory: more runs */
#define PIECES_MAX 128     /* an input in more of them takes time, not paths */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void use_data(const struct msg *msg)
{
    struct tensor tensor = {0};
    struct err err = {""};

    if (convert_meta_in(msg->env->data->tensor, msg->payload, &tensor, &err) <
        0) {
        require(err.text[0] != '\0');
        return;
    }
    require(tensor.dtype != DTYPE_NONE && tensor.shape.rank <= LIMIT_RANK);
    if (tensor.blob != NULL) {
        require(tensor_bytes(&tensor) == msg->payload->size);
    }
    tensor_deinit(&tensor);
}

static void use_message(const struct msg *msg)
{
    require(msg->env->payload.len == 0);
    require(strcmp(msg_kind_name(msg->env->body_case), "None") != 0);
    if (msg->env->body_case == EDGED__ENVELOPE__BODY_DATA) {
        use_data(msg);
    }
}

/* A negative control (EDGE_PLANTED=1): a target that reads one byte too far
 * must be found, or clean runs prove nothing. */
static void read_too_far(const struct frame_reader *r)
{
    size_t size = r->header.head_size;
    uint8_t *copy = mem_resize(NULL, size, 1);
    volatile uint8_t byte;

    memcpy(copy, r->head, size);
    byte = copy[size > 40 ? size : 0];
    (void)byte;
    mem_free(copy);
}

static void use_frame(struct frame_reader *r)
{
    struct msg msg = {0};
    struct err err = {""};

    require(r->header.head_size <= LIMIT_HEAD);
    require((r->payload != NULL) == (r->header.payload_size > 0));
    if (getenv("EDGE_PLANTED") != NULL) {
        read_too_far(r);
    }
    if (msg_unpack(r->head, r->header.head_size, r->payload, LIMIT_UNPACK, &msg,
                   &err) == 0) {
        r->payload = NULL;
        use_message(&msg);
        msg_deinit(&msg);
    } else {
        require(err.text[0] != '\0' && msg.env == NULL);
    }
    frame_reader_next(r);
}

static void mend(uint8_t header[FRAME_HEADER])
{
    memcpy(header, "EDG1", 4);
    bytes_put32(header + 16, bytes_crc32c(0, header, 16));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame_reader r;
    size_t piece =
        (size > 0 ? (size_t)data[0] >> 1 : 0) + size / PIECES_MAX + 1;
    bool mends = size > 0 && (data[0] & 1);
    size_t at = 1;
    int rc = 0;

    frame_reader_init(&r, LIMIT_HEAD, PAYLOAD_MAX);
    while (at < size && rc >= 0) {
        struct err err = {""};
        size_t room;
        uint8_t *p = frame_reader_room(&r, &room);
        size_t n = piece < room ? piece : room;

        n = n < size - at ? n : size - at;
        require(room > 0);
        memcpy(p, data + at, n);
        at += n;
        if (mends && r.at == FRAME_AT_HEADER && r.filled + n == FRAME_HEADER) {
            mend(r.header_bytes);
        }
        rc = frame_reader_filled(&r, n, &err);
        if (rc > 0) {
            use_frame(&r);
        } else if (rc < 0) {
            require(err.text[0] != '\0');
        }
    }
    frame_reader_deinit(&r);
    return 0;
}

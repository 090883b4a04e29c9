#include "net/outbox.h"

#include "base/bytes.h"
#include "base/failpoint.h"
#include "base/mem.h"
#include "wire/frame.h"

#include <string.h>

/* One frame on its way out that the socket did not take at once. */
struct outgoing {
    struct outbox *outbox;
    size_t size;
    bool has_payload;
    uint8_t header[FRAME_HEADER];
    uint8_t *head;
    struct blob *blob;
};

/* A frame before anything of it is written. */
struct parts {
    uint8_t header[FRAME_HEADER];
    uint8_t *head;
    size_t head_size;
    const struct io_payload *payload; /* NULL: none */
    size_t size;
};

void outbox_init(struct outbox *outbox, struct stream *stream,
                 const struct outbox_events *events)
{
    *outbox = (struct outbox){.stream = stream, .events = events};
}

/* Messages without payload have a reserve of their own, so that beats and
 * acknowledgements pass a queue full of data. */
int outbox_admit(size_t data_waiting, size_t other_waiting,
                 const struct io_payload *payload)
{
    if (payload == NULL) {
        return other_waiting < LIMIT_CONTROL_RESERVE ? 0 : EDGE_EBUSY;
    }
    if (payload->size > LIMIT_PAYLOAD) {
        return EDGE_ETOOBIG;
    }
    if (payload->offset > payload->blob->size ||
        payload->size > payload->blob->size - payload->offset) {
        return EDGE_EINVAL;
    }
    return data_waiting == 0 ||
                   data_waiting + payload->size <= LIMIT_WRITE_QUEUE ||
                   DEFENCE_OFF("high-water")
               ? 0
               : EDGE_EBUSY;
}

static size_t *waiting_of(struct outbox *outbox, bool has_payload)
{
    return has_payload ? &outbox->data_waiting : &outbox->other_waiting;
}

static void on_sent(void *arg)
{
    struct outgoing *out = arg;
    struct outbox *outbox = out->outbox;

    *waiting_of(outbox, out->has_payload) -= out->size;
    mem_free(out->head);
    blob_unref(out->blob);
    mem_free(out);
    outbox->events->on_change(outbox);
}

static struct outgoing *outgoing_new(struct outbox *outbox,
                                     const struct parts *parts)
{
    struct outgoing *out = mem_new(struct outgoing);

    if (out != NULL) {
        out->outbox = outbox;
        out->size = parts->size;
        out->has_payload = parts->payload != NULL;
        memcpy(out->header, parts->header, FRAME_HEADER);
    }
    return out;
}

/* Queues what is left after `done` bytes; takes the head on success. */
static int queue_rest(struct outbox *outbox, const struct parts *parts,
                      struct iovec *iov, int n, size_t done)
{
    struct outgoing *out = outgoing_new(outbox, parts);
    int rc;

    if (out == NULL) {
        return EDGE_ENOMEM;
    }
    iov[0].iov_base = out->header;
    while (done >= iov->iov_len) {
        done -= iov->iov_len;
        iov++;
        n--;
    }
    iov->iov_base = (uint8_t *)iov->iov_base + done;
    iov->iov_len -= done;
    rc = stream_write(outbox->stream, iov, n, on_sent, out);
    if (rc < 0) {
        mem_free(out);
        return rc;
    }
    out->head = parts->head;
    out->blob = parts->payload != NULL ? blob_ref(parts->payload->blob) : NULL;
    *waiting_of(outbox, out->has_payload) += out->size;
    return 0;
}

/* Takes the head on success. */
static int write_parts(struct outbox *outbox, struct parts *parts)
{
    const struct io_payload *p = parts->payload;
    struct iovec iov[3] = {{parts->header, FRAME_HEADER},
                           {parts->head, parts->head_size}};
    int n = 2;
    ssize_t done;
    int rc;

    if (p != NULL) {
        iov[n++] = (struct iovec){p->blob->data + p->offset, p->size};
    }
    done = stream_try(outbox->stream, iov, n);
    if (done < 0) {
        return (int)done;
    }
    if ((size_t)done == parts->size) {
        outbox->written += parts->size;
        mem_free(parts->head);
        return 0;
    }
    rc = queue_rest(outbox, parts, iov, n, (size_t)done);
    if (rc == 0) {
        outbox->written += parts->size;
    } else if (done > 0) {
        outbox->events->on_broken(outbox, rc);
    }
    return rc;
}

int outbox_send(struct outbox *outbox, const Edged__Envelope *env,
                const struct io_payload *payload)
{
    struct parts parts = {0};
    uint32_t crc = 0;
    int rc;

    parts.payload = payload != NULL && payload->size > 0 ? payload : NULL;
    rc = outbox_admit(outbox->data_waiting, outbox->other_waiting,
                      parts.payload);
    if (rc < 0) {
        return rc;
    }
    if (parts.payload != NULL) {
        parts.size = payload->size;
        /* The kernel itself copies those of a Unix socket, and TLS has a
         * better check. */
        if (!outbox->stream->local && !outbox->stream->secure) {
            crc = bytes_crc32c(0, payload->blob->data + payload->offset,
                               payload->size);
        }
    }
    rc = msg_pack(env, parts.size, crc, &parts.head, &parts.head_size);
    if (rc < 0) {
        return rc;
    }
    frame_header_write(parts.header, (uint32_t)parts.head_size,
                       (uint32_t)parts.size);
    parts.size += FRAME_HEADER + parts.head_size;
    rc = write_parts(outbox, &parts);
    if (rc < 0) {
        mem_free(parts.head);
    }
    outbox->events->on_change(outbox);
    return rc;
}

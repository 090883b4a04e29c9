#include "tests/lib/steps.h"

#include "base/limits.h"
#include "base/mem.h"

#include <string.h>

/* So sizes up to 4 KiB, and every float in it whole. */
#define PAYLOAD_UNIT 16

static bool take(struct steps *s, size_t n, const uint8_t **bytes)
{
    if ((size_t)(s->end - s->at) < n) {
        return false;
    }
    *bytes = s->at;
    s->at += n;
    return true;
}

static bool take_message(struct steps *s, struct step *step)
{
    const uint8_t *sizes;

    if (!take(s, 3, &sizes)) {
        return false;
    }
    step->kind = STEPS_MESSAGE;
    step->head_size = (size_t)(sizes[0] | sizes[1] << 8);
    step->payload_size = (size_t)sizes[2] * PAYLOAD_UNIT;
    if (step->head_size > (size_t)(s->end - s->at)) {
        step->head_size = (size_t)(s->end - s->at);
    }
    return take(s, step->head_size, &step->head);
}

bool steps_next(struct steps *s, struct step *step)
{
    const uint8_t *who;
    const uint8_t *ms;

    *step = (struct step){.kind = STEPS_WORK};
    if (!take(s, 1, &who)) {
        return false;
    }
    step->who = *who & 15u;
    switch (*who >> 4) {
    case 12:
        step->kind = STEPS_TIME;
        if (!take(s, 2, &ms)) {
            return false;
        }
        step->ms = (uint64_t)(ms[0] | ms[1] << 8);
        return true;
    case 13: return true;
    case 14: step->kind = STEPS_LEAVE; return true;
    case 15: step->kind = STEPS_COME; return true;
    default: return take_message(s, step);
    }
}

/* The head with the tail that belongs to the payload. */
static uint8_t *with_tail(const struct step *step, size_t *size)
{
    uint8_t *head = mem_resize(NULL, step->head_size + 8, 1);
    size_t n = step->payload_size;
    size_t at = step->head_size;

    memcpy(head, step->head, step->head_size);
    if (n > 0) {
        head[at++] = 0xc2;
        head[at++] = 0x3e;
        for (; n >= 0x80; n >>= 7) {
            head[at++] = (uint8_t)(n | 0x80);
        }
        head[at++] = (uint8_t)n;
    }
    *size = at;
    return head;
}

bool steps_give(struct io_fake_peer *peer, const struct step *step)
{
    struct io *io = peer->base.io;
    struct blob *payload = NULL;
    struct msg msg = {0};
    struct err err;
    size_t size;
    uint8_t *head = with_tail(step, &size);
    bool fine = size > 0 && size <= LIMIT_HEAD;

    if (step->payload_size > 0) {
        payload = blob_new(step->payload_size);
        memset(payload->data, 0, payload->size);
    }
    fine =
        fine && msg_unpack(head, size, payload, LIMIT_UNPACK, &msg, &err) == 0;
    mem_free(head);
    if (!fine) {
        blob_unref(payload);
        return false;
    }
    io->events.on_message(io->arg, &peer->base, &msg);
    msg_deinit(&msg);
    return peer->base.up;
}

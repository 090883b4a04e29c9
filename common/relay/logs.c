#include "relay/logs.h"

#include "base/mem.h"

#include <string.h>

#define REPLY_LINES 100u /* a reply fits the head of a frame */

struct collect {
    char *lines[REPLY_LINES];
    size_t n;
    uint64_t last;
    size_t bytes;
};

static void on_line(void *arg, uint64_t seq, const char *line)
{
    struct collect *c = arg;
    size_t length = strlen(line);

    if (c->n == REPLY_LINES || c->bytes + length > LIMIT_HEAD / 2) {
        return;
    }
    c->lines[c->n] = mem_strdup(line);
    if (c->lines[c->n] != NULL) {
        c->n++;
        c->last = seq;
        c->bytes += length + 4;
    }
}

void relay_log_reply(struct log *log, struct io_peer *peer,
                     const Edged__LogRequest *request)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    Edged__LogReply reply = EDGED__LOG_REPLY__INIT;
    struct collect c = {.last = request->after};
    size_t wanted = request->lines < REPLY_LINES ? request->lines : REPLY_LINES;

    log_tail(log, wanted, request->after, on_line, &c);
    reply.lines = c.lines;
    reply.n_lines = c.n;
    reply.last = c.last;
    env.body_case = EDGED__ENVELOPE__BODY_LOG_REPLY;
    env.log_reply = &reply;
    if (io_send(peer, &env, NULL) < 0) {
        log_event(log, LOG_WARN, "logs.dropped", "peer=%s", peer->name);
    }
    for (size_t i = 0; i < c.n; i++) {
        mem_free(c.lines[i]);
    }
}

/*
 * One end of connections in a test: an io with everything that it was told.
 */
#ifndef EDGE_TESTS_IO_END_H
#define EDGE_TESTS_IO_END_H

#include "io_world.h"

#define END_MESSAGES 256

struct end {
    struct io_world *world;
    struct io *io; /* NULL: it is not running */
    struct io_identity id;
    int port;
    struct io_peer *peer; /* that came up last; NULL after its on_down */
    int ups;
    int downs;
    int refusals;
    int rc; /* of the last on_down or on_refused */
    char why[256];
    unsigned messages;
    uint64_t requests[END_MESSAGES]; /* of the Acks and Data among them */
    size_t payload_bytes;
    uint32_t crc_field;   /* of the last envelope with payload */
    uint32_t payload_crc; /* over all of them, as they came */
    bool calling;         /* the test is inside a call: no callback may come */
    /* What the test does inside callbacks; NULL: nothing. */
    void (*then_up)(struct end *end, struct io_peer *peer);
    void (*then_down)(struct end *end, struct io_peer *peer);
    void (*then_message)(struct end *end, struct io_peer *peer);
    void (*then_refused)(struct end *end, struct io_peer *peer);
    void *arg;
};

/* A node of cluster "home"; starts at once. */
void end_start(struct end *end, struct io_world *world, const char *name);
/* The same with the identity in end->id. */
void end_restart(struct end *end);
/* Fine if it does not run. */
void end_stop(struct end *end);
void end_kill(struct end *end);

/* Dials `to` expecting `name` (NULL: anybody); fails the test if refused. */
struct io_peer *end_dial(struct end *end, const struct end *to,
                         const char *name);
/* io_send() of an Ack with this number, or of a Data with `size` bytes made
 * from it. */
int end_send_ack(struct end *end, struct io_peer *peer, uint64_t number);
int end_send_data(struct end *end, struct io_peer *peer, uint64_t number,
                  size_t size);
/* The same in two steps: what is sent, and sending it, which releases it. */
struct blob *end_data(uint64_t number, size_t size);
int end_send_blob(struct end *end, struct io_peer *peer, uint64_t number,
                  struct blob *blob);
void end_hang_up(struct end *end, struct io_peer *peer, int rc,
                 const char *why);

/* The CRC32C after `size` bytes of end_send_data(number) came after `crc`. */
uint32_t end_data_crc(uint32_t crc, uint64_t number, size_t size);

/* Runs the world until *counter >= n; fails the test after `limit_ms`. */
#define end_until(end, counter, n, limit_ms) \
    end_until_at((end), &(end)->counter, (n), (limit_ms), #counter, __func__)
void end_until_at(struct end *end, const int *counter, int n, unsigned limit_ms,
                  const char *what, const char *where);
void end_until_messages(struct end *end, unsigned n, unsigned limit_ms);
void end_run_for(struct end *end, unsigned ms);

#endif

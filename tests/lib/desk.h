/*
 * A coordinator on a fake io (io_fake.h), for tests of its parts: the test
 * plays its nodes and its clients, message by message. The model is
 * y = x + 1, or with two outputs y and z = 2 x, one stage.
 */
#ifndef EDGE_TESTS_DESK_H
#define EDGE_TESTS_DESK_H

#include "coordinator/parts.h"
#include "tests/lib/io_fake.h"
#include "tests/lib/tmp.h"

#define DESK_NODES 3
#define DESK_SIZE 4 /* elements of x */

struct desk {
    struct io_fake fake;
    struct tmp tmp;
    struct coordinator *c;
    struct io_fake_peer *client;
    struct blob *model;
    size_t n_outputs;
    uint64_t beat_seq;
    bool is_speedless;       /* its boards do not know how fast they are */
    double rate[DESK_NODES]; /* of n0, n1, ...: MAC, and bytes, a second; 0: as
                                guessed */
};

/* Starts the coordinator; a client is connected. */
void desk_init(struct desk *d, size_t n_outputs);
void desk_deinit(struct desk *d);
/* Ends it as by SIGKILL and starts it in the same folder. */
void desk_restart(struct desk *d);

/* The node that the coordinator dials under that name; NULL: it does not. */
struct io_fake_peer *desk_node(struct desk *d, const char *name);
/* It answers the dial, and says what it is ready for (0: nothing). */
void desk_up(struct desk *d, const char *name, uint32_t epoch);
void desk_beat(struct desk *d, const char *name, uint32_t epoch);
void desk_down(struct desk *d, const char *name);
struct io_fake_peer *desk_client(struct desk *d);

/* Sends a YAML file, the model, and Deploy. */
void desk_deploy(struct desk *d, const char *yaml);
/* A file in one piece, from whomever. */
void desk_send_blob(struct desk *d, struct io_fake_peer *from,
                    struct blob *file, struct digest *digest);
/* What was replied to it; NULL: nothing yet. */
const Edged__DeployReply *desk_reply(const struct desk *d);

/* Ready of that node for the newest Install that it got. */
void desk_ready(struct desk *d, const char *name);
/* Answers the oldest Data that went to a node and was not answered; false:
 * there is none. `wrong` spoils one value. */
bool desk_answer(struct desk *d, const char *name, bool wrong);
/* One output of that Data, and no Ack. */
void desk_output(struct desk *d, const char *name, const struct msg *data,
                 uint32_t port, bool wrong);
/* All of it, on devices such as "n0, n1" at ports 700, 701: nodes up, Ready,
 * golden answers. The epoch that came of it. */
uint32_t desk_whole(struct desk *d, const char *devices);

/* A request of the client with x = 1, 2, 3, 4. */
void desk_ask(struct desk *d, struct io_fake_peer *client, uint64_t number,
              uint32_t left_ms);
/* The Answer to it; NULL: none yet. */
const Edged__Answer *desk_answer_of(struct io_fake_peer *client,
                                    uint64_t number);
size_t desk_answers_to(struct io_fake_peer *client, uint64_t number);

#endif

/*
 * edgectl's end of the admin socket: blocking, one thing at a time. Every
 * wait has a limit.
 */
#ifndef EDGE_CTL_CLIENT_H
#define EDGE_CTL_CLIENT_H

#include "base/store.h"
#include "wire/msg.h"

struct client;

/* Connects and says hello. EDGE_EUNREACHABLE with what to type next. */
int client_open(const char *path, struct client **client, struct err *err);
/* Connects anew after EDGE_ECLOSED, as often as it takes: the coordinator may
 * be restarting. What was under way is lost. EDGE_EUNREACHABLE. */
int client_again(struct client *client, int patience_ms, struct err *err);
void client_close(struct client *client); /* NULL is fine */

/* Sends a message, its payload beside it. */
int client_send(struct client *client, const Edged__Envelope *env,
                const void *payload, size_t size, struct err *err);
/* What came where answers were waited for, and is none: EDGE_ECLOSED, it is
 * stopping; EDGE_EREFUSED, it hung up; EDGE_EPROTO. */
int client_no_answer(const Edged__Envelope *env, struct err *err);
/* The next message, for msg_deinit(). EDGE_ETIMEOUT after `timeout_ms`;
 * EDGE_ECLOSED when the coordinator goes. */
int client_receive(struct client *client, int timeout_ms, struct msg *msg,
                   struct err *err);
/* The next message, which must be of this kind. */
int client_expect(struct client *client, int timeout_ms,
                  Edged__Envelope__BodyCase kind, struct msg *msg,
                  struct err *err);
/* To wait for it together with other things. */
int client_fd(const struct client *client);

/* Puts bytes into the coordinator's store, unless they are there; *sent (may
 * be NULL) is what really crossed. `step` (may be NULL) hears of progress. */
typedef void (*client_step)(void *arg, uint64_t done, uint64_t total);
int client_put(struct client *client, const struct blob *blob,
               struct digest *digest, uint64_t *sent, client_step step,
               void *arg, struct err *err);

#endif

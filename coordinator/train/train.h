/*
 * Training: what the rest of the coordinator knows of it
 * (docs/decisions/0024).
 */
#ifndef EDGE_COORDINATOR_TRAIN_TRAIN_H
#define EDGE_COORDINATOR_TRAIN_TRAIN_H

#include "coordinator/parts.h"

void train_on_request(struct coordinator *c, struct io_peer *peer,
                      struct msg *msg);
void train_on_stepped(struct coordinator *c, struct io_peer *peer,
                      struct msg *msg);
void train_on_saved(struct coordinator *c, struct io_peer *peer,
                    struct msg *msg);
/* A piece of a file came from a node. */
void train_on_piece(struct coordinator *c, const struct io_peer *peer);
/* Something has moved, or time has passed: looks at every training. */
void train_poke(struct coordinator *c);
void train_client_gone(struct coordinator *c, const struct io_peer *peer);
/* Brings back what state.db keeps; what was under way goes on. */
int train_load(struct coordinator *c, struct err *err);
/* No callback comes any more, and state.db is still open. */
void train_free_all(struct coordinator *c);
/* A strand works for one of them. */
bool train_is_busy(const struct coordinator *c);

/* state_train.c: trainings, as packed KeptTraining. One transaction. */
int state_put_training(struct state *state, const char *name, const void *body,
                       size_t size, struct err *err);
int state_drop_training(struct state *state, const char *name, struct err *err);
typedef int (*state_each_training)(void *arg, const void *body, size_t size,
                                   struct err *err);
/* What is damaged is left out. */
int state_load_trainings(struct state *state, state_each_training each,
                         void *arg, struct err *err);

#endif

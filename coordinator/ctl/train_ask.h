/*
 * What edgectl train, evaluate and exits share: the files of a training are
 * read and sent, something is asked for, and its end awaited.
 *
 *   read -> (connect) -> put -> begin -> await     once, or again and again
 *                     -> watch        -> await
 */
#ifndef EDGE_CTL_TRAIN_ASK_H
#define EDGE_CTL_TRAIN_ASK_H

#include "coordinator/ctl/cluster_files.h"
#include "coordinator/ctl/train.h"

#include "base/limits.h"

struct train_ask {
    struct cluster_files files; /* path NULL: there are none */
    bool evaluates;
    char *data_path;
    char *test_path;           /* NULL: beside the training part */
    char name[LIMIT_NAME + 1]; /* of the training, once it is known */
    struct client *client;
    struct progress progress;
    struct train_print print;
    /* What was sent: */
    struct train_set train;
    struct train_set test; /* size 0: there is none */
    struct digest model;
    struct digest yaml;
};

void train_ask_release(struct train_ask *t);
/* The cluster's file, which must have training, and the model. */
int train_ask_read(struct train_ask *t, struct err *err);
/* All that the coordinator does not have of these, and of the data. */
int train_ask_put(struct train_ask *t, struct err *err);
/* Asks for a training, or an evaluation without the views `absent` (bit k is
 * view k's), or with zeros in their place. */
int train_ask_begin(struct train_ask *t, uint64_t absent, bool is_grey,
                    struct err *err);
int train_ask_watch(struct train_ask *t, bool stops, struct err *err);
int train_ask_send(struct train_ask *t, Edged__Train *message, struct err *err);
/* Until the reply, which is for msg_deinit(). */
int train_ask_await(struct train_ask *t, struct msg *msg, struct err *err);
/* A reply's code, with a sentence. */
int train_ask_refuse(const Edged__TrainReply *reply, struct err *err);

#endif

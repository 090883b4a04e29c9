/*
 * What an evaluation said of a model with several outputs: how often each is
 * right, and what leaves at which exit by any threshold; and what a view's
 * board sends for it. Pure.
 */
#ifndef EDGE_CTL_EXIT_TALLY_H
#define EDGE_CTL_EXIT_TALLY_H

#include "graph/views.h"
#include "net/io.h"

struct exit_output {
    char name[LIMIT_GRAPH_NAME + 1];
    uint64_t samples; /* whose view is there */
    uint64_t correct;
};

struct exit_tally {
    uint64_t samples; /* of the test set */
    double accuracy;  /* of the first output */
    double loss;
    struct exit_output outputs[LIMIT_LOSSES]; /* the first: the last tier's */
    size_t n;
    size_t gates[LIMIT_EXITS]; /* outputs that samples may leave at, in order */
    size_t n_gates;
    uint64_t left[EXIT_LEVELS][LIMIT_EXITS + 1];
    uint64_t left_correct[EXIT_LEVELS][LIMIT_EXITS + 1];
};

void exit_tally_read(const Edged__TrainReply *reply, struct exit_tally *tally);
/* 0 to 1; 0 of none. */
double exit_accuracy(const struct exit_output *output);
/* Of what leaves anywhere, by that threshold; and the part that leaves at an
 * exit before the end. */
double exit_overall(const struct exit_tally *tally, size_t level);
double exit_share(const struct exit_tally *tally, size_t level, size_t gate);
double exit_early(const struct exit_tally *tally, size_t level);

/* The highest threshold (the least traffic) by which at most `points` of
 * accuracy (0.005: half a point) are lost against the best single output of
 * those that gather, or EXIT_LEVELS: there is none. */
size_t exit_choose(const struct exit_tally *tally, double points);

/* Payload that one view's board sends for a sample, on average over views: to
 * the first exit always, and further on where it does not leave. Values that
 * Sign made take a bit each, others four bytes. */
struct exit_bytes {
    double always;
    double further;
    double raw; /* of the view itself, a byte for each number */
};
int exit_bytes_of(const struct graph *graph, const struct views *views,
                  const char *gate, struct exit_bytes *bytes);

#endif

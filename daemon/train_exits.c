/*
 * What an evaluation counts of several outputs: how often each is right where
 * it could be, and what would leave at which exit by any threshold.
 */
#include "daemon/train.h"

#include "tensor/doubt.h"

struct answer { /* an output's scores of one sample */
    const float *scores;
    int64_t n;
    bool is_right;
};

static struct answer answer_of(const struct train *t, const struct micro *m,
                               size_t loss, size_t sample)
{
    const struct tensor *scores = &m->y[t->made->scores[loss]];
    int64_t n = scores->shape.dims[1];
    const float *row = (const float *)scores->data + (int64_t)sample * n;
    int64_t label = ((const int64_t *)m->labels.data)[sample];

    return (struct answer){row, n, train_best(row, n) == label};
}

static void count_outputs(const struct train *t, const struct micro *m,
                          size_t sample, struct train_exits *to)
{
    for (size_t i = 0; i < t->recipe->n_losses; i++) {
        if (train_view_is_there(t, m, sample, t->made->view_of[i])) {
            to->samples[i]++;
            to->correct[i] += answer_of(t, m, i, sample).is_right;
        }
    }
}

/* By each threshold it leaves at the first exit that is not more unsure. */
static void count_left(const struct train *t, const struct micro *m,
                       size_t sample, struct train_exits *to)
{
    const Edged__Recipe *r = t->recipe;
    struct answer answers[LIMIT_EXITS + 1];
    double doubts[LIMIT_EXITS + 1];
    size_t n = r->n_exits;

    for (size_t e = 0; e < n; e++) {
        answers[e] = answer_of(t, m, r->exits[e]->loss, sample);
        doubts[e] = doubt_of((enum doubt_kind)r->exits[e]->doubt,
                             answers[e].scores, answers[e].n);
    }
    answers[n] = answer_of(t, m, 0, sample);
    for (size_t level = 0; level < EXIT_LEVELS; level++) {
        double most = (double)level / (EXIT_LEVELS - 1);
        size_t e = 0;

        while (e < n && doubts[e] > most) {
            e++;
        }
        to->left[level][e]++;
        to->left_correct[level][e] += answers[e].is_right;
    }
}

void train_exits_count(const struct train *t, const struct micro *m,
                       struct train_exits *to)
{
    for (size_t i = 0; i < m->samples; i++) {
        count_outputs(t, m, i, to);
        if (t->recipe->n_exits > 0) {
            count_left(t, m, i, to);
        }
    }
}

void train_exits_add(struct train_exits *to, const struct train_exits *more)
{
    for (size_t i = 0; i < LIMIT_LOSSES; i++) {
        to->samples[i] += more->samples[i];
        to->correct[i] += more->correct[i];
    }
    for (size_t level = 0; level < EXIT_LEVELS; level++) {
        for (size_t e = 0; e <= LIMIT_EXITS; e++) {
            to->left[level][e] += more->left[level][e];
            to->left_correct[level][e] += more->left_correct[level][e];
        }
    }
}

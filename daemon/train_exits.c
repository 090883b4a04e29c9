/*
 * What an evaluation counts of several outputs: how often each is right where
 * it could be, and what would leave at which exit by any threshold.
 */
#include "daemon/train.h"

#include "tensor/doubt.h"

static size_t best_of(const float *scores, size_t n)
{
    size_t best = 0;

    for (size_t c = 1; c < n; c++) {
        best = scores[c] > scores[best] ? c : best;
    }
    return best;
}

struct answer {
    bool is_right;
    double doubt;
};

static struct answer answer_of(const struct train *t, const struct micro *m,
                               size_t loss, size_t sample, enum doubt_kind kind)
{
    const struct tensor *scores = &m->y[t->made->scores[loss]];
    size_t n = (size_t)scores->shape.dims[1];
    const float *row = (const float *)scores->data + sample * n;
    int64_t label = ((const int64_t *)m->labels.data)[sample];

    return (struct answer){(int64_t)best_of(row, n) == label,
                           doubt_of(kind, row, (int64_t)n)};
}

static void count_outputs(const struct train *t, const struct micro *m,
                          size_t sample, struct train_exits *to)
{
    for (size_t i = 0; i < t->recipe->n_losses; i++) {
        if (train_view_is_there(t, m, sample, t->made->view_of[i])) {
            to->samples[i]++;
            to->correct[i] +=
                answer_of(t, m, i, sample, DOUBT_ENTROPY).is_right;
        }
    }
}

/* By each threshold it leaves at the first exit that is not more unsure. */
static void count_left(const struct train *t, const struct micro *m,
                       size_t sample, struct train_exits *to)
{
    const Edged__Recipe *r = t->recipe;
    struct answer answers[TRAIN_EXITS];
    size_t n = r->n_exits;

    for (size_t e = 0; e < n; e++) {
        answers[e] = answer_of(t, m, r->exits[e]->loss, sample,
                               (enum doubt_kind)r->exits[e]->doubt);
    }
    answers[n] = answer_of(t, m, 0, sample, DOUBT_ENTROPY);
    for (size_t level = 0; level < TRAIN_LEVELS; level++) {
        double most = (double)level / (TRAIN_LEVELS - 1);
        size_t e = 0;

        while (e < n && answers[e].doubt > most) {
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
    for (size_t i = 0; i < TRAIN_LOSSES; i++) {
        to->samples[i] += more->samples[i];
        to->correct[i] += more->correct[i];
    }
    for (size_t level = 0; level < TRAIN_LEVELS; level++) {
        for (size_t e = 0; e < TRAIN_EXITS; e++) {
            to->left[level][e] += more->left[level][e];
            to->left_correct[level][e] += more->left_correct[level][e];
        }
    }
}

#include "coordinator/ctl/answer.h"

#include "base/mem.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#define SUM_SLACK 1e-3

static bool is_class_like(const struct tensor *t)
{
    int n = 0;

    for (int i = 0; i < t->shape.rank; i++) {
        n += t->shape.dims[i] != 1;
    }
    return dtype_is_float(t->dtype) && n == 1 && tensor_count(t) > 1;
}

const struct tensor *answer_scores(const struct tensor *outputs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (is_class_like(&outputs[i])) {
            return &outputs[i];
        }
    }
    return NULL;
}

static bool are_probabilities(const struct answer_class *all, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        if (!(all[i].score >= 0 && all[i].score <= 1)) {
            return false;
        }
        sum += all[i].score;
    }
    return fabs(sum - 1) <= SUM_SLACK;
}

/* exp(x - max) / sum, so that nothing overflows. */
static void softmax(struct answer_class *all, size_t n)
{
    double most = -INFINITY;
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        most = fmax(most, all[i].score);
    }
    for (size_t i = 0; i < n; i++) {
        all[i].score = exp(all[i].score - most);
        sum += all[i].score;
    }
    for (size_t i = 0; i < n; i++) {
        all[i].score /= sum;
    }
}

/* The order is by what the model gave, before softmax could make two scores
 * equal: it sees them as they came. */
static int compare(const void *left, const void *right)
{
    const struct answer_class *a = left;
    const struct answer_class *b = right;

    if (isnan(a->score) != isnan(b->score)) {
        return isnan(a->score) ? 1 : -1;
    }
    if (a->score > b->score || a->score < b->score) {
        return a->score > b->score ? -1 : 1;
    }
    return a->index < b->index ? -1 : a->index > b->index;
}

int answer_top(const struct tensor *scores, size_t most,
               struct answer_class **top, size_t *n)
{
    size_t count = (size_t)tensor_count(scores);
    struct answer_class *all = mem_array(struct answer_class, count);
    bool is_ready;

    if (all == NULL) {
        return EDGE_ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        all[i].index = i;
        all[i].score = tensor_get(scores, (int64_t)i);
    }
    is_ready = are_probabilities(all, count);
    qsort(all, count, sizeof(*all), compare);
    if (!is_ready) {
        softmax(all, count);
    }
    *top = all;
    *n = most < count ? most : count;
    return 0;
}

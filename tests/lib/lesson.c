#include "tests/lib/lesson.h"

#include "tests/lib/unit.h"

#include <math.h>
#include <string.h>

struct school_ask lesson_alone(size_t micros)
{
    return (struct school_ask){.boards = 1,
                               .stages = 1,
                               .replicas = 1,
                               .micros = micros,
                               .batch = LESSON_BATCH,
                               .slots = 1};
}

void lesson_read(const struct school *s, const struct digest *states,
                 struct lesson *to)
{
    struct err err;

    to->n = s->ask.stages;
    for (size_t i = 0; i < to->n; i++) {
        const struct blob *blob = school_file(s, &states[i]);

        assert_int_equal(
            learnt_open((struct blob *)(uintptr_t)blob, &to->states[i], &err),
            0);
    }
}

void lesson_drop(struct lesson *l)
{
    for (size_t i = 0; i < l->n; i++) {
        learnt_close(&l->states[i]);
    }
}

static const struct learnt_item *find(const struct lesson *l, const char *name)
{
    for (size_t i = 0; i < l->n; i++) {
        for (size_t k = 0; k < l->states[i].n_items; k++) {
            if (strcmp(l->states[i].items[k].name, name) == 0) {
                return &l->states[i].items[k];
            }
        }
    }
    fail_msg("%s was not learnt", name);
    return NULL;
}

/* The relative difference in norm of what differs most. */
static double difference(const struct lesson *a, const struct lesson *b)
{
    double worst = 0;

    for (size_t i = 0; i < a->n; i++) {
        for (size_t k = 0; k < a->states[i].n_items; k++) {
            const struct learnt_item *x = &a->states[i].items[k];
            const struct learnt_item *y = find(b, x->name);
            double apart = 0;
            double all = 0;

            assert_int_equal(x->n, y->n);
            for (size_t e = 0; e < x->n; e++) {
                double d = (double)x->values[e] - (double)y->values[e];

                apart += d * d;
                all += (double)x->values[e] * (double)x->values[e];
            }
            worst = fmax(worst, all > 0 ? sqrt(apart / all) : apart);
        }
    }
    return worst;
}

void lesson_learn(struct school *s, const struct school_ask *ask,
                  struct lesson *learnt)
{
    struct digest states[PIPE_SHARDS];

    school_init(s, ask);
    school_install(s, 3);
    (void)school_train(s, LESSON_STEPS);
    school_save(s, states);
    lesson_read(s, states, learnt);
}

void lesson_assert_same(const struct school_ask *ask, const struct digest *a,
                        const struct digest *b)
{
    for (size_t i = 0; i < ask->stages; i++) {
        assert_true(digest_equal(&a[i], &b[i]));
    }
}

void lesson_compare(const struct school_ask *ask, const struct lesson *whole)
{
    struct school s;
    struct lesson learnt;
    double d;

    lesson_learn(&s, ask, &learnt);
    d = difference(whole, &learnt);
    if (!(d <= 1e-6)) {
        fail_msg("%zu boards, %zu stages x %zu, %zu micro-batches: %g apart",
                 ask->boards, ask->stages, ask->replicas, ask->micros, d);
    }
    lesson_drop(&learnt);
    school_deinit(&s);
}

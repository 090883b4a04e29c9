/* Steps as the trainer asks for them. */
#include "tests/lib/school.h"

#include "tests/lib/unit.h"

#define RATE 0.05

/* Replicas that take steps of their own agree now and then. */
static void agree(struct school *s, Edged__Step *step)
{
    step->averages =
        s->ask.local > 0 && s->waiting != 0 &&
        (s->apart >= s->ask.local || step->saves || step->evaluates);
    if (step->averages) {
        step->share = 1.0 / (double)s->ask.replicas;
        s->apart = 0;
    }
    s->alike = s->ask.local == 0 || s->apart == 0;
    s->apart += step->n_sizes > 0 && !step->evaluates;
}

void school_send(struct school *s, Edged__Step *step)
{
    Edged__Envelope env = EDGED__ENVELOPE__INIT;
    uint32_t sizes[PIPE_MICRO];
    uint32_t ways[PIPE_MICRO * PIPE_SHARDS];
    size_t n = step->n_sizes;

    for (size_t i = 0; i < n; i++) {
        sizes[i] = s->ask.batch / (uint32_t)s->ask.micros;
        for (size_t k = 0; k < s->ask.stages; k++) {
            ways[k * n + i] = (uint32_t)(i % s->ask.replicas);
        }
    }
    step->epoch = s->epoch;
    step->step = ++s->step;
    step->applies = s->waiting;
    step->rate = RATE;
    step->square = s->square;
    step->sizes = step->sizes != NULL ? step->sizes : sizes;
    if (step->ways == NULL) {
        step->ways = ways;
        step->n_ways = n * s->ask.stages;
    }
    agree(s, step);
    env.body_case = EDGED__ENVELOPE__BODY_STEP;
    env.step = step;
    for (size_t i = 0; i < s->ask.boards; i++) {
        if (s->ask.local > 0) { /* of its own gradients */
            step->square = s->said[i][0].square;
        }
        if (s->boards[i].daemon != NULL) {
            (void)io_send(s->boards[i].peer, &env, NULL);
        }
    }
}

void school_ask_step(struct school *s)
{
    Edged__Step step = EDGED__STEP__INIT;

    if (s->at + s->ask.batch > SCHOOL_SAMPLES) {
        s->at = 0;
        s->pass++;
    }
    step.n_sizes = s->ask.micros;
    step.pass = s->pass;
    step.slack = s->ask.slack;
    step.first = s->at;
    school_send(s, &step);
    s->at += s->ask.batch;
    s->waiting = s->step;
}

static double loss_of(const struct school *s, uint64_t *correct)
{
    size_t last = s->ask.stages - 1;
    double loss = 0;
    double samples = 0;

    *correct = 0;
    for (size_t r = 0; r < s->ask.replicas; r++) {
        const struct school_said *said =
            &s->said[school_board_of(s, last, r)][last];

        loss += said->loss;
        samples += (double)said->samples;
        *correct += said->correct;
    }
    return loss / samples;
}

double school_train(struct school *s, size_t n)
{
    uint64_t correct;

    for (size_t i = 0; i < n; i++) {
        school_ask_step(s);
        if (!school_wait(s, SCHOOL_WAIT_MS)) {
            fail_msg("step %llu: %s", (unsigned long long)s->step, s->why);
        }
    }
    return loss_of(s, &correct);
}

void school_again(struct school *s)
{
    s->waiting = 0;
    s->at -= s->ask.batch;
    (void)school_train(s, 1);
}

double school_evaluate(struct school *s, uint64_t *correct)
{
    Edged__Step step = EDGED__STEP__INIT;
    double square = s->square;

    step.evaluates = true;
    step.n_sizes = SCHOOL_TESTS / (s->ask.batch / s->ask.micros);
    school_send(s, &step);
    s->waiting = 0;
    if (!school_wait(s, SCHOOL_WAIT_MS)) {
        fail_msg("not evaluated: %s", s->why);
    }
    s->square = square;
    return loss_of(s, correct);
}

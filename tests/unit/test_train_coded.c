/* Boards in a training over coded links and rings: as short as their codecs
 * say, replicas equal bit for bit, and they learn. */
#include "tests/lib/unit.h"

#include "tests/lib/school.h"

#include <math.h>
#include <string.h>

#define STEPS 20
#define BATCH 16

struct coding {
    const char *forward;
    const char *back;
    const char *reduce;
    double forward_share; /* of float32, without steps and heads */
    double back_share;
    double reduce_share;
    double apart; /* of the first loss and norm without codecs, at most */
    bool straight;
};

/* Where a sparse codec went forward, the share of its values comes back, or
 * all of them straight through. */
static const struct coding codings[] = {
    {"q16", "q16", "q16", 16. / 32, 16. / 32, 16. / 32, 1e-4, false},
    {"q12", "q12", "q12", 12. / 32, 12. / 32, 12. / 32, 1e-3, false},
    {"q10", "q10", "q10", 10. / 32, 10. / 32, 10. / 32, 3e-3, false},
    {"q8", "q8", "q8", 8. / 32, 8. / 32, 8. / 32, 0.01, false},
    {"q6", "q6", "q6", 6. / 32, 6. / 32, 6. / 32, 0.03, false},
    {"q8", "q4", "q4", 8. / 32, 4. / 32, 4. / 32, 0.1, false},
    {"q4", "q8", NULL, 4. / 32, 8. / 32, 1, 0.1, false},
    {NULL, NULL, "sparse:25%", 1, 1, 9. / 32, 0.1, false},
    {NULL, "q8", "sparse:25%+q8", 1, 8. / 32, 3. / 32, 0.1, false},
    {"sparse:50%", NULL, NULL, 17. / 32, 16. / 32, 1, 0.4, false},
    {"sparse:50%+q8", "q8", "q8", 5. / 32, 4. / 32, 8. / 32, 0.4, false},
    {"sparse:50%/haar", NULL, NULL, 17. / 32, 16. / 32, 1, 0.4, false},
    {"sparse:50%/haar+q8", "q8", NULL, 5. / 32, 4. / 32, 1, 0.4, false},
    {"sparse:50%", NULL, NULL, 17. / 32, 1, 1, 0.4, true},
    {"sparse:50%", "q8", NULL, 17. / 32, 8. / 32, 1, 0.4, true},
    {"sparse:50%", "sparse:25%+q8", NULL, 17. / 32, 3. / 32, 1, 0.4, true},
};
#define CODINGS (sizeof(codings) / sizeof(codings[0]))

static struct school_ask coded(const struct coding *c, size_t stages,
                               size_t replicas)
{
    struct school_ask ask = {
        .boards = stages * replicas,
        .stages = stages,
        .replicas = replicas,
        .micros = 4,
        .batch = BATCH,
        .slots = 2,
        .no_norm = true, /* no statistics beside the gradients */
    };

    if (c != NULL) {
        ask.codec = c->forward;
        ask.back = c->back;
        ask.straight = c->straight;
        ask.reduce = c->reduce;
    }
    return ask;
}

/* `n` payloads: the share, and of each 64 bytes and its steps. */
static void check_bytes(const struct coding *c, const char *way, uint64_t sent,
                        uint64_t plain, double share, size_t n)
{
    double steps = (double)plain / 4 / 1024 * 8 * (share < 1 ? 1 : 0);
    double most = (double)plain * share + steps + 64 * (double)n;

    if (plain == 0 || (double)sent > most) {
        fail_msg("%s, %s, %s: %llu bytes %s of %llu, at most %.0f", c->forward,
                 c->back, c->reduce, (unsigned long long)sent, way,
                 (unsigned long long)plain, most);
    }
}

/* Stage 0 sends forward, stage 1 back, and both to their replicas. */
static void check_ways(const struct school *s, const struct coding *c,
                       size_t steps, size_t outputs)
{
    size_t pieces = (2 * s->ask.replicas - 2) * steps;

    for (size_t b = 0; b < s->ask.boards; b++) {
        size_t stage = b / s->ask.replicas;
        size_t r = b % s->ask.replicas;
        size_t micros =
            (s->ask.micros - r + s->ask.replicas - 1) / s->ask.replicas;
        const struct school_said *said = &s->said[b][stage];

        check_bytes(c, stage == 0 ? "forward" : "back",
                    said->sent - said->reduced,
                    said->plain - said->reduced_plain,
                    stage == 0 ? c->forward_share : c->back_share,
                    steps * micros * outputs);
        if (pieces > 0) {
            check_bytes(c, "around", said->reduced, said->reduced_plain,
                        c->reduce_share, pieces);
        }
    }
}

struct course {  /* how it went */
    double loss; /* of the first step, */
    double norm; /* and of its gradients */
    double pass; /* mean loss of the first pass, */
    double last; /* and of the last */
};

#define PASS (SCHOOL_SAMPLES / BATCH) /* steps */

static double learn_pass(struct school *s, size_t first)
{
    double sum = 0;

    for (size_t i = first; i < PASS; i++) {
        sum += school_train(s, 1) / (double)(PASS - first);
    }
    return sum;
}

static struct course take_course(struct school *s, const struct school_ask *ask)
{
    struct course c;

    school_init(s, ask);
    school_install(s, 3);
    c.loss = school_train(s, 1);
    c.norm = sqrt(s->square);
    c.pass = learn_pass(s, 1);
    (void)school_train(s, STEPS);
    c.last = learn_pass(s, 0);
    return c;
}

/* At first as near as the codecs are; on from there another way, as far. */
static void check_course(const struct coding *c, size_t replicas,
                         const struct course *want, const struct course *got)
{
    if (!(fabs(got->loss - want->loss) <= c->apart * want->loss &&
          fabs(got->norm - want->norm) <= c->apart * want->norm &&
          got->last <= 1.1 * want->last && got->last < 0.9 * got->pass)) {
        fail_msg("%zu x %s, %s, %s: loss %g and norm %g at first, losses %g to "
                 "%g; without: %g, %g, %g to %g",
                 replicas, c->forward, c->back, c->reduce, got->loss, got->norm,
                 got->pass, got->last, want->loss, want->norm, want->pass,
                 want->last);
    }
}

/* Replicas with the same bits: school_wait() sees to it, step by step. */
static void coded_links_and_rings_learn_and_are_short(void **state)
{
    (void)state;
    for (size_t replicas = 1; replicas <= 3; replicas++) {
        struct school_ask plain = coded(NULL, 2, replicas);
        struct school s;
        struct course want = take_course(&s, &plain);

        school_deinit(&s);
        for (size_t i = 0; i < CODINGS; i++) {
            const struct coding *c = &codings[i];
            struct school_ask ask = coded(c, 2, replicas);
            struct course got = take_course(&s, &ask);

            check_course(c, replicas, &want, &got);
            check_ways(&s, c, STEPS + 2 * PASS, s.shards[0]->n_outputs);
            school_deinit(&s);
        }
    }
}

/* From all, which is as if there were no codec, to what it says. */
static void sparse_links_set_in(void **state)
{
    static const double slacks[] = {1, 0.5, 0};
    static const struct coding coding = {.forward = "sparse:10%"};
    struct school_ask plain = coded(NULL, 2, 1);
    struct school s;
    double want;

    (void)state;
    school_init(&s, &plain);
    school_install(&s, 3);
    want = school_train(&s, 1);
    school_deinit(&s);
    for (size_t i = 0; i < 3; i++) {
        struct school_ask ask = coded(&coding, 2, 1);
        double keep = 0.1 + 0.9 * slacks[i];
        double least = i == 0 ? 1 : keep;
        double loss;

        ask.slack = slacks[i];
        school_init(&s, &ask);
        school_install(&s, 3);
        loss = school_train(&s, 1);
        assert_true(i == 0 ? fabs(loss - want) <= 0 : fabs(loss - want) > 0);
        for (size_t b = 0; b < 2; b++) { /* forward with marks, and back */
            const struct school_said *said = &s.said[b][b];
            double most = least + (b == 0 && i > 0 ? 1. / 32 : 0);

            check_bytes(&coding, "set in", said->sent, said->plain, most,
                        s.ask.micros * s.shards[0]->n_outputs);
            assert_true((double)said->sent >= (double)said->plain * least);
        }
        school_deinit(&s);
    }
}

/* Gradients that are asked for again count once, and so does what the
 * codec left out of them. */
static void a_step_asked_for_again_leaves_no_trace(void **state)
{
    static const struct coding coding = {.reduce = "sparse:10%+q4"};
    struct school_ask ask = coded(&coding, 1, 3);
    struct digest once[PIPE_SHARDS];
    struct digest again[PIPE_SHARDS];

    (void)state;
    for (int twice = 0; twice < 2; twice++) {
        struct school s;

        school_init(&s, &ask);
        school_install(&s, 3);
        for (size_t i = 0; i < STEPS; i++) {
            (void)school_train(&s, 1);
            if (twice == 1 && i % 3 == 1) { /* in place of the last */
                school_again(&s);
            }
        }
        school_save(&s, twice == 1 ? again : once);
        school_deinit(&s);
    }
    assert_true(digest_equal(&once[0], &again[0]));
}

/* What was left out has a gradient only straight through: that of all
 * values is nearer to what it is without a codec. */
static void what_is_left_out_learns_straight_through(void **state)
{
    static const struct coding kept = {.forward = "sparse:10%"};
    static const struct coding all = {.forward = "sparse:10%",
                                      .straight = true};
    const struct coding *codings_of[] = {NULL, &kept, &all};
    double norms[3];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct school_ask ask = coded(codings_of[i], 2, 1);
        struct school s;

        school_init(&s, &ask);
        school_install(&s, 3);
        (void)school_train(&s, 1);
        norms[i] = sqrt(s.square);
        school_deinit(&s);
    }
    assert_true(fabs(norms[2] - norms[0]) < fabs(norms[1] - norms[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coded_links_and_rings_learn_and_are_short),
        cmocka_unit_test(sparse_links_set_in),
        cmocka_unit_test(a_step_asked_for_again_leaves_no_trace),
        cmocka_unit_test(what_is_left_out_learns_straight_through),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

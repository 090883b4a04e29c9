/* Optimizers against steps worked out by hand from PyTorch's definitions. */
#include "train/optim.h"

#include "tests/lib/model.h"
#include "tests/lib/unit.h"

#include <math.h>

static struct graph *model;
static struct params params;

static int set_up(void **state)
{
    int values[2];

    (void)state;
    model = graph_new("m");
    values[0] = model_f32(model, "a", 1, 0, DIMS(1));
    values[1] = model_f32(model, "b", 2, 1, DIMS(3));
    return params_init(&params, model, values, 2, NULL);
}

static int tear_down(void **state)
{
    (void)state;
    params_deinit(&params);
    graph_free(model);
    return 0;
}

static void assert_is(float got, double wanted)
{
    if (!(fabs((double)got - wanted) <= 1e-6 * (1 + fabs(wanted)))) {
        fail_msg("got %.9g, wanted %.9g", (double)got, wanted);
    }
}

/* One step of parameter "a" with this gradient, of the others with 0. */
static bool step(struct optim *o, double rate, float grad)
{
    params.grads[0] = grad;
    return optim_step(o, &params, rate, optim_square(params.grads, params.n));
}

static void test_plain_sgd(void **state)
{
    struct optim_rule rule = optim_rule_of(OPTIM_SGD);
    struct optim o;

    (void)state;
    assert_int_equal(optim_init(&o, &rule, params.n), 0);
    assert_null(o.first);
    assert_true(step(&o, 0.1, 0.5F));
    assert_is(params.values[0], 0.95);
    assert_is(params.values[1], 2);
    assert_is(params.values[3], 4);
    optim_deinit(&o);
}

static void test_momentum(void **state)
{
    struct optim_rule rule = optim_rule_of(OPTIM_SGD);
    struct optim o;

    (void)state;
    rule.momentum = 0.9F;
    rule.dampening = 0.5F;
    assert_int_equal(optim_init(&o, &rule, params.n), 0);
    step(&o, 0.1, 0.5F); /* v = 0.5: no dampening at first */
    assert_is(params.values[0], 0.95);
    step(&o, 0.1, 1); /* v = 0.45 + 0.5 */
    assert_is(params.values[0], 0.855);
    optim_deinit(&o);
}

static void test_nesterov_with_decay(void **state)
{
    struct optim_rule rule = optim_rule_of(OPTIM_SGD);
    struct optim o;

    (void)state;
    rule.momentum = 0.9F;
    rule.nesterov = true;
    rule.weight_decay = 0.1F;
    assert_int_equal(optim_init(&o, &rule, params.n), 0);
    step(&o, 0.1, 0.5F); /* g 0.6, v 0.6, g' 1.14 */
    assert_is(params.values[0], 0.886);
    step(&o, 0.1, 0.5F); /* g 0.5886, v 1.1286, g' 1.60434 */
    assert_is(params.values[0], 0.725566);
    optim_deinit(&o);
}

static void test_adam(void **state)
{
    struct optim_rule rule = optim_rule_of(OPTIM_ADAM);
    struct optim o;

    (void)state;
    assert_int_equal(optim_init(&o, &rule, params.n), 0);
    step(&o, 0.1, 0.5F); /* m' 0.5, v' 0.25 */
    assert_is(params.values[0], 0.9);
    step(&o, 0.1, -0.3F); /* m 0.015 / 0.19, v 0.00033975 / 0.001999 */
    assert_is(params.values[0],
              0.9 - 0.1 * (0.015 / 0.19) / sqrt(0.00033975 / 0.001999));
    optim_deinit(&o);
}

static void test_rates_and_decays_of_their_own(void **state)
{
    struct optim_rule rule = optim_rule_of(OPTIM_SGD);
    struct optim o;

    (void)state;
    rule.weight_decay = 0.5F;
    params.items[0].rate = 2;
    params.items[0].decay = 0;
    params.items[1].rate = 0;
    assert_int_equal(optim_init(&o, &rule, params.n), 0);
    step(&o, 0.1, 1);
    assert_is(params.values[0], 0.8);
    assert_is(params.values[1], 2);
    optim_deinit(&o);
}

static void test_a_norm_is_held(void **state)
{
    struct optim_rule rule = optim_rule_of(OPTIM_SGD);
    struct optim o;

    (void)state;
    rule.clip_norm = 1;
    assert_int_equal(optim_init(&o, &rule, params.n), 0);
    params.grads[1] = 4;
    step(&o, 1, 3); /* of norm 5 */
    assert_is(params.values[0], 1 - 0.6);
    assert_is(params.values[1], 2 - 0.8);
    params.grads[1] = 0;
    step(&o, 1, 0.25F); /* short enough */
    assert_is(params.values[0], 0.15);
    optim_deinit(&o);
}

static void test_a_bound_holds_each_number(void **state)
{
    struct optim_rule rule = optim_rule_of(OPTIM_SGD);
    struct optim o;

    (void)state;
    assert_int_equal(optim_init(&o, &rule, params.n), 0);
    params.items[0].bound = 1;
    assert_true(step(&o, 1, -0.5F));
    assert_is(params.values[0], 1);
    assert_is(params.values[3], 4); /* it is another parameter's */
    assert_true(step(&o, 10, 0.5F));
    assert_is(params.values[0], -1);
    optim_deinit(&o);
}

static void test_what_is_no_number_is_skipped(void **state)
{
    struct optim_rule rule = optim_rule_of(OPTIM_ADAM);
    struct optim o;

    (void)state;
    assert_int_equal(optim_init(&o, &rule, params.n), 0);
    assert_false(step(&o, 0.1, NAN));
    assert_false(step(&o, 0.1, -INFINITY));
    assert_int_equal(o.skipped, 2);
    assert_int_equal(o.steps, 0);
    assert_is(params.values[0], 1);
    assert_true(step(&o, 0.1, 0.5F)); /* as if nothing had been */
    assert_is(params.values[0], 0.9);
    optim_deinit(&o);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_plain_sgd),
        T(test_momentum),
        T(test_nesterov_with_decay),
        T(test_adam),
        T(test_rates_and_decays_of_their_own),
        T(test_a_norm_is_held),
        T(test_a_bound_holds_each_number),
        T(test_what_is_no_number_is_skipped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

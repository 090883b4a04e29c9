/* Even cuts, against every other way. */
#include "coordinator/plan/place.h"

#include "base/rng.h"
#include "tests/lib/unit.h"

#include <float.h>
#include <math.h>

#define POINTS_MAX 9

static void draw_points(struct rng *rng, struct place_point *points, size_t n)
{
    double work = 0;

    for (size_t i = 0; i < n; i++) {
        work += 1e6 * (double)rng_below(rng, 1000);
        points[i] = (struct place_point){
            work, 0, i + 1 < n ? (double)rng_below(rng, 100000) : 0};
    }
}

static double slowest(const struct place_point *points, const size_t *ends,
                      size_t k)
{
    double most = 0;
    size_t from = 0;

    for (size_t i = 0; i < k; i++) {
        double s = place_seconds(points, from, ends[i] + 1);

        most = s > most ? s : most;
        from = ends[i] + 1;
    }
    return most;
}

/* Of every way to choose k - 1 of the first n - 1 points as ends. */
static double best_of_all(const struct place_point *points, size_t n, size_t k)
{
    double best = DBL_MAX;

    for (unsigned set = 0; set < 1u << (n - 1); set++) {
        size_t ends[POINTS_MAX];
        size_t count = 0;
        double s;

        for (size_t i = 0; i + 1 < n; i++) {
            if (set & 1u << i) {
                ends[count++] = i;
            }
        }
        if (count + 1 != k) {
            continue;
        }
        ends[count] = n - 1;
        s = slowest(points, ends, k);
        best = s < best ? s : best;
    }
    return best;
}

static void a_cut_is_the_best_of_all(void **state)
{
    struct place_point points[POINTS_MAX];
    size_t ends[POINTS_MAX];
    struct rng rng;

    (void)state;
    rng_init(&rng, 1);
    for (int round = 0; round < 500; round++) {
        size_t n = 1 + (size_t)rng_below(&rng, POINTS_MAX);
        size_t k = 1 + (size_t)rng_below(&rng, n);

        draw_points(&rng, points, n);
        assert_int_equal(place_cut(points, n, k, ends), 0);
        assert_int_equal(ends[k - 1], n - 1);
        for (size_t i = 1; i < k; i++) {
            assert_true(ends[i] > ends[i - 1]);
        }
        assert_true(fabs(slowest(points, ends, k) -
                         best_of_all(points, n, k)) <= 1e-12);
    }
}

static void bytes_that_cross_weigh_in(void **state)
{
    const struct place_point points[] = {
        {1e9, 0, 1e8}, {1.2e9, 0, 1000}, {2e9, 0, 0}};
    size_t ends[2];

    (void)state;
    assert_int_equal(place_cut(points, 3, 2, ends), 0);
    assert_int_equal(ends[0], 1); /* 1e9 would be even, but costs a second */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cut_is_the_best_of_all),
        cmocka_unit_test(bytes_that_cross_weigh_in),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/lib/same_values.h"

#include "tests/lib/unit.h"

#include <math.h>
#include <string.h>

static double largest(const struct tensor *t)
{
    double most = 1;

    for (int64_t i = 0; i < tensor_count(t); i++) {
        most = fmax(most, fabs(tensor_get(t, i)));
    }
    return most;
}

void assert_near(uint64_t seed, const struct tensor *wanted,
                 const struct tensor *got, double bound)
{
    double scale = largest(wanted);

    assert_int_equal(wanted->dtype, got->dtype);
    assert_true(shape_equal(&wanted->shape, &got->shape));
    for (int64_t i = 0; i < tensor_count(wanted); i++) {
        double w = tensor_get(wanted, i);
        double g = tensor_get(got, i);

        if (w != g && !(fabs(w - g) <= bound * scale) &&
            !(isnan(w) && isnan(g))) {
            fail_msg("seed %llu: element %lld is %.9g, not %.9g",
                     (unsigned long long)seed, (long long)i, g, w);
        }
    }
}

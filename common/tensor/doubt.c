#include "tensor/doubt.h"

#include <math.h>

/* 1: of what is no number. */
static double within(double doubt)
{
    return isfinite(doubt) ? fmin(fmax(doubt, 0), 1) : 1;
}

double doubt_of(enum doubt_kind kind, const float *scores, int64_t n)
{
    double most = (double)scores[0];
    double all = 0;
    double weighted = 0; /* sum of e^d d, with d = score - most */
    double doubt;

    for (int64_t i = 1; i < n; i++) {
        most = fmax(most, (double)scores[i]);
    }
    for (int64_t i = 0; i < n; i++) {
        double d = (double)scores[i] - most;
        double e = exp(d);

        all += e;
        weighted += e > 0 ? e * d : 0;
    }
    if (kind == DOUBT_TOP) {
        doubt = 1 - 1 / all;
    } else if (n < 2) {
        doubt = 0;
    } else { /* ln p = d - ln all */
        doubt = (log(all) - weighted / all) / log((double)n);
    }
    return within(doubt);
}

double doubt_of_shares(enum doubt_kind kind, const float *p, int64_t n)
{
    double most = 0;
    double sum = 0;
    double entropy = 0;

    for (int64_t i = 0; i < n; i++) {
        double share = (double)p[i];

        most = fmax(most, share);
        sum += share;
        entropy -= share > 0 ? share * log(share) : 0;
    }
    if (!isfinite(sum)) { /* fmax() takes no notice of NaN */
        return 1;
    }
    return within(kind == DOUBT_TOP ? 1 - most
                  : n < 2           ? 0
                                    : entropy / log((double)n));
}

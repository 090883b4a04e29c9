#include "coordinator/plan/place.h"

#include "base/mem.h"

#include <float.h>

double place_seconds(const struct place_point *points, size_t from, size_t to)
{
    double before = from > 0 ? points[from - 1].work : 0;

    return (points[to - 1].work - before) / PLACE_MACS_PER_S +
           points[to - 1].bytes / PLACE_BYTES_PER_S;
}

/* best[s][j]: the least possible slowest stage when points 1..j make s+1
 * stages; from[s][j]: where the last of them starts. Of equal ones the first
 * is kept, so the result does not depend on anything else. */
static void fill_row(const struct place_point *points, size_t n, size_t s,
                     double *best, size_t *from)
{
    const double *above = best + (s - 1) * (n + 1);

    for (size_t j = s + 1; j <= n; j++) {
        double least = DBL_MAX;

        for (size_t i = s; i < j; i++) {
            double seconds = place_seconds(points, i, j);
            double slowest = above[i] > seconds ? above[i] : seconds;

            if (slowest < least) {
                least = slowest;
                from[s * (n + 1) + j] = i;
            }
        }
        best[s * (n + 1) + j] = least;
    }
}

int place_cut(const struct place_point *points, size_t n, size_t k,
              size_t *ends)
{
    double *best = mem_array(double, k *(n + 1));
    size_t *from = mem_array(size_t, k * (n + 1));
    int rc = EDGE_ENOMEM;

    if (best == NULL || from == NULL) {
        goto out;
    }
    for (size_t j = 1; j <= n; j++) {
        best[j] = place_seconds(points, 0, j);
    }
    for (size_t s = 1; s < k; s++) {
        fill_row(points, n, s, best, from);
    }
    for (size_t s = k, j = n; s-- > 0;) {
        ends[s] = j - 1;
        j = from[s * (n + 1) + j];
    }
    rc = 0;
out:
    mem_free(best);
    mem_free(from);
    return rc;
}

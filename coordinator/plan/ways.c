#include "coordinator/plan/ways.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

struct lanes {
    size_t n;
    double weights[LIMIT_REPLICAS];
    uint64_t shares[LIMIT_REPLICAS];
    uint32_t parts[LIMIT_REPLICAS]; /* micro-batches of each */
};

static bool is_speed(double speed)
{
    return isfinite(speed) && speed > 0;
}

static double mean_speed(const double *speeds, size_t n)
{
    double sum = 0;
    size_t known = 0;

    for (size_t i = 0; i < n; i++) {
        sum += is_speed(speeds[i]) ? speeds[i] : 0;
        known += is_speed(speeds[i]);
    }
    return known > 0 ? sum / (double)known : 1;
}

/* 1 for one like the others of its stage. */
static double relative(const double *speeds, size_t n, size_t i)
{
    return is_speed(speeds[i]) ? speeds[i] / mean_speed(speeds, n) : 1;
}

/* ---- lanes --------------------------------------------------------------- */

/* A lane is as fast as the slowest of those that only it goes through. */
static void weigh(const struct ways_ask *ask, struct lanes *lanes)
{
    const double *speeds = ask->speeds;

    for (size_t s = 0; s < ask->n_stages; s++) {
        lanes->n = ask->replicas[s] > lanes->n ? ask->replicas[s] : lanes->n;
    }
    for (size_t p = 0; p < lanes->n; p++) {
        lanes->weights[p] = INFINITY;
    }
    for (size_t s = 0; s < ask->n_stages; s++) {
        size_t n = ask->replicas[s];

        for (size_t p = 0; p < n && n == lanes->n; p++) {
            lanes->weights[p] = fmin(lanes->weights[p], relative(speeds, n, p));
        }
        speeds += n;
    }
}

/* By the largest remainder; equal ones in order. */
static void share(struct lanes *lanes, uint64_t samples)
{
    double rest[LIMIT_REPLICAS];
    double sum = 0;
    uint64_t left = samples;

    for (size_t p = 0; p < lanes->n; p++) {
        sum += lanes->weights[p];
    }
    for (size_t p = 0; p < lanes->n; p++) {
        double exact = (double)samples * lanes->weights[p] / sum;

        lanes->shares[p] = (uint64_t)exact;
        if (lanes->shares[p] > left) {
            lanes->shares[p] = left; /* rounding, at most */
        }
        rest[p] = exact - (double)lanes->shares[p];
        left -= lanes->shares[p];
    }
    for (; left > 0; left--) {
        size_t best = 0;

        for (size_t p = 1; p < lanes->n; p++) {
            best = rest[p] > rest[best] ? p : best;
        }
        lanes->shares[best]++;
        rest[best] -= 1;
    }
}

static uint32_t parts_of(const struct ways_ask *ask, uint64_t samples)
{
    uint64_t n = ask->per_lane < samples ? ask->per_lane : samples;

    if (ask->micro_max > 0 && n > 0 && (samples + n - 1) / n > ask->micro_max) {
        n = (samples + ask->micro_max - 1) / ask->micro_max;
    }
    return n > WAYS_MICRO ? WAYS_MICRO + 1 : (uint32_t)n;
}

/* ---- which way ----------------------------------------------------------- */

/* Micro-batches are in rounds; `lane` of each says where it belongs. */
static void go_by_lane(uint32_t *way, const uint32_t *lane, size_t n)
{
    memcpy(way, lane, n * sizeof(way[0]));
}

static void go_by_finish(uint32_t *way, const struct ways *ways,
                         const double *speeds, size_t n_replicas)
{
    double done[LIMIT_REPLICAS] = {0};

    for (size_t i = 0; i < ways->n; i++) {
        size_t best = 0;
        double soonest = INFINITY;

        for (size_t r = 0; r < n_replicas; r++) {
            double then =
                done[r] + ways->sizes[i] / relative(speeds, n_replicas, r);

            if (then < soonest) {
                soonest = then;
                best = r;
            }
        }
        done[best] = soonest;
        way[i] = (uint32_t)best;
    }
}

static void fill_sizes(const struct lanes *lanes, struct ways *ways,
                       uint32_t *lane)
{
    size_t n = 0;

    for (uint32_t round = 0; n < ways->n; round++) {
        for (size_t p = 0; p < lanes->n; p++) {
            uint64_t share = lanes->shares[p];

            if (round < lanes->parts[p]) {
                lane[n] = (uint32_t)p;
                ways->sizes[n++] =
                    (uint32_t)(share / lanes->parts[p] +
                               (round < share % lanes->parts[p]));
            }
        }
    }
}

static void fill_ways(const struct ways_ask *ask, const struct lanes *lanes,
                      struct ways *ways, const uint32_t *lane)
{
    const double *speeds = ask->speeds;

    for (size_t s = 0; s < ask->n_stages; s++) {
        uint32_t *way = ways->ways + s * ways->n;

        if (ask->replicas[s] == lanes->n) {
            go_by_lane(way, lane, ways->n);
        } else {
            go_by_finish(way, ways, speeds, ask->replicas[s]);
        }
        speeds += ask->replicas[s];
    }
}

static int check(const struct ways_ask *ask, struct err *err)
{
    bool fine = ask->n_stages > 0 && ask->n_stages <= LIMIT_SHARDS &&
                ask->samples > 0 && ask->samples <= UINT32_MAX &&
                ask->per_lane > 0;

    for (size_t s = 0; s < ask->n_stages && fine; s++) {
        fine = ask->replicas[s] > 0 && ask->replicas[s] <= LIMIT_REPLICAS;
    }
    return fine ? 0 : err_set(err, EDGE_EINVAL, "a step that cannot be shared");
}

int ways_make(const struct ways_ask *ask, struct ways *ways, struct err *err)
{
    struct lanes lanes = {0};
    uint32_t *lane;
    size_t n = 0;
    int rc = check(ask, err);

    if (rc < 0) {
        return rc;
    }
    weigh(ask, &lanes);
    share(&lanes, ask->samples);
    for (size_t p = 0; p < lanes.n; p++) {
        lanes.parts[p] = parts_of(ask, lanes.shares[p]);
        n += lanes.parts[p];
    }
    if (n > WAYS_MICRO) {
        return err_set(err, EDGE_EINVAL,
                       "more than %d micro-batches in a step. Lower "
                       "training.microbatches or training.batch",
                       WAYS_MICRO);
    }
    *ways = (struct ways){.sizes = mem_array(uint32_t, n),
                          .ways = mem_array(uint32_t, n * ask->n_stages),
                          .n = n};
    lane = mem_array(uint32_t, n);
    if (ways->sizes == NULL || ways->ways == NULL || lane == NULL) {
        mem_free(lane);
        ways_deinit(ways);
        return err_set(err, EDGE_ENOMEM, "out of memory");
    }
    fill_sizes(&lanes, ways, lane);
    fill_ways(ask, &lanes, ways, lane);
    mem_free(lane);
    return 0;
}

void ways_deinit(struct ways *ways)
{
    mem_free(ways->sizes);
    mem_free(ways->ways);
    *ways = (struct ways){0};
}

uint32_t ways_micro_max(uint32_t batch, size_t lanes, uint32_t per_lane)
{
    uint64_t parts = (uint64_t)lanes * per_lane;
    uint64_t most = 2 * ((batch + parts - 1) / parts);

    /* Alone, a lane has all of the batch, in its M parts. */
    if (lanes <= 1) {
        most = (batch + parts - 1) / parts;
    }
    return most < batch ? (uint32_t)most : batch;
}

/* ---- speeds -------------------------------------------------------------- */

bool ways_drifts(const double *speeds, const double *measured, size_t n)
{
    bool drifts = false;

    for (size_t i = 0; i < n; i++) {
        double now = relative(measured, n, i) / relative(speeds, n, i);

        drifts = drifts || now < 1 - WAYS_DRIFT || now > 1 + WAYS_DRIFT;
    }
    return drifts;
}

void ways_adapt(double *speeds, const double *measured, size_t n)
{
    double fresh[LIMIT_REPLICAS];

    for (size_t i = 0; i < n; i++) {
        fresh[i] = relative(measured, n, i);
    }
    memcpy(speeds, fresh, n * sizeof(fresh[0]));
}

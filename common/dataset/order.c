#include "dataset/order.h"

#include "base/limits.h"

#include <assert.h>
#include <math.h>

/* Small domains mix slowly: with so many rounds no place of any n is favoured
 * (tests/property/test_order.c). */
#define ROUNDS 12

/* Finalizer of splitmix64 (Steele, Lea and Flood 2014). */
static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static uint64_t add(uint64_t key, uint64_t word)
{
    return mix(key + 0x9e3779b97f4a7c15u + mix(word + 0x9e3779b97f4a7c15u));
}

uint64_t order_key(uint64_t seed, uint64_t epoch, uint64_t index,
                   enum order_use use)
{
    return add(add(add(mix(seed), epoch), index), (uint64_t)use);
}

void order_init(struct order *order, uint64_t seed, uint64_t epoch, uint64_t n)
{
    assert(n > 0 && n <= LIMIT_DATA_SAMPLES);
    order->n = n;
    order->a = (uint64_t)ceil(sqrt((double)n));
    order->b = (n + order->a - 1) / order->a;
    order->key = order_key(seed, epoch, 0, ORDER_SHUFFLE);
}

static uint64_t step(const struct order *o, uint64_t k)
{
    uint64_t high = k / o->b;
    uint64_t low = k % o->b;

    for (uint64_t i = 0; i < ROUNDS; i += 2) {
        high = (high + add(o->key + i, low) % o->a) % o->a;
        low = (low + add(o->key + i + 1, high) % o->b) % o->b;
    }
    return high * o->b + low;
}

/* The step permutes 0..a*b-1, less than n + a numbers: the walk from a place
 * below n comes back below n, after 1 + a/n steps in the mean. */
uint64_t order_at(const struct order *order, uint64_t k)
{
    assert(k < order->n);
    do {
        k = step(order, k);
    } while (k >= order->n);
    return k;
}

uint64_t order_batches(uint64_t n, uint64_t batch)
{
    return n / batch + (n % batch != 0);
}

void order_batch(uint64_t n, uint64_t batch, uint64_t index, uint64_t *from,
                 uint64_t *count)
{
    assert(index < order_batches(n, batch));
    *from = index * batch;
    *count = n - *from < batch ? n - *from : batch;
}

static double weight_of(const double *weights, size_t i)
{
    return isfinite(weights[i]) && weights[i] > 0 ? weights[i] : 0;
}

/* What each replica is due, not rounded. Weights are held to the largest one
 * first, so that their sum is finite. */
static void dues(uint64_t count, const double *weights, size_t p, double *due)
{
    double largest = 0;
    double sum = 0;

    for (size_t i = 0; i < p; i++) {
        largest = fmax(largest, weight_of(weights, i));
    }
    for (size_t i = 0; i < p; i++) {
        due[i] = largest > 0 ? weight_of(weights, i) / largest : 1;
        sum += due[i];
    }
    for (size_t i = 0; i < p; i++) {
        due[i] *= (double)count / sum;
    }
}

/* The replica whose share is shortest of its due, the first of such: never
 * one that is due nothing, as long as something is left over. */
static size_t shortest(const double *due, const uint64_t *shares, size_t p)
{
    size_t best = 0;

    for (size_t i = 1; i < p; i++) {
        if (due[i] - (double)shares[i] > due[best] - (double)shares[best]) {
            best = i;
        }
    }
    return best;
}

void order_shares(uint64_t count, const double *weights, size_t p,
                  uint64_t *shares)
{
    double due[LIMIT_REPLICAS];
    uint64_t given = 0;

    assert(p > 0 && p <= LIMIT_REPLICAS);
    dues(count, weights, p, due);
    for (size_t i = 0; i < p; i++) {
        uint64_t whole = (uint64_t)due[i];
        uint64_t left = count - given;

        shares[i] = whole < left ? whole : left; /* rounding may go over */
        given += shares[i];
    }
    for (; given < count; given++) {
        shares[shortest(due, shares, p)]++;
    }
}

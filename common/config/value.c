#include "config/value.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* More digits than a double holds are a mistake rather than precision. */
#define DIGITS_MAX 15
#define EXPONENT_MAX 22 /* powers of ten up to here are exact in a double */

/* digits / 10^scale */
struct decimal {
    uint64_t digits;
    unsigned scale;
    bool is_negative;
};

struct unit {
    const char *name;
    uint64_t factor;
};

/* What is counted in units, the smallest of which is whole. */
struct measure {
    const struct unit *units;
    size_t n;
    const char *missing;
    const char *unknown;
    const char *broken;
};

static const struct unit times[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000},
};

static const struct unit sizes[] = {
    {"B", 1},
    {"KiB", (uint64_t)1 << 10},
    {"MiB", (uint64_t)1 << 20},
    {"GiB", (uint64_t)1 << 30},
    {"TiB", (uint64_t)1 << 40},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct measure duration = {
    .units = times,
    .n = COUNT(times),
    .missing = "the unit is missing (ms, s, m, h or d)",
    .unknown = "its unit is none of ms, s, m, h and d",
    .broken = "it is no whole number of milliseconds",
};

static const struct measure bytes_of = {
    .units = sizes,
    .n = COUNT(sizes),
    .missing = "the unit is missing (KiB, MiB or GiB)",
    .unknown = "its unit is none of B, KiB, MiB, GiB and TiB",
    .broken = "it is no whole number of bytes",
};

/* Adds digits from *text on; false if they are too many. */
static bool take_digits(const char **text, struct decimal *d, unsigned *n)
{
    const char *p = *text;

    while (isdigit((unsigned char)*p)) {
        if (d->digits > 0 || *p != '0') {
            ++*n;
        }
        if (*n > DIGITS_MAX) {
            return false;
        }
        d->digits = d->digits * 10 + (uint64_t)(*p - '0');
        p++;
    }
    *text = p;
    return true;
}

/* [-]digits[.digits] from the start of *text, which then is behind it. */
static bool take_decimal(const char **text, struct decimal *d, const char **why)
{
    const char *p = *text;
    const char *fraction;
    unsigned n = 0;

    *d = (struct decimal){.is_negative = *p == '-'};
    p += d->is_negative ? 1 : 0;
    if (!isdigit((unsigned char)*p)) {
        return false;
    }
    if (*p == '0' && isdigit((unsigned char)p[1])) {
        *why = "it begins with a zero";
        return false;
    }
    if (!take_digits(&p, d, &n)) {
        *why = "it has too many digits";
        return false;
    }
    if (*p == '.' && isdigit((unsigned char)p[1])) {
        fraction = ++p;
        if (!take_digits(&p, d, &n) || p - fraction > EXPONENT_MAX) {
            *why = "it has too many digits";
            return false;
        }
        d->scale = (unsigned)(p - fraction);
    }
    *text = p;
    return true;
}

static double power_of_ten(unsigned n)
{
    double power = 1;

    for (unsigned i = 0; i < n; i++) {
        power *= 10;
    }
    return power;
}

/* Exact to the last bit: digits and powers of ten are exact doubles, so there
 * is one rounding. */
static double to_real(const struct decimal *d, int exponent)
{
    int shift = exponent - (int)d->scale;
    double real = (double)d->digits;

    real = shift < 0 ? real / power_of_ten((unsigned)-shift)
                     : real * power_of_ten((unsigned)shift);
    return d->is_negative ? -real : real;
}

bool value_int(const char *text, int64_t *number, const char **why)
{
    struct decimal d;

    *why = NULL;
    if (!take_decimal(&text, &d, why) || *text != '\0' || d.scale > 0) {
        return false;
    }
    *number = d.is_negative ? -(int64_t)d.digits : (int64_t)d.digits;
    return true;
}

/* e[+-]digits, or nothing. */
static bool take_exponent(const char **text, int *exponent)
{
    const char *p = *text;
    struct decimal d = {0};
    bool is_negative;
    unsigned n = 0;

    *exponent = 0;
    if (*p != 'e' && *p != 'E') {
        return true;
    }
    p++;
    is_negative = *p == '-';
    p += *p == '-' || *p == '+' ? 1 : 0;
    if (!isdigit((unsigned char)*p) || !take_digits(&p, &d, &n) ||
        d.digits > EXPONENT_MAX) {
        return false;
    }
    *exponent = is_negative ? -(int)d.digits : (int)d.digits;
    *text = p;
    return true;
}

bool value_real(const char *text, double *number, const char **why)
{
    struct decimal d;
    int exponent;
    int shift;

    *why = NULL;
    if (!take_decimal(&text, &d, why) || !take_exponent(&text, &exponent) ||
        *text != '\0') {
        return false;
    }
    shift = exponent - (int)d.scale;
    if (shift > EXPONENT_MAX || shift < -EXPONENT_MAX) {
        *why = "its exponent is out of range";
        return false;
    }
    *number = to_real(&d, exponent);
    return true;
}

bool value_percent(const char *text, double *fraction, const char **why)
{
    struct decimal d;

    *why = NULL;
    if (!take_decimal(&text, &d, why)) {
        return false;
    }
    if (*text == '\0') {
        *why = "the % is missing";
        return false;
    }
    if (strcmp(text, "%") != 0 || d.scale + 2 > EXPONENT_MAX) {
        return false;
    }
    *fraction = to_real(&d, -2);
    return true;
}

static bool scale_down(uint64_t *number, unsigned scale)
{
    uint64_t divisor = 1;
    bool is_whole;

    for (unsigned i = 0; i < scale; i++) {
        if (__builtin_mul_overflow(divisor, 10, &divisor)) {
            return false;
        }
    }
    is_whole = *number % divisor == 0;
    *number /= divisor;
    return is_whole;
}

/* A decimal with one of the units, as a whole number of the smallest. */
static bool take_quantity(const char *text, const struct measure *measure,
                          uint64_t *number, const char **why)
{
    struct decimal d;

    *why = NULL;
    if (!take_decimal(&text, &d, why) || d.is_negative) {
        return false;
    }
    *why = *text == '\0' ? measure->missing : measure->unknown;
    for (size_t i = 0; i < measure->n; i++) {
        if (strcmp(text, measure->units[i].name) != 0) {
            continue;
        }
        *why = "it is too large";
        if (__builtin_mul_overflow(d.digits, measure->units[i].factor,
                                   number)) {
            return false;
        }
        *why = measure->broken;
        return scale_down(number, d.scale);
    }
    return false;
}

bool value_duration(const char *text, uint64_t *ms, const char **why)
{
    return take_quantity(text, &duration, ms, why);
}

bool value_bytes(const char *text, uint64_t *bytes, const char **why)
{
    return take_quantity(text, &bytes_of, bytes, why);
}

static const char *format(char out[VALUE_FORMAT], uint64_t number,
                          const struct measure *measure)
{
    size_t best = 0;

    for (size_t i = 1; i < measure->n && number > 0; i++) {
        if (number % measure->units[i].factor == 0) {
            best = i;
        }
    }
    /* 1500ms reads better as 1.5s. */
    if (best + 1 < measure->n && measure->units[best + 1].factor % 10 == 0 &&
        number > measure->units[best + 1].factor &&
        number % (measure->units[best + 1].factor / 10) == 0) {
        uint64_t tenths = number / (measure->units[best + 1].factor / 10);

        (void)snprintf(out, VALUE_FORMAT, "%" PRIu64 ".%" PRIu64 "%s",
                       tenths / 10, tenths % 10, measure->units[best + 1].name);
        return out;
    }
    (void)snprintf(out, VALUE_FORMAT, "%" PRIu64 "%s",
                   number / measure->units[best].factor,
                   measure->units[best].name);
    return out;
}

const char *value_format_duration(char out[VALUE_FORMAT], uint64_t ms)
{
    return format(out, ms, &duration);
}

const char *value_format_bytes(char out[VALUE_FORMAT], uint64_t bytes)
{
    return format(out, bytes, &bytes_of);
}

/*
 * Scalars of the YAML files as numbers: whole numbers, reals, percentages,
 * durations ("1.5s") and sizes ("64MiB"). Independent of the locale and
 * stricter than the C library: no leading zeros (octal to some), no hexadecimal
 * form, no sign but "-", no infinity. Durations and sizes need their unit.
 *
 * Each returns true and the number, or false and in *why what is wrong if that
 * is known better than "not a number", else NULL.
 */
#ifndef EDGE_CONFIG_VALUE_H
#define EDGE_CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool value_int(const char *text, int64_t *number, const char **why);
bool value_real(const char *text, double *number, const char **why);
/* "80%" is 0.8 */
bool value_percent(const char *text, double *fraction, const char **why);
/* ms, s, m, h, d; in milliseconds */
bool value_duration(const char *text, uint64_t *ms, const char **why);
/* B, KiB, MiB, GiB, TiB; in bytes */
bool value_bytes(const char *text, uint64_t *bytes, const char **why);

/* An exact form: "500ms", "1.5s", "64MiB". Return `out`. */
#define VALUE_FORMAT 32
const char *value_format_duration(char out[VALUE_FORMAT], uint64_t ms);
const char *value_format_bytes(char out[VALUE_FORMAT], uint64_t bytes);

#endif

#include "base/suggest.h"

#include "base/limits.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static int fold(char c)
{
    return tolower((unsigned char)c);
}

/* The last three rows of the table of distances between prefixes: row i + 1
 * needs row i and, for a swap, row i - 1. */
struct rows {
    size_t row[3][LIMIT_NAME + 1];
};

static void fill_row(struct rows *rows, const char *a, size_t i, const char *b,
                     size_t n)
{
    const size_t *before = rows->row[(i + 1) % 3]; /* of i - 2 letters */
    const size_t *above = rows->row[(i + 2) % 3];  /* of i - 1 letters */
    size_t *row = rows->row[i % 3];

    row[0] = i;
    for (size_t j = 1; j <= n; j++) {
        size_t same = fold(a[i - 1]) == fold(b[j - 1]);
        size_t edits = above[j - 1] + (same ? 0 : 1);

        edits = least(edits, least(above[j], row[j - 1]) + 1);
        if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
            fold(a[i - 2]) == fold(b[j - 1])) {
            edits = least(edits, before[j - 2] + 1);
        }
        row[j] = edits;
    }
}

size_t suggest_distance(const char *a, const char *b)
{
    size_t m = strnlen(a, LIMIT_NAME + 1);
    size_t n = strnlen(b, LIMIT_NAME + 1);
    struct rows rows;

    if (m > LIMIT_NAME || n > LIMIT_NAME) {
        return SIZE_MAX;
    }
    for (size_t j = 0; j <= n; j++) {
        rows.row[0][j] = j;
    }
    for (size_t i = 1; i <= m; i++) {
        fill_row(&rows, a, i, b, n);
    }
    return rows.row[m % 3][n];
}

void suggest_init(struct suggest *suggest, const char *word)
{
    suggest->word = word;
    suggest->best = NULL;
    suggest->distance = SUGGEST_DISTANCE + 1;
}

void suggest_try(struct suggest *suggest, const char *candidate)
{
    size_t distance = suggest_distance(suggest->word, candidate);
    size_t m = strlen(suggest->word);
    size_t n = strlen(candidate);

    /* Two edits turn any two-letter word into any other: a suggestion must
     * keep more than half of the longer word. */
    if (distance < suggest->distance && 2 * distance < (m > n ? m : n)) {
        suggest->best = candidate;
        suggest->distance = distance;
    }
}

const char *suggest_best(const struct suggest *suggest)
{
    return suggest->best;
}

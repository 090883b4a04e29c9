/*
 * "Did you mean": the nearest of some known words to one that is not known.
 * Distance is optimal string alignment (Damerau-Levenshtein in which no
 * letter is edited twice), upper and lower case being equal. No allocation,
 * no state beyond the caller's struct.
 */
#ifndef EDGE_BASE_SUGGEST_H
#define EDGE_BASE_SUGGEST_H

#include <stddef.h>

#define SUGGEST_DISTANCE 2 /* a word further away is no help */

struct suggest {
    const char *word;
    const char *best; /* the nearest so far, or NULL */
    size_t distance;  /* of the best */
};

/* `word` and the candidates are borrowed until the last call. */
void suggest_init(struct suggest *suggest, const char *word);
void suggest_try(struct suggest *suggest, const char *candidate);
/* The nearest candidate, the first of equals; NULL if none is near. */
const char *suggest_best(const struct suggest *suggest);

/* Edits from `a` to `b`: letters inserted, removed, replaced, or neighbours
 * swapped. SIZE_MAX if a word is longer than LIMIT_NAME. */
size_t suggest_distance(const char *a, const char *b);

#endif

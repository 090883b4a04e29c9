/*
 * What is wrong with a file of the user's, all of it at once:
 *
 *     cluster.yaml:8:1: error: unknown key "replica"; did you mean "replicas"?
 *     replica: 2
 *     ^~~~~~~
 *     1 error; nothing was changed.
 *
 * The caller owns the struct; it holds no allocation and adding to it cannot
 * fail, so running out of memory hides nothing that was found before. Errors
 * are kept in the order of the file.
 */
#ifndef EDGE_CONFIG_ERRORS_H
#define EDGE_CONFIG_ERRORS_H

#include "base/limits.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A piece of the text: from its first character to the one after its last.
 * Lines and columns count from 1, columns in characters. Line 0: no place; end
 * line 0: no piece to show. */
struct config_at {
    uint32_t line;
    uint32_t column;
    uint32_t end_line;
    uint32_t end_column;
};

#define CONFIG_EXCERPT 100 /* characters of a line that are shown */

struct config_error {
    bool is_warning;
    struct config_at at;
    char text[320];
    char line[4 * CONFIG_EXCERPT + 8]; /* the part of the line around `at` */
    uint32_t pad;                      /* characters before the caret */
    uint32_t width;                    /* characters underlined; 0: no line */
};

struct config_errors {
    char label[256];   /* the file's name as its user knows it */
    size_t n;          /* kept below */
    size_t n_errors;   /* found, kept or not */
    size_t n_warnings; /* likewise */
    struct config_error items[LIMIT_CONFIG_ERRORS];
    /* private: borrowed from config_errors_init() on */
    const char *source;
    size_t source_size;
};

/* Forgets all. `source` is the file's text, for the lines shown, which must
 * stay until config_errors_detach() or the last call that adds; may be NULL. */
void config_errors_init(struct config_errors *errors, const char *label,
                        const char *source, size_t size);
void config_errors_detach(struct config_errors *errors);

void config_error(struct config_errors *errors, const struct config_at *at,
                  const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void config_warning(struct config_errors *errors, const struct config_at *at,
                    const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void config_error_va(struct config_errors *errors, const struct config_at *at,
                     const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

/* Prints all, then the count of errors and `outcome`, "nothing was changed"
 * say, in a line of their own; warnings alone get no such line. */
void config_errors_print(const struct config_errors *errors,
                         const char *outcome, FILE *out);

#endif

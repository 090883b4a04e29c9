/*
 * Text of unknown origin: UTF-8, and what of it may go to a terminal. Pure
 * functions over borrowed bytes.
 */
#ifndef EDGE_CONFIG_TEXT_H
#define EDGE_CONFIG_TEXT_H

#include "config/errors.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The length in bytes, 1..4, of the UTF-8 character at `text`, and its code;
 * 0 if it is invalid: cut off, overlong, a surrogate, or beyond U+10FFFF. */
size_t text_utf8(const char *text, size_t size, uint32_t *code);

/* Characters in `size` bytes; a byte that is no UTF-8 counts as one. */
uint32_t text_count(const char *text, size_t size);

/* The first character that does not belong into a YAML file: NUL, a control
 * character, invalid UTF-8, or one of the rarer line separators, on which
 * editors disagree about the number of a line. True if there is none;
 * otherwise its place and what it is. */
#define TEXT_WHAT 64
bool text_check(const char *text, size_t size, struct config_at *at,
                char what[TEXT_WHAT]);

/* True if `code` is a control character (C0, DEL, C1). */
bool text_is_control(uint32_t code);

/* Appends one character to *out, unless it is less than `end` away: itself,
 * or "?" for what a terminal should not get. Returns its bytes in `text`. */
size_t text_show(char **out, const char *end, const char *text, size_t size);

/* `"text"` fit for a terminal: cut when long, line breaks and tabs escaped.
 * Returns `out`. */
#define TEXT_QUOTE 96
const char *text_quote(char out[TEXT_QUOTE], const char *text, size_t length);

#endif

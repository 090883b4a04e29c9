#include "config/text.h"

#include <stdio.h>
#include <string.h>

/* By the first byte: how many follow, and the least code that may. */
static size_t utf8_form(unsigned char first, uint32_t *bits, uint32_t *least)
{
    if (first < 0x80) {
        *bits = first;
        *least = 0;
        return 1;
    }
    if ((first & 0xe0) == 0xc0) {
        *bits = first & 0x1f;
        *least = 0x80;
        return 2;
    }
    if ((first & 0xf0) == 0xe0) {
        *bits = first & 0x0f;
        *least = 0x800;
        return 3;
    }
    if ((first & 0xf8) == 0xf0) {
        *bits = first & 0x07;
        *least = 0x10000;
        return 4;
    }
    return 0;
}

size_t text_utf8(const char *text, size_t size, uint32_t *code)
{
    const unsigned char *p = (const unsigned char *)text;
    uint32_t bits = 0;
    uint32_t least = 0;
    size_t n;

    if (size == 0) {
        return 0;
    }
    n = utf8_form(p[0], &bits, &least);
    if (n > size) {
        return 0;
    }
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
        bits = bits << 6 | (p[i] & 0x3fU);
    }
    if (bits < least || bits > 0x10ffff || (bits >= 0xd800 && bits <= 0xdfff)) {
        return 0;
    }
    *code = bits;
    return n;
}

bool text_is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

/* YAML 1.1 breaks lines here too, most editors do not. */
static bool is_odd_separator(uint32_t code)
{
    return code == 0x2028 || code == 0x2029;
}

static bool is_allowed(const char *text, size_t size, uint32_t code)
{
    if (code == '\r') {
        return size > 1 && text[1] == '\n';
    }
    return code == '\n' || code == '\t' ||
           !(text_is_control(code) || is_odd_separator(code) ||
             code == 0xfeff || code == 0xfffe || code == 0xffff);
}

static void name_character(char what[TEXT_WHAT], size_t length,
                           unsigned char byte, uint32_t code)
{
    if (length == 0) {
        (void)snprintf(what, TEXT_WHAT, "a byte 0x%02x that is no UTF-8", byte);
    } else if (code == 0) {
        (void)snprintf(what, TEXT_WHAT, "a NUL byte");
    } else if (code == '\r') {
        (void)snprintf(what, TEXT_WHAT,
                       "a carriage return without a line feed");
    } else {
        (void)snprintf(what, TEXT_WHAT, "the character U+%04X", code);
    }
}

bool text_check(const char *text, size_t size, struct config_at *at,
                char what[TEXT_WHAT])
{
    uint32_t line = 1;
    uint32_t column = 1;
    size_t i = 0;

    while (i < size) {
        uint32_t code = 0;
        size_t n = text_utf8(text + i, size - i, &code);

        if (n == 0 || !is_allowed(text + i, size - i, code)) {
            *at = (struct config_at){line, column, line, column + 1};
            name_character(what, n, (unsigned char)text[i], code);
            return false;
        }
        column++;
        if (code == '\n') {
            line++;
            column = 1;
        }
        i += n;
    }
    return true;
}

size_t text_show(char **out, const char *end, const char *text, size_t size)
{
    uint32_t code = 0;
    size_t n = text_utf8(text, size, &code);
    bool is_shown = n > 0 && (code == '\t' || !text_is_control(code)) &&
                    !is_odd_separator(code) && code != 0xfeff;

    if (*out + (is_shown ? n : 1) < end) {
        if (is_shown) {
            memcpy(*out, text, n);
            *out += n;
        } else {
            *(*out)++ = '?';
        }
    }
    return n > 0 ? n : 1;
}

uint32_t text_count(const char *text, size_t size)
{
    uint32_t code;
    uint32_t n = 0;

    for (size_t i = 0; i < size; n++) {
        size_t length = text_utf8(text + i, size - i, &code);

        i += length > 0 ? length : 1;
    }
    return n;
}

const char *text_quote(char out[TEXT_QUOTE], const char *text, size_t length)
{
    char *p = out;
    const char *end = out + TEXT_QUOTE - 8; /* room for `..."` and a NUL */
    size_t i = 0;

    *p++ = '"';
    while (i < length && p + 4 < end) {
        if (text[i] == '\n' || text[i] == '\t') {
            *p++ = '\\';
            *p++ = text[i] == '\n' ? 'n' : 't';
            i++;
        } else {
            i += text_show(&p, end, text + i, length - i);
        }
    }
    if (i < length) {
        memcpy(p, "...", 3);
        p += 3;
    }
    *p++ = '"';
    *p = '\0';
    return out;
}

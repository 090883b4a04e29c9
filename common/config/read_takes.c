#include "config/read.h"
#include "config/value.h"

#include <string.h>

static void append(char out[READ_TAKES], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void append(char out[READ_TAKES], const char *format, ...)
{
    size_t used = strlen(out);
    va_list args;

    va_start(args, format);
    (void)vsnprintf(out + used, READ_TAKES - used, format, args);
    va_end(args);
}

static const char *format_number(const struct read_row *row, double number,
                                 char out[VALUE_FORMAT])
{
    switch (row->type) {
    case READ_DURATION: return value_format_duration(out, (uint64_t)number);
    case READ_BYTES: return value_format_bytes(out, (uint64_t)number);
    case READ_PERCENT:
        (void)snprintf(out, VALUE_FORMAT, "%g%%", number * 100);
        return out;
    default: (void)snprintf(out, VALUE_FORMAT, "%.10g", number); return out;
    }
}

static void append_number(const struct read_row *row, const char *what,
                          char out[READ_TAKES])
{
    char low[VALUE_FORMAT];
    char high[VALUE_FORMAT];

    append(out, "%s", what);
    if (row->min < row->max) {
        append(out, " from %s to %s", format_number(row, row->min, low),
               format_number(row, row->max, high));
    }
    if (row->now > 0) {
        append(out, " (%s in this version)",
               format_number(row, row->now, high));
    }
}

/* The words of this release, as "a, b or c". */
static void append_words(const struct read_row *row, char out[READ_TAKES])
{
    const struct read_word *last = NULL;
    bool is_first = out[0] == '\0';

    for (const struct read_word *w = row->words; w && w->word; w++) {
        if (w->is_later) {
            continue;
        }
        if (last != NULL) {
            append(out, "%s%s", is_first ? "" : ", ", last->word);
            is_first = false;
        }
        last = w;
    }
    if (last != NULL) {
        append(out, "%s%s", is_first ? "" : " or ", last->word);
    }
}

static void append_type(const struct read_row *row, char out[READ_TAKES])
{
    switch (row->type) {
    case READ_TEXT: append(out, "text"); break;
    case READ_PATH: append(out, "a path"); break;
    case READ_NAME:
        append(out, "a name (letters, digits and ._-, at most 64)");
        break;
    case READ_HOST: append(out, "a host name or address"); break;
    case READ_DIGEST: append(out, "64 hexadecimal digits"); break;
    case READ_INT: append_number(row, "a whole number", out); break;
    case READ_REAL: append_number(row, "a number", out); break;
    case READ_PERCENT: append_number(row, "a percentage", out); break;
    case READ_DURATION: append_number(row, "a duration", out); break;
    case READ_BYTES: append_number(row, "a size", out); break;
    case READ_NAMES: append(out, "a list of names"); break;
    case READ_PAIRS: append(out, "a mapping of names to texts"); break;
    case READ_NUMBERS: append(out, "a mapping of names to numbers"); break;
    case READ_MAP: append(out, "a mapping"); break;
    case READ_MAPS: append(out, "a list of mappings"); break;
    case READ_KEYED: append(out, "a mapping of names to mappings"); break;
    case READ_CHOICE:
    case READ_OWN: break;
    }
}

const char *read_takes(const struct read_row *row, char out[READ_TAKES])
{
    out[0] = '\0';
    if (row->takes != NULL) {
        append(out, "%s", row->takes);
        return out;
    }
    append_type(row, out);
    append_words(row, out);
    return out;
}

#include "config/errors.h"

#include "config/text.h"

#include <string.h>

static size_t find_line(const struct config_errors *errors, uint32_t line,
                        size_t *size)
{
    const char *text = errors->source;
    const char *end = text + errors->source_size;
    const char *stop;

    for (uint32_t i = 1; i < line && text < end; i++) {
        const char *next = memchr(text, '\n', (size_t)(end - text));

        text = next != NULL ? next + 1 : end;
    }
    stop = memchr(text, '\n', (size_t)(end - text));
    if (stop == NULL) {
        stop = end;
    }
    if (stop > text && stop[-1] == '\r') {
        stop--;
    }
    *size = (size_t)(stop - text);
    return (size_t)(text - errors->source);
}

/* Copies the characters from..to of a line, "..." standing for the rest. */
static void cut_line(struct config_error *error, const char *text, size_t size,
                     uint32_t from, uint32_t to, uint32_t length)
{
    char *out = error->line;
    const char *end = error->line + sizeof(error->line) - 4;
    size_t at = 0;

    if (from > 0) {
        memcpy(out, "...", 3);
        out += 3;
    }
    for (uint32_t i = 0; i < to && at < size; i++) {
        char *start = out;

        at += text_show(&out, end, text + at, size - at);
        if (i < from) {
            out = start;
        }
    }
    if (to < length) {
        memcpy(out, "...", 3);
        out += 3;
    }
    *out = '\0';
}

/* The line of an error with a window around the piece at fault. */
static void take_excerpt(const struct config_errors *errors,
                         struct config_error *error)
{
    const struct config_at *at = &error->at;
    size_t size = 0;
    size_t start = find_line(errors, at->line, &size);
    uint32_t length = text_count(errors->source + start, size);
    uint32_t column = at->column > 0 ? at->column - 1 : 0;
    uint32_t end = at->end_line == at->line && at->end_column > at->column
                       ? at->end_column - 1
                   : at->end_line > at->line ? length
                                             : column + 1;
    uint32_t from;
    uint32_t to;

    column = column > length ? length : column;
    end = end > length ? length : end;
    from = column > CONFIG_EXCERPT / 2 && length > CONFIG_EXCERPT
               ? column - CONFIG_EXCERPT / 2
               : 0;
    to = length - from > CONFIG_EXCERPT ? from + CONFIG_EXCERPT : length;
    cut_line(error, errors->source + start, size, from, to, length);
    end = end > to ? to : end;
    error->pad = column - from + (from > 0 ? 3 : 0);
    error->width = end > column ? end - column : 1;
    if (size == 0) {
        error->width = 0;
    }
}

void config_errors_init(struct config_errors *errors, const char *label,
                        const char *source, size_t size)
{
    errors->n = 0;
    errors->n_errors = 0;
    errors->n_warnings = 0;
    (void)snprintf(errors->label, sizeof(errors->label), "%s", label);
    errors->source = source;
    errors->source_size = size;
}

void config_errors_detach(struct config_errors *errors)
{
    errors->source = NULL;
    errors->source_size = 0;
}

static bool is_before(const struct config_at *a, const struct config_at *b)
{
    return a->line != b->line ? a->line < b->line : a->column < b->column;
}

/* Makes room at its place in the order of the file; NULL if all is taken. */
static struct config_error *insert(struct config_errors *errors,
                                   const struct config_at *at)
{
    size_t i = errors->n;

    if (i == LIMIT_CONFIG_ERRORS) {
        return NULL;
    }
    while (i > 0 && is_before(at, &errors->items[i - 1].at)) {
        i--;
    }
    memmove(&errors->items[i + 1], &errors->items[i],
            (errors->n - i) * sizeof(errors->items[0]));
    errors->n++;
    return &errors->items[i];
}

static void add(struct config_errors *errors, const struct config_at *at,
                bool is_warning, const char *format, va_list args)
{
    struct config_error *error = insert(errors, at);

    if (is_warning) {
        errors->n_warnings++;
    } else {
        errors->n_errors++;
    }
    if (error == NULL) {
        return;
    }
    memset(error, 0, sizeof(*error));
    error->is_warning = is_warning;
    error->at = *at;
    (void)vsnprintf(error->text, sizeof(error->text), format, args);
    if (errors->source != NULL && at->end_line > 0) {
        take_excerpt(errors, error);
    }
}

void config_error_va(struct config_errors *errors, const struct config_at *at,
                     const char *format, va_list args)
{
    add(errors, at, false, format, args);
}

void config_error(struct config_errors *errors, const struct config_at *at,
                  const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(errors, at, false, format, args);
    va_end(args);
}

void config_warning(struct config_errors *errors, const struct config_at *at,
                    const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add(errors, at, true, format, args);
    va_end(args);
}

/* Tabs of the line are kept before the caret, so that it stands below. */
static void print_caret(const struct config_error *error, FILE *out)
{
    const char *p = error->line;
    size_t left = strlen(p);
    uint32_t code;

    for (uint32_t i = 0; i < error->pad; i++) {
        size_t n = text_utf8(p, left, &code);

        (void)fputc(n > 0 && *p == '\t' ? '\t' : ' ', out);
        p += n;
        left -= n;
    }
    (void)fputc('^', out);
    for (uint32_t i = 1; i < error->width; i++) {
        (void)fputc('~', out);
    }
    (void)fputc('\n', out);
}

static void print_one(const struct config_errors *errors,
                      const struct config_error *error, FILE *out)
{
    (void)fprintf(out, "%s:", errors->label);
    if (error->at.line > 0) {
        (void)fprintf(out, "%u:%u:", error->at.line, error->at.column);
    }
    (void)fprintf(out, " %s: %s\n", error->is_warning ? "warning" : "error",
                  error->text);
    if (error->width > 0) {
        (void)fprintf(out, "%s\n", error->line);
        print_caret(error, out);
    }
}

void config_errors_print(const struct config_errors *errors,
                         const char *outcome, FILE *out)
{
    for (size_t i = 0; i < errors->n; i++) {
        print_one(errors, &errors->items[i], out);
    }
    if (errors->n_errors == 0) {
        return;
    }
    (void)fprintf(out, "%zu error%s", errors->n_errors,
                  errors->n_errors == 1 ? "" : "s");
    if (errors->n < errors->n_errors + errors->n_warnings) {
        (void)fprintf(out, ", not all of them shown");
    }
    (void)fprintf(out, "; %s.\n", outcome);
}

#include "config/write.h"

#include "config/value.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#define DEPTH 8 /* of mappings in mappings */

/* ---- scalars ------------------------------------------------------------- */

/* Nothing that YAML would take for something else, nor a comment. */
static bool is_plain(const char *text)
{
    static const char *const words[] = {"null",  "Null", "NULL", "true",
                                        "false", "yes",  "no"};

    if (!isalnum((unsigned char)text[0])) {
        return false;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(text, words[i]) == 0) {
            return false;
        }
    }
    for (const char *p = text; *p != '\0'; p++) {
        if (!isalnum((unsigned char)*p) && strchr("_.-+/%", *p) == NULL) {
            return false;
        }
    }
    return true;
}

void write_text(const char *text, FILE *out)
{
    if (is_plain(text)) {
        (void)fputs(text, out);
        return;
    }
    (void)fputc('"', out);
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\') {
            (void)fputc('\\', out);
        }
        if (*p == '\t') {
            (void)fputs("\\t", out);
        } else {
            (void)fputc(*p, out);
        }
    }
    (void)fputc('"', out);
}

static bool is_real(const struct read_row *row)
{
    return row->type == READ_REAL || row->type == READ_PERCENT;
}

static double load_real(const struct read_row *row, const char *field)
{
    float single;
    double value;

    if (row->size == sizeof(single)) {
        memcpy(&single, field, sizeof(single));
        return (double)single;
    }
    memcpy(&value, field, sizeof(value));
    return value;
}

/* Unsigned but for an int, which words such as "auto" may make negative. */
static int64_t load_whole(const struct read_row *row, const char *field)
{
    uint8_t u8;
    uint16_t u16;
    int32_t i32;
    int64_t i64;

    switch (row->size) {
    case 1: memcpy(&u8, field, 1); return u8;
    case 2: memcpy(&u16, field, 2); return u16;
    case 4:
        memcpy(&i32, field, 4);
        return i32 >= -1 ? i32 : (int64_t)(uint32_t)i32;
    default: memcpy(&i64, field, 8); return i64;
    }
}

static const struct read_word *word_of(const struct read_row *row,
                                       const char *field)
{
    int64_t value =
        is_real(row) ? (int64_t)load_real(row, field) : load_whole(row, field);

    if (is_real(row) && load_real(row, field) > (double)value) {
        return NULL;
    }
    for (const struct read_word *w = row->words; w && w->word; w++) {
        if (w->value == value) {
            return w;
        }
    }
    return NULL;
}

static void write_number(const struct read_row *row, const char *field,
                         FILE *out)
{
    char text[VALUE_FORMAT];

    switch (row->type) {
    case READ_REAL:
        (void)fprintf(out, "%.*g", row->size == sizeof(float) ? 7 : 15,
                      load_real(row, field));
        break;
    case READ_PERCENT:
        (void)fprintf(out, "%.7g%%", load_real(row, field) * 100);
        break;
    case READ_DURATION:
        (void)fputs(
            value_format_duration(text, (uint64_t)load_whole(row, field)), out);
        break;
    case READ_BYTES:
        (void)fputs(value_format_bytes(text, (uint64_t)load_whole(row, field)),
                    out);
        break;
    default:
        (void)fprintf(out, "%lld", (long long)load_whole(row, field));
        break;
    }
}

/* ---- lists --------------------------------------------------------------- */

static void load_array(const struct read_row *row, const char *base,
                       const char **items, size_t *n)
{
    memcpy(items, base + row->offset, sizeof(*items));
    memcpy(n, base + row->count, sizeof(*n));
}

static void write_names(const struct read_row *row, const char *base, FILE *out)
{
    const char *items;
    size_t n;

    load_array(row, base, &items, &n);
    (void)fputc('[', out);
    for (size_t i = 0; i < n; i++) {
        const char *name;

        memcpy(&name, items + i * row->size, sizeof(name));
        (void)fputs(i > 0 ? ", " : "", out);
        write_text(name, out);
    }
    (void)fputc(']', out);
}

static void write_pairs(const struct read_row *row, const char *base, FILE *out)
{
    const char *items;
    size_t n;

    load_array(row, base, &items, &n);
    (void)fputc('{', out);
    for (size_t i = 0; i < n; i++) {
        struct config_pair pair;

        memcpy(&pair, items + i * row->size, sizeof(pair));
        (void)fputs(i > 0 ? ", " : "", out);
        write_text(pair.name, out);
        (void)fputs(": ", out);
        write_text(pair.value, out);
    }
    (void)fputc('}', out);
}

static void write_numbers(const struct read_row *row, const char *base,
                          FILE *out)
{
    const char *items;
    size_t n;

    load_array(row, base, &items, &n);
    (void)fputc('{', out);
    for (size_t i = 0; i < n; i++) {
        struct config_number number;

        memcpy(&number, items + i * row->size, sizeof(number));
        (void)fputs(i > 0 ? ", " : "", out);
        write_text(number.name, out);
        (void)fprintf(out, ": %.15g", number.value);
    }
    (void)fputc('}', out);
}

/* ---- what is there ------------------------------------------------------- */

static bool is_text(const struct read_row *row)
{
    return row->type == READ_TEXT || row->type == READ_PATH ||
           row->type == READ_NAME || row->type == READ_HOST ||
           row->type == READ_DIGEST;
}

static bool is_list(const struct read_row *row)
{
    return row->count > 0;
}

/* A number that its row would refuse was not given. */
static bool is_number_set(const struct read_row *row, const char *field)
{
    const struct read_word *word = word_of(row, field);
    double value =
        is_real(row) ? load_real(row, field) : (double)load_whole(row, field);

    if (word != NULL) {
        return !word->is_later;
    }
    return row->type != READ_CHOICE &&
           (!(row->min < row->max) || (value >= row->min && value <= row->max));
}

static bool is_row_set(const struct read_row *row, const char *base)
{
    const char *text;
    size_t n;

    if (row->flags & READ_LATER) {
        return false;
    }
    if (row->is_set != NULL) {
        return row->is_set(row, base);
    }
    if (is_text(row)) {
        memcpy(&text, base + row->offset, sizeof(text));
        return text != NULL;
    }
    if (is_list(row)) {
        memcpy(&n, base + row->count, sizeof(n));
        return n > 0;
    }
    if (row->type == READ_MAP) {
        return true;
    }
    return row->type == READ_OWN ? row->write != NULL
                                 : is_number_set(row, base + row->offset);
}

/* A mapping without what it requires was not given. */
static bool is_table_set(const struct read_table *table, const char *base)
{
    bool is_any = false;

    for (size_t i = 0; i < table->n; i++) {
        bool is_set = is_row_set(&table->rows[i], base);

        if (!is_set && (table->rows[i].flags & READ_REQUIRED)) {
            return false;
        }
        is_any = is_any || is_set;
    }
    return is_any;
}

static bool is_shown(const struct read_row *row, const char *base)
{
    return is_row_set(row, base) &&
           (row->type != READ_MAP ||
            is_table_set(row->table, base + row->offset));
}

/* ---- all of it ----------------------------------------------------------- */

/* Anything but a mapping by a table. */
static void write_value(const struct read_row *row, const char *base, FILE *out)
{
    const char *text;
    const struct read_word *word;

    if (row->write != NULL) {
        row->write(row, base, out);
        return;
    }
    if (is_text(row)) {
        memcpy(&text, base + row->offset, sizeof(text));
        write_text(text, out);
        return;
    }
    switch (row->type) {
    case READ_NAMES: write_names(row, base, out); return;
    case READ_PAIRS: write_pairs(row, base, out); return;
    case READ_NUMBERS: write_numbers(row, base, out); return;
    default: break;
    }
    word = word_of(row, base + row->offset);
    if (word != NULL) {
        (void)fputs(word->word, out);
    } else {
        write_number(row, base + row->offset, out);
    }
}

struct level { /* a mapping that is being written, or one of a list */
    const struct read_table *table;
    const char *base;
    size_t row;
    bool has_any;
    size_t more; /* mappings of the list behind this one */
    size_t size; /* of each; 0: it is in no list */
};

/* What is in it: what begins there is left to be written. */
static struct level level_of(const struct read_row *row, const char *base,
                             FILE *out)
{
    struct level level = {.table = row->table};

    if (row->type == READ_MAP) {
        (void)fputc('{', out);
        level.base = base + row->offset;
        return level;
    }
    (void)fputs("[{", out);
    load_array(row, base, &level.base, &level.more);
    level.more--;
    level.size = row->size;
    return level;
}

/* Behind a mapping's last key: whether another one of its list follows. */
static bool goes_on(struct level *level, FILE *out)
{
    if (level->more == 0) {
        (void)fputs(level->size > 0 ? "}]" : "}", out);
        return false;
    }
    (void)fputs("}, {", out);
    level->more--;
    level->base += level->size;
    level->row = 0;
    level->has_any = false;
    return true;
}

/* {key: value, ...} */
static void write_flow(const struct read_table *table, const char *base,
                       FILE *out)
{
    struct level levels[DEPTH] = {{.table = table, .base = base}};
    size_t n = 1;

    (void)fputc('{', out);
    while (n > 0) {
        struct level *level = &levels[n - 1];
        const struct read_row *row;

        if (level->row == level->table->n) {
            n -= !goes_on(level, out);
            continue;
        }
        row = &level->table->rows[level->row++];
        if (!is_shown(row, level->base)) {
            continue;
        }
        (void)fprintf(out, "%s%s: ", level->has_any ? ", " : "", row->key);
        level->has_any = true;
        if (row->type == READ_MAP || row->type == READ_MAPS) {
            assert(n < DEPTH);
            levels[n++] = level_of(row, level->base, out);
        } else {
            write_value(row, level->base, out);
        }
    }
}

void write_items(const struct read_table *table, const void *items, size_t n,
                 size_t size, FILE *out)
{
    for (size_t i = 0; i < n; i++) {
        (void)fputs("\n  - ", out);
        write_flow(table, (const char *)items + i * size, out);
    }
}

static void write_list(const struct read_row *row, const char *base, FILE *out)
{
    const char *items;
    size_t n;

    load_array(row, base, &items, &n);
    write_items(row->table, items, n, row->size, out);
}

/* What begins a line of its own, or several. */
static void write_row(const struct read_row *row, const char *base, FILE *out)
{
    if (row->type == READ_MAP) {
        (void)fputc(' ', out);
        write_flow(row->table, base + row->offset, out);
    } else if (row->type == READ_MAPS) {
        write_list(row, base, out);
    } else {
        if (row->table == NULL) {
            (void)fputc(' ', out);
        }
        write_value(row, base, out);
    }
}

void write_tree(const struct read_table *table, const void *base, FILE *out)
{
    for (size_t i = 0; i < table->n; i++) {
        const struct read_row *row = &table->rows[i];

        if (is_shown(row, base)) {
            (void)fprintf(out, "%s:", row->key);
            write_row(row, base, out);
            (void)fputc('\n', out);
        }
    }
}

#include "config/reference.h"

#include <string.h>

/* ---- Markdown ---- */

static void print_cell(const char *text, FILE *out)
{
    for (; *text != '\0'; text++) {
        if (*text == '|') {
            (void)fputc('\\', out);
        }
        (void)fputc(*text, out);
    }
}

static void print_default(const struct read_row *row, FILE *out)
{
    if (row->flags & READ_LATER) {
        (void)fprintf(out, "-");
    } else if (row->flags & READ_REQUIRED) {
        (void)fprintf(out, "required");
    } else if (row->initial != NULL) {
        (void)fprintf(out, "`%s`", row->initial);
    }
}

static void print_row(const struct read_row *row, FILE *out)
{
    char takes[READ_TAKES];

    (void)fprintf(out, "| `%s` | ", row->key);
    print_cell(read_takes(row, takes), out);
    (void)fprintf(out, " | ");
    print_default(row, out);
    (void)fprintf(out, " | ");
    print_cell(row->help, out);
    if (row->flags & READ_LATER) {
        (void)fprintf(out, " (not in this version)");
    }
    (void)fprintf(out, " |\n");
}

/* True if the table can only be reached through rows of later releases. */
static bool is_later(const struct read_table *const *tables,
                     const bool *is_later_before, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        for (size_t k = 0; k < tables[j]->n; k++) {
            const struct read_row *row = &tables[j]->rows[k];

            if (row->table == tables[i]) {
                return is_later_before[j] || (row->flags & READ_LATER) != 0;
            }
        }
    }
    return false;
}

void reference_page(const struct read_table *table, FILE *out)
{
    const struct read_table *tables[READ_TABLES];
    bool later[READ_TABLES] = {false};
    size_t n = read_tables(table, tables);

    for (size_t i = 0; i < n; i++) {
        const struct read_table *t = tables[i];

        later[i] = is_later(tables, later, i);
        if (t->name[0] != '\0') {
            (void)fprintf(out, "\n### `%s`: %s%s\n", t->name, t->help,
                          later[i] ? " (not in this version)" : "");
        }
        (void)fprintf(out, "\n| key | takes | default | meaning |\n"
                           "|---|---|---|---|\n");
        for (size_t j = 0; j < t->n; j++) {
            print_row(&t->rows[j], out);
        }
    }
}

/* ---- JSON Schema ---- */

static void print_string(const char *text, FILE *out)
{
    (void)fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            (void)fputc('\\', out);
        }
        (void)fputc(*text, out);
    }
    (void)fputc('"', out);
}

/* "model.input" and "stages[]" as parts of a JSON pointer. */
static void print_definition(const struct read_table *table, FILE *out)
{
    for (const char *p = table->name; *p != '\0'; p++) {
        if (*p != '[' && *p != ']') {
            (void)fputc(*p == '.' ? '-' : *p, out);
        }
    }
}

static void print_reference(const struct read_table *table, FILE *out)
{
    (void)fprintf(out, "{\"$ref\":\"#/definitions/");
    print_definition(table, out);
    (void)fprintf(out, "\"}");
}

static void print_number(const struct read_row *row, const char *type,
                         FILE *out)
{
    double max = row->now > 0 ? row->now : row->max;

    (void)fprintf(out, "{\"type\":\"%s\"", type);
    if (row->min < row->max) {
        (void)fprintf(out, ",\"minimum\":%.10g,\"maximum\":%.10g", row->min,
                      max);
    }
    (void)fprintf(out, "}");
}

static void print_words(const struct read_row *row, FILE *out)
{
    bool is_first = true;

    (void)fprintf(out, "{\"enum\":[");
    for (const struct read_word *w = row->words; w->word != NULL; w++) {
        if (w->is_later) {
            continue;
        }
        (void)fprintf(out, "%s", is_first ? "" : ",");
        print_string(w->word, out);
        is_first = false;
    }
    (void)fprintf(out, "]}");
}

#define NAME_SCHEMA \
    "{\"type\":\"string\",\"pattern\":\"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$\"}"
#define NUMBER_PATTERN "^(0|[1-9][0-9]*)([.][0-9]+)?"

/* The schemas of the types that are the same in each row. */
static const char *fixed_schema(enum read_type type)
{
    switch (type) {
    case READ_TEXT:
    case READ_PATH:
    case READ_HOST: return "{\"type\":\"string\",\"minLength\":1}";
    case READ_NAME: return NAME_SCHEMA;
    case READ_DIGEST:
        return "{\"type\":\"string\",\"pattern\":\"^[0-9a-fA-F]{64}$\"}";
    case READ_PERCENT:
        return "{\"type\":\"string\",\"pattern\":\"" NUMBER_PATTERN "%$\"}";
    case READ_DURATION:
        return "{\"type\":\"string\",\"pattern\":\"" NUMBER_PATTERN
               "(ms|s|m|h|d)$\"}";
    case READ_BYTES:
        return "{\"type\":\"string\",\"pattern\":\"" NUMBER_PATTERN
               "(B|KiB|MiB|GiB|TiB)$\"}";
    case READ_NAMES:
        return "{\"type\":\"array\",\"minItems\":1,\"items\":" NAME_SCHEMA "}";
    case READ_PAIRS:
        return "{\"type\":\"object\",\"additionalProperties\":"
               "{\"type\":[\"string\",\"number\",\"boolean\"]}}";
    case READ_NUMBERS:
        return "{\"type\":\"object\",\"additionalProperties\":"
               "{\"type\":\"number\"}}";
    default: return NULL;
    }
}

static void print_type(const struct read_row *row, FILE *out)
{
    switch (row->type) {
    case READ_INT: print_number(row, "integer", out); break;
    case READ_REAL: print_number(row, "number", out); break;
    case READ_CHOICE: print_words(row, out); break;
    case READ_OWN: (void)fprintf(out, "%s", row->schema); break;
    case READ_MAP: print_reference(row->table, out); break;
    case READ_MAPS:
        (void)fprintf(out, "{\"type\":\"array\",\"minItems\":1,\"items\":");
        print_reference(row->table, out);
        (void)fprintf(out, "}");
        break;
    case READ_KEYED:
        (void)fprintf(out, "{\"type\":\"object\",\"additionalProperties\":");
        print_reference(row->table, out);
        (void)fprintf(out, "}");
        break;
    default: (void)fprintf(out, "%s", fixed_schema(row->type)); break;
    }
}

static void print_value(const struct read_row *row, FILE *out)
{
    bool has_words = row->words != NULL && row->type != READ_CHOICE;

    if (row->flags & READ_LATER) {
        (void)fprintf(out, "\"not\":{}");
        return;
    }
    /* Draft 7 ignores whatever stands beside a $ref, hence the anyOf. */
    (void)fprintf(out, "\"anyOf\":[");
    print_type(row, out);
    if (has_words) {
        (void)fprintf(out, ",");
        print_words(row, out);
    }
    (void)fprintf(out, "]");
}

static void print_property(const struct read_row *row, FILE *out)
{
    bool is_number = row->type == READ_INT || row->type == READ_REAL;

    (void)fprintf(out, "   ");
    print_string(row->key, out);
    (void)fprintf(out, ":{");
    print_value(row, out);
    (void)fprintf(out, ",\n    \"description\":");
    print_string(row->help, out);
    if (row->initial != NULL && !(row->flags & READ_LATER)) {
        (void)fprintf(out, ",\"default\":");
        if (is_number && strspn(row->initial, "0123456789.") > 0) {
            (void)fprintf(out, "%s", row->initial);
        } else {
            print_string(row->initial, out);
        }
    }
    (void)fprintf(out, "}");
}

static void print_object(const struct read_table *table, FILE *out)
{
    bool is_first = true;

    (void)fprintf(out, "  \"type\":\"object\",\"additionalProperties\":false,\n"
                       "  \"required\":[");
    for (size_t i = 0; i < table->n; i++) {
        if (table->rows[i].flags & READ_REQUIRED) {
            (void)fprintf(out, "%s", is_first ? "" : ",");
            print_string(table->rows[i].key, out);
            is_first = false;
        }
    }
    (void)fprintf(out, "],\n  \"properties\":{\n");
    for (size_t i = 0; i < table->n; i++) {
        print_property(&table->rows[i], out);
        (void)fprintf(out, "%s\n", i + 1 < table->n ? "," : "");
    }
    (void)fprintf(out, "  }");
}

void reference_schema(const struct read_table *table, const char *title,
                      FILE *out)
{
    const struct read_table *tables[READ_TABLES];
    size_t n = read_tables(table, tables);

    (void)fprintf(out, "{\n  \"$schema\":"
                       "\"http://json-schema.org/draft-07/schema#\",\n"
                       "  \"title\":");
    print_string(title, out);
    (void)fprintf(out, ",\n");
    print_object(table, out);
    (void)fprintf(out, ",\n  \"definitions\":{\n");
    for (size_t i = 1; i < n; i++) {
        (void)fprintf(out, " \"");
        print_definition(tables[i], out);
        (void)fprintf(out, "\":{\n");
        print_object(tables[i], out);
        (void)fprintf(out, "}%s\n", i + 1 < n ? "," : "");
    }
    (void)fprintf(out, "  }\n}\n");
}

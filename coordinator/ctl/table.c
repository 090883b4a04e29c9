#include "coordinator/ctl/table.h"

#include "base/mem.h"

#include <libsmartcols/libsmartcols.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct table {
    struct libscols_table *scols;
    struct libscols_line *line;
};

static void need(const void *p)
{
    if (p == NULL) {
        (void)fputs("edgectl: out of memory\n", stderr);
        exit(CTL_FAILED);
    }
}

struct table *table_new(const struct ctl *ctl,
                        const struct table_column *columns, size_t n)
{
    struct table *table = mem_new(struct table);

    need(table);
    table->scols = scols_new_table();
    need(table->scols);
    (void)scols_table_enable_noheadings(table->scols, ctl->no_headers);
    (void)scols_table_set_column_separator(table->scols, "  ");
    for (size_t i = 0; i < n; i++) {
        need(scols_table_new_column(table->scols, columns[i].name, 0,
                                    columns[i].right ? SCOLS_FL_RIGHT : 0));
    }
    return table;
}

void table_row(struct table *table)
{
    table->line = scols_table_new_line(table->scols, NULL);
    need(table->line);
}

void table_text(struct table *table, size_t column, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    (void)scols_line_set_data(table->line, column, text);
}

void table_print(struct table *table)
{
    (void)scols_print_table(table->scols);
    scols_unref_table(table->scols);
    mem_free(table);
}

const char *table_age(uint64_t ms, char out[16])
{
    double s = (double)ms / 1000;

    if (s < 10) {
        (void)snprintf(out, 16, "%.1fs", s);
    } else if (s < 120) {
        (void)snprintf(out, 16, "%.0fs", s);
    } else if (s < 7200) {
        (void)snprintf(out, 16, "%.0fm", s / 60);
    } else if (s < 172800) {
        (void)snprintf(out, 16, "%.0fh", s / 3600);
    } else {
        (void)snprintf(out, 16, "%.0fd", s / 86400);
    }
    return out;
}

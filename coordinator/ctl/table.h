/* Tables for people, laid out by libsmartcols. */
#ifndef EDGE_CTL_TABLE_H
#define EDGE_CTL_TABLE_H

#include "coordinator/ctl/ctl.h"

struct table_column {
    const char *name;
    bool right; /* numbers */
};

struct table;

/* Out of memory ends the program: there is nothing to print then. */
struct table *table_new(const struct ctl *ctl,
                        const struct table_column *columns, size_t n);
void table_row(struct table *table); /* begins the next row */
void table_text(struct table *table, size_t column, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* To stdout; releases the table. */
void table_print(struct table *table);

/* "0.2s", "12s", "4m", "3h", "5d". */
const char *table_age(uint64_t ms, char out[16]);

#endif

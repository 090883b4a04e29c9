#include "base/limits_list.h"

#include "base/limits.h"

#define ROW(name, what) {#name, (uint64_t)(name), what},

static const struct limit rows[] = {
#include "base/limits_rows.h"
};

const struct limit *limits_list(size_t *n)
{
    *n = sizeof(rows) / sizeof(rows[0]);
    return rows;
}

void limits_print(FILE *out)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void)fprintf(out, "%-22s %14llu%s%s\n", rows[i].name,
                      (unsigned long long)rows[i].value,
                      rows[i].what[0] != '\0' ? "  " : "", rows[i].what);
    }
}

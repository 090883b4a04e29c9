/* One answer of `edgectl infer` on stdout: a line for people or for programs.
 */
#ifndef EDGE_CTL_INFER_PRINT_H
#define EDGE_CTL_INFER_PRINT_H

#include "coordinator/ctl/flights.h"

struct infer_line {
    const char *image; /* its name */
    size_t width;      /* names take so much, for people */
    size_t top;        /* so many classes */
    const struct deployed *deployed;
    const struct landed *landed;
};

/* On stderr, of an answer without some of the views. */
void infer_warn(const struct ctl *ctl, const struct infer_line *line);
int infer_print(const struct ctl *ctl, const struct infer_line *line,
                struct err *err);

#endif

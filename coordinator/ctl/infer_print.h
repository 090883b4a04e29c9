/* One answer of `edgectl infer` on stdout: a line for people or for programs.
 */
#ifndef EDGE_CTL_INFER_PRINT_H
#define EDGE_CTL_INFER_PRINT_H

#include "coordinator/ctl/flights.h"

#include <jansson.h>

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

/* What both `infer` and `watch` say of an answer: as JSON, without the image's
 * name; its classes, or what its outputs are; the views that it lacks. Text is
 * for mem_free(). NULL: out of memory. */
json_t *infer_json(const struct infer_line *line);
char *infer_text(const struct infer_line *line);
char *infer_missing(const struct landed *landed);

#endif
